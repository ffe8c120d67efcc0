// A variant in plain C style: MSG_WAITALL assembles the records, a 1025th byte
// ends each text, and stdout has no buffer to flush.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/program.h"

static const char* path = "/tmp/unix.domain";

static void on_signal(int signal) {
  (void)signal;
  unlink(path);
  _exit(0);
}

int main(int argc, char** argv) {
  int clients = 1;
  int status = 0;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"}, {"clients", &clients, "count"}});
  setvbuf(stdout, NULL, _IONBF, 0);
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) {
    ipc::ReportErrno("bind", path, length ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  memcpy(address.sun_path, path, length);

  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) {
    ipc::ReportErrno("socket", path);
    return 1;
  }
  struct stat file;
  if (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode)) {
    int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connect(probe, (struct sockaddr*)&address, sizeof address) < 0 &&
        errno == ECONNREFUSED) {
      unlink(path);
    }
    close(probe);
  }
  mode_t before = umask(0177);
  int bound = bind(listener, (struct sockaddr*)&address, sizeof address);
  if (bound == 0) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
  }
  if (bound < 0 || listen(listener, 1) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  umask(before);

  while (clients-- > 0) {
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("accept", path);
      unlink(path);
      return 1;
    }
    char record[1025];
    ssize_t got;
    printf("\n===== info =====\n");
    while ((got = recv(client, record, 1024, MSG_WAITALL)) == 1024 ||
           (got < 0 && errno == EINTR)) {
      if (got < 0) continue;
      record[1024] = 0;
      printf("Message from client (1024): %s\n", record);
    }
    if (got < 0) {
      ipc::ReportErrno("recv", "client");
      status = 1;
    } else if (got > 0) {
      fprintf(stderr, "server: read client: only %zd bytes\n", got);
      status = 1;
    }
    close(client);
  }
  unlink(path);
  if (ferror(stdout)) {
    ipc::ReportErrno("write", "standard output");
    status = 1;
  }
  return status;
}
