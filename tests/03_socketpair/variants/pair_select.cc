// A variant in plain C style around select, with one big static buffer for each
// direction and a spare descriptor from the start.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/program.h"

static char in_buf[1 << 20];
static char out_buf[1 << 20];

static void child_main(int s) {
  uint64_t total = 0;
  char text[80];
  size_t len, pos;
  for (;;) {
    ssize_t n = read(s, in_buf, sizeof(in_buf));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) _exit(EXIT_FAILURE);
    if (n == 0) break;
    total += n;
    for (char *p = in_buf; p < in_buf + n; p++)
      if (memchr("abcdefghijklmnopqrstuvwxyz", *p, 26)) *p ^= 0x20;
    for (pos = 0; pos < (size_t)n;) {
      ssize_t m = write(s, in_buf + pos, n - pos);  // SIGPIPE is ignored.
      if (m >= 0)
        pos += m;
      else if (errno != EINTR)
        _exit(EXIT_FAILURE);
    }
  }
  len = sprintf(text, "\n===== info =====\nBytes from parent: %llu\n",
                (unsigned long long)total);
  for (pos = 0; pos < len;) {
    ssize_t m = write(s, text + pos, len - pos);
    if (m >= 0)
      pos += m;
    else if (errno != EINTR)
      _exit(EXIT_FAILURE);
  }
  _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv) {
  struct rlimit limit;
  int sv[2], status, told = 0, eof = 0, broken = 0;
  size_t have = 0, sent = 0;
  uint64_t forth = 0, back = 0;

  ipc::ParseFlags(argc, argv, {});
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd ? O_RDONLY : O_WRONLY);
  // One kept in reserve, where there are enough of them.
  int spare = -1;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 16)
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
    ipc::ReportErrno("socketpair", "");
    return 1;
  }
  pid_t pid = fork();
  if (pid < 0) {
    ipc::ReportErrno("fork", "");
    return 1;
  }
  if (pid == 0) {
    close(sv[0]);
    if (spare >= 0) close(spare);
    child_main(sv[1]);
  }
  close(sv[1]);
  int s = sv[0];

  for (;;) {
    if (broken && back >= forth) break;
    fd_set rd, wr;
    FD_ZERO(&rd);
    FD_ZERO(&wr);
    FD_SET(s, &rd);
    if (sent < have) FD_SET(s, &wr);
    if (!eof && sent == have) FD_SET(0, &rd);
    if (select(s + 1, &rd, &wr, NULL, NULL) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("select", "");
      told = 1;
      break;
    }
    if (FD_ISSET(s, &rd)) {
      ssize_t n = recv(s, out_buf, sizeof(out_buf), MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) break;
      if (n < 0 && errno != EINTR && errno != EAGAIN) {
        ipc::ReportErrno("recv", "child");
        told = 1;
        break;
      }
      if (n > 0) {
        back += n;
        ssize_t pos = 0;
        while (pos < n) {
          ssize_t m = write(1, out_buf + pos, n - pos);
          if (m < 0 && errno == EINTR) continue;
          if (m < 0) break;
          pos += m;
        }
        if (pos < n) {
          if (!told) ipc::ReportErrno("write", "standard output");
          told = 1;
          break;
        }
      }
    }
    if (FD_ISSET(s, &wr)) {
      ssize_t n = send(s, in_buf + sent, have - sent, MSG_DONTWAIT);
      if (n >= 0) {
        sent += n;
      } else if (errno != EINTR && errno != EAGAIN) {
        have = sent = 0;
        eof = 1;
      }
    }
    if (FD_ISSET(0, &rd)) {
      ssize_t n = read(0, in_buf, sizeof(in_buf));
      if (n > 0) {
        have = n;
        sent = 0;
        forth += n;
      } else if (n == 0) {
        eof = 1;
        shutdown(s, SHUT_WR);
      } else if (errno != EINTR && errno != EAGAIN) {
        ipc::ReportErrno("read", "standard input");
        told = broken = eof = 1;
      }
    }
  }
  close(s);
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) {
      if (!told) ipc::ReportErrno("waitpid", "child");
      return 1;
    }
  if (told) return 1;
  if (WIFSIGNALED(status)) {
    const char *abbrev = sigabbrev_np(WTERMSIG(status));
    fprintf(stderr, "pair: wait child: SIG%s\n", abbrev ? abbrev : "RT");
    return 1;
  }
  if (WEXITSTATUS(status)) {
    fprintf(stderr, "pair: wait child: exit status %d\n", WEXITSTATUS(status));
    return 1;
  }
  return 0;
}
