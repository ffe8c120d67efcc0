// A variant with non-blocking sockets on both sides, a ring of bounded size in
// each direction, and ppoll.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "lib/program.h"

namespace {

// At most `capacity` bytes, first in, first out.
class Ring {
 public:
  explicit Ring(size_t capacity) : bytes_(capacity) {}
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == bytes_.size(); }
  void clear() { size_ = 0; }
  // The longest run that can be filled, or taken.
  char* room() { return &bytes_[(first_ + size_) % bytes_.size()]; }
  size_t room_size() const {
    const size_t at = (first_ + size_) % bytes_.size();
    return std::min(bytes_.size() - size_, bytes_.size() - at);
  }
  char* front() { return &bytes_[first_]; }
  size_t front_size() const { return std::min(size_, bytes_.size() - first_); }
  void added(size_t n) { size_ += n; }
  void taken(size_t n) {
    first_ = (first_ + n) % bytes_.size();
    size_ -= n;
  }

 private:
  std::vector<char> bytes_;
  size_t first_ = 0, size_ = 0;
};

bool Again(int error) {
  return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

// The child never blocks in a call but ppoll. It reads no more than it can
// keep.
[[noreturn]] void Child(int fd) {
  Ring ring(200000);
  uint64_t total = 0;
  bool open = true;
  while (true) {
    if (!open && ring.empty()) break;
    pollfd entry = {fd, 0, 0};
    if (open && !ring.full()) entry.events |= POLLIN;
    if (!ring.empty()) entry.events |= POLLOUT;
    if (ppoll(&entry, 1, nullptr, nullptr) < 0) {
      if (errno == EINTR) continue;
      _exit(1);
    }
    if (entry.revents & POLLERR) _exit(1);
    if (open && !ring.full() && (entry.revents & (POLLIN | POLLHUP))) {
      char* at = ring.room();
      const ssize_t n = recv(fd, at, ring.room_size(), 0);
      if (n == 0) open = false;
      if (n < 0 && !Again(errno)) _exit(1);
      if (n > 0) {
        std::for_each(at, at + n, [](char& c) {
          if ('a' <= c && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        });
        total += n;
        ring.added(n);
      }
    }
    if (!ring.empty()) {
      const ssize_t n = send(fd, ring.front(), ring.front_size(), MSG_NOSIGNAL);
      if (n > 0) ring.taken(n);
      if (n < 0 && !Again(errno)) _exit(1);
    }
  }
  char info[128];
  const size_t size = snprintf(info, sizeof(info),
                               "\n===== info =====\nBytes from parent: %ju\n",
                               static_cast<uintmax_t>(total));
  size_t done = 0;
  while (done < size) {
    pollfd entry = {fd, POLLOUT, 0};
    ppoll(&entry, 1, nullptr, nullptr);
    const ssize_t n = send(fd, info + done, size - done, MSG_NOSIGNAL);
    if (n > 0) done += n;
    if (n < 0 && !Again(errno)) _exit(1);
  }
  _exit(0);
}

// Standard output stays as it is, blocking or not.
bool Drain(Ring& ring) {
  while (!ring.empty()) {
    const ssize_t n = write(STDOUT_FILENO, ring.front(), ring.front_size());
    if (n >= 0) {
      ring.taken(n);
    } else if (errno == EAGAIN) {
      pollfd entry = {STDOUT_FILENO, POLLOUT, 0};
      ppoll(&entry, 1, nullptr, nullptr);
    } else if (errno != EINTR) {
      ipc::ReportErrno("write", "standard output");
      return false;
    }
  }
  return true;
}

bool Parent(int fd) {
  Ring to_child(100000), from_child(150000);
  uint64_t forth = 0, back = 0;
  bool open = true, failed = false;
  while (!failed || back < forth) {
    pollfd fds[] = {{fd, POLLIN, 0}, {-1, POLLIN, 0}};
    if (!to_child.empty()) fds[0].events |= POLLOUT;
    if (open && !to_child.full()) fds[1].fd = STDIN_FILENO;
    if (ppoll(fds, 2, nullptr, nullptr) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("ppoll", "");
      return false;
    }
    if (fds[1].revents != 0) {
      const ssize_t n =
          read(STDIN_FILENO, to_child.room(), to_child.room_size());
      if (n == 0) open = false;
      if (n > 0) {
        to_child.added(n);
        forth += n;
      }
      if (n < 0 && !Again(errno)) {
        ipc::ReportErrno("read", "standard input");
        open = false;
        failed = true;
      }
      if (n == 0 && to_child.empty()) shutdown(fd, SHUT_WR);
    }
    if (fds[0].revents & POLLOUT) {
      const ssize_t n =
          send(fd, to_child.front(), to_child.front_size(), MSG_NOSIGNAL);
      if (n > 0) to_child.taken(n);
      if (n < 0 && !Again(errno)) {
        to_child.clear();
        open = false;
      } else if (!open && !failed && to_child.empty()) {
        shutdown(fd, SHUT_WR);
      }
    }
    if (fds[0].revents & (POLLIN | POLLERR | POLLHUP)) {
      const ssize_t n = recv(fd, from_child.room(), from_child.room_size(), 0);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) return !failed;
      if (n < 0 && !Again(errno)) {
        ipc::ReportErrno("recv", "child");
        return false;
      }
      if (n > 0) {
        back += n;
        from_child.added(n);
        if (!Drain(from_child)) return false;
      }
    }
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd ? O_RDONLY : O_WRONLY);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds)) {
    ipc::ReportErrno("socketpair", "");
    return 1;
  }
  const pid_t child = fork();
  if (child == -1) {
    ipc::ReportErrno("fork", "");
    return 1;
  }
  if (child == 0) {
    close(fds[1]);
    Child(fds[0]);
  }
  close(fds[0]);
  const bool well = Parent(fds[1]);
  close(fds[1]);
  siginfo_t info{};
  while (waitid(P_PID, child, &info, WEXITED) < 0) {
    if (errno == EINTR) continue;
    if (well) ipc::ReportErrno("waitid", "child");
    return 1;
  }
  if (!well) return 1;
  if (info.si_code == CLD_EXITED && info.si_status == 0) return 0;
  char problem[64];
  const char* name =
      info.si_code == CLD_EXITED ? nullptr : sigabbrev_np(info.si_status);
  if (name) {
    snprintf(problem, sizeof(problem), "child killed by SIG%s", name);
  } else {
    snprintf(problem, sizeof(problem), "child ended with %d", info.si_status);
  }
  ipc::Report("waitid", "", problem);
  return 1;
}
