// A variant that ignores SIGPIPE and sends everything in one writev.
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.domain";
  const char* message = "Message from client";
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"}, {"message", &message, "text"}});
  signal(SIGPIPE, SIG_IGN);
  char record[1024];
  if (strlen(message) > sizeof(record)) {
    ipc::Report("message", "", "too long");
    return 2;
  }
  strncpy(record, message, sizeof(record));  // Pads with zeros, for once.
  sockaddr_un address{AF_UNIX, {}};
  if (!*path || strlen(path) > 107) {
    ipc::ReportErrno("connect", path, *path ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    ipc::ReportErrno("socket", path);
    return 1;
  }
  int connected;
  do {
    connected =
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  } while (connected < 0 && errno == EINTR);
  if (connected < 0) {
    ipc::ReportErrno("connect", path);
    return 1;
  }
  iovec records[4];
  for (iovec& one : records) one = {record, sizeof(record)};
  iovec* next = records;
  while (next < records + 4) {
    const ssize_t count =
        writev(fd, next, static_cast<int>(records + 4 - next));
    if (count < 0 && errno != EINTR) {
      ipc::ReportErrno("writev", path);
      return 1;
    }
    size_t sent = count < 0 ? 0 : count;
    for (; next < records + 4 && sent >= next->iov_len; ++next) {
      sent -= next->iov_len;
    }
    if (next < records + 4) {
      *next = {static_cast<char*>(next->iov_base) + sent, next->iov_len - sent};
    }
  }
  return 0;
}
