#include "lib/socket_address.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/errno_status.h"

namespace ipc {
namespace {

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);

absl::StatusOr<SocketAddress> AskKernel(absl::string_view operation, int fd,
                                        int (*call)(int, sockaddr*,
                                                    socklen_t*)) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof(storage);
  if (call(fd, reinterpret_cast<sockaddr*>(&storage), &length) < 0) {
    return ErrnoStatus(operation, "");
  }
  return SocketAddress::FromKernel(storage, length);
}

}  // namespace

absl::StatusOr<SocketAddress> SocketAddress::UnixPath(absl::string_view path) {
  if (path.size() > kMaxPathLength) {
    return ErrnoStatus("socket path", path, ENAMETOOLONG);
  }
  if (path.empty() || path.find('\0') != path.npos) {
    return ErrnoStatus("socket path", path, EINVAL);
  }
  SocketAddress address;
  address.storage_.ss_family = AF_UNIX;
  memcpy(reinterpret_cast<char*>(&address.storage_) + kPathOffset, path.data(),
         path.size());
  // The rest of storage_ is zero, so counting one byte more counts the NUL.
  address.size_ = kPathOffset + path.size() + 1;
  return address;
}

absl::StatusOr<SocketAddress> SocketAddress::FromKernel(
    const sockaddr_storage& storage, socklen_t length) {
  SocketAddress address;
  if (length > sizeof(address.storage_)) {
    return ErrnoStatus("socket address", "", EINVAL);
  }
  // recvfrom(2) leaves length 0 and the buffer untouched for an unnamed sender.
  if (length >= sizeof(sa_family_t)) {
    memcpy(&address.storage_, &storage, length);
    address.size_ = length;
  }
  return address;
}

absl::string_view SocketAddress::path() const {
  if (family() != AF_UNIX || size_ <= kPathOffset) return "";
  const char* path = reinterpret_cast<const char*>(&storage_) + kPathOffset;
  // A path of all 108 bytes comes without a NUL; an abstract name starts with
  // one, and so gives an empty path.
  return absl::string_view(path, strnlen(path, size_ - kPathOffset));
}

std::string SocketAddress::ToString() const {
  if (!path().empty()) return std::string(path());
  if (size_ <= sizeof(sa_family_t)) return "(unnamed)";
  return absl::StrCat("(address family ", family(), ")");
}

absl::StatusOr<SocketAddress> LocalAddress(int fd) {
  return AskKernel("getsockname", fd, getsockname);
}

absl::StatusOr<SocketAddress> PeerAddress(int fd) {
  return AskKernel("getpeername", fd, getpeername);
}

}  // namespace ipc
