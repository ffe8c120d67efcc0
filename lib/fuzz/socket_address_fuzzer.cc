// Addresses made of arbitrary bytes, as a peer's name is, and of arbitrary
// strings: nothing is read beyond the length, the parts fit the whole, and what
// was taken apart goes together again.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "lib/errno_status.h"
#include "lib/fuzz/fuzz_input.h"
#include "lib/socket_address.h"

namespace ipc {
namespace {

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);

bool SameBytes(const SocketAddress& a, const SocketAddress& b) {
  return a.size() == b.size() && memcmp(a.data(), b.data(), a.size()) == 0;
}

// The address that the kernel wrote: `length` of the bytes of `storage`.
SocketAddress FromKernel(const sockaddr_storage& storage, socklen_t length) {
  SocketAddress address;
  address.FillBy([&](sockaddr* bytes, socklen_t* size) {
    if (length > 0) memcpy(bytes, &storage, length);
    *size = length;
    return 0;
  });
  return address;
}

// The kernel hands back what `address` holds: the copy equals it.
void CheckCopy(const SocketAddress& address) {
  sockaddr_storage storage;
  memset(&storage, 'G', sizeof(storage));
  memcpy(&storage, address.data(), address.size());
  const SocketAddress copy = FromKernel(storage, address.size());
  Require(SameBytes(copy, address), "a copy is the same address");
  Require(copy.path() == address.path() &&
              copy.abstract_name() == address.abstract_name() &&
              copy.port() == address.port() &&
              copy.named() == address.named() &&
              copy.ToString() == address.ToString(),
          "a copy reads the same");
}

void CheckUnix(const SocketAddress& address) {
  const absl::string_view path = address.path();
  const absl::string_view name = address.abstract_name();
  const size_t length = address.size() - kPathOffset;
  const char* bytes =
      reinterpret_cast<const char*>(address.data()) + kPathOffset;
  const std::string text = address.ToString();
  Require(address.named() == (length > 0), "a UNIX name has at least a byte");
  Require(path.empty() || name.empty(), "a path or an abstract name, not both");
  Require(path.find('\0') == path.npos, "a path has no NUL");
  if (length == 0) {
    Require(path.empty() && name.empty() && text == "(unnamed)", "no name");
  } else if (*bytes) {
    Require(path.data() == bytes && path.size() <= length, "path is in bounds");
    Require(path.size() == length || bytes[path.size()] == '\0',
            "path ends at a NUL or at the length");
    Require(text == path, "a path is printed as it is");
  } else {
    Require(name == absl::string_view(bytes + 1, length - 1),
            "an abstract name is all bytes after the first");
    std::string unescaped;
    Require(text[0] == '@' && absl::CUnescape(text.substr(1), &unescaped) &&
                unescaped == name,
            "an abstract name can be read back from its text");
  }
  if (!path.empty() && path.size() <= SocketAddress::kMaxPathLength) {
    const auto again = SocketAddress::UnixPath(path);
    Require(again.ok() && again->path() == path, "a path makes an address");
    Require(length != path.size() + 1 || SameBytes(*again, address),
            "a path with one NUL makes the same address");
  }
  if (length > 0 && !*bytes && name.size() <= SocketAddress::kMaxPathLength) {
    const auto again = SocketAddress::Abstract(name);
    Require(again.ok() && SameBytes(*again, address),
            "an abstract name makes the same address");
  }
}

void CheckInternet(const SocketAddress& address) {
  const bool v6 = address.family() == AF_INET6;
  const std::string text = address.ToString();
  if (address.size() < (v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in))) {
    Require(text == (v6 ? "(address family 10)" : "(address family 2)"),
            "half an address is not printed");
    return;
  }
  const size_t colon = text.rfind(':');
  int port = -1;
  Require(colon != text.npos &&
              absl::SimpleAtoi(text.substr(colon + 1), &port) &&
              port == address.port(),
          "the port is printed");
  Require(!v6 || (text[0] == '[' && text[colon - 1] == ']'), "[v6]:port");
  const std::string host =
      v6 ? text.substr(1, colon - 2) : text.substr(0, colon);
  const auto again = SocketAddress::Ip(host, address.port());
  Require(again.ok() && again->family() == address.family() &&
              again->port() == address.port() && again->ToString() == text,
          "what is printed makes an address");
  const auto* bytes = reinterpret_cast<const char*>(address.data());
  const auto* remade = reinterpret_cast<const char*>(again->data());
  if (v6) {
    // Text has no room for the flow.
    constexpr size_t kFrom = offsetof(sockaddr_in6, sin6_addr);
    Require(memcmp(bytes + kFrom, remade + kFrom,
                   sizeof(sockaddr_in6) - kFrom) == 0,
            "the same IPv6 address and scope");
  } else {
    constexpr size_t kFrom = offsetof(sockaddr_in, sin_addr);
    Require(memcmp(bytes + kFrom, remade + kFrom, sizeof(in_addr)) == 0,
            "the same IPv4 address");
  }
}

