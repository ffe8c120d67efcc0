// Who is at the other end of a UNIX socket, according to the kernel.
//
//   auto peer = ipc::PeerCredentials(client);
//   if (!peer.ok()) return peer.status();
//   if (peer->uid != getuid()) return Refuse();
//
// Two mechanisms, two answers. PeerCredentials: the effective ids of whoever
// called connect, listen or socketpair, then. ReceiveWithCredentials: the real
// ids of whoever sent this message, which may be a child that got the
// connection from its parent.
#ifndef LIB_CREDENTIALS_H_
#define LIB_CREDENTIALS_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace ipc {

struct Credentials {
  // 0: the process is in a pid namespace that cannot be seen from here. Any
  // other may have ended, and its number be somebody else's, by now.
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

struct ReceivedWithCredentials {
  size_t size = 0;  // Bytes of data; 0 is the end of a stream.
  // Empty when the kernel vouches for nobody: at the end of a stream, where it
  // delivers zeros that look like root, and for what was sent before
  // AcceptCredentials.
  absl::optional<Credentials> sender;
};

// The peer of connected UNIX stream `socket`, as of connect(2), listen(2) or
// socketpair(2). ENOTCONN when there is none: the kernel itself would report
// success, pid 0 and uid -1. See SO_PEERCRED in unix(7).
absl::StatusOr<Credentials> PeerCredentials(int socket);

// Makes the kernel attach the sender's credentials to each message that
// `socket` receives. What was sent before stays without: call it on the
// listener, whose accepted sockets inherit it. EOPNOTSUPP when it is no UNIX
// socket. See SO_PASSCRED in unix(7).
absl::Status AcceptCredentials(int socket);

// Receives data, up to buffer.size() bytes, all from one sender, and who that
// is. Needs AcceptCredentials. Descriptors that came along are closed. Blocks
// and fails as ReceiveFds does.
absl::StatusOr<ReceivedWithCredentials> ReceiveWithCredentials(
    int socket, absl::Span<char> buffer);

// Sends `data` with the claim to be `claimed`, which the kernel checks: EPERM
// for ids that are not the sender's own real, effective or saved ones; ESRCH
// when root claims a pid that does not exist. Blocks and fails as SendFds does.
absl::Status SendWithCredentials(int socket, absl::Span<const char> data,
                                 const Credentials& claimed);

}  // namespace ipc

#endif  // LIB_CREDENTIALS_H_
