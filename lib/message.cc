#include "lib/message.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "lib/wait.h"

namespace ipc {
namespace {

constexpr size_t kControlSize =
    CMSG_SPACE(kMaxFds * sizeof(int)) + CMSG_SPACE(sizeof(ucred));

// SCM_PIDFD of Linux 6.5, which older headers lack: a descriptor of the sender,
// for sockets that have SO_PASSPIDFD set.
constexpr int kScmPidfd = 4;

// Big enough for all that can come, so that it is never the reason for a cut.
// Left uninitialised: only what the kernel or Append wrote is looked at.
union Control {
  cmsghdr align;
  char bytes[kControlSize];
};

// Adds a control message behind those that `header` has already.
void Append(msghdr* header, int type, const void* data, size_t size) {
  auto* control = reinterpret_cast<cmsghdr*>(
      static_cast<char*>(header->msg_control) + header->msg_controllen);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(size);  // CMSG_SPACE would send the padding too.
  memcpy(CMSG_DATA(control), data, size);
  header->msg_controllen += CMSG_SPACE(size);
}

bool IsStream(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
         type == SOCK_STREAM;
}

void TakeFds(const cmsghdr* control, FdList* fds) {
  const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; ++i) {
    int fd;
    memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
    fds->emplace_back(fd);
  }
}

}  // namespace

absl::Status SendMessage(int fd, absl::Span<const char> data,
                         absl::Span<const int> fds, const ucred* credentials) {
  if (fds.size() > kMaxFds) {
    return ErrnoStatus("sendmsg", absl::StrCat(fds.size(), " descriptors"),
                       EINVAL);
  }
  // The kernel would send nothing, lose the descriptors and report success.
  if (data.empty() && (!fds.empty() || credentials) && IsStream(fd)) {
    return ErrnoStatus("sendmsg", "control data without data", EINVAL);
  }
  Control control;
  iovec part = {const_cast<char*>(data.data()), data.size()};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  if (credentials) {
    Append(&header, SCM_CREDENTIALS, credentials, sizeof(*credentials));
  }
  const size_t claim_size = header.msg_controllen;
  if (!fds.empty()) {
    Append(&header, SCM_RIGHTS, fds.data(), fds.size() * sizeof(int));
  }
  for (bool begun = false;;) {
    const ssize_t count = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (count >= 0) {
      begun = true;
      header.msg_controllen = claim_size;  // The descriptors are gone.
      part.iov_base = static_cast<char*>(part.iov_base) + count;
      part.iov_len -= count;
      if (part.iov_len == 0) return absl::OkStatus();
    } else if (errno == EAGAIN && begun) {
      absl::Status ready = WaitWritable(fd, absl::InfiniteFuture());
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("sendmsg", "");
    }
  }
}

absl::StatusOr<Message> ReceiveMessage(int fd, absl::Span<char> buffer) {
  Control control;
  iovec part = {buffer.data(), buffer.size()};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof(control.bytes);
  ssize_t count;
  do {
    count = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoStatus("recvmsg", "");

  Message message;
  message.size = static_cast<size_t>(count);
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one;
       one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level != SOL_SOCKET) continue;
    if (one->cmsg_type == SCM_RIGHTS) {
      TakeFds(one, &message.fds);
    } else if (one->cmsg_type == SCM_CREDENTIALS &&
               one->cmsg_len == CMSG_LEN(sizeof(ucred))) {
      ucred credentials;
      memcpy(&credentials, CMSG_DATA(one), sizeof(credentials));
      message.credentials = credentials;
    } else if (one->cmsg_type == kScmPidfd) {
      FdList unwanted;  // Closed here: no caller takes it.
      TakeFds(one, &unwanted);
    }
  }
  if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    return ErrnoStatus("recvmsg",
                       header.msg_flags & MSG_CTRUNC ? "control data" : "data",
                       EMSGSIZE);
  }
  return message;
}

}  // namespace ipc