void CheckAny(const SocketAddress& address) {
  Require(address.size() <= sizeof(sockaddr_storage), "the size is in bounds");
  Require(!address.ToString().empty(), "there is always a text");
  switch (address.family()) {
    case AF_UNIX:
      Require(address.port() == 0, "a UNIX address has no port");
      CheckUnix(address);
      return;
    case AF_INET:
    case AF_INET6:
      CheckInternet(address);
      break;
    case AF_UNSPEC:
      Require(!address.named() && address.ToString() == "(unnamed)",
              "no family, no name");
      [[fallthrough]];
    default:
      Require(address.port() == 0, "an unknown family has no port");
  }
  Require(address.path().empty() && address.abstract_name().empty(),
          "only a UNIX address has a path or an abstract name");
}

void FuzzFromKernel(FuzzInput* input) {
  // Among the families there are, each known one often.
  constexpr sa_family_t kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_UNSPEC};
  const uint8_t choice = input->Byte();
  // The kernel writes no address, or one that has a family.
  socklen_t length = input->Byte() % (sizeof(sockaddr_storage) + 1);
  if (length < sizeof(sa_family_t)) length = 0;
  const std::string bytes = input->Bytes(sizeof(sockaddr_storage));
  sockaddr_storage storage;
  // What an earlier call may have left there.
  memset(&storage, 'G', sizeof(storage));
  memcpy(&storage, bytes.data(), bytes.size());
  if (choice < 0xF0) storage.ss_family = kFamilies[choice % 4];

  const SocketAddress address = FromKernel(storage, length);
  if (length == 0) {
    Require(!address.named(), "no address is unnamed");
  } else {
    Require(address.size() == length &&
                memcmp(address.data(), &storage, length) == 0,
            "the kernel's bytes are kept");
  }
  CheckAny(address);
  CheckCopy(address);
}

void FuzzUnixPath(const std::string& path) {
  const auto address = SocketAddress::UnixPath(path);
  const int error = path.size() > SocketAddress::kMaxPathLength ? ENAMETOOLONG
                    : path.empty() || path.find('\0') != path.npos ? EINVAL
                                                                   : 0;
  Require(StatusErrno(address.status()) == error, "which paths are refused");
  if (error) return;
  Require(address->path() == path, "the path is kept");
  Require(address->size() == kPathOffset + path.size() + 1, "with one NUL");
  CheckAny(*address);
  CheckCopy(*address);
}

void FuzzAbstract(const std::string& name) {
  const auto address = SocketAddress::Abstract(name);
  const int error =
      name.size() > SocketAddress::kMaxPathLength ? ENAMETOOLONG : 0;
  Require(StatusErrno(address.status()) == error, "which names are refused");
  if (error) return;
  Require(address->abstract_name() == name, "the name is kept");
  Require(address->size() == kPathOffset + 1 + name.size(), "without a NUL");
  CheckAny(*address);
  CheckCopy(*address);
}

void FuzzIp(const std::string& host, uint16_t port) {
  const auto address = SocketAddress::Ip(host, port);
  in6_addr bytes;
  const bool nul = host.find('\0') != host.npos;
  const std::string before_scope = host.substr(0, host.find('%'));
  const bool plain = inet_pton(AF_INET, host.c_str(), &bytes) == 1 ||
                     inet_pton(AF_INET6, host.c_str(), &bytes) == 1;
  if (!address.ok()) {
    const int error = StatusErrno(address.status());
    Require(nul || !plain, "plain numbers are taken");
    Require(error == EINVAL || error == ENODEV, "refused with one of the two");
    Require(error == EINVAL ||
                (before_scope.size() < host.size() &&
                 inet_pton(AF_INET6, before_scope.c_str(), &bytes) == 1),
            "ENODEV only for an IPv6 address with a scope");
    return;
  }
  Require(!nul, "a NUL is refused");
  Require(address->family() == AF_INET || address->family() == AF_INET6,
          "an internet address");
  Require(address->port() == port, "the port is kept");
  CheckAny(*address);
  CheckCopy(*address);
}

}  // namespace
}  // namespace ipc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ipc::FuzzInput input(data, size);
  switch (input.Byte() % 4) {
    case 0:
      ipc::FuzzFromKernel(&input);
      break;
    case 1:
      ipc::FuzzUnixPath(input.Bytes(size));
      break;
    case 2:
      ipc::FuzzAbstract(input.Bytes(size));
      break;
    case 3: {
      const uint16_t port = input.Word();
      ipc::FuzzIp(input.Bytes(size), port);
    }
  }
  return 0;
}
