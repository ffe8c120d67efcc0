// Datagrams: what one send wrote, one receive returns, whole or not at all.
//
//   auto fd = ipc::Bind(*address, SOCK_DGRAM);
//   char buffer[2048];
//   auto got = ipc::ReceiveFrom(fd->get(), absl::MakeSpan(buffer));
//   if (!got.ok()) return got.status();  // EMSGSIZE: it was larger than that.
//   if (got->from.named()) {
//     absl::Status sent = ipc::SendTo(fd->get(), reply, got->from);
//   }
//
// A datagram of no bytes is a datagram, not the end of anything.
#ifndef LIB_DATAGRAM_H_
#define LIB_DATAGRAM_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/socket_address.h"

namespace ipc {

struct ReceivedDatagram {
  ReceivedDatagram() {}  // Were it = default, all of `from` would be zeroed.

  size_t size = 0;
  // Not named() when the sender has no name: nobody can answer it.
  SocketAddress from;
};

// Sends `data` as one datagram to `to`. Blocks while the receiver's queue is
// full, unless `fd` is non-blocking (EAGAIN). Retried after a signal. ENOENT:
// no such path; ECONNREFUSED: nobody bound to it; EPROTOTYPE: it is not a
// datagram socket; EPERM: it is connected to somebody else; EACCES; EMSGSIZE:
// more than one datagram can hold; ENOBUFS. See sendto(2), unix(7), udp(7).
absl::Status SendTo(int fd, absl::Span<const char> data,
                    const SocketAddress& to);

// The next datagram, from whomever. Blocks until there is one, unless `fd` is
// non-blocking (EAGAIN). Retried after a signal. EMSGSIZE: it was larger than
// `buffer`, the message says how large, and it is lost. ECONNREFUSED: an
// earlier send over connected UDP met nobody. See recvfrom(2).
absl::StatusOr<ReceivedDatagram> ReceiveFrom(int fd, absl::Span<char> buffer);

}  // namespace ipc

#endif  // LIB_DATAGRAM_H_
