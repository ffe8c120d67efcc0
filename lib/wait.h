// Waiting for a descriptor, at most until a deadline.
//
//   absl::Time deadline = absl::Now() + absl::Seconds(5);
//   absl::Status status = ipc::WaitReadable(fd, deadline);
//   if (ipc::StatusErrno(status) == ETIMEDOUT) ...
//
// A deadline is a moment, not a length of time: several waits, and waits that
// signals cut short, share one without adding up.
#ifndef LIB_WAIT_H_
#define LIB_WAIT_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ipc {

// OK as soon as reading from `fd` would not block: data, end of file, an error
// to fetch, or (for a listener) a client. ETIMEDOUT when `deadline` passes
// first; one in the past makes it a question that does not block. A signal does
// not end the wait. EBADF; ENOMEM. See poll(2).
absl::Status WaitReadable(int fd, absl::Time deadline);

// The same for writing. OK also when the other end is gone: the write that
// follows says so.
absl::Status WaitWritable(int fd, absl::Time deadline);

}  // namespace ipc

#endif  // LIB_WAIT_H_
