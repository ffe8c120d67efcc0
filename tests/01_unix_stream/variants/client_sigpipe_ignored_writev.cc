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
  if (strlen(path) > 107) {
    ipc::ReportErrno("connect", path, ENAMETOOLONG);
    return 1;
  }
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    ipc::ReportErrno("connect", path);
    return 1;
  }
  iovec records[4];
  for (iovec& one : records) one = {record, sizeof(record)};
  if (writev(fd, records, 4) != 4096) {
    ipc::ReportErrno("writev", path);
    return 1;
  }
  return 0;
}
