#include "lib/unique_fd.h"

#include <unistd.h>

#include <cerrno>

namespace ipc {

void UniqueFd::Close(int fd) {
  const int saved_errno = errno;
  close(fd);
  errno = saved_errno;
}

}  // namespace ipc
