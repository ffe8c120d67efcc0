/* The framer as a C programmer writes it: one array, made once, whose elements
   are counted off. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/program.h"

enum { kMostBytes = 65536 };

static struct iovec parts[kMostBytes + 2];

static uint32_t Sum(const struct iovec* part, size_t count) {
  uint32_t low = 1, high = 0;
  for (; count > 0; --count, ++part) {
    const unsigned char* byte = (const unsigned char*)part->iov_base;
    for (size_t i = 0; i < part->iov_len; ++i) {
      low = (low + byte[i]) % 65521;
      high = (high + low) % 65521;
    }
  }
  return high << 16 | low;
}

/* The words of `record` from parts[1] on; their number, or -1 if they are too
   large. */
static int Split(char* record, size_t* bytes) {
  int count = 0;
  char *rest = record, *word;
  *bytes = 0;
  while ((word = strsep(&rest, " ")) != nullptr) {
    const size_t size = strlen(word);
    if (size == 0) continue;
    *bytes += size;
    if (*bytes > kMostBytes) return -1;
    parts[++count].iov_base = word;
    parts[count].iov_len = size;
  }
  return count;
}

static ssize_t Put(int fd, int by_message, struct iovec* part, size_t count) {
  if (count > IOV_MAX) count = IOV_MAX;
  if (!by_message) return writev(fd, part, (int)count);
  struct msghdr message;
  memset(&message, 0, sizeof(message));
  message.msg_iov = part;
  message.msg_iovlen = count;
  return sendmsg(fd, &message, 0);
}

int main(int argc, char** argv) {
  const char* path = "/tmp/deframer.socket";
  const char* call = "writev";
  int first = ipc::ParseFlags(argc, argv,
                              {{"socket", &path, "path of the socket"},
                               {"call", &call, "writev or sendmsg"}},
                              "RECORD...");
  int by_message = strcmp(call, "sendmsg") == 0;
  if (!by_message && strcmp(call, "writev") != 0) {
    ipc::Report("--call", call, "no such call");
    return 2;
  }
  for (int i = first; i < argc; ++i) {
    size_t size = 0;
    for (const char* at = argv[i]; *at; ++at) size += *at != ' ';
    if (size > kMostBytes) {
      ipc::Report("record", "", "too large");
      return 2;
    }
  }
  struct sigaction ignore;
  memset(&ignore, 0, sizeof(ignore));
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);

  struct sockaddr_un address;
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("connect", path, ENAMETOOLONG);
    return 1;
  }
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof(address)) < 0) {
    ipc::ReportErrno("connect", path);
    return 1;
  }

  for (int i = first; i < argc; ++i) {
    size_t bytes;
    int words = Split(argv[i], &bytes);
    static uint32_t start[2], checksum;  // For `parts` has their addresses.
    start[0] = htonl((uint32_t)bytes);
    start[1] = htonl((uint32_t)(i - first + 1));
    parts[0].iov_base = start;
    parts[0].iov_len = sizeof(start);
    checksum = htonl(Sum(parts, (size_t)words + 1));
    parts[words + 1].iov_base = &checksum;
    parts[words + 1].iov_len = sizeof(checksum);

    int calls = 0;
    struct iovec* part = parts;
    struct iovec* end = parts + words + 2;
    while (part < end) {
      ssize_t count = Put(fd, by_message, part, (size_t)(end - part));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        ipc::ReportErrno(call, path);
        return 1;
      }
      ++calls;
      for (; part < end && (size_t)count >= part->iov_len; ++part) {
        count -= (ssize_t)part->iov_len;
      }
      if (part < end) {
        part->iov_base = (char*)part->iov_base + count;
        part->iov_len -= (size_t)count;
      }
    }
    printf("frame %d: %d words, %zu bytes, %d calls\n", i - first + 1, words,
           bytes, calls);
    if (fflush(stdout) != 0) {
      ipc::ReportErrno("write", "stdout");
      return 1;
    }
  }
  return close(fd) < 0;
}
