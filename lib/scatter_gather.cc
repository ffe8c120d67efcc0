#include "lib/scatter_gather.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "lib/wait.h"

namespace ipc {
namespace {

// As many of `parts` as one call takes.
msghdr Header(absl::Span<iovec> parts) {
  msghdr header = {};
  header.msg_iov = parts.data();
  header.msg_iovlen = std::min<size_t>(parts.size(), IOV_MAX);
  return header;
}

// Takes `count` bytes off the front of `parts`, and parts that are empty.
void Advance(absl::Span<iovec>* parts, size_t count) {
  while (!parts->empty() && count >= parts->front().iov_len) {
    count -= parts->front().iov_len;
    parts->remove_prefix(1);
  }
  if (parts->empty()) return;
  parts->front().iov_base = static_cast<char*>(parts->front().iov_base) + count;
  parts->front().iov_len -= count;
}

}  // namespace

absl::Status WriteAllParts(int fd, absl::Span<iovec> parts) {
  for (Advance(&parts, 0); !parts.empty();) {
    const msghdr header = Header(parts);
    const ssize_t count = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (count >= 0) {
      Advance(&parts, count);
    } else if (errno == EAGAIN) {
      absl::Status ready = WaitWritable(fd, absl::InfiniteFuture());
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("sendmsg", "");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ReadExactParts(int fd, absl::Span<iovec> parts) {
  size_t got = 0;
  for (Advance(&parts, 0); !parts.empty();) {
    msghdr header = Header(parts);
    const ssize_t count = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    if (count > 0) {
      got += count;
      Advance(&parts, count);
    } else if (count == 0 && got == 0) {
      return false;
    } else if (count == 0) {
      return absl::OutOfRangeError(absl::StrCat("end of stream after ", got,
                                                " bytes, ", parts.size(),
                                                " parts not filled"));
    } else if (errno == EAGAIN) {
      absl::Status ready = WaitReadable(fd, absl::InfiniteFuture());
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("recvmsg", "");
    }
  }
  return true;
}

}  // namespace ipc
