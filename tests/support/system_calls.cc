#include "tests/support/system_calls.h"

#include <sys/syscall.h>

#include <algorithm>
#include <iterator>

namespace harness {
namespace {

constexpr Effect kReads = Effect::kReads, kWrites = Effect::kWrites,
                 kMakes = Effect::kMakes, kSets = Effect::kSets,
                 kWaits = Effect::kWaits;
constexpr Amount kBytes = Amount::kBytes, kVector = Amount::kVector,
                 kMessage = Amount::kMessage, kMessages = Amount::kMessages;

// Constant: tracer and harness, one a fork of the other, point into it alike.
constexpr SystemCall kSystemCalls[] = {
    {SYS_read, "read", "read", kReads, 0, true, kBytes, 2},
    {SYS_readv, "readv", "readv", kReads, 0, true, kVector, 2},
    {SYS_pread64, "pread", "pread64", kReads, 0, false, kBytes, 2},
    {SYS_recvfrom, "recv", "recvfrom", kReads, 0, true, kBytes, 2, 3},
    {SYS_recvmsg, "recvmsg", "recvmsg", kReads, 0, true, kMessage, 1, 2},
    {SYS_recvmmsg, "recvmmsg", "recvmmsg", kReads, 0, true, kMessages, 2, 3},
    {SYS_write, "write", "write", kWrites, 0, true, kBytes, 2},
    {SYS_writev, "writev", "writev", kWrites, 0, true, kVector, 2},
    {SYS_pwrite64, "pwrite", "pwrite64", kWrites, 0, false, kBytes, 2},
    {SYS_sendto, "send", "sendto", kWrites, 0, true, kBytes, 2, 3},
    {SYS_sendmsg, "sendmsg", "sendmsg", kWrites, 0, true, kMessage, 1, 2},
    {SYS_sendmmsg, "sendmmsg", "sendmmsg", kWrites, 0, true, kMessages, 2, 3},
    {SYS_sendfile, "sendfile", "sendfile", kWrites, 0, true, kBytes, 3},
    {SYS_splice, "splice", "splice", kReads, 0, false, kBytes, 4},

    {SYS_accept, "accept", "accept", kMakes, 0, true},
    {SYS_accept4, "accept", "accept4", kMakes, 0, true},
    {SYS_connect, "connect", "connect", kMakes, 0, true},
    {SYS_socket, "socket", "socket", kMakes},
    {SYS_socketpair, "socketpair", "socketpair", kMakes},
    {SYS_bind, "bind", "bind", kMakes, 0},
    {SYS_listen, "listen", "listen", kMakes, 0},
    {SYS_pipe2, "pipe", "pipe2", kMakes},
    {SYS_openat, "open", "openat", kMakes},
#ifdef SYS_openat2
    {SYS_openat2, "openat2", "openat2", kMakes},
#endif
    {SYS_dup, "dup", "dup", kMakes, 0},
    {SYS_dup3, "dup2", "dup3", kMakes, 0},
    {SYS_epoll_create1, "epoll_create", "epoll_create1", kMakes},
    {SYS_eventfd2, "eventfd", "eventfd2", kMakes},
    {SYS_signalfd4, "signalfd", "signalfd4", kMakes},
    {SYS_timerfd_create, "timerfd_create", "timerfd_create", kMakes},
    {SYS_memfd_create, "memfd_create", "memfd_create", kMakes},
    {SYS_clone, "fork", "clone", kMakes},
#ifdef SYS_clone3
    {SYS_clone3, "fork", "clone3", kMakes},
#endif
    {SYS_mkdirat, "mkdir", "mkdirat", kMakes},

    {SYS_shutdown, "shutdown", "shutdown", kSets, 0},
    {SYS_setsockopt, "setsockopt", "setsockopt", kSets, 0},
    {SYS_getsockopt, "getsockopt", "getsockopt", kSets, 0},
    {SYS_getsockname, "getsockname", "getsockname", kSets, 0},
    {SYS_getpeername, "getpeername", "getpeername", kSets, 0},
    {SYS_epoll_ctl, "epoll_ctl", "epoll_ctl", kSets, 0},
    {SYS_timerfd_settime, "timerfd_settime", "timerfd_settime", kSets, 0},
    {SYS_fchmod, "fchmod", "fchmod", kSets, 0},
    {SYS_fchmodat, "chmod", "fchmodat", kSets},
    {SYS_unlinkat, "unlink", "unlinkat", kSets},
    {SYS_fcntl, "fcntl", "fcntl", kSets, 0, true},
    {SYS_flock, "flock", "flock", kSets, 0, true},

    {SYS_wait4, "waitpid", "wait4", kWaits, -1, true},
    {SYS_waitid, "waitid", "waitid", kWaits, -1, true},
    {SYS_ppoll, "poll", "ppoll", kWaits, -1, true},
    {SYS_pselect6, "select", "pselect6", kWaits, -1, true},
    {SYS_epoll_pwait, "epoll_wait", "epoll_pwait", kWaits, 0, true},
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, "epoll_wait", "epoll_pwait2", kWaits, 0, true},
#endif
    {SYS_nanosleep, "nanosleep", "nanosleep", kWaits, -1, true},
    {SYS_clock_nanosleep, "nanosleep", "clock_nanosleep", kWaits, -1, true},

#ifdef SYS_poll  // x86-64 has older ones beside these.
    {SYS_poll, "poll", "poll", kWaits, -1, true},
    {SYS_select, "select", "select", kWaits, -1, true},
    {SYS_epoll_wait, "epoll_wait", "epoll_wait", kWaits, 0, true},
    {SYS_open, "open", "open", kMakes},
    {SYS_creat, "open", "creat", kMakes},
    {SYS_pipe, "pipe", "pipe", kMakes},
    {SYS_dup2, "dup2", "dup2", kMakes, 0},
    {SYS_epoll_create, "epoll_create", "epoll_create", kMakes},
    {SYS_eventfd, "eventfd", "eventfd", kMakes},
    {SYS_signalfd, "signalfd", "signalfd", kMakes},
    {SYS_fork, "fork", "fork", kMakes},
    {SYS_vfork, "fork", "vfork", kMakes},
    {SYS_mkdir, "mkdir", "mkdir", kMakes},
    {SYS_chmod, "chmod", "chmod", kSets},
    {SYS_unlink, "unlink", "unlink", kSets},
#endif
};

}  // namespace

const SystemCall* FindSystemCall(long number) {
  const auto* const found = std::find_if(
      std::begin(kSystemCalls), std::end(kSystemCalls),
      [&](const SystemCall& call) { return call.number == number; });
  return found == std::end(kSystemCalls) ? nullptr : found;
}

bool IsSystemCallName(absl::string_view name) {
  return std::any_of(std::begin(kSystemCalls), std::end(kSystemCalls),
                     [&](const SystemCall& call) {
                       return call.name == name || call.other_name == name;
                     });
}

}  // namespace harness
