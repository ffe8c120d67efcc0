#include "lib/fd_passing.h"

#include <utility>

namespace ipc {

absl::Status SendFds(int socket, absl::Span<const char> data,
                     absl::Span<const int> fds) {
  return SendMessage(socket, data, fds, nullptr);
}

absl::StatusOr<ReceivedFds> ReceiveFds(int socket, absl::Span<char> buffer) {
  absl::StatusOr<Message> message = ReceiveMessage(socket, buffer);
  if (!message.ok()) return std::move(message).status();
  return ReceivedFds{message->size, std::move(message->fds)};
}

}  // namespace ipc
