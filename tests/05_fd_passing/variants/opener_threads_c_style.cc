/* A variant in plain C style, with a thread for each reader. It takes control
   data in, and closes what it did not ask for. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>

#include "lib/program.h"

static int root;

struct reader {
  int fd;
  int number;
};

static long receive(int fd, char* to, size_t size) {
  alignas(struct cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
  struct iovec part = {to, size};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  long count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  struct cmsghdr* header = count < 0 ? nullptr : CMSG_FIRSTHDR(&message);
  for (; header; header = CMSG_NXTHDR(&message, header)) {
    int* fds = (int*)CMSG_DATA(header);
    size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
    if (header->cmsg_type != SCM_RIGHTS) continue;
    while (n > 0) close(fds[--n]);
  }
  return count;
}

static std::atomic<int> failed; /* To print. */

static void flush() {
  if (fflush(stdout) == 0) return;
  ipc::ReportErrno("write", "stdout");
  failed = 1;
}

static void finish(int number, int* fds) {
  char lines[512] = "";
  int length = 0, i;
  for (i = 0; i < 4; i++) {
    if (fds[i] < 0) continue;
    length += snprintf(lines + length, sizeof lines - length,
                       "reader %d: file %d is at byte %ld\n", number, i + 1,
                       (long)lseek(fds[i], 0, SEEK_CUR));
    close(fds[i]);
    fds[i] = -1;
  }
  fputs(lines, stdout);
  flush();
}

static int open_wish(const char* wish) {
  struct open_how how = {};
  struct stat status;
  int fd;
  how.flags = O_NONBLOCK | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (*wish == 'w') how.flags |= O_WRONLY;
  if (*wish != 'r' && *wish != 'w') return -EINVAL;
  if (!memchr(wish + 1, 0, 255)) return -ENAMETOOLONG;
  do {
    fd = (int)syscall(SYS_openat2, root, wish + 1, &how, sizeof how);
  } while (fd < 0 && errno == EAGAIN);
  if (fd < 0) return -errno;
  fstat(fd, &status);
  if (S_ISREG(status.st_mode)) return fd;
  close(fd);
  return S_ISDIR(status.st_mode) ? -EISDIR : -ENXIO;
}

static void* serve(void* argument) {
  struct reader* reader = (struct reader*)argument;
  int fds[4] = {-1, -1, -1, -1};
  char request[1024];
  size_t got = 0;
  for (;;) {
    long count = receive(reader->fd, request + got, sizeof request - got);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ipc::ReportErrno("recvmsg", "request");
    if (count <= 0) break;
    if ((got += count) < sizeof request) continue;
    got = 0;

    int32_t errors[4];
    int passed = 0, wishes = 0, i;
    union {
      struct cmsghdr header;
      char room[CMSG_SPACE(4 * sizeof(int))];
    } control = {};
    int* to = (int*)CMSG_DATA(&control.header);
    finish(reader->number, fds);
    for (i = 0; i < 4; i++) {
      int fd = open_wish(request + 256L * i);
      wishes += request[256L * i] != 0;
      errors[i] = fd < 0 ? -fd : 0;
      fds[i] = fd < 0 ? -1 : fd;
      if (fd >= 0) to[passed++] = fd;
    }
    struct iovec part = {errors, sizeof errors};
    struct msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = passed ? &control : nullptr;
    message.msg_controllen = passed ? CMSG_SPACE(passed * sizeof(int)) : 0;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(passed * sizeof(int));
    if (sendmsg(reader->fd, &message, 0) < 0) {
      ipc::ReportErrno("sendmsg", "answer");
      for (i = 0; i < 4; i++) {
        if (fds[i] >= 0) close(fds[i]);
        fds[i] = -1;
      }
      break;
    }
    printf("reader %d: passed %d of %d files\n", reader->number, passed,
           wishes);
    flush();
  }
  finish(reader->number, fds);
  if (got > 0) fprintf(stderr, "opener: only %zu bytes came\n", got);
  close(reader->fd);
  delete reader;
  return nullptr;
}

int main(int argc, char** argv) {
  const char *path = "/tmp/opener.socket", *folder = ".";
  int readers = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, ""},
                   {"root", &folder, ""},
                   {"readers", &readers, ""}});
  struct sockaddr_un address = {};
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  signal(SIGPIPE, SIG_IGN);
  root = open(folder, O_DIRECTORY | O_CLOEXEC);
  if (root < 0) {
    ipc::ReportErrno("open", folder);
    return 1;
  }
  if (bind(listener, (struct sockaddr*)&address, sizeof address) < 0 ||
      listen(listener, 5) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  pthread_t* threads = new pthread_t[readers];
  for (int i = 0; i < readers; i++) {
    struct reader* reader = new struct reader;
    reader->fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    reader->number = i + 1;
    pthread_create(&threads[i], nullptr, serve, reader);
  }
  for (int i = 0; i < readers; i++) pthread_join(threads[i], nullptr);
  unlink(path);
  return failed;
}
