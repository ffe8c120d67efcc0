// Socket options that are an int, which most are.
//
//   absl::Status status =
//       ipc::SetSocketOption(fd, SOL_SOCKET, SO_RCVBUF, 65536);
#ifndef LIB_SOCKET_OPTIONS_H_
#define LIB_SOCKET_OPTIONS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ipc {

// Sets option `name` of `level` (SOL_SOCKET, IPPROTO_TCP, ...) of `fd`.
// ENOPROTOOPT: there is no such option; EOPNOTSUPP: not for this kind of
// socket; EINVAL, EDOM, EPERM, EBADF, ENOTSOCK. See setsockopt(2), socket(7).
absl::Status SetSocketOption(int fd, int level, int name, int value);

// Its value now, which need not be the one set: the kernel doubles SO_SNDBUF
// and SO_RCVBUF, for instance. Errors as for SetSocketOption.
absl::StatusOr<int> GetSocketOption(int fd, int level, int name);

}  // namespace ipc

#endif  // LIB_SOCKET_OPTIONS_H_
