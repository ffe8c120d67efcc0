#include "lib/socket_path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lib/errno_status.h"
#include "lib/socket.h"
#include "lib/socket_address.h"

namespace ipc {
namespace {

std::string FolderOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace

SocketPath& SocketPath::operator=(SocketPath&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  path_ = std::exchange(other.path_, "");
  device_ = other.device_;
  inode_ = other.inode_;
  owner_ = other.owner_;
  return *this;
}

absl::StatusOr<SocketPath> SocketPath::Adopt(absl::string_view path) {
  SocketPath adopted;
  adopted.path_ = std::string(path);
  struct stat status;
  if (lstat(adopted.path_.c_str(), &status) < 0) {
    return ErrnoStatus("stat", path);
  }
  if (!S_ISSOCK(status.st_mode)) return ErrnoStatus("stat", path, ENOTSOCK);
  adopted.device_ = status.st_dev;
  adopted.inode_ = status.st_ino;
  adopted.owner_ = getpid();
  return adopted;
}

void SocketPath::Remove() {
  const std::string path = std::exchange(path_, "");
  if (path.empty() || owner_ != getpid()) return;
  const int saved_errno = errno;
  struct stat status;
  if (lstat(path.c_str(), &status) == 0 && status.st_dev == device_ &&
      status.st_ino == inode_) {
    unlink(path.c_str());
  }
  errno = saved_errno;
}

absl::Status RemoveStaleSocket(absl::string_view path) {
  absl::StatusOr<SocketAddress> address = SocketAddress::UnixPath(path);
  if (!address.ok()) return address.status();
  struct stat status;
  if (lstat(std::string(path).c_str(), &status) < 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus("stat", path);
  }
  if (!S_ISSOCK(status.st_mode)) return ErrnoStatus("bind", path, EADDRINUSE);
  // Asking with a datagram socket leaves a live stream server in peace: it gets
  // no connection, and we get EPROTOTYPE. EPERM comes from a live datagram
  // socket that has a peer. ECONNREFUSED means that no socket is bound to the
  // file any more.
  UniqueFd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return ErrnoStatus("socket", "");
  if (connect(probe.get(), address->data(), address->size()) == 0 ||
      errno == EPROTOTYPE || errno == EPERM) {
    return ErrnoStatus("bind", path, EADDRINUSE);
  }
  if (errno == ENOENT) return absl::OkStatus();
  if (errno != ECONNREFUSED) return ErrnoStatus("connect", path);
  if (unlink(std::string(path).c_str()) < 0 && errno != ENOENT) {
    return ErrnoStatus("unlink", path);
  }
  return absl::OkStatus();
}

absl::StatusOr<PathListener> ListenAtPath(absl::string_view path, int backlog,
                                          mode_t mode) {
  absl::StatusOr<SocketAddress> address = SocketAddress::UnixPath(path);
  if (!address.ok()) return address.status();

  const std::string folder = FolderOf(path);
  UniqueFd lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid()) return ErrnoStatus("open", folder);
  while (flock(lock.get(), LOCK_EX) < 0) {
    if (errno != EINTR) return ErrnoStatus("flock", folder);
  }

  absl::Status cleared = RemoveStaleSocket(path);
  if (!cleared.ok()) return cleared;
  PathListener server;
  absl::StatusOr<UniqueFd> listener = Bind(*address, SOCK_STREAM, mode);
  if (!listener.ok()) return listener.status();
  server.listener = *std::move(listener);
  absl::StatusOr<SocketPath> file = SocketPath::Adopt(path);
  if (!file.ok()) return file.status();
  server.path = std::move(*file);
  if (listen(server.listener.get(), backlog) < 0) {
    return ErrnoStatus("listen", path);
  }
  return server;
}

}  // namespace ipc
