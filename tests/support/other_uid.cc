// Loaded into a program with LD_PRELOAD, makes one uid look like two: where
// there is no other to be had, in a sandbox or as an ordinary user, a peer with
// a name that begins with kStranger seems to have connected as user
// kStrangerUid. What the program asks of the kernel about any other peer is
// answered by the kernel.
#include "tests/support/other_uid.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

extern "C" int getsockopt(int fd, int level, int option, void* value,
                          socklen_t* size) noexcept {
  const long result = syscall(SYS_getsockopt, fd, level, option, value, size);
  if (result == 0 && level == SOL_SOCKET && option == SO_PEERCRED &&
      *size == sizeof(ucred)) {
    sockaddr_un peer = {};
    socklen_t length = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0 &&
        strncmp(peer.sun_path + 1, harness::kStranger,
                strlen(harness::kStranger)) == 0) {
      static_cast<ucred*>(value)->uid = harness::kStrangerUid;
    }
  }
  return static_cast<int>(result);
}
