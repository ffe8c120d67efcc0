#include "lib/wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
#include "lib/errno_status.h"

namespace ipc {
namespace {

absl::Status Wait(int fd, short events, absl::Time deadline) {
  // poll skips a negative descriptor and would wait in vain.
  if (fd < 0) return ErrnoStatus("poll", "", EBADF);
  pollfd entry = {fd, events, 0};
  while (true) {
    timespec timeout;
    timespec* limit = nullptr;
    if (deadline != absl::InfiniteFuture()) {
      timeout = absl::ToTimespec(
          std::max(deadline - absl::Now(), absl::ZeroDuration()));
      limit = &timeout;
    }
    // ppoll, since poll would round what is left down to whole milliseconds
    // and spin through the last one.
    const int ready = ppoll(&entry, 1, limit, nullptr);
    if (ready > 0 && (entry.revents & POLLNVAL)) {
      return ErrnoStatus("poll", "", EBADF);
    }
    if (ready > 0) return absl::OkStatus();
    if (ready == 0) return ErrnoStatus("poll", "", ETIMEDOUT);
    if (errno != EINTR) return ErrnoStatus("poll", "");
  }
}

}  // namespace

absl::Status WaitReadable(int fd, absl::Time deadline) {
  return Wait(fd, POLLIN, deadline);
}

absl::Status WaitWritable(int fd, absl::Time deadline) {
  return Wait(fd, POLLOUT, deadline);
}

}  // namespace ipc
