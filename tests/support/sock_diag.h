// What the kernel says of TCP sockets by netlink: see sock_diag(7).
// /proc/net/tcp says the same, but the kernel goes through a table of all
// connections that the machine has room for, which takes milliseconds where
// there is much memory.
#ifndef TESTS_SUPPORT_SOCK_DIAG_H_
#define TESTS_SUPPORT_SOCK_DIAG_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/socket_address.h"

namespace harness {

// The name of the IPv4 or IPv6 address at `address`, and of `port`, both in
// network byte order, as the kernel tells them.
ipc::SocketAddress IpName(int family, const void* address, in_port_t port);

struct TcpListener {
  uint64_t inode;
  ipc::SocketAddress name;
};

// All sockets of this network namespace that listen. Nothing where the kernel
// does not answer such questions (CONFIG_INET_DIAG). Does not block.
std::optional<std::vector<TcpListener>> ListTcpListeners();

// How many bytes have come to `local` from `remote` and were not read yet; 0
// where there is no such connection. Nothing as above. Does not block.
std::optional<size_t> UnreadBytes(const ipc::SocketAddress& local,
                                  const ipc::SocketAddress& remote);

}  // namespace harness

#endif  // TESTS_SUPPORT_SOCK_DIAG_H_
