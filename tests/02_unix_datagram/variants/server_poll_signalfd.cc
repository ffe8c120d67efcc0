// A variant in plain C style: signals and datagrams come to one poll, the
// length of a datagram is asked for before it is read, and SO_SNDBUF grows with
// --size, so that no answer is too long.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/program.h"

static int is_dead(const char* path, const struct sockaddr_un* address) {
  struct stat file;
  if (lstat(path, &file) < 0 || !S_ISSOCK(file.st_mode)) return 0;
  int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int dead =
      connect(probe, (const struct sockaddr*)address, sizeof *address) < 0 &&
      errno == ECONNREFUSED;
  close(probe);
  return dead;
}

static int serve(int fd, char* buffer, int size) {
  struct sockaddr_un from;
  socklen_t length = sizeof from;
  char name[sizeof from + 1];
  ssize_t whole = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
  memset(&from, 0, sizeof from);
  ssize_t kept =
      recvfrom(fd, buffer, size, 0, (struct sockaddr*)&from, &length);
  if (whole < 0 || kept < 0) return -1;
  if (length > sizeof from) length = sizeof from;

  memset(name, 0, sizeof name);
  if (length <= offsetof(struct sockaddr_un, sun_path)) {
    strcpy(name, "(unnamed)");
  } else {
    memcpy(name, from.sun_path,
           length - offsetof(struct sockaddr_un, sun_path));
    if (!name[0]) name[0] = '@';
  }
  printf("%zd bytes from %s", whole, name);
  if (kept < whole) printf(", cut to %zd", kept);
  int printed = puts("") != EOF && !ferror(stdout);
  if (!printed) ipc::ReportErrno("print", "stdout");
  if (length <= offsetof(struct sockaddr_un, sun_path)) return !printed;

  for (ssize_t i = 0; i < kept; ++i) {
    if (buffer[i] >= 'a' && buffer[i] <= 'z') buffer[i] -= 32;
  }
  if (sendto(fd, buffer, kept, 0, (struct sockaddr*)&from, length) < 0) {
    ipc::ReportErrno("sendto", name);
    return 1;
  }
  return !printed;
}

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.dgram";
  int datagrams = 1, size = 1024, status = 0;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"},
                   {"datagrams", &datagrams, "count"},
                   {"size", &size, "bytes"}});
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) {
    ipc::ReportErrno("bind", path, length ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  memcpy(address.sun_path, path, length);

  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, NULL);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int room = size + 32 > 212992 ? size + 32 : 212992;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  mode_t before = umask(0177);
  int bound = bind(fd, (struct sockaddr*)&address, sizeof address);
  if (bound < 0 && errno == EADDRINUSE) {
    if (is_dead(path, &address)) {
      unlink(path);
      bound = bind(fd, (struct sockaddr*)&address, sizeof address);
    } else {
      errno = EADDRINUSE;
    }
  }
  if (bound < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  umask(before);

  char* buffer = (char*)malloc(size);
  struct pollfd events[] = {{fd, POLLIN, 0},
                            {signalfd(-1, &stops, SFD_CLOEXEC), POLLIN, 0}};
  while (datagrams > 0 && buffer && poll(events, 2, -1) > 0) {
    if (events[1].revents) {
      unlink(path);
      return 0;
    }
    int result = serve(fd, buffer, size);
    if (result != 0) status = 1;
    --datagrams;
  }
  unlink(path);
  free(buffer);
  return status;
}
