// Plain C style: a loop around send, stdio to read the answers, and a union for
// the control message.
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/program.h"

static int fail(const char* operation, const char* object) {
  ipc::ReportErrno(operation, object);
  return 1;
}

static bool send_all(int fd, const char* request) {
  size_t sent = 0;
  while (sent < 64) {
    ssize_t count = send(fd, request + sent, 64 - sent, MSG_NOSIGNAL);
    if (count < 0) return false;
    sent += (size_t)count;
  }
  return true;
}

static int answer(FILE* in, const char* text) {
  char got[65] = {0};
  size_t size = 0;
  do {
    clearerr(in);
    errno = 0;
    size += fread(got + size, 1, 64 - size, in);
  } while (size < 64 && ferror(in) && errno == EINTR);
  if (size < 64) {
    ipc::Report("recv", text, "no answer");
    return 1;
  }
  printf("%s: %s\n", text, got);
  if (fflush(stdout) != 0) return fail("write", "stdout");
  return strncmp(got, "granted: ", 9) == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
  const char* name = "who";
  const char* claim = nullptr;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"}, {"claim", &claim, "uid"}});
  unsigned long uid = 0;
  if (claim != nullptr) {
    errno = 0;
    uid = strtoul(claim, nullptr, 10);
    if (*claim == 0 || claim[strspn(claim, "0123456789")] != 0 || errno != 0 ||
        uid > 4294967295) {
      ipc::Report("--claim", claim, "must be a number of 32 bits");
      return 2;
    }
  }

  struct sockaddr_un address;
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path + 1, name, sizeof(address.sun_path) - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return fail("socket", name);
  if (connect(fd, (struct sockaddr*)&address,
              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                          strlen(name))) < 0) {
    return fail("connect", name);
  }
  struct ucred server;
  socklen_t size = sizeof(server);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &size) < 0) {
    return fail("getsockopt", name);
  }
  printf("server: pid %ld, uid %lu, gid %lu\n", (long)server.pid,
         (unsigned long)server.uid, (unsigned long)server.gid);
  if (fflush(stdout) != 0) return fail("write", "stdout");
  FILE* in = fdopen(fd, "r");
  setvbuf(in, nullptr, _IONBF, 0);  // The child shall find what is its.

  char request[64] = "parent";
  if (claim != nullptr) {
    strcpy(request, "claim");
    union {
      struct cmsghdr header;
      char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    memset(&control, 0, sizeof(control));
    struct ucred me = {getpid(), (uid_t)uid, getegid()};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_CREDENTIALS;
    control.header.cmsg_len = CMSG_LEN(sizeof(me));
    memcpy(CMSG_DATA(&control.header), &me, sizeof(me));
    struct iovec part = {request, sizeof(request)};
    struct msghdr message;
    memset(&message, 0, sizeof(message));
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
    if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) return fail("sendmsg", claim);
    return answer(in, request);
  }
  if (!send_all(fd, request)) return fail("sendmsg", request);
  int refused = answer(in, request);
  pid_t child = fork();
  if (child < 0) return fail("fork", name);
  if (child == 0) {
    memcpy(request, "child\0", 6);
    if (!send_all(fd, request)) _exit(fail("sendmsg", request));
    _exit(answer(in, request));
  }
  int status;
  wait(&status);
  return refused || status != 0 ? 1 : 0;
}
