// One message with its control data: what fd_passing.h and credentials.h have
// in common. Not for use by others.
//
// Inline, so that neither pays for what only the other needs.
#ifndef LIB_MESSAGE_H_
#define LIB_MESSAGE_H_

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "lib/unique_fd.h"

namespace ipc {

// The most that the kernel takes in one message: SCM_MAX_FD.
constexpr size_t kMaxFds = 253;

// Without a heap allocation for the usual few.
using FdList = absl::InlinedVector<UniqueFd, 4>;

// SCM_PIDFD of Linux 6.5, which older headers lack: a descriptor of the sender,
// for sockets that have SO_PASSPIDFD set.
constexpr int kScmPidfd = 4;

// A header for `part`, with room for all control data that can come, so that it
// is never the reason for a cut. Not to be copied: it points into itself.
struct MessageHeader : msghdr {
  explicit MessageHeader(iovec* part) {
    static_cast<msghdr&>(*this) = {nullptr, 0, part, 1, control, 0, 0};
  }

  // Adds a control message behind those that are there.
  void Append(int type, const void* data, size_t size) {
    auto* added = reinterpret_cast<cmsghdr*>(control + msg_controllen);
    added->cmsg_level = SOL_SOCKET;
    added->cmsg_type = type;
    added->cmsg_len = CMSG_LEN(size);  // CMSG_SPACE would send the padding too.
    if (ABSL_PREDICT_TRUE(size == sizeof(int))) {  // One descriptor.
      memcpy(CMSG_DATA(added), data, sizeof(int));
    } else {
      memcpy(CMSG_DATA(added), data, size);
    }
    msg_controllen += CMSG_SPACE(size);
  }

  // Uninitialised: only what the kernel or Append wrote is looked at.
  alignas(cmsghdr) std::byte
      control[CMSG_SPACE(kMaxFds * sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
};

// The seldom parts of the functions below.
absl::Status CheckUnusual(int fd, absl::Span<const int> fds,
                          const ucred* credentials);
absl::Status SendRest(int fd, msghdr* header, size_t claim_size, ssize_t count);
absl::Status ReceiveFailure(const msghdr& header, ssize_t count);

// Sends `data` with `fds` and, where given, the claim `credentials`; on a
// stream all of `data`, the descriptors with its first piece only, the claim
// with each. EAGAIN means that nothing was sent. See unix(7).
ABSL_ATTRIBUTE_ALWAYS_INLINE inline absl::Status SendMessage(
    int fd, absl::Span<const char> data, absl::Span<const int> fds,
    const ucred* credentials) {
  if (fds.size() > kMaxFds || data.empty()) {
    absl::Status checked = CheckUnusual(fd, fds, credentials);
    if (!checked.ok()) return checked;
  }
  iovec part = {const_cast<char*>(data.data()), data.size()};
  MessageHeader header(&part);
  if (credentials) {
    header.Append(SCM_CREDENTIALS, credentials, sizeof(*credentials));
  }
  const size_t claim_size = header.msg_controllen;
  if (ABSL_PREDICT_TRUE(!fds.empty())) {
    header.Append(SCM_RIGHTS, fds.data(), fds.size() * sizeof(int));
  }
  const ssize_t count = sendmsg(fd, &header, MSG_NOSIGNAL);
  if (count == static_cast<ssize_t>(data.size())) return absl::OkStatus();
  return SendRest(fd, &header, claim_size, count);
}

// The descriptor that ends before byte `end` of `control`.
inline int FdBefore(const cmsghdr* control, size_t end) {
  int fd;
  memcpy(&fd, reinterpret_cast<const char*>(control) + end - sizeof(fd),
         sizeof(fd));
  return fd;
}

// Receives at most buffer.size() bytes, and sets `size` to how many. The
// descriptors that came with them, close-on-exec, are added to `fds`, and who
// sent it goes to `sender` (may be null). Every descriptor is owned before
// anything is judged, so no failure leaks one. EMSGSIZE: a datagram larger than
// `buffer`, or control data cut short.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline absl::Status ReceiveMessage(
    int fd, absl::Span<char> buffer, size_t* size, FdList* fds,
    absl::optional<ucred>* sender) {
  iovec part = {buffer.data(), buffer.size()};
  MessageHeader header(&part);
  ssize_t count;
  do {
    header.msg_controllen = sizeof(header.control);
    count = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ReceiveFailure(header, count);

  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one;
       one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level != SOL_SOCKET) continue;
    size_t end = CMSG_LEN(sizeof(int));
    if (one->cmsg_type == SCM_RIGHTS) {
      for (; end <= one->cmsg_len; end += sizeof(int)) {
        fds->emplace_back(FdBefore(one, end));
      }
    } else if (one->cmsg_type == kScmPidfd && one->cmsg_len == end) {
      UniqueFd closed_here(FdBefore(one, end));  // No caller takes it.
    } else if (one->cmsg_type == SCM_CREDENTIALS && sender &&
               one->cmsg_len == CMSG_LEN(sizeof(ucred))) {
      memcpy(&sender->emplace(), CMSG_DATA(one), sizeof(ucred));
    }
  }
  *size = static_cast<size_t>(count);
  if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    return ReceiveFailure(header, count);
  }
  return absl::OkStatus();
}

}  // namespace ipc

#endif  // LIB_MESSAGE_H_
