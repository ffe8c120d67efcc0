// A variant in plain C style: the client's name is a path, its socket is never
// connected and never blocks, and poll keeps the time.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/program.h"

static const char* path = "/tmp/unix.dgram";
static struct sockaddr_un server, own;
static char folder[] = "/tmp/clientXXXXXX";

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(const char* call, int error) {
  ipc::ReportErrno(call, path, error);
  return 1;
}

static void stop(int signal) {
  unlink(own.sun_path);
  rmdir(folder);
  _exit(128 + signal);
}

static int ask(int fd, const char* message, long deadline) {
  size_t size = strlen(message);
  while (sendto(fd, message, size, 0, (struct sockaddr*)&server,
                sizeof server) < 0) {
    if (errno != EAGAIN) return fail("sendto", errno);
    if (now_ms() >= deadline) return fail("sendto", ETIMEDOUT);
    poll(NULL, 0, 5);  // An unconnected socket cannot tell when there is room.
  }
  for (;;) {
    struct pollfd event = {fd, POLLIN, 0};
    long left = deadline - now_ms();
    if (left <= 0 || poll(&event, 1, (int)left) == 0) {
      return fail("poll", ETIMEDOUT);
    }
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    memset(&from, 0, sizeof from);
    char* reply = (char*)malloc(size + 1);
    ssize_t count =
        recvfrom(fd, reply, size + 1, 0, (struct sockaddr*)&from, &length);
    int from_server = count >= 0 && strcmp(from.sun_path, path) == 0;
    if (from_server && (size_t)count == size) {
      fwrite(reply, 1, size, stdout);
      puts("");
      if (fflush(stdout) != 0 || ferror(stdout)) {
        free(reply);
        return fail("print", errno);
      }
    }
    free(reply);
    if (!from_server) continue;
    if ((size_t)count == size) return 0;
    ipc::Report("recvfrom", path, "the reply has another length");
    return 1;
  }
}

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  int timeout = 5000, status = 0;
  int i = ipc::ParseFlags(
      argc, argv, {{"socket", &path, "path"}, {"timeout", &timeout, "ms"}},
      "MESSAGE...");
  if (i == argc) {
    fprintf(stderr, "client: MESSAGE is missing\n");
    return 2;
  }
  if (strlen(path) >= sizeof server.sun_path) {
    return fail("sendto", ENAMETOOLONG);
  }
  server.sun_family = own.sun_family = AF_UNIX;
  strcpy(server.sun_path, path);
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  if (!mkdtemp(folder)) return fail("mkdtemp", errno);
  snprintf(own.sun_path, sizeof own.sun_path, "%s/socket", folder);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr*)&own, sizeof own) < 0) {
    status = fail("bind", errno);
  }
  for (; status == 0 && i < argc; ++i) {
    status = ask(fd, argv[i], now_ms() + timeout);
  }
  unlink(own.sun_path);
  rmdir(folder);
  return status;
}
