// A variant in plain C style whose child serves: the parent waits for signals
// and for the child, and removes the file whatever has ended it.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "lib/program.h"

static int serve(int fd, const char* path, int datagrams, int size) {
  char* buffer = (char*)malloc(size);
  int failed = 0;
  union {
    struct sockaddr_un un;
    char room[sizeof(struct sockaddr_un) + 2];
  } from;
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  while (datagrams-- > 0) {
    ssize_t length;
    socklen_t named;
    char name[sizeof from + 1];
    memset(&from, 0, sizeof from);
    memset(name, 0, sizeof name);
    do {
      named = sizeof from;
      length = recvfrom(fd, buffer, size, MSG_TRUNC, (struct sockaddr*)&from,
                        &named);
    } while (length < 0 && errno == EINTR);
    if (length < 0) {
      ipc::ReportErrno("recvfrom", path);
      return 1;
    }
    size_t chars;
    if (named <= 2) {
      chars = sprintf(name, "(unnamed)");
    } else if (from.un.sun_path[0]) {
      memcpy(name, from.un.sun_path, named - 2);
      chars = strlen(name);
    } else {
      memcpy(name, from.un.sun_path, named - 2);
      name[0] = '@';
      chars = named - 2;
    }
    printf("%zd bytes from ", length);
    fwrite(name, 1, chars, stdout);
    if (length > size) printf(", cut to %d", size);
    printf("\n");
    fflush(stdout);
    if (ferror(stdout)) {
      ipc::ReportErrno("printf", "stdout");
      return 1;
    }
    if (named <= 2) continue;
    if (length > size) length = size;
    for (ssize_t i = 0; i < length; i++) {
      unsigned char c = buffer[i];
      buffer[i] = (c >= 0x61 && c <= 0x7a) ? c & 0xdf : c;
    }
    if (named > sizeof from.un) named = sizeof from.un;
    if (sendto(fd, buffer, length, MSG_DONTWAIT, (struct sockaddr*)&from,
               named) < 0) {
      ipc::ReportErrno("sendto", name);
      failed = 1;
    }
  }
  return failed;
}

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.dgram";
  int datagrams = 1, size = 1024, fd;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"},
                   {"datagrams", &datagrams, "how many"},
                   {"size", &size, "bytes"}});
  while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && fd <= 2)
    continue;
  close(fd);
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_un a;
  memset(&a, 0, sizeof a);
  a.sun_family = AF_UNIX;
  if (!*path || strlen(path) >= sizeof a.sun_path) {
    ipc::ReportErrno("bind", path, *path ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  strcpy(a.sun_path, path);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_BLOCK, &set, NULL);
  fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || fchmod(fd, 0600) < 0) {
    ipc::ReportErrno("socket", path);
    return 1;
  }
  struct stat st;
  if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
    int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connect(probe, (struct sockaddr*)&a, sizeof a) < 0 &&
        errno == ECONNREFUSED)
      unlink(path);
    close(probe);
  }
  if (bind(fd, (struct sockaddr*)&a, sizeof a) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  const pid_t guardian = getpid();
  pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", path);
    unlink(path);
    return 1;
  }
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guardian) _exit(1);
    _exit(
        serve(fd, path, datagrams,
              size));  // SIGINT and SIGTERM stay blocked: the guardian decides.
  }
  int status, number;
  for (;;) {
    sigwait(&set, &number);
    if (number == SIGCHLD) {
      if (waitpid(child, &status, WNOHANG) != child) continue;
      unlink(path);
      return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    unlink(path);
    return 0;
  }
}
