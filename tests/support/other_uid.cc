// Loaded into a program with LD_PRELOAD, makes one uid look like several: where
// there is no other to be had, in a sandbox or as an ordinary user, processes
// that are named as Disguise look like that. What the program asks of the
// kernel about any other peer is answered by the kernel.
#include "tests/support/other_uid.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace {

const harness::Disguise* disguises = nullptr;

// Mapped once: the file is written while the program runs, and no descriptor
// of ours shall be seen among the program's.
__attribute__((constructor)) void MapDisguises() {
  const char* path = getenv(harness::kDisguises);
  const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void* map = mmap(nullptr, harness::kMostDisguises * sizeof(*disguises),
                   PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (map != MAP_FAILED) disguises = static_cast<harness::Disguise*>(map);
}

// Of the process with the credentials that begin at `ucred_bytes`; nullptr when
// it has none.
const harness::Disguise* DisguiseOf(const void* ucred_bytes) {
  pid_t pid;
  memcpy(&pid, ucred_bytes, sizeof(pid));
  if (!disguises || pid == 0) return nullptr;
  const auto* const end = disguises + harness::kMostDisguises;
  const auto* const found = std::find_if(
      disguises, end, [&](const auto& one) { return one.pid == pid; });
  return found == end ? nullptr : found;
}

void PutOnDisguises(msghdr* message) {
  for (cmsghdr* one = CMSG_FIRSTHDR(message); one;
       one = CMSG_NXTHDR(message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_CREDENTIALS ||
        one->cmsg_len < CMSG_LEN(sizeof(pid_t))) {
      continue;
    }
    if (const auto* disguise = DisguiseOf(CMSG_DATA(one))) {
      // No more than was delivered: a buffer too small stays so.
      memcpy(CMSG_DATA(one), &disguise->sent,
             std::min(sizeof(ucred), one->cmsg_len - CMSG_LEN(0)));
    }
  }
}

}  // namespace

extern "C" int getsockopt(int fd, int level, int option, void* value,
                          socklen_t* size) noexcept {
  const long result = syscall(SYS_getsockopt, fd, level, option, value, size);
  if (result == 0 && level == SOL_SOCKET && option == SO_PEERCRED &&
      *size == sizeof(ucred)) {
    if (const auto* disguise = DisguiseOf(value)) {
      memcpy(value, &disguise->connected, sizeof(ucred));
    }
  }
  return static_cast<int>(result);
}

extern "C" ssize_t recvmsg(int fd, msghdr* message, int flags) {
  const ssize_t result = syscall(SYS_recvmsg, fd, message, flags);
  if (result >= 0) PutOnDisguises(message);
  return result;
}

extern "C" int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags,
                        timespec* timeout) {
  const long result =
      syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
  for (long i = 0; i < result; ++i) PutOnDisguises(&messages[i].msg_hdr);
  return static_cast<int>(result);
}
