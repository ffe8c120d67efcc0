// A variant in plain C style that goes step by step: a small piece out, its
// answer in. Between the pieces it waits for the input and the child's death.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/program.h"

#define PIECE 700

static ssize_t Read(int fd, char* to, size_t size) {
  ssize_t n;
  do n = read(fd, to, size);
  while (n < 0 && errno == EINTR);
  return n;
}

static int Write(int fd, const char* from, size_t size) {
  while (size > 0) {
    ssize_t n = write(fd, from, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    from += n;
    size -= n;
  }
  return 0;
}

static void Child(int fd) {
  char bytes[PIECE];
  long total = 0;
  ssize_t n;
  while ((n = Read(fd, bytes, sizeof(bytes))) > 0) {
    total += n;
    for (char* p = bytes; p != bytes + n; p++) {
      if (*p >= 'a' && *p <= 'z') *p &= ~0x20;
    }
    if (Write(fd, bytes, n) < 0) _exit(1);
  }
  if (n < 0) _exit(1);
  n = sprintf(bytes, "\n===== info =====\nBytes from parent: %ld\n", total);
  _exit(Write(fd, bytes, n) < 0);
}

// 1: go on; 0: the child is gone; -1: reported.
static int Print(int fd, size_t size) {
  char bytes[PIECE];
  while (size > 0) {
    ssize_t n = Read(fd, bytes, size < PIECE ? size : PIECE);
    if (n <= 0) return 0;
    if (Write(1, bytes, n) < 0) {
      ipc::ReportErrno("write", "output");
      return -1;
    }
    size -= n;
  }
  return 1;
}

static int Talk(int fd) {
  char bytes[PIECE];
  for (;;) {
    struct pollfd both[2] = {{0, POLLIN, 0}, {fd, POLLIN, 0}};
    if (poll(both, 2, -1) < 0) continue;
    if (both[1].revents) return 0;  // It has nothing to say unasked.
    ssize_t n = Read(0, bytes, sizeof(bytes));
    if (n < 0) {
      ipc::ReportErrno("read", "input");
      return -1;
    }
    if (n == 0) break;
    if (Write(fd, bytes, n) < 0) return 0;
    int went = Print(fd, n);
    if (went <= 0) return went;
  }
  shutdown(fd, SHUT_WR);
  return Print(fd, (size_t)-1);
}

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  int fds[2], status;
  signal(SIGPIPE, SIG_IGN);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) return 1;
  pid_t pid = fork();
  if (pid < 0) return 1;
  if (pid == 0) {
    close(fds[1]);
    Child(fds[0]);
  }
  close(fds[0]);
  int result = Talk(fds[1]);
  close(fds[1]);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (result == 0 && WIFSIGNALED(status)) {
    fprintf(stderr, "pair: wait child: killed by SIG%s\n",
            sigabbrev_np(WTERMSIG(status)));
  }
  return result < 0 || status != 0;
}
