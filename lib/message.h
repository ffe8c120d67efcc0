// One message with its control data: what fd_passing.h and credentials.h have
// in common. Not for use by others.
#ifndef LIB_MESSAGE_H_
#define LIB_MESSAGE_H_

#include <sys/socket.h>

#include <cstddef>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "lib/unique_fd.h"

namespace ipc {

// The most that the kernel takes in one message: SCM_MAX_FD.
constexpr size_t kMaxFds = 253;

// Without a heap allocation for the usual few.
using FdList = absl::InlinedVector<UniqueFd, 4>;

struct Message {
  size_t size = 0;  // Bytes of data.
  FdList fds;       // Received descriptors, close-on-exec.
  absl::optional<ucred> credentials;
};

// Sends `data` with `fds` and, where given, the claim `credentials`; on a
// stream all of `data`, the descriptors with its first piece only, the claim
// with each. EAGAIN means that nothing was sent. See unix(7).
absl::Status SendMessage(int fd, absl::Span<const char> data,
                         absl::Span<const int> fds, const ucred* credentials);

// Receives at most buffer.size() bytes, and everything that came with them.
// Every descriptor is owned before anything is judged, so no failure leaks one.
// EMSGSIZE: a datagram larger than `buffer`, or control data cut short.
absl::StatusOr<Message> ReceiveMessage(int fd, absl::Span<char> buffer);

}  // namespace ipc

#endif  // LIB_MESSAGE_H_
