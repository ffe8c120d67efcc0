#include "lib/socket_options.h"

#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "lib/errno_status.h"

namespace ipc {

absl::Status SetSocketOption(int fd, int level, int name, int value) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) < 0) {
    return ErrnoStatus("setsockopt", absl::StrCat(level, ":", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> GetSocketOption(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (getsockopt(fd, level, name, &value, &size) < 0) {
    return ErrnoStatus("getsockopt", absl::StrCat(level, ":", name));
  }
  return value;
}

}  // namespace ipc
