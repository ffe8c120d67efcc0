#include "tests/support/ports.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/socket.h"
#include "lib/socket_address.h"

namespace harness {
namespace {

using ipc::SocketAddress;
using ipc::UniqueFd;

// The ports that the kernel chooses from lie beyond these, unless somebody has
// set ip_local_port_range.
constexpr int kLowest = 10000, kHighest = 32767;
constexpr int kTries = 10000;

// A socket bound to `port` of `host`. Not by ipc::Bind: without SO_REUSEADDR
// the kernel also counts connections in TIME_WAIT, and lets no other socket in.
UniqueFd BindAlone(int type, const std::string& host, int port) {
  const auto address = SocketAddress::Ip(host, port);
  if (!address.ok()) return UniqueFd();
  UniqueFd fd(socket(address->family(), type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return UniqueFd();
  if (address->family() == AF_INET6) {
    const int only = 1;
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
  }
  if (bind(fd.get(), address->data(), address->size()) < 0) return UniqueFd();
  return fd;
}

bool IsFree(int type, int port) {
  static const bool ipv6 = BindAlone(SOCK_STREAM, "::1", 0).valid();
  return BindAlone(type, "0.0.0.0", port).valid() &&
         (!ipv6 || BindAlone(type, "::", port).valid());
}

// Free, or one that only root may bind.
bool IsNobodys(int type, int port) {
  return BindAlone(type, "127.0.0.1", port).valid() || errno == EACCES;
}

}  // namespace

OwnPort::OwnPort(int type) {
  static std::random_device random;
  int low = 0, high = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low >> high;
  std::uniform_int_distribution<int> any(kLowest, kHighest);
  for (int i = 0; i < kTries; ++i) {
    number_ = any(random);
    // Where all are the kernel's, one of these must do.
    const bool kernels = number_ >= low && number_ <= high;
    if ((kernels && i < kTries / 2) || number_ == swapped()) continue;
    const std::string name = absl::StrCat("lab-port-", type, "-", number_);
    auto lock = ipc::Bind(*SocketAddress::Abstract(name), SOCK_DGRAM);
    if (lock.ok() && IsFree(type, number_) && IsNobodys(type, swapped())) {
      lock_ = *std::move(lock);
      return;
    }
  }
  fputs("checker: no port of this machine is free\n", stderr);
  exit(2);
}

UniqueFd Refuse(int type, const std::string& host, int port) {
  UniqueFd fd = BindAlone(type, host, port);
  // A TCP socket that does not listen refuses. A UDP socket takes in what is
  // sent to it, unless it is connected: then, what its peer sends, here itself.
  if (type == SOCK_DGRAM && fd.valid()) {
    const auto self = SocketAddress::Ip(host, port);
    if (connect(fd.get(), self->data(), self->size()) < 0) return UniqueFd();
  }
  return fd;
}

}  // namespace harness
