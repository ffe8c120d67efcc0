// A variant in one process: epoll tells which client has something to read, and
// an object for each of them keeps what it has sent so far.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

struct Connection {
  int number;
  std::string bytes;
  ipc::UniqueFd fd;
};

bool Put(const std::string& s) {
  size_t at = 0;
  while (at < s.size()) {
    ssize_t n = write(STDOUT_FILENO, s.data() + at, s.size() - at);
    if (n == -1 && errno == EINTR) continue;
    if (n == -1) {
      ipc::ReportErrno("write", "standard output");
      return false;
    }
    at += n;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "lab";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "abstract name, @ for a NUL"},
                   {"clients", &clients, "how many clients to serve"}});
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);

  sockaddr_un where = {AF_UNIX, {}};
  socklen_t size = sizeof(sa_family_t);
  const size_t length = strlen(name);
  if (length > 107) {
    errno = ENAMETOOLONG;
    ipc::ReportErrno("bind", name);
    return 1;
  }
  if (length) {
    for (size_t i = 0; i < length; ++i) {
      where.sun_path[i + 1] = name[i] == '@' ? '\0' : name[i];
    }
    size += 1 + length;
  }
  ipc::UniqueFd listener(
      socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.valid() || bind(listener.get(), (sockaddr*)&where, size) != 0) {
    ipc::ReportErrno("bind", name);
    return 1;
  }
  if (listen(listener.get(), 128) != 0) {
    ipc::ReportErrno("listen", name);
    return 1;
  }
  size = sizeof(where);
  getsockname(listener.get(), (sockaddr*)&where, &size);
  std::string shown;
  for (const char* p = where.sun_path; p < (const char*)&where + size; ++p) {
    shown += *p ? *p : '@';
  }
  if (!Put("listening at " + shown + ", " + std::to_string(size) +
           " bytes of address\n")) {
    return 1;
  }

  ipc::UniqueFd set(epoll_create1(EPOLL_CLOEXEC));
  if (!set.valid()) {
    ipc::ReportErrno("epoll_create", name);
    return 1;
  }
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = listener.get();
  if (epoll_ctl(set.get(), EPOLL_CTL_ADD, listener.get(), &event) < 0) {
    ipc::ReportErrno("epoll_ctl", name);
    return 1;
  }
  std::unordered_map<int, std::unique_ptr<Connection>> open_ones;
  int accepted = 0;
  int status = 0;
  while (accepted < clients || !open_ones.empty()) {
    epoll_event ready[16];
    const int count = epoll_wait(set.get(), ready, 16, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("epoll_wait", name);
      return 1;
    }
    for (int i = 0; i < count; ++i) {
      if (listener.valid() && ready[i].data.fd == listener.get()) {
        ipc::UniqueFd fd(accept4(listener.get(), nullptr, nullptr,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd.valid()) {
          if (errno == EINTR || errno == EAGAIN) continue;
          ipc::ReportErrno("accept", name);
          status = 1;
          accepted = clients;
          listener.reset();
          continue;
        }
        ucred who;
        socklen_t who_size = sizeof(who);
        if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &who_size) !=
            0) {
          ipc::ReportErrno("getsockopt", name);
          status = 1;
          continue;
        }
        if (who.uid != geteuid()) {
          fprintf(stderr, "server: accept %s: the client is uid %u\n", name,
                  who.uid);
          continue;
        }
        const int number = fd.get();
        auto one = std::make_unique<Connection>();
        one->number = ++accepted;
        one->fd = std::move(fd);
        event.data.fd = number;
        if (epoll_ctl(set.get(), EPOLL_CTL_ADD, number, &event) < 0) {
          ipc::ReportErrno("epoll_ctl", name);
          status = 1;
        } else {
          open_ones[number] = std::move(one);
        }
        if (accepted == clients) listener.reset();
        continue;
      }
      auto found = open_ones.find(ready[i].data.fd);
      if (found == open_ones.end()) continue;
      Connection& c = *found->second;
      char buffer[3000];
      const ssize_t n = recv(c.fd.get(), buffer, sizeof(buffer), 0);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      bool done = n <= 0;
      if (n < 0) {
        ipc::ReportErrno("recv",
                         ("client " + std::to_string(c.number)).c_str());
        status = 1;
      } else {
        c.bytes.append(buffer, n);
        while (c.bytes.size() >= 1024) {
          const std::string record = c.bytes.substr(0, 1024);
          c.bytes.erase(0, 1024);
          if (!Put("client " + std::to_string(c.number) + ": " +
                   record.substr(0, record.find('\0')) + "\n")) {
            status = 1;
            done = true;
            c.bytes.clear();
          }
        }
        if (n == 0 && !c.bytes.empty()) {
          fprintf(stderr, "server: recv client %d: %zu bytes, then the end\n",
                  c.number, c.bytes.size());
          status = 1;
        }
      }
      if (done) open_ones.erase(found);
    }
  }
  return status;
}
