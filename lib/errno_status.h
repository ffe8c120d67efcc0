// absl::Status that remembers errno.
//
//   if (listen(fd, 5) < 0) return ipc::ErrnoStatus("listen", path);
//   ...
//   if (ipc::StatusErrno(status) == EINVAL) ...
//
// absl::ErrnoToStatus folds EAGAIN, ECONNREFUSED, ECONNRESET and EINTR into one
// code, UNAVAILABLE, so a caller could no longer tell them apart.
#ifndef LIB_ERRNO_STATUS_H_
#define LIB_ERRNO_STATUS_H_

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ipc {

// The failure of system call `operation` on `object` (a path, an address; may
// be empty), with the message "operation object: Text (ENAME)" and `error` kept
// for StatusErrno. `error` must not be 0. Does not block. See errno(3).
absl::Status ErrnoStatus(absl::string_view operation, absl::string_view object,
                         int error = errno);

// The errno that `status` was made from; 0 when it is OK or was not made by
// ErrnoStatus.
int StatusErrno(const absl::Status& status);

// "ECONNREFUSED" for ECONNREFUSED; "errno 4711" for a number that has no name.
// See strerrorname_np(3).
std::string ErrnoName(int error);

}  // namespace ipc

#endif  // LIB_ERRNO_STATUS_H_
