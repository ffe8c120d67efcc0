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

absl::StatusOr<size_t> Receive(int fd, absl::Span<char> buffer, int flags) {
  ssize_t count;
  do {
    count = recv(fd, buffer.data(), buffer.size(), flags);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoStatus("recv", "");
  return static_cast<size_t>(count);
}

}  // namespace

absl::StatusOr<size_t> ReadSome(int fd, absl::Span<char> buffer) {
  return Receive(fd, buffer, 0);
}

absl::StatusOr<bool> ReadExact(int fd, absl::Span<char> buffer,
                               absl::Time deadline) {
  size_t got = 0;
  while (got < buffer.size()) {
    absl::StatusOr<size_t> count =
        Receive(fd, buffer.subspan(got), BlockingFlag(deadline));
    if (StatusErrno(count.status()) == EAGAIN) {
      absl::Status ready = WaitReadable(fd, deadline);
      if (!ready.ok()) return ready;
      continue;
    }
    if (!count.ok()) return count.status();
    if (*count == 0) {
      if (got == 0) return false;
      return absl::OutOfRangeError(absl::StrCat(
          "end of stream after ", got, " of ", buffer.size(), " bytes"));
    }
    got += *count;
  }
  return true;
}

absl::Status WriteAll(int fd, absl::Span<const char> data,
                      absl::Time deadline) {
  while (!data.empty()) {
    const ssize_t count = send(fd, data.data(), data.size(),
                               MSG_NOSIGNAL | BlockingFlag(deadline));
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
