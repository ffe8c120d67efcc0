// A variant that prints through stdio without a buffer; its child closes its
// copies of stdin and stdout.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "lib/program.h"

static char g_to[7777], g_from[7777];

static void child(int fd) {
  unsigned long total = 0;
  size_t have = 0, sent = 0;
  int open_end = 1;
  close(0);
  close(1);
  while (1) {
    if (have == sent) {
      if (!open_end) break;
      ssize_t n = read(fd, g_to, sizeof(g_to));
      if (n < 0) {
        if (errno == EINTR) continue;
        _exit(1);
      }
      if (n == 0) {
        open_end = 0;
        have = sprintf(g_to, "\n===== info =====\nBytes from parent: %lu\n",
                       total);
      } else {
        have = n;
        total += n;
        for (size_t i = 0; i < have; i++)
          if (g_to[i] >= 'a' && g_to[i] <= 'z') g_to[i] = g_to[i] - 'a' + 'A';
      }
      sent = 0;
    }
    ssize_t n = write(fd, g_to + sent, have - sent);
    if (n >= 0)
      sent += n;
    else if (errno != EINTR)
      _exit(1);
  }
  _exit(0);
}

static int print(const char *bytes, size_t size) {
  while (size) {
    size_t n = fwrite(bytes, 1, size, stdout);
    bytes += n;
    size -= n;
    if (size) {
      if (errno != EINTR) {
        ipc::ReportErrno("fwrite", "standard output");
        return -1;
      }
      clearerr(stdout);
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  ipc::ParseFlags(argc, argv, {});
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd ? O_RDONLY : O_WRONLY);
  setvbuf(stdout, NULL, _IONBF, 0);
  struct sigaction act;
  memset(&act, 0, sizeof(act));
  sigemptyset(&act.sa_mask);
  act.sa_handler = SIG_IGN;
  if (sigaction(SIGPIPE, &act, NULL) < 0) {
    ipc::ReportErrno("sigaction", "SIGPIPE");
    return 1;
  }
  act.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &act, NULL);

  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
    ipc::ReportErrno("socketpair", "");
    return 1;
  }
  pid_t pid = fork();
  switch (pid) {
    case -1:
      ipc::ReportErrno("fork", "");
      return 1;
    case 0:
      close(pair[0]);
      child(pair[1]);
  }
  close(pair[1]);
  const int fd = pair[0];
  size_t have = 0, sent = 0;
  unsigned long due = 0;
  int eof = 0, bad = 0, unreadable = 0;
  while (!(unreadable && !due)) {
    struct pollfd set[2] = {{fd, POLLIN, 0}, {-1, POLLIN, 0}};
    if (sent < have)
      set[0].events |= POLLOUT;
    else if (!eof)
      set[1].fd = 0;
    if (poll(set, 2, -1) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("poll", "");
      bad = 1;
      break;
    }
    if (set[1].revents) {
      ssize_t n = read(0, g_to, sizeof(g_to));
      if (n > 0) {
        have = n;
        sent = 0;
        due += n;
      } else if (n == 0) {
        eof = 1;
        shutdown(fd, SHUT_WR);
      } else if (errno != EINTR && errno != EAGAIN) {
        ipc::ReportErrno("read", "standard input");
        eof = bad = unreadable = 1;
      }
    }
    if (set[0].revents & POLLOUT) {
      ssize_t n = send(fd, g_to + sent, have - sent, MSG_DONTWAIT);
      if (n >= 0)
        sent += n;
      else if (errno != EINTR && errno != EAGAIN)
        have = sent = 0, eof = 1;
    }
    if (set[0].revents & ~POLLOUT) {
      ssize_t n = recv(fd, g_from, sizeof(g_from), MSG_DONTWAIT);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n <= 0) break;
      due -= (unsigned long)n < due ? n : due;
      if (print(g_from, n) < 0) {
        bad = 1;
        break;
      }
    }
  }
  close(fd);
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return 1;
  if (bad) return EXIT_FAILURE;
  if (WIFSIGNALED(status)) {
    const char *name = sigabbrev_np(WTERMSIG(status));
    dprintf(2, "pair: wait for child: killed, %s\n", name ? name : "unnamed");
    return EXIT_FAILURE;
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status)) {
    dprintf(2, "pair: wait for child: it failed\n");
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
