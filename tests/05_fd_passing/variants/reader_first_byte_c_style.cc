/* A variant in plain C style: one byte by recvmsg, with a little more room than
   four descriptors need, the rest by read. It prints with stdio. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/program.h"

static int fds[100], count;

static int receive_answer(int opener, char* answer) {
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fds)];
  struct iovec part = {answer, 1};
  struct msghdr message = {};
  struct cmsghdr* header;
  long got;
  int have = 1;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  count = 0;
  do {
    got = recvmsg(opener, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got != 1) return 0;
  header = CMSG_FIRSTHDR(&message);
  if (header) {
    count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof *fds);
    memcpy(fds, CMSG_DATA(header), count * sizeof *fds);
  }
  while (have < 16) {
    got = read(opener, answer + have, 16 - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return 0;
    have += (int)got;
  }
  return 1;
}

static int copy(int fd) {
  char buffer[1000];
  long got;
  while ((got = read(fd, buffer, sizeof buffer)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      ipc::ReportErrno("read", "file");
      break;
    }
    fwrite(buffer, 1, got, stdout);
  }
  if (fflush(stdout) != 0) {
    ipc::ReportErrno("write", "stdout");
    return 0;
  }
  return got == 0;
}

static int run(const char* program, int fd) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    if (dup2(fd, 0) == 0) execlp(program, program, (char*)nullptr);
    ipc::ReportErrno("exec", program);
    _exit(1);
  }
  return waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char** argv) {
  const char *path = "/tmp/opener.socket", *program = "";
  int first = ipc::ParseFlags(
      argc, argv, {{"socket", &path, ""}, {"run", &program, ""}}, "FILE...");
  int opener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int status = 0, i, k;
  struct sockaddr_un address = {};
  if (first == argc) {
    ipc::Report("usage", "", "which files?");
    return 2;
  }
  for (i = first; i < argc; i++) {
    if (strlen(argv[i]) > 254) {
      ipc::ReportErrno("open", "a long name", ENAMETOOLONG);
      return 1;
    }
  }
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(opener, (struct sockaddr*)&address, sizeof address) < 0) {
    ipc::ReportErrno("connect", path);
    return 1;
  }
  for (i = first; i < argc; i += 4) {
    char request[1024] = {};
    int32_t errors[4];
    int next = 0;
    for (k = 0; k < 4 && i + k < argc; k++) {
      request[256L * k] = 'r';
      strcpy(request + 256L * k + 1, argv[i + k]);
    }
    if (send(opener, request, sizeof request, MSG_NOSIGNAL) != 1024 ||
        !receive_answer(opener, (char*)errors)) {
      ipc::ReportErrno("recvmsg", "answer", EBADMSG);
      return 1;
    }
    for (k = 0; k < 4 && i + k < argc; k++) {
      if (errors[k] == 0 && next < count) {
        int fd = fds[next++];
        if (!(*program ? run(program, fd) : copy(fd))) status = 1;
      } else {
        ipc::ReportErrno("open", argv[i + k], errors[k] ? errors[k] : EBADMSG);
        status = 1;
      }
    }
    while (count > 0) close(fds[--count]);
  }
  return status;
}
