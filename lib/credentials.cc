#include "lib/credentials.h"

#include <cerrno>

#include "lib/errno_status.h"
#include "lib/message.h"
#include "lib/socket_options.h"

namespace ipc {
namespace {

constexpr uid_t kNoUid = static_cast<uid_t>(-1);

// What the kernel shows for an id that is not there: see overflowuid in
// proc(5).
constexpr uid_t kOverflowUid = 65534;

// Whether the kernel says who it was: not for the zeros at the end of a stream
// (where no byte came), nor for what it never took credentials for.
bool Vouched(const ucred& credentials, size_t size) {
  if (credentials.pid != 0) return true;
  const bool nobody =
      credentials.uid == kOverflowUid && credentials.gid == gid_t{kOverflowUid};
  const bool zeros = credentials.uid == 0 && credentials.gid == 0 && size == 0;
  return !nobody && !zeros;
}

}  // namespace

absl::StatusOr<Credentials> PeerCredentials(int socket) {
  ucred peer = {0, kNoUid, kNoUid};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    return ErrnoStatus("getsockopt", "SO_PEERCRED");
  }
  if (peer.uid == kNoUid) {
    return ErrnoStatus("getsockopt", "SO_PEERCRED", ENOTCONN);
  }
  return Credentials{peer.pid, peer.uid, peer.gid};
}

absl::Status AcceptCredentials(int socket) {
  return SetSocketOption(socket, SOL_SOCKET, SO_PASSCRED, 1);
}

absl::StatusOr<ReceivedWithCredentials> ReceiveWithCredentials(
    int socket, absl::Span<char> buffer) {
  ReceivedWithCredentials received;
  FdList unwanted;
  absl::optional<ucred> sender;
  absl::Status status =
      ReceiveMessage(socket, buffer, &received.size, &unwanted, &sender);
  if (!status.ok()) return status;
  if (sender && Vouched(*sender, received.size)) {
    received.sender = Credentials{sender->pid, sender->uid, sender->gid};
  }
  return received;
}

absl::Status SendWithCredentials(int socket, absl::Span<const char> data,
                                 const Credentials& claimed) {
  const ucred credentials = {claimed.pid, claimed.uid, claimed.gid};
  return SendMessage(socket, data, {}, &credentials);
}

}  // namespace ipc
