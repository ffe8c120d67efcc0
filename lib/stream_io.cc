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

// Goes on after a recv that returned `count`, less than it was asked for.
// Apart, since nearly always one call is enough.
absl::StatusOr<bool> ReadRest(int fd, absl::Span<char> buffer, ssize_t count,
                              int flags, absl::Time deadline) {
  const size_t size = buffer.size();
  while (true) {
    if (count > 0) {
      buffer.remove_prefix(count);
      if (buffer.empty()) return true;
    } else if (count == 0 && buffer.size() == size) {
      return false;
    } else if (count == 0) {
      return absl::OutOfRangeError(absl::StrCat("end of stream after ",
                                                size - buffer.size(), " of ",
                                                size, " bytes"));
    } else if (errno == EAGAIN) {
      absl::Status ready = WaitReadable(fd, deadline);
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("recv", "");
    }
    count = recv(fd, buffer.data(), buffer.size(), flags);
  }
}

// The same for a send.
absl::Status WriteRest(int fd, absl::Span<const char> data, ssize_t count,
                       int flags, absl::Time deadline) {
  while (true) {
    if (count >= 0) {
      data.remove_prefix(count);
      if (data.empty()) return absl::OkStatus();
    } else if (errno == EAGAIN) {
      absl::Status ready = WaitWritable(fd, deadline);
      if (!ready.ok()) return ready;
    } else if (errno != EINTR) {
      return ErrnoStatus("send", "");
    }
    count = send(fd, data.data(), data.size(), flags);
  }
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
  const size_t wanted = buffer.size();
  if (wanted == 0) return true;
  ssize_t count = recv(fd, buffer.data(), wanted, flags);
  if (count == static_cast<ssize_t>(wanted)) return true;
  return ReadRest(fd, buffer, count, flags, deadline);
}

absl::Status WriteAll(int fd, absl::Span<const char> data,
                      absl::Time deadline) {
  if (data.empty()) return absl::OkStatus();
  const int flags = MSG_NOSIGNAL | BlockingFlag(deadline);
  const ssize_t count = send(fd, data.data(), data.size(), flags);
  if (count == static_cast<ssize_t>(data.size())) return absl::OkStatus();
  return WriteRest(fd, data, count, flags, deadline);
}

}  // namespace ipc
