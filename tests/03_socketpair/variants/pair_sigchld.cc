// A variant that SIGCHLD wakes from ppoll; the status is taken in the main
// loop.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

namespace {

volatile sig_atomic_t g_ended = 0;

void OnChild(int) { g_ended = 1; }

bool SendAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes += n;
    size -= n;
  }
  return true;
}

int Child(int fd) {
  char bytes[4000];
  unsigned long long total = 0;
  for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return 1;
    total += n;
    for (char* c = bytes; c != bytes + n; ++c)
      *c -= *c >= 'a' && *c <= 'z' ? 32 : 0;
    if (!SendAll(fd, bytes, n)) return 1;
  }
  int n = snprintf(bytes, sizeof bytes,
                   "\n===== info =====\nBytes from parent: %llu\n", total);
  return SendAll(fd, bytes, n) ? 0 : 1;
}

struct State {
  int fd;
  char in[50000];
  size_t from = 0, to = 0;
  bool input = true, told = false, unreadable = false, unprintable = false,
       gone = false;
  unsigned long long due = 0;

  void Fail(const char* op, const char* what) {
    if (!told) ipc::ReportErrno(op, what);
    told = true;
  }

  // Takes all that is there.
  void Receive() {
    static char out[50000];
    while (!gone && !unprintable) {
      ssize_t n = recv(fd, out, sizeof out, MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        gone = true;
        return;
      }
      due -= static_cast<unsigned long long>(n) > due ? due : n;
      for (ssize_t done = 0; done < n;) {
        ssize_t m = write(STDOUT_FILENO, out + done, n - done);
        if (m < 0 && errno == EINTR) continue;
        if (m < 0) {
          Fail("write", "<stdout>");
          unprintable = true;
          return;
        }
        done += m;
      }
      if (to > from) return;  // The other direction has its turn.
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd ? O_RDONLY : O_WRONLY);
  }
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  sigset_t block, before;
  sigemptyset(&block);
  sigaddset(&block, SIGCHLD);
  sigprocmask(SIG_BLOCK, &block, &before);
  sigset_t open_mask = before;
  sigdelset(&open_mask, SIGCHLD);
  action.sa_handler = OnChild;  // No SA_RESTART: every call is prepared.
  sigaction(SIGCHLD, &action, nullptr);

  int ends[2];
  if (socketpair(PF_LOCAL, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    ipc::ReportErrno("socketpair", "");
    return 1;
  }
  pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", "");
    return 1;
  }
  if (child == 0) {
    close(ends[0]);
    _exit(Child(ends[1]));
  }
  close(ends[1]);
  static State state;
  state.fd = ends[0];
  bool reaped = false;
  int status = 0;
  while (!state.gone && !state.unprintable &&
         !(state.unreadable && state.due == 0)) {
    pollfd fds[2] = {{state.fd, POLLIN, 0}, {-1, POLLIN, 0}};
    if (state.from < state.to) fds[0].events = POLLIN | POLLOUT;
    if (state.input && state.from == state.to) fds[1].fd = 0;
    if (ppoll(fds, 2, nullptr, &open_mask) < 0) {
      if (errno != EINTR) {
        state.Fail("ppoll", "");
        break;
      }
      if (g_ended && waitpid(child, &status, WNOHANG) == child) {
        reaped = true;
        // What it answered before.
        while (!state.gone && !state.unprintable) state.Receive();
        break;
      }
      continue;
    }
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
      state.Receive();
    }
    if (fds[0].revents & POLLOUT && state.from < state.to) {
      ssize_t n = send(state.fd, state.in + state.from, state.to - state.from,
                       MSG_DONTWAIT);
      if (n >= 0) {
        state.from += n;
      } else if (errno != EINTR && errno != EAGAIN) {
        state.from = state.to = 0;
        state.input = false;
      }
    }
    if (fds[1].revents) {
      ssize_t n = read(0, state.in, sizeof state.in);
      if (n > 0) {
        state.from = 0;
        state.to = n;
        state.due += n;
      } else if (n == 0) {
        state.input = false;
        shutdown(state.fd, SHUT_WR);
      } else if (errno != EINTR && errno != EAGAIN) {
        state.Fail("read", "<stdin>");
        state.unreadable = true;
        state.input = false;
      }
    }
  }
  close(state.fd);
  while (!reaped && waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    state.Fail("waitpid", "child");
    return 1;
  }
  if (state.told) return 1;
  if (WIFSIGNALED(status)) {
    const char* name = sigabbrev_np(WTERMSIG(status));
    char text[60];
    snprintf(text, sizeof text, "killed (%s)",
             name ? name : "real-time signal");
    ipc::Report("run", "child", text);
    return 1;
  }
  if (WEXITSTATUS(status)) {
    ipc::Report("run", "child", "failed");
    return 1;
  }
  return 0;
}
