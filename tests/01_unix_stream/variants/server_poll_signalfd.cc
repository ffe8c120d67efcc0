// A variant around poll: signals arrive as a descriptor, and what has come is
// kept in a string from which whole records are cut.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <iostream>
#include <string>

#include "lib/program.h"

namespace {

constexpr size_t kRecord = 1024;

// Whether `fd` can be read; false when a signal came first.
bool Readable(int fd, int signals) {
  pollfd entries[] = {{signals, POLLIN, 0}, {fd, POLLIN, 0}};
  while (poll(entries, 2, -1) < 0) {
  }
  return !(entries[0].revents & POLLIN);
}

int BindAndListen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    errno = path.empty() ? EINVAL : ENAMETOOLONG;
    return -1;
  }
  path.copy(address.sun_path, path.size());
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (fchmod(fd, S_IRUSR | S_IWUSR) < 0) return -1;
  if (bind(fd, generic, sizeof(address)) == 0) return listen(fd, 8) ? -1 : fd;
  const int problem = errno;
  struct stat file;
  const int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool dead = problem == EADDRINUSE && lstat(path.c_str(), &file) == 0 &&
                    S_ISSOCK(file.st_mode) &&
                    connect(probe, generic, sizeof(address)) < 0 &&
                    errno == ECONNREFUSED;
  close(probe);
  if (dead && unlink(path.c_str()) == 0 &&
      bind(fd, generic, sizeof(address)) == 0 && listen(fd, 8) == 0) {
    return fd;
  }
  errno = problem;
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.domain";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"}, {"clients", &clients, "count"}});
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, nullptr);
  const int signals = signalfd(-1, &stops, SFD_CLOEXEC);
  if (signals < 0) {
    ipc::ReportErrno("signalfd", "");
    return 1;
  }

  const int listener = BindAndListen(path);
  if (listener < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  int status = 0;
  bool stopped = false;
  while (clients > 0 && !stopped) {
    if (!Readable(listener, signals)) break;
    const int client =
        accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) continue;
    --clients;
    std::cout << "\n===== info =====" << std::endl;
    std::string pending;
    char chunk[600];  // Deliberately no divisor of a record.
    while (!(stopped = !Readable(client, signals))) {
      const ssize_t count = read(client, chunk, sizeof(chunk));
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count < 0) {
        ipc::ReportErrno("read", "client");
        pending.clear();
        status = 1;
      }
      if (count <= 0) break;
      pending.append(chunk, count);
      for (; pending.size() >= kRecord; pending.erase(0, kRecord)) {
        const std::string record = pending.substr(0, kRecord);
        std::cout << "Message from client (1024): "
                  << record.substr(0, record.find('\0')) << std::endl;
      }
    }
    if (!stopped && !pending.empty()) {
      std::cerr << "server: read client: end of file after " << pending.size()
                << " bytes" << std::endl;
      status = 1;
    }
    close(client);
  }
  close(listener);
  unlink(path);
  if (!std::cout.flush()) {
    ipc::ReportErrno("write", "standard output");
    status = 1;
  }
  return status;
}
