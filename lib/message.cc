#include "lib/message.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "lib/wait.h"

namespace ipc {

// There are too many descriptors, or no data.
absl::Status CheckUnusual(int fd, absl::Span<const int> fds,
                          const ucred* credentials) {
  if (fds.size() > kMaxFds) {
    return ErrnoStatus("sendmsg", absl::StrCat(fds.size(), " descriptors"),
                       EINVAL);
  }
  int type = 0;
  socklen_t size = sizeof(type);
  if ((!fds.empty() || credentials) &&
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
      type == SOCK_STREAM) {
    // The kernel would send nothing, lose the descriptors and report success.
    return ErrnoStatus("sendmsg", "control data without data", EINVAL);
  }
  return absl::OkStatus();
}

absl::Status SendRest(int fd, msghdr* header, size_t claim_size,
                      ssize_t count) {
  iovec& part = *header->msg_iov;
  for (bool begun = false;;) {
    if (count >= 0) {
      begun = true;
      header->msg_controllen = claim_size;  // The descriptors are gone.
      part.iov_base = static_cast<char*>(part.iov_base) + count;
      part.iov_len -= count;
      if (part.iov_len == 0) return absl::OkStatus();
    } else if (errno == EAGAIN && begun) {
      absl::Status ready = WaitWritable(fd, absl::InfiniteFuture());
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("sendmsg", "");
    }
    count = sendmsg(fd, header, MSG_NOSIGNAL);
  }
}

absl::Status ReceiveFailure(const msghdr& header, ssize_t count) {
  if (count < 0) return ErrnoStatus("recvmsg", "");
  return ErrnoStatus("recvmsg",
                     header.msg_flags & MSG_CTRUNC ? "control data" : "data",
                     EMSGSIZE);
}

}  // namespace ipc
