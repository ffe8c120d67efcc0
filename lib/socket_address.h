// A socket address: bytes and a length, never one without the other.
//
//   auto address = ipc::SocketAddress::UnixPath(path);
//   if (!address.ok()) return address.status();  // too long, empty, ...
//   if (bind(fd, address->data(), address->size()) < 0) ...
//
// The length matters: for an abstract UNIX socket it is part of the name.
#ifndef LIB_SOCKET_ADDRESS_H_
#define LIB_SOCKET_ADDRESS_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ipc {

class SocketAddress {
 public:
  // sun_path has 108 bytes. Linux accepts a name that fills them all, without
  // a NUL, but then nobody can read it back as a C string, so one is kept.
  static constexpr size_t kMaxPathLength = sizeof(sockaddr_un::sun_path) - 1;

  // The unnamed address, as a socket has that was never bound: AF_UNSPEC.
  SocketAddress() { storage_.ss_family = AF_UNSPEC; }

  // The UNIX socket `path`, relative to the working directory of whoever uses
  // it. ENAMETOOLONG beyond kMaxPathLength bytes; EINVAL when empty (the kernel
  // would invent an abstract name) or with an embedded NUL (the kernel would
  // stop there). Touches no file. See unix(7).
  static absl::StatusOr<SocketAddress> UnixPath(absl::string_view path);

  // The abstract UNIX socket `name`: no file, gone with its last descriptor,
  // and free to everybody in this network namespace. All of its bytes count,
  // NULs included, and no others. ENAMETOOLONG beyond kMaxPathLength bytes.
  static absl::StatusOr<SocketAddress> Abstract(absl::string_view name);

  // UNIX, but no name: for bind(2), the wish that the kernel choose an abstract
  // one. See "Autobind feature" in unix(7).
  static SocketAddress UnixUnnamed();

  // An internet address, in numbers, and a port in the host's byte order (0:
  // for bind(2), the wish that the kernel choose one): "127.0.0.1", "::1", or
  // "fe80::1%eth0". EINVAL when `host` is anything else, a name for instance;
  // ENODEV when there is no such interface. See ip(7), ipv6(7).
  static absl::StatusOr<SocketAddress> Ip(absl::string_view host,
                                          uint16_t port);

  // Has the kernel write the address: calls `call(sockaddr*, socklen_t*)`,
  // which hands its arguments to accept(2), getsockname(2), recvfrom(2) or the
  // like, and returns what that returned. Unnamed where the kernel wrote
  // nothing.
  template <typename Call>
  auto FillBy(Call call) {
    storage_.ss_family = AF_UNSPEC;
    size_ = sizeof(storage_);
    return call(reinterpret_cast<sockaddr*>(&storage_), &size_);
  }

  sa_family_t family() const { return storage_.ss_family; }
  const sockaddr* data() const {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  socklen_t size() const { return size_; }

  // The path of a UNIX path address; empty for every other.
  absl::string_view path() const;

  // The name of an abstract UNIX address; empty for every other.
  absl::string_view abstract_name() const;

  // The port of an internet address, in the host's byte order; 0 for every
  // other.
  uint16_t port() const;

  // Whether somebody could be reached by it: false for the sender of a datagram
  // that never called bind(2).
  bool named() const;

  // For people: a path as it is, "@name" with what cannot be printed in C's
  // escapes, "127.0.0.1:80", "[::1]:80", "(unnamed)", or "(address family 16)".
  std::string ToString() const;

 private:
  char* name() { return reinterpret_cast<char*>(&storage_) + kNameOffset; }
  const char* name() const { return const_cast<SocketAddress*>(this)->name(); }

  static constexpr socklen_t kNameOffset = offsetof(sockaddr_un, sun_path);

  // Only its first size_ bytes mean anything.
  sockaddr_storage storage_;
  socklen_t size_ = sizeof(sa_family_t);
};

// The name that `fd` is bound to; EBADF, ENOTSOCK. See getsockname(2).
absl::StatusOr<SocketAddress> LocalAddress(int fd);

// The name of the socket at the other end; ENOTCONN, EBADF, ENOTSOCK. See
// getpeername(2).
absl::StatusOr<SocketAddress> PeerAddress(int fd);

}  // namespace ipc

#endif  // LIB_SOCKET_ADDRESS_H_
