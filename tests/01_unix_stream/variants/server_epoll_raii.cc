// A variant in C++ style around epoll: owners for the descriptors and the file,
// a vector that fills up, and a self-pipe for signals.
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "lib/program.h"

namespace {

int wake_up[2];

struct Fd {
  explicit Fd(int number) : number(number) {
    if (number < 0) throw std::system_error(errno, std::generic_category());
  }
  Fd(const Fd&) = delete;
  ~Fd() { close(number); }
  const int number;
};

struct BoundFile {
  BoundFile(int fd, const std::string& name) : name(name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (name.empty() || name.size() >= sizeof(address.sun_path)) {
      throw std::system_error(name.empty() ? EINVAL : ENAMETOOLONG,
                              std::generic_category());
    }
    std::copy(name.begin(), name.end(), address.sun_path);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    struct stat file;
    if (lstat(name.c_str(), &file) == 0 && S_ISSOCK(file.st_mode)) {
      Fd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (connect(probe.number, generic, sizeof(address)) < 0 &&
          errno == ECONNREFUSED) {
        unlink(name.c_str());
      }
    }
    if (fchmod(fd, 0600) < 0 || bind(fd, generic, sizeof(address)) < 0) {
      throw std::system_error(errno, std::generic_category());
    }
  }
  ~BoundFile() { unlink(name.c_str()); }
  const std::string name;
};

// Waits for `fd`; false when a signal came instead.
bool WaitFor(int fd) {
  Fd events(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  for (int watched : {wake_up[0], fd}) {
    event.data.fd = watched;
    if (epoll_ctl(events.number, EPOLL_CTL_ADD, watched, &event) < 0) {
      throw std::system_error(errno, std::generic_category());
    }
  }
  while (epoll_wait(events.number, &event, 1, -1) < 1) {
  }
  return event.data.fd == fd;
}

bool ServeUntilStopped(int client, bool* well) {
  std::cout << "\n===== info =====" << std::endl;
  std::vector<char> record;
  while (WaitFor(client)) {
    const size_t got = record.size();
    record.resize(1024);
    const ssize_t count =
        recv(client, record.data() + got, record.size() - got, 0);
    record.resize(got + std::max<ssize_t>(count, 0));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("recv", "client");
      *well = false;
      return false;
    }
    if (count == 0) {
      if (!record.empty()) {
        std::cerr << "server: recv client: lost after " << record.size()
                  << " bytes\n";
        *well = false;
      }
      return false;
    }
    if (record.size() < 1024) continue;
    const auto end = std::find(record.begin(), record.end(), '\0');
    std::cout << "Message from client (1024): "
              << std::string(record.begin(), end) << std::endl;
    record.clear();
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.domain";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"}, {"clients", &clients, "count"}});
  if (pipe2(wake_up, O_CLOEXEC | O_NONBLOCK) < 0) {
    ipc::ReportErrno("pipe", "");
    return 1;
  }
  for (int stop : {SIGINT, SIGTERM}) {
    signal(stop, [](int) { (void)!write(wake_up[1], "", 1); });
  }
  try {
    bool well = true;
    Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    BoundFile file(listener.number, path);
    if (listen(listener.number, 3) < 0) {
      throw std::system_error(errno, std::generic_category());
    }
    while (clients-- > 0 && WaitFor(listener.number)) {
      int accepted;
      do {
        accepted = accept4(listener.number, nullptr, nullptr, SOCK_CLOEXEC);
      } while (accepted < 0 && errno == EINTR);
      Fd client(accepted);
      if (ServeUntilStopped(client.number, &well)) break;
    }
    if (!std::cout) {
      ipc::ReportErrno("write", "standard output");
      well = false;
    }
    return well ? 0 : 1;
  } catch (const std::system_error& error) {
    ipc::ReportErrno("bind", path, error.code().value());
    return 1;
  }
}
