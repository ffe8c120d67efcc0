// A variant that sends in pieces of odd sizes, and shuts its side down before
// it closes.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.domain";
  const char* message = "Message from client";
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"}, {"message", &message, "text"}});
  std::string record = message;
  if (record.size() > 1024) {
    ipc::Report("message", "", "too long");
    return 2;
  }
  record.resize(1024);
  const std::string name = path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() > 107) {
    ipc::ReportErrno("connect", path, name.empty() ? EINVAL : ENAMETOOLONG);
    return 1;
  }
  std::copy(name.begin(), name.end(), address.sun_path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    ipc::ReportErrno("socket", path);
    return 1;
  }
  const socklen_t size = offsetof(sockaddr_un, sun_path) + name.size();
  while (connect(fd, reinterpret_cast<sockaddr*>(&address), size) < 0) {
    if (errno == EINTR) continue;
    ipc::ReportErrno("connect", path);
    return 1;
  }
  const std::string all = record + record + record + record;
  for (size_t sent = 0; sent < all.size();) {
    iovec piece = {const_cast<char*>(all.data()) + sent,
                   std::min<size_t>(333, all.size() - sent)};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    const ssize_t count = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("sendmsg", path);
      return 1;
    }
    sent += count;
  }
  shutdown(fd, SHUT_WR);
  close(fd);
  return 0;
}
