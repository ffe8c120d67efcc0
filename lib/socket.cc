#include "lib/socket.h"

#include <cerrno>

#include "lib/errno_status.h"

namespace ipc {

absl::StatusOr<UniqueFd> Listen(const SocketAddress& address, int backlog) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket", "");
  if (bind(fd.get(), address.data(), address.size()) < 0) {
    return ErrnoStatus("bind", address.ToString());
  }
  if (listen(fd.get(), backlog) < 0) {
    return ErrnoStatus("listen", address.ToString());
  }
  return fd;
}

absl::StatusOr<UniqueFd> Accept(int listener) {
  int fd;
  do {
    fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) return ErrnoStatus("accept", "");
  return UniqueFd(fd);
}

absl::StatusOr<UniqueFd> Connect(const SocketAddress& address) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket", "");
  int result;
  do {
    // A UNIX connect that a signal interrupts has not begun: it may be retried.
    result = connect(fd.get(), address.data(), address.size());
  } while (result < 0 && errno == EINTR);
  if (result < 0) return ErrnoStatus("connect", address.ToString());
  return fd;
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(int type) {
  int fds[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0) {
    return ErrnoStatus("socketpair", "");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

}  // namespace ipc
