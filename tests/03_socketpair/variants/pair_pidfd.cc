// A variant with a pidfd in the poll set, which tells the end of the child;
// readv and writev.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

using Half = std::array<char, 2048>;

// writev until all of the two parts is out. `fd` may be a socket: SIGPIPE is
// ignored.
bool WriteTwo(int fd, iovec one, iovec two) {
  iovec parts[2] = {one, two};
  int first = 0;
  while (first < 2) {
    if (parts[first].iov_len == 0) {
      ++first;
      continue;
    }
    ssize_t n = writev(fd, parts + first, 2 - first);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    for (int i = first; i < 2 && n > 0; ++i) {
      size_t taken = std::min<size_t>(n, parts[i].iov_len);
      parts[i].iov_base = static_cast<char*>(parts[i].iov_base) + taken;
      parts[i].iov_len -= taken;
      n -= taken;
    }
  }
  return true;
}

ssize_t ReadTwo(int fd, Half& a, Half& b) {
  iovec parts[2] = {{a.data(), a.size()}, {b.data(), b.size()}};
  ssize_t n;
  do {
    n = readv(fd, parts, 2);
  } while (n < 0 && errno == EINTR);
  return n;
}

size_t InFirst(size_t n) { return std::min(n, Half().size()); }
size_t InSecond(size_t n) { return n - InFirst(n); }

[[noreturn]] void Child(int fd) {
  Half a, b;
  unsigned long long total = 0;
  ssize_t n;
  while ((n = ReadTwo(fd, a, b)) > 0) {
    total += n;
    for (Half* half : {&a, &b}) {
      for (char& c : *half) {
        if (c >= 'a' && c <= 'z') c ^= ' ';
      }
    }
    if (!WriteTwo(fd, {a.data(), InFirst(n)}, {b.data(), InSecond(n)}))
      _exit(1);
  }
  if (n < 0) _exit(1);
  std::string head = "\n===== info =====\n";
  std::string tail = "Bytes from parent: " + std::to_string(total) + "\n";
  _exit(WriteTwo(fd, {&head[0], head.size()}, {&tail[0], tail.size()}) ? 0 : 1);
}

enum class End { kGone, kTold };

End Talk(int fd, int pidfd) {
  Half a, b, c, d;
  std::string waiting;
  bool input = true, unreadable = false;
  unsigned long long due = 0;
  while (true) {
    if (unreadable && due == 0) return End::kTold;
    pollfd fds[3] = {{fd, short(POLLIN | (waiting.empty() ? 0 : POLLOUT)), 0},
                     {input && waiting.empty() ? 0 : -1, POLLIN, 0},
                     {pidfd, POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("poll", "");
      return End::kTold;
    }
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
      ssize_t n = ReadTwo(fd, a, b);  // There is something, so it returns.
      if (n <= 0) return unreadable ? End::kTold : End::kGone;
      due -= std::min<unsigned long long>(due, n);
      if (!WriteTwo(1, {a.data(), InFirst(n)}, {b.data(), InSecond(n)})) {
        ipc::ReportErrno("writev", "standard output");
        return End::kTold;
      }
      continue;  // All answers first.
    }
    if (fds[2].revents) {  // It has ended since: its last words, then the end.
      pidfd = -1;
      continue;
    }
    if (fds[0].revents & POLLOUT) {
      ssize_t n = send(fd, waiting.data(), waiting.size(), MSG_DONTWAIT);
      if (n > 0) waiting.erase(0, n);
      if (n < 0 && errno == EPIPE) {
        waiting.clear();
        input = false;
      }
    }
    if (fds[1].revents) {
      ssize_t n = ReadTwo(0, c, d);
      if (n > 0) {
        waiting.assign(c.data(), InFirst(n)).append(d.data(), InSecond(n));
        due += n;
      } else if (n == 0) {
        input = false;
        shutdown(fd, SHUT_WR);
      } else if (errno != EAGAIN) {
        ipc::ReportErrno("readv", "standard input");
        input = false;
        unreadable = true;
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd ? O_RDONLY : O_WRONLY);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    ipc::ReportErrno("socketpair", "");
    return 1;
  }
  ipc::UniqueFd mine(ends[0]), other(ends[1]);
  const pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", "");
    return 1;
  }
  if (child == 0) {
    mine.reset();
    Child(other.get());
  }
  other.reset();
  End end;
  {
    // Where the kernel has none, the socket's end must do.
    ipc::UniqueFd pidfd(syscall(SYS_pidfd_open, child, 0));
    end = Talk(mine.get(), pidfd.get());
  }
  mine.reset();
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    if (end == End::kGone) ipc::ReportErrno("waitpid", "child");
    return 1;
  }
  if (end == End::kTold) return 1;
  if (WIFSIGNALED(status)) {
    const char* name = sigabbrev_np(WTERMSIG(status));
    ipc::Report("child", name ? name : "?", "killed");
    return 1;
  }
  if (WEXITSTATUS(status)) {
    ipc::Report("child", "", "ended with a failure");
    return 1;
  }
  return 0;
}
