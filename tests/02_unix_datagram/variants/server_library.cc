// A variant with what lab 01 has earned: addresses, bind, stale files and files
// that are removed at the end. Signals come in ppoll only.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "lib/errno_status.h"
#include "lib/program.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/socket_path.h"
#include "lib/unique_fd.h"

namespace {

volatile sig_atomic_t stopped = 0;

int Refuse(const absl::Status& status) {
  fprintf(stderr, "server: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  const char* path = "/tmp/unix.dgram";
  int datagrams = 1;
  int size = 1024;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"},
                   {"datagrams", &datagrams, "count"},
                   {"size", &size, "bytes"}});
  sigset_t stops, before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, &before);
  struct sigaction action = {};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  const auto address = ipc::SocketAddress::UnixPath(path);
  if (!address.ok()) return Refuse(address.status());
  const absl::Status stale = ipc::RemoveStaleSocket(path);
  if (!stale.ok()) return Refuse(stale);
  const auto server = ipc::Bind(*address, SOCK_DGRAM, 0600);
  if (!server.ok()) return Refuse(server.status());
  const auto file = ipc::SocketPath::Adopt(path);
  if (!file.ok()) return Refuse(file.status());

  int status = 0;
  while (datagrams > 0) {
    pollfd event = {server->get(), POLLIN, 0};
    if (ppoll(&event, 1, nullptr, &before) < 0) {
      if (stopped) return 0;
      continue;
    }
    std::string text(size, '\0');
    ipc::SocketAddress from;
    const ssize_t count = from.FillBy([&](sockaddr* data, socklen_t* length) {
      return recvfrom(server->get(), &text[0], text.size(), MSG_TRUNC, data,
                      length);
    });
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Refuse(ipc::ErrnoStatus("recvfrom", path));
    if (static_cast<size_t>(count) < text.size()) text.resize(count);
    printf("%zd bytes from %s", count, from.ToString().c_str());
    if (text.size() < static_cast<size_t>(count)) {
      printf(", cut to %zu", text.size());
    }
    printf("\n");
    if (fflush(stdout) != 0) return Refuse(ipc::ErrnoStatus("print", path));
    --datagrams;
    if (!from.named()) continue;
    absl::AsciiStrToUpper(&text);
    // A path of 108 bytes has a length that sendto does not take.
    const auto length = std::min<socklen_t>(from.size(), sizeof(sockaddr_un));
    if (sendto(server->get(), text.data(), text.size(), MSG_DONTWAIT,
               from.data(), length) < 0) {
      ipc::ReportErrno("sendto", from.ToString().c_str());
      status = 1;
    }
  }
  return status;
}
