// A variant that writes by way of a FILE.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "lib/program.h"

int main(int argc, char **argv) {
  const char *name = "lab";
  const char *message = "Message from client";
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "the server's abstract name, @ for a NUL"},
                   {"message", &message, "what to send, up to 1024 bytes"}});
  signal(SIGPIPE, SIG_IGN);
  static char record[1024 + 1];
  size_t n = strlen(message);
  if (n > 1024) {
    ipc::Report("--message", "", "at most 1024 bytes");
    return 2;
  }
  strcpy(record, message);
  struct sockaddr_un a;
  memset(&a, 0, sizeof(a));
  a.sun_family = AF_UNIX;
  n = strlen(name);
  if (n == 0 || n > 107) {
    ipc::ReportErrno("connect", name, n ? ENAMETOOLONG : EINVAL);
    return EXIT_FAILURE;
  }
  memcpy(a.sun_path + 1, name, n);
  for (char *p; (p = (char *)memchr(a.sun_path + 1, '@', n));) *p = 0;
  int fd = socket(PF_UNIX, SOCK_STREAM, 0);
  if (fd == -1) {
    ipc::ReportErrno("socket", name);
    return EXIT_FAILURE;
  }
  while (connect(fd, (const struct sockaddr *)&a, 3 + n) == -1) {
    if (errno != EINTR) {
      ipc::ReportErrno("connect", name);
      return EXIT_FAILURE;
    }
  }
  FILE *f = fdopen(fd, "w");
  if (!f) {
    ipc::ReportErrno("fdopen", name);
    return EXIT_FAILURE;
  }
  for (int i = 0; i < 4; i++) {
    size_t done = 0;
    while (done < 1024) {
      // Unbuffered by hand: what EINTR leaves over is written again.
      ssize_t m = write(fileno(f), record + done, 1024 - done);
      if (m >= 0) {
        done += m;
      } else if (errno != EINTR) {
        ipc::ReportErrno("write", name);
        return EXIT_FAILURE;
      }
    }
  }
  if (fclose(f) == EOF) {
    ipc::ReportErrno("close", name);
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
