#include "tests/support/sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "absl/functional/function_ref.h"
#include "lib/unique_fd.h"

namespace harness {
namespace {

// TCP_LISTEN of <netinet/tcp.h>, which does not go together with <linux/...>.
constexpr uint32_t kListens = 1 << 10;

struct Request {
  nlmsghdr header = {};
  inet_diag_req_v2 wanted = {};
};

// Asks for what `request` wants, and calls `answered` for each socket. Returns
// 0, or the errno by which the kernel refused.
int Ask(Request request, uint16_t flags,
        absl::FunctionRef<void(const inet_diag_msg&)> answered) {
  const ipc::UniqueFd fd(
      socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | flags;
  request.wanted.sdiag_protocol = IPPROTO_TCP;
  if (send(fd.get(), &request, sizeof(request), 0) < 0) return errno;
  alignas(nlmsghdr) char buffer[1 << 15];
  while (true) {
    const ssize_t size = recv(fd.get(), buffer, sizeof(buffer), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size < 0 ? errno : EPROTO;
    auto left = static_cast<unsigned>(size);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer);
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) return 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        return -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
      }
      answered(*static_cast<const inet_diag_msg*>(NLMSG_DATA(message)));
      if (!(flags & NLM_F_DUMP)) return 0;
    }
  }
}

// The IP address of `name`, as netlink wants it.
void CopyAddress(const ipc::SocketAddress& name, __be32 address[4]) {
  if (name.family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(name.data());
    address[0] = v4->sin_addr.s_addr;
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(name.data());
    memcpy(address, &v6->sin6_addr, sizeof(v6->sin6_addr));
  }
}

}  // namespace

ipc::SocketAddress IpName(int family, const void* address, in_port_t port) {
  ipc::SocketAddress name;
  name.FillBy([&](sockaddr* storage, socklen_t* size) {
    if (family == AF_INET) {
      sockaddr_in v4 = {};
      v4.sin_family = AF_INET;
      v4.sin_port = port;
      memcpy(&v4.sin_addr, address, sizeof(v4.sin_addr));
      memcpy(storage, &v4, *size = sizeof(v4));
    } else {
      sockaddr_in6 v6 = {};
      v6.sin6_family = AF_INET6;
      v6.sin6_port = port;
      memcpy(&v6.sin6_addr, address, sizeof(v6.sin6_addr));
      memcpy(storage, &v6, *size = sizeof(v6));
    }
    return 0;
  });
  return name;
}

std::optional<std::vector<TcpListener>> ListTcpListeners() {
  std::vector<TcpListener> found;
  for (int family : {AF_INET, AF_INET6}) {
    Request request;
    request.wanted.sdiag_family = static_cast<uint8_t>(family);
    request.wanted.idiag_states = kListens;
    const int error = Ask(request, NLM_F_DUMP, [&](const inet_diag_msg& one) {
      found.push_back(
          {one.idiag_inode,
           IpName(one.idiag_family, one.id.idiag_src, one.id.idiag_sport)});
    });
    if (error != 0) return std::nullopt;
  }
  return found;
}

std::optional<size_t> UnreadBytes(const ipc::SocketAddress& local,
                                  const ipc::SocketAddress& remote) {
  Request request;
  request.wanted.sdiag_family = static_cast<uint8_t>(local.family());
  inet_diag_sockid& id = request.wanted.id;
  id.idiag_sport = htons(static_cast<uint16_t>(local.port()));
  id.idiag_dport = htons(static_cast<uint16_t>(remote.port()));
  CopyAddress(local, id.idiag_src);
  CopyAddress(remote, id.idiag_dst);
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  size_t unread = 0;
  // Without a connection of these names, a socket that listens there is found.
  const int error = Ask(request, 0, [&](const inet_diag_msg& one) {
    if (one.id.idiag_dport == id.idiag_dport) unread = one.idiag_rqueue;
  });
  if (error != 0 && error != ENOENT) return std::nullopt;
  return unread;
}

}  // namespace harness
