#include "lib/fd_passing.h"

#include <utility>

namespace ipc {

absl::Status SendFds(int socket, absl::Span<const char> data,
                     absl::Span<const int> fds) {
  return SendMessage(socket, data, fds, nullptr);
}

absl::StatusOr<ReceivedFds> ReceiveFds(int socket, absl::Span<char> buffer) {
  absl::StatusOr<ReceivedFds> received{ReceivedFds()};
  absl::Status status =
      ReceiveMessage(socket, buffer, &received->size, &received->fds, nullptr);
  if (!status.ok()) received = std::move(status);
  return received;
}

}  // namespace ipc
