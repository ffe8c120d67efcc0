#include "lib/stream_io.h"

#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "lib/errno_status.h"
#include "lib/wait.h"

namespace ipc {
namespace {

// Without a deadline the call itself blocks, one system call for each piece.
// With one it must not, and poll does the waiting.
int BlockingFlag(absl::Time deadline) {
  return deadline == absl::InfiniteFuture() ? 0 : MSG_DONTWAIT;
}

}  // namespace

absl::StatusOr<size_t> ReadSome(int fd, absl::Span<char> buffer) {
  ssize_t count;
  do {
    count = recv(fd, buffer.data(), buffer.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoStatus("recv", "");
  return static_cast<size_t>(count);
}

absl::StatusOr<bool> ReadExact(int fd, absl::Span<char> buffer,
                               absl::Time deadline) {
  const int flags = BlockingFlag(deadline);
  size_t got = 0;
  while (got < buffer.size()) {
    const ssize_t count =
        recv(fd, buffer.data() + got, buffer.size() - got, flags);
    if (count > 0) {
      got += count;
    } else if (count == 0 && got == 0) {
      return false;
    } else if (count == 0) {
      return absl::OutOfRangeError(absl::StrCat(
          "end of stream after ", got, " of ", buffer.size(), " bytes"));
    } else if (errno == EAGAIN) {
      absl::Status ready = WaitReadable(fd, deadline);
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("recv", "");
    }
  }
  return true;
}

absl::Status WriteAll(int fd, absl::Span<const char> data,
                      absl::Time deadline) {
  const int flags = MSG_NOSIGNAL | BlockingFlag(deadline);
  while (!data.empty()) {
    const ssize_t count = send(fd, data.data(), data.size(), flags);
    if (count >= 0) {
      data.remove_prefix(count);
    } else if (errno == EAGAIN) {
      absl::Status ready = WaitWritable(fd, deadline);
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("send", "");
    }
  }
  return absl::OkStatus();
}

}  // namespace ipc
