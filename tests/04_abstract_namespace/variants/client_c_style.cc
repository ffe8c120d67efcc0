// A variant as one writes it in C, with one writev for the text and its zeros.
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* name = "lab";
  const char* message = "Message from client";
  static char zeros[1024];
  struct sockaddr_un address;
  struct iovec parts[8];
  struct msghdr header = {};
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"}, {"message", &message, "text"}});
  const size_t text = strlen(message), length = strlen(name);
  if (text > 1024) {
    ipc::Report("--message", "", "1024 bytes are the most");
    return 2;
  }
  if (length == 0 || length > sizeof(address.sun_path) - 1) {
    ipc::ReportErrno("connect", name, length ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  address.sun_family = AF_UNIX;
  address.sun_path[0] = 0;
  memcpy(address.sun_path + 1, name, length);
  for (char* at = address.sun_path + 1;
       (at = (char*)memchr(at, '@', address.sun_path + 1 + length - at));) {
    *at = 0;
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr*)&address,
              offsetof(struct sockaddr_un, sun_path) + 1 + length) < 0) {
    ipc::ReportErrno("connect", name);
    return 1;
  }
  for (int i = 0; i < 8; i += 2) {
    parts[i].iov_base = (void*)message;
    parts[i].iov_len = text;
    parts[i + 1].iov_base = zeros;
    parts[i + 1].iov_len = 1024 - text;
  }
  header.msg_iov = parts;
  header.msg_iovlen = 8;
  while (header.msg_iovlen > 0) {
    ssize_t sent = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (sent < 0) {
      ipc::ReportErrno("sendmsg", name);
      return 1;
    }
    while (header.msg_iovlen > 0 &&
           sent >= (ssize_t)header.msg_iov[0].iov_len) {
      sent -= header.msg_iov[0].iov_len;
      ++header.msg_iov;
      --header.msg_iovlen;
    }
    if (header.msg_iovlen > 0) {
      header.msg_iov[0].iov_base = (char*)header.msg_iov[0].iov_base + sent;
      header.msg_iov[0].iov_len -= sent;
    }
  }
  return close(fd) == 0 ? 0 : 1;
}
