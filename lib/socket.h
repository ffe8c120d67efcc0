// Sockets, made, bound, connected and accepted.
//
//   auto listener = ipc::Listen(*address);
//   auto client = ipc::Accept(listener->get());
//
//   auto server = ipc::Connect(*address);
//
// Every descriptor made here is close-on-exec from the start: setting the flag
// afterwards leaves a gap in which another thread's fork and exec inherits it.
// A failure leaves no descriptor behind.
#ifndef LIB_SOCKET_H_
#define LIB_SOCKET_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <utility>

#include "absl/status/statusor.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"

namespace ipc {

// The mode of a socket file for which none is asked.
constexpr mode_t kAnyMode = 0777;

// A socket of `type` (SOCK_STREAM, SOCK_DGRAM, ...) bound to `address`. Does
// not block. For a UNIX path this creates the file, with `mode` less the umask
// from the first moment, and leaves removing it to the caller (see SocketPath);
// SocketAddress::UnixUnnamed() makes the kernel choose an abstract name. An
// internet stream socket gets SO_REUSEADDR, so that a server can start again
// while connections of its last run are in TIME_WAIT. EADDRINUSE when anything
// stands there already, dead or alive; EADDRNOTAVAIL; ENOENT, ENOTDIR, EACCES,
// EROFS, ENOSPC from the file system; EMFILE, ENFILE, ENOBUFS, ENOMEM. See
// bind(2).
absl::StatusOr<UniqueFd> Bind(const SocketAddress& address, int type,
                              mode_t mode = kAnyMode);

// The same for a stream socket, which then listens: up to backlog + 1 clients
// wait to be accepted. ListenAtPath in socket_path.h also removes the file. See
// listen(2).
absl::StatusOr<UniqueFd> Listen(const SocketAddress& address,
                                int backlog = SOMAXCONN);

// The next client, in the order of arrival. Blocks until there is one, unless
// `listener` is non-blocking (EAGAIN). Retried after a signal (EINTR) and when
// the client gave up while it waited (ECONNABORTED). EINVAL when `listener`
// does not listen; EMFILE, ENFILE (the client keeps waiting), ENOBUFS, ENOMEM.
// See accept(2).
absl::StatusOr<UniqueFd> Accept(int listener);

// A stream socket connected to `address`. Blocks while the listener's queue is
// full; retried after a signal (EINTR). ENOENT: no such path; ECONNREFUSED: a
// file, but nobody listens; EACCES: no write permission on the socket file;
// EPROTOTYPE: a socket of another type; for an internet address also ETIMEDOUT,
// ENETUNREACH, EHOSTUNREACH; EMFILE, ENFILE, ENOBUFS, ENOMEM. See
// connect(2).
absl::StatusOr<UniqueFd> Connect(const SocketAddress& address);

// Two nameless UNIX sockets of `type` (SOCK_STREAM, SOCK_DGRAM or
// SOCK_SEQPACKET), connected to each other. Does not block.
// ESOCKTNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM. See socketpair(2).
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(
    int type = SOCK_STREAM);

}  // namespace ipc

#endif  // LIB_SOCKET_H_
