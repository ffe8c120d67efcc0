// A variant in C++ style: both ends non-blocking, epoll where the input permits
// it (a regular file it does not), and the child with poll and a queue.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <string>
#include <system_error>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

struct Gone {};

[[noreturn]] void Throw(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Whether there may be more; what came is added to `text`.
bool TakeIn(int fd, std::string& text, const char* what) {
  char buffer[20000];
  const ssize_t count = read(fd, buffer, sizeof(buffer));
  if (count > 0) text.append(buffer, count);
  if (count < 0 && (errno == EPIPE || errno == ECONNRESET)) throw Gone();
  if (count < 0 && errno != EAGAIN && errno != EINTR) Throw(what);
  return count != 0;
}

void GiveOut(int fd, std::string& text, const char* what) {
  const ssize_t count = write(fd, text.data(), text.size());
  if (count > 0) text.erase(0, count);
  if (count < 0 && fd != 1 && errno == EPIPE) throw Gone();
  if (count < 0 && errno != EAGAIN && errno != EINTR) Throw(what);
}

void Child(int fd) {
  std::string queue;
  size_t total = 0;
  for (bool more = true; more || !queue.empty();) {
    pollfd ready = {fd, 0, 0};
    if (more && queue.size() < 100000) ready.events |= POLLIN;
    if (!queue.empty()) ready.events |= POLLOUT;
    if (poll(&ready, 1, -1) < 0) continue;
    if (ready.events & POLLIN && ready.revents & ~POLLOUT) {
      const size_t before = queue.size();
      more = TakeIn(fd, queue, "child");
      std::transform(
          queue.begin() + before, queue.end(), queue.begin() + before,
          [](char c) -> char { return c >= 'a' && c <= 'z' ? c - 32 : c; });
      total += queue.size() - before;
      if (!more) {
        queue +=
            "\n===== info =====\nBytes from parent: " + std::to_string(total) +
            "\n";
      }
    } else {
      GiveOut(fd, queue, "child");
    }
  }
}

// Waits with epoll until `fd` is ready for `events` or standard input for
// reading, if `input`; returns both answers.
std::pair<uint32_t, bool> Wait(int fd, uint32_t events, bool input) {
  const ipc::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  event.events = EPOLLIN;
  event.data.fd = 0;
  const bool always =
      input && epoll_ctl(epoll.get(), EPOLL_CTL_ADD, 0, &event) < 0;
  epoll_event found[2];
  const int count = epoll_wait(epoll.get(), found, 2, always ? 0 : -1);
  std::pair<uint32_t, bool> result = {0, always};
  for (int i = 0; i < count; ++i) {
    if (found[i].data.fd == 0) {
      result.second = true;
    } else {
      result.first = found[i].events;
    }
  }
  return result;
}

void Parent(int fd) {
  std::string out, in;
  bool more = true;
  while (true) {
    const auto [socket, input] =
        Wait(fd, EPOLLIN | (in.empty() ? 0u : EPOLLOUT), more && in.empty());
    if (input) {
      more = TakeIn(0, in, "standard input: read");
      if (!more) shutdown(fd, SHUT_WR);
    }
    if (socket & EPOLLOUT) {
      try {
        GiveOut(fd, in, "child");
      } catch (const Gone&) {  // What it has answered waits still.
        in.clear();
        more = false;
      }
    }
    if (socket & ~EPOLLOUT) {
      const bool ended = !TakeIn(fd, out, "child");
      while (!out.empty()) GiveOut(1, out, "standard output: write");
      if (ended) return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  for (int fd : {0, 1}) {
    if (fcntl(fd, F_GETFD) < 0) {
      ipc::ReportErrno(fd == 0 ? "read" : "write",
                       fd == 0 ? "stdin" : "stdout");
      return 1;
    }
  }
  std::signal(SIGPIPE, SIG_IGN);
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds)) {
    return 1;
  }
  ipc::UniqueFd mine(fds[0]), other(fds[1]);
  const pid_t pid = fork();
  if (pid < 0) return 1;
  if (pid == 0) {
    mine.reset();
    try {
      Child(other.get());
    } catch (const Gone&) {
      _exit(1);
    }
    _exit(0);
  }
  other.reset();
  bool failed = false;
  try {
    Parent(mine.get());
  } catch (const Gone&) {
  } catch (const std::system_error& error) {
    ipc::ReportErrno(error.what(), "", error.code().value());
    failed = true;
  }
  mine.reset();
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!failed && WIFSIGNALED(status)) {
    std::cerr << "pair: child: SIG" +
                     std::string(sigabbrev_np(WTERMSIG(status))) + "\n";
  }
  return failed || status != 0;
}
