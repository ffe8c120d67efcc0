// A variant in plain C style whose waits are ended by SIGALRM; it looks at each
// reply (MSG_PEEK) to know how much room that needs.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "lib/program.h"

static volatile sig_atomic_t rang;
static void ring(int) { rang = 1; }

static void start(int ms) {
  rang = 0;
  // Again each 20 ms after the first time, for one that came just before the
  // call.
  itimerval t = {{0, 20000}, {ms / 1000, ms % 1000 * 1000}};
  setitimer(ITIMER_REAL, &t, nullptr);
}

static void stop() {
  const int saved = errno;
  itimerval t = {};
  setitimer(ITIMER_REAL, &t, nullptr);
  errno = saved;
}

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.dgram";
  int ms = 5000, fd;
  int first = ipc::ParseFlags(
      argc, argv, {{"socket", &path, "path"}, {"timeout", &ms, "milliseconds"}},
      "MESSAGE...");
  if (first == argc) {
    ipc::Report("call", "", "no MESSAGE given");
    return 2;
  }
  while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && fd <= 2)
    continue;
  close(fd);
  signal(SIGPIPE, SIG_IGN);
  struct sigaction act = {};
  act.sa_handler = ring;
  sigaction(SIGALRM, &act, nullptr);
  sigset_t alarm_only;
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm_only, nullptr);
  sockaddr_un a = {};
  a.sun_family = AF_UNIX;
  if (!*path || strlen(path) > 107) {
    ipc::ReportErrno("connect", path, *path ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  strcpy(a.sun_path, path);
  fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (sockaddr*)&a, sizeof a) < 0) {
    ipc::ReportErrno("connect", path);
    return 1;
  }
  sa_family_t family = AF_UNIX;
  if (bind(fd, (sockaddr*)&family, sizeof family) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  for (int i = first; i < argc; i++) {
    ssize_t n;
    const size_t length = strlen(argv[i]);
    start(ms);
    do n = send(fd, argv[i], length, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR && !rang);
    stop();
    if (n < 0) {
      ipc::ReportErrno("send", path, errno == EINTR ? ETIMEDOUT : errno);
      return 1;
    }
    start(ms);
    do n = recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC);
    while (n < 0 && errno == EINTR && !rang);
    stop();
    if (n < 0) {
      ipc::ReportErrno("recv", path, errno == EINTR ? ETIMEDOUT : errno);
      return 1;
    }
    char* reply = (char*)calloc(n + 1, 1);
    recv(fd, reply, n, MSG_DONTWAIT);
    if ((size_t)n != length) {
      char text[100];
      snprintf(text, sizeof text,
               "a reply of %zd bytes does not fit a message of %zu bytes", n,
               length);
      ipc::Report("recv", path, text);
      return 1;
    }
    if (fwrite(reply, 1, n, stdout) != (size_t)n || putchar('\n') == EOF ||
        fflush(stdout) == EOF) {
      ipc::ReportErrno("fwrite", "stdout");
      return 1;
    }
    free(reply);
  }
  return 0;
}
