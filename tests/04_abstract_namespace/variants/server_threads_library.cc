// A variant with a thread for each client, and with what lab 01 earned:
// UniqueFd and ReadExact.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/errno_status.h"
#include "lib/program.h"
#include "lib/stream_io.h"
#include "lib/unique_fd.h"

namespace {

std::atomic<bool> all_well{true};

int Fail(const absl::Status& status) {
  fprintf(stderr, "server: %s\n", std::string(status.message()).c_str());
  return 1;
}

void Serve(ipc::UniqueFd client, int number) {
  std::string record(1024, 0);
  while (true) {
    const auto got = ipc::ReadExact(client.get(), absl::MakeSpan(record));
    if (!got.ok()) {
      Fail(got.status());
      all_well = false;
    }
    if (!got.ok() || !*got) return;
    if (dprintf(1, "client %d: %s\n", number, record.c_str()) < 0) {
      Fail(ipc::ErrnoStatus("write", "standard output"));
      all_well = false;
      return;
    }
  }
}

absl::StatusOr<ipc::UniqueFd> Listen(std::string name) {
  const std::string shown = name;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.size() > 107) return ipc::ErrnoStatus("bind", name, ENAMETOOLONG);
  for (char& c : name) c = c == '@' ? '\0' : c;
  name.copy(address.sun_path + 1, name.size());
  const socklen_t length = sizeof(sa_family_t) + (name.empty() ? 0 : 1) +
                           static_cast<socklen_t>(name.size());
  ipc::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!fd.valid()) return ipc::ErrnoStatus("socket", shown);
  if (bind(fd.get(), generic, length) < 0) {
    return ipc::ErrnoStatus("bind", shown);
  }
  if (listen(fd.get(), SOMAXCONN) < 0) return ipc::ErrnoStatus("listen", shown);
  socklen_t bound = sizeof(address);
  getsockname(fd.get(), generic, &bound);
  std::string text(address.sun_path, bound - sizeof(sa_family_t));
  for (char& c : text) c = c == '\0' ? '@' : c;
  if (dprintf(1, "listening at %s, %u bytes of address\n", text.c_str(),
              bound) < 0) {
    return ipc::ErrnoStatus("write", "standard output");
  }
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "lab";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"}, {"clients", &clients, "count"}});
  signal(SIGPIPE, SIG_IGN);
  const auto listener = Listen(name);
  if (!listener.ok()) return Fail(listener.status());
  std::vector<std::thread> threads;
  while (static_cast<int>(threads.size()) < clients) {
    ipc::UniqueFd client(
        accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) {
      if (errno == EINTR) continue;
      Fail(ipc::ErrnoStatus("accept", name));
      all_well = false;
      break;
    }
    ucred peer = {};
    socklen_t size = sizeof(peer);
    getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
    if (peer.uid != geteuid()) {
      dprintf(2, "server: uid %u may not come in\n", peer.uid);
      continue;
    }
    const int number = static_cast<int>(threads.size()) + 1;
    threads.emplace_back(Serve, std::move(client), number);
  }
  for (std::thread& thread : threads) thread.join();
  return all_well ? 0 : 1;
}
