// Passing open file descriptors from process to process.
//
//   const char tag = 'F';  // Not "F", whose NUL would count.
//   const int fd = file.get();
//   absl::Status status = ipc::SendFds(socket, absl::MakeSpan(&tag, 1),
//                                      absl::MakeSpan(&fd, 1));
//   ...
//   char buffer[100];
//   auto received = ipc::ReceiveFds(socket, absl::MakeSpan(buffer));
//   if (!received.ok()) return received.status();
//   if (received->size == 0) break;  // The end of the stream.
//   Use(std::move(received->fds.at(0)));
//
// What arrives is another number for the same open file description: the
// offset, the flags and the access mode are shared with the sender, who may
// close his own descriptor at once.
#ifndef LIB_FD_PASSING_H_
#define LIB_FD_PASSING_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/message.h"

namespace ipc {

struct ReceivedFds {
  size_t size = 0;  // Bytes of data; 0 is the end of a stream.
  FdList fds;       // In the order sent; close-on-exec. May be empty.
};

// Sends `fds`, which stay the caller's, together with `data` over a UNIX
// socket. On a stream all of `data` goes out, the descriptors with its first
// byte; there must be at least one (EINVAL). At most kMaxFds (EINVAL, and
// nothing is sent). Blocks while there is no room, unless `socket` is
// non-blocking (EAGAIN, and nothing is sent: what has begun is finished).
// EBADF: one of them is not open; ETOOMANYREFS: more in flight than
// RLIMIT_NOFILE; EPIPE, ECONNRESET, EPERM, ENOBUFS as for sendmsg(2). See
// SCM_RIGHTS in unix(7).
absl::Status SendFds(int socket, absl::Span<const char> data,
                     absl::Span<const int> fds);

// Receives data, up to buffer.size() bytes, and the descriptors that came with
// it, however many. Blocks until there is something, unless `socket` is
// non-blocking (EAGAIN). EMSGSIZE: a datagram was larger than `buffer`, or not
// every descriptor found room below RLIMIT_NOFILE; those that did are closed,
// and the data is lost. ECONNRESET and others as for recvmsg(2).
absl::StatusOr<ReceivedFds> ReceiveFds(int socket, absl::Span<char> buffer);

}  // namespace ipc

#endif  // LIB_FD_PASSING_H_
