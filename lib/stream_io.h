// Reading from and writing to connected stream sockets.
//
//   absl::Status status = ipc::WriteAll(fd, record);
//   ...
//   absl::StatusOr<bool> got = ipc::ReadExact(fd, absl::MakeSpan(record));
//   if (!got.ok()) return got.status();
//   if (!*got) break;  // The peer ended, between two records.
//
// A stream keeps the order of bytes and nothing else: what one send wrote may
// arrive in pieces, or together with the next. The names say who cares:
// ReadSome may come back short, ReadExact and WriteAll never do.
//
// All are retried after a signal (EINTR). None raises SIGPIPE: a peer that is
// gone is the error EPIPE. They work on sockets only (ENOTSOCK).
#ifndef LIB_STREAM_IO_H_
#define LIB_STREAM_IO_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace ipc {

// Reads what is there, at most buffer.size() bytes, and returns how many; 0 is
// the end of the stream. Blocks until there is
// something, unless `fd` is non-blocking (EAGAIN). ECONNRESET when the peer
// closed with bytes of ours unread; ENOTCONN, EINVAL (not connected). See
// recv(2).
absl::StatusOr<size_t> ReadSome(int fd, absl::Span<char> buffer);

// Fills `buffer`: true. The stream ended before its first byte: false. Ended
// later: OUT_OF_RANGE, without an errno, and the message says how many bytes
// came. Blocks until `deadline`, whether or not `fd` is non-blocking;
// ETIMEDOUT, and bytes read by then are lost with `buffer`'s contents. Errors
// as for ReadSome otherwise.
absl::StatusOr<bool> ReadExact(int fd, absl::Span<char> buffer,
                               absl::Time deadline = absl::InfiniteFuture());

// Writes all of `data`. Blocks until the kernel has taken the last byte or
// `deadline` passes (ETIMEDOUT; an unknown part was written), whether or not
// `fd` is non-blocking. EPIPE when the peer is gone; ECONNRESET may come
// instead when it went with bytes of ours unread; ENOTCONN. OK means that the
// kernel has the bytes, not that the peer does. See send(2).
absl::Status WriteAll(int fd, absl::Span<const char> data,
                      absl::Time deadline = absl::InfiniteFuture());

}  // namespace ipc

#endif  // LIB_STREAM_IO_H_
