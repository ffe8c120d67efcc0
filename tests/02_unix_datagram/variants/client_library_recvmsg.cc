// A variant with what lab 01 has earned, whose socket knows that a reply was
// cut from recvmsg.
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <iostream>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "lib/program.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"

namespace {

int Fail(const absl::Status& status) {
  std::cerr << "client: " << status.message() << std::endl;
  return 1;
}

int FailedWith(const char* call, const char* path) {
  return Fail(
      ipc::ErrnoStatus(call, path, errno == EAGAIN ? ETIMEDOUT : errno));
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  const char* path = "/tmp/unix.dgram";
  int timeout = 5000;
  const int first = ipc::ParseFlags(
      argc, argv, {{"socket", &path, "path"}, {"timeout", &timeout, "ms"}},
      "MESSAGE...");
  if (first == argc) {
    std::cerr << "client: no MESSAGE" << std::endl;
    return 2;
  }
  const auto address = ipc::SocketAddress::UnixPath(path);
  if (!address.ok()) return Fail(address.status());
  const auto fd = ipc::Bind(ipc::SocketAddress::UnixUnnamed(), SOCK_DGRAM);
  if (!fd.ok()) return Fail(fd.status());
  if (connect(fd->get(), address->data(), address->size()) < 0) {
    return FailedWith("connect", path);
  }
  const timeval limit = absl::ToTimeval(absl::Milliseconds(timeout));
  setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));

  for (int i = first; i < argc; ++i) {
    std::string text = argv[i];
    iovec part = {&text[0], text.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (sendmsg(fd->get(), &message, MSG_NOSIGNAL) < 0) {
      return FailedWith("sendmsg", path);
    }
    ssize_t count;
    do {
      count = recvmsg(fd->get(), &message, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return FailedWith("recvmsg", path);
    if (static_cast<size_t>(count) < text.size() ||
        (message.msg_flags & MSG_TRUNC)) {
      ipc::Report("recvmsg", path, "not a reply to all of the message");
      return 1;
    }
    if (!(std::cout << text << std::endl)) return FailedWith("print", path);
  }
  return 0;
}
