#include "lib/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/errno_status.h"

namespace ipc {
namespace {

absl::StatusOr<SocketAddress> AskKernel(absl::string_view operation, int fd,
                                        int (*call)(int, sockaddr*,
                                                    socklen_t*)) {
  SocketAddress address;
  const int result = address.FillBy([=](sockaddr* bytes, socklen_t* length) {
    return call(fd, bytes, length);
  });
  if (result < 0) return ErrnoStatus(operation, "");
  return address;
}

// Whether `host` is an address on an interface that does not exist.
bool InterfaceIsMissing(const std::string& host) {
  const size_t percent = host.find('%');
  in6_addr ignored;
  return percent != host.npos &&
         inet_pton(AF_INET6, host.substr(0, percent).c_str(), &ignored) == 1 &&
         if_nametoindex(host.c_str() + percent + 1) == 0;
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
  memcpy(address.name(), path.data(), path.size());
  address.name()[path.size()] = '\0';
  address.size_ = kNameOffset + path.size() + 1;
  return address;
}

absl::StatusOr<SocketAddress> SocketAddress::Abstract(absl::string_view name) {
  if (name.size() > kMaxPathLength) {
    return ErrnoStatus("abstract name", absl::CHexEscape(name), ENAMETOOLONG);
  }
  SocketAddress address = UnixUnnamed();
  // A NUL comes first, and none at the end.
  *address.name() = '\0';
  memcpy(address.name() + 1, name.data(), name.size());
  address.size_ = kNameOffset + 1 + name.size();
  return address;
}

SocketAddress SocketAddress::UnixUnnamed() {
  SocketAddress address;
  address.storage_.ss_family = AF_UNIX;
  return address;
}

absl::StatusOr<SocketAddress> SocketAddress::Ip(absl::string_view host,
                                                uint16_t port) {
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;  // Any: otherwise each type gives a result.
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(std::string(host).c_str(),
                                  absl::StrCat(port).c_str(), &hints, &found);
  if (failure == 0 && host.find('\0') != host.npos) {  // It saw but a part.
    freeaddrinfo(found);
    return ErrnoStatus("address", absl::CHexEscape(host), EINVAL);
  }
  if (failure) {
    return ErrnoStatus("address", host,
                       InterfaceIsMissing(std::string(host)) ? ENODEV : EINVAL);
  }
  SocketAddress address;
  memcpy(&address.storage_, found->ai_addr, found->ai_addrlen);
  address.size_ = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

absl::string_view SocketAddress::path() const {
  if (family() != AF_UNIX || size_ <= kNameOffset) return "";
  // A path of all 108 bytes comes without a NUL; an abstract name starts with
  // one, and so gives an empty path.
  return absl::string_view(name(), strnlen(name(), size_ - kNameOffset));
}

absl::string_view SocketAddress::abstract_name() const {
  if (family() != AF_UNIX || size_ <= kNameOffset || !path().empty()) return "";
  return absl::string_view(name() + 1, size_ - kNameOffset - 1);
}

uint16_t SocketAddress::port() const {
  // The port is in the same place for both, and so is what must be there.
  static_assert(offsetof(sockaddr_in, sin_port) ==
                offsetof(sockaddr_in6, sin6_port));
  const bool internet = family() == AF_INET || family() == AF_INET6;
  if (!internet || size_ < sizeof(sockaddr_in)) return 0;
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
}

bool SocketAddress::named() const {
  return family() == AF_UNIX ? size_ > kNameOffset : family() != AF_UNSPEC;
}

std::string SocketAddress::ToString() const {
  if (!named()) return "(unnamed)";
  if (!path().empty()) return std::string(path());
  if (family() == AF_UNIX) {
    return absl::StrCat("@", absl::CHexEscape(abstract_name()));
  }
  char host[NI_MAXHOST], service[NI_MAXSERV];
  if (getnameinfo(data(), size_, host, sizeof(host), service, sizeof(service),
                  NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    return family() == AF_INET6 ? absl::StrCat("[", host, "]:", service)
                                : absl::StrCat(host, ":", service);
  }
  return absl::StrCat("(address family ", family(), ")");
}

absl::StatusOr<SocketAddress> LocalAddress(int fd) {
  return AskKernel("getsockname", fd, getsockname);
}

absl::StatusOr<SocketAddress> PeerAddress(int fd) {
  return AskKernel("getpeername", fd, getpeername);
}

}  // namespace ipc
