#include "lib/socket.h"

#include <sys/stat.h>

#include <cerrno>

#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "lib/socket_options.h"
#include "lib/wait.h"

namespace ipc {

namespace {

// Waits for the end of a connection that is under way, and fetches its result.
absl::Status FinishConnect(int fd, const SocketAddress& address) {
  absl::Status done = WaitWritable(fd, absl::InfiniteFuture());
  if (!done.ok()) return done;
  absl::StatusOr<int> error = GetSocketOption(fd, SOL_SOCKET, SO_ERROR);
  if (!error.ok()) return error.status();
  if (*error) return ErrnoStatus("connect", address.ToString(), *error);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> Bind(const SocketAddress& address, int type,
                              mode_t mode) {
  UniqueFd fd(socket(address.family(), type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket", "");
  if (address.family() != AF_UNIX && type == SOCK_STREAM) {
    absl::Status set = SetSocketOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (!set.ok()) return set;
  }
  // On an unbound UNIX socket this sets the mode that bind gives to the file,
  // so the file never exists with a wider one, and the umask, which belongs to
  // the whole process, stays as it is.
  if (mode != kAnyMode && fchmod(fd.get(), mode) < 0) {
    return ErrnoStatus("fchmod", address.ToString());
  }
  if (bind(fd.get(), address.data(), address.size()) < 0) {
    return ErrnoStatus("bind", address.ToString());
  }
  return fd;
}

absl::StatusOr<UniqueFd> Listen(const SocketAddress& address, int backlog) {
  absl::StatusOr<UniqueFd> fd = Bind(address, SOCK_STREAM);
  if (fd.ok() && listen(fd->get(), backlog) < 0) {
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
  while (connect(fd.get(), address.data(), address.size()) < 0) {
    // A UNIX connect that a signal interrupts has not begun, and is called
    // again. One over TCP goes on by itself, and a second call would be an
    // error.
    if (errno == EINTR && address.family() == AF_UNIX) continue;
    if (errno != EINTR) return ErrnoStatus("connect", address.ToString());
    absl::Status finished = FinishConnect(fd.get(), address);
    if (!finished.ok()) return finished;
    break;
  }
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
