#include "tests/support/traced_call.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/proc.h"
#include "tests/support/time_limit.h"

namespace harness {
namespace {

// Where libraries keep what they read for themselves.
bool IsLibrarysFile(const std::string& path) {
  for (const char* folder :
       {"/lib", "/usr/", "/etc/", "/proc/", "/sys/", "/dev/random",
        "/dev/urandom", "/run/nscd/", "/var/run/nscd/"}) {
    if (absl::StartsWith(path, folder)) return true;
  }
  return false;
}

std::string DescriptorFile(pid_t thread, int fd) {
  return absl::StrCat("/proc/", thread, "/fd/", fd);
}

std::string Target(pid_t thread, int fd) {
  char target[PATH_MAX];
  const ssize_t length =
      readlink(DescriptorFile(thread, fd).c_str(), target, sizeof(target));
  return length < 0 ? "" : std::string(target, length);
}

// The flags of open(2) that `fd` has now.
int StatusFlags(pid_t thread, int fd) {
  const ipc::UniqueFd file(
      open(absl::StrCat("/proc/", thread, "/fdinfo/", fd).c_str(),
           O_RDONLY | O_CLOEXEC));
  char text[128] = "";
  (void)!read(file.get(), text, sizeof(text) - 1);
  const char* flags = strstr(text, "flags:");
  return flags ? static_cast<int>(strtol(flags + 6, nullptr, 8)) : 0;
}

DescriptorKind SocketKind(int domain, int type) {
  switch (domain) {
    case AF_UNIX:
      return type == SOCK_STREAM  ? DescriptorKind::kUnixStream
             : type == SOCK_DGRAM ? DescriptorKind::kUnixDatagram
                                  : DescriptorKind::kUnixSeqpacket;
    case AF_INET:
    case AF_INET6:
      return type == SOCK_STREAM  ? DescriptorKind::kTcp
             : type == SOCK_DGRAM ? DescriptorKind::kUdp
                                  : DescriptorKind::kSocket;
    case AF_NETLINK:
      return DescriptorKind::kNetlink;
    default:
      return DescriptorKind::kSocket;
  }
}

// What a socket is, by what the kernel lists, where descriptors cannot be
// copied: a TCP socket is on no list before it listens or is connected.
DescriptorKind ListedKind(const std::string& target) {
  const auto is_it = [&](uint64_t inode) {
    return target == absl::StrCat("socket:[", inode, "]");
  };
  for (const UnixSocket& socket : UnixSockets()) {
    if (is_it(socket.inode)) return SocketKind(AF_UNIX, socket.type);
  }
  for (const IpSocket& socket : TcpSockets()) {
    if (is_it(socket.inode)) return DescriptorKind::kTcp;
  }
  for (const IpSocket& socket : UdpSockets()) {
    if (is_it(socket.inode)) return DescriptorKind::kUdp;
  }
  return DescriptorKind::kSocket;
}

bool IsSocket(DescriptorKind kind) {
  return kind >= DescriptorKind::kUnixStream && kind <= DescriptorKind::kSocket;
}

bool IsByteStream(DescriptorKind kind) {
  return kind == DescriptorKind::kUnixStream || kind == DescriptorKind::kTcp ||
         kind == DescriptorKind::kPipe;
}

// How much `call` may move.
uint64_t SizeOf(pid_t thread, const SystemCall& call, const uint64_t* args) {
  uint64_t vector = args[1], parts = args[2];
  switch (call.amount) {
    case Amount::kNone:
      return 0;
    case Amount::kBytes:
    case Amount::kMessages:
      return args[call.amount_argument];
    case Amount::kMessage: {
      const auto message = ReadValue<msghdr>(thread, args[1]);
      if (!message) return 0;
      vector = reinterpret_cast<uint64_t>(message->msg_iov);
      parts = message->msg_iovlen;
      break;
    }
    case Amount::kVector:
      break;
  }
  uint64_t size = 0;
  for (uint64_t i = 0; i < std::min<uint64_t>(parts, IOV_MAX); ++i) {
    const auto part = ReadValue<iovec>(thread, vector + i * sizeof(iovec));
    if (part) size += part->iov_len;
  }
  return size;
}

// Whether both numbers of the time at `address` are 0, as in timeval and
// timespec; a null pointer is no time at all.
bool IsZeroTime(pid_t thread, uint64_t address) {
  if (address == 0) return false;
  const auto time = ReadValue<std::array<int64_t, 2>>(thread, address);
  return time && (*time)[0] == 0 && (*time)[1] == 0;
}

bool HasChildren(pid_t process) { return !Descendants(process).empty(); }

// Whether the socket gives up a call of that effect after some time.
bool SocketEnds(const TracedCall& traced) {
  const bool sends = traced.call->effect == Effect::kWrites ||
                     traced.call->number == SYS_connect;
  return HasTimeLimit(CopyDescriptor(traced.process, traced.fd).get(),
                      sends ? SO_SNDTIMEO : SO_RCVTIMEO);
}

// The time after which the call gives up by itself. 0 is no limit in this
// sense: it does not wait.
TimeLimit TimeLimitOf(const TracedCall& traced, const CallState& state,
                      int status_flags) {
  const auto by_argument = [&](int index) {
    const bool limited = static_cast<int>(state.arguments[index]) > 0;
    return limited ? TimeLimit{TimeLimit::kArgument, index} : TimeLimit{};
  };
  const auto by_time = [&](int index) {
    const uint64_t address = state.arguments[index];
    return address == 0 || IsZeroTime(traced.thread, address)
               ? TimeLimit{}
               : TimeLimit{TimeLimit::kTime, index, address};
  };
  if (!traced.call->waits) return {};
  switch (state.number) {
#ifdef SYS_poll
    case SYS_poll:
      return by_argument(2);
    case SYS_select:
      return by_time(4);
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
      return by_argument(3);
    case SYS_ppoll:
      return by_time(2);
    case SYS_pselect6:
      return by_time(4);
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
      return by_time(3);
#endif
    case SYS_nanosleep:
      return by_time(0);
    case SYS_clock_nanosleep:
      return state.arguments[1] & TIMER_ABSTIME ? TimeLimit{} : by_time(2);
    default:
      break;
  }
  if (traced.fd < 0 || (status_flags & O_NONBLOCK) || !SocketEnds(traced)) {
    return {};
  }
  return {TimeLimit::kOfTheSocket};
}

// Whether the kernel may give EINTR for the call: only one that waits.
bool MayBeInterrupted(const TracedCall& traced, const CallState& state,
                      int status_flags) {
  const uint64_t* args = state.arguments;
  const auto number = [&](int index) { return static_cast<int>(args[index]); };
  const SystemCall& call = *traced.call;
  if (!call.waits) return false;
  switch (state.number) {
    case SYS_wait4:
      return !(number(2) & WNOHANG) && HasChildren(traced.process);
    case SYS_waitid:
      return !(number(3) & WNOHANG) && HasChildren(traced.process);
#ifdef SYS_poll
    case SYS_poll:
      return number(2) != 0;
    case SYS_select:
      return !IsZeroTime(traced.thread, args[4]);
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
      return number(3) != 0;
    case SYS_ppoll:
      return !IsZeroTime(traced.thread, args[2]);
    case SYS_pselect6:
      return !IsZeroTime(traced.thread, args[4]);
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
      return !IsZeroTime(traced.thread, args[3]);
#endif
    case SYS_nanosleep:
      return !IsZeroTime(traced.thread, args[0]);
    case SYS_clock_nanosleep:
      return !IsZeroTime(traced.thread, args[2]);
    case SYS_flock:
      return !(number(1) & (LOCK_NB | LOCK_UN));
    case SYS_fcntl:
      return number(1) == F_SETLKW || number(1) == F_OFD_SETLKW;
    case SYS_connect:
      // Of datagrams it only notes the name. That of TCP goes on when it is
      // interrupted, which takes a copy of its descriptor to bring about.
      if (status_flags & O_NONBLOCK) return false;
      return traced.kind == DescriptorKind::kUnixStream ||
             traced.kind == DescriptorKind::kUnixSeqpacket ||
             (traced.kind == DescriptorKind::kTcp &&
              CopyDescriptor(traced.process, traced.fd).valid());
    default:
      break;
  }
  if (status_flags & O_NONBLOCK) return false;
  if (call.flags >= 0 && (number(call.flags) & MSG_DONTWAIT)) return false;
  return IsSocket(traced.kind) || traced.kind == DescriptorKind::kPipe ||
         traced.kind == DescriptorKind::kTerminal ||
         traced.kind == DescriptorKind::kEvents;
}

// Whether the kernel may move less than all: of a stream of bytes, or not all
// of several messages.
bool MayBeCut(const TracedCall& traced, const CallState& state,
              int status_flags) {
  const int flags = traced.call->flags;
  // It waits for all; only a signal could make that less.
  if (flags >= 0 && (state.arguments[flags] & MSG_WAITALL)) return false;
  if (traced.size < 2 || traced.call->amount == Amount::kNone) return false;
  if (traced.call->amount == Amount::kMessages) return IsSocket(traced.kind);
  if (traced.kind == DescriptorKind::kPipe) {
    if (status_flags & O_DIRECT) return false;  // Of packets: see pipe(2).
    // Up to PIPE_BUF, all or nothing is written.
    return traced.call->effect == Effect::kReads || traced.size > PIPE_BUF;
  }
  return IsByteStream(traced.kind);
}

// The argument that is a path; -1: none.
int PathArgument(long number) {
  switch (number) {
    case SYS_openat:
    case SYS_unlinkat:
    case SYS_fchmodat:
    case SYS_mkdirat:
#ifdef SYS_openat2
    case SYS_openat2:
#endif
      return 1;
#ifdef SYS_open
    case SYS_open:
    case SYS_creat:
    case SYS_mkdir:
    case SYS_chmod:
    case SYS_unlink:
      return 0;
#endif
    default:
      return -1;
  }
}

// Whether the C library makes this call for itself: getaddrinfo(3) asks the
// kernel for addresses, and a daemon for names.
bool IsLibrarys(const TracedCall& traced, const CallState& state) {
  const uint64_t* args = state.arguments;
  if (traced.kind == DescriptorKind::kNetlink) return true;
  if (state.number == SYS_socket && args[0] == AF_NETLINK) return true;
  if (state.number == SYS_connect && args[2] > sizeof(sa_family_t) &&
      ReadValue<sa_family_t>(traced.thread, args[1]) == AF_UNIX) {
    return IsLibrarysFile(
        ReadString(traced.thread, args[1] + offsetof(sockaddr_un, sun_path)));
  }
  const int path = PathArgument(state.number);
  if (path >= 0) return IsLibrarysFile(ReadString(traced.thread, args[path]));
  return (traced.kind == DescriptorKind::kFile ||
          traced.kind == DescriptorKind::kDevice) &&
         IsLibrarysFile(Target(traced.thread, traced.fd));
}

// recvfrom(2) without an address is recv, in C; so are others.
const char* NameInC(const SystemCall& call, const uint64_t* args,
                    pid_t thread) {
  switch (call.number) {
    case SYS_recvfrom:
    case SYS_sendto:
      return args[4] ? call.other_name : call.name;
    case SYS_clone:
      return args[0] & CLONE_THREAD ? "pthread_create" : call.name;
#ifdef SYS_clone3
    case SYS_clone3:  // Its flags come first.
      return ReadValue<uint64_t>(thread, args[0]).value_or(0) & CLONE_THREAD
                 ? "pthread_create"
                 : call.name;
#endif
    default:
      return call.name;
  }
}

}  // namespace

std::string Describe(DescriptorKind kind) {
  switch (kind) {
    case DescriptorKind::kUnixStream:
      return "a UNIX stream socket";
    case DescriptorKind::kUnixDatagram:
      return "a UNIX datagram socket";
    case DescriptorKind::kUnixSeqpacket:
      return "a UNIX seqpacket socket";
    case DescriptorKind::kTcp:
      return "a TCP socket";
    case DescriptorKind::kUdp:
      return "a UDP socket";
    case DescriptorKind::kNetlink:
      return "a netlink socket";
    case DescriptorKind::kSocket:
      return "a socket";
    case DescriptorKind::kPipe:
      return "a pipe";
    case DescriptorKind::kTerminal:
      return "a terminal";
    case DescriptorKind::kFile:
      return "a file";
    case DescriptorKind::kDevice:
      return "a device";
    case DescriptorKind::kEpoll:
      return "an epoll instance";
    case DescriptorKind::kEvents:
      return "a source of events";
    case DescriptorKind::kNone:
      break;
  }
  return "none";
}

ipc::UniqueFd CopyDescriptor(pid_t process, int fd) {
#ifdef SYS_pidfd_getfd
  const ipc::UniqueFd pidfd(
      static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  return ipc::UniqueFd(
      static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), fd, 0)));
#else
  return ipc::UniqueFd();
#endif
}

DescriptorKind KindOf(pid_t process, pid_t thread, int fd) {
  const std::string target = Target(thread, fd);
  if (absl::StartsWith(target, "socket:")) {
    const ipc::UniqueFd copy = CopyDescriptor(process, fd);
    int domain = 0, type = 0;
    socklen_t size = sizeof(int);
    if (getsockopt(copy.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
        getsockopt(copy.get(), SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
      return ListedKind(target);
    }
    return SocketKind(domain, type);
  }
  if (target == "anon_inode:[eventpoll]") return DescriptorKind::kEpoll;
  if (absl::StartsWith(target, "anon_inode:")) return DescriptorKind::kEvents;
  struct stat status;
  if (stat(DescriptorFile(thread, fd).c_str(), &status) < 0) {
    return DescriptorKind::kNone;
  }
  if (S_ISFIFO(status.st_mode)) return DescriptorKind::kPipe;
  if (S_ISREG(status.st_mode)) return DescriptorKind::kFile;
  return absl::StartsWith(target, "/dev/pts/") ||
                 absl::StartsWith(target, "/dev/tty")
             ? DescriptorKind::kTerminal
             : DescriptorKind::kDevice;
}

std::string TracedCall::Descriptor() const {
  if (fd < 0 || kind == DescriptorKind::kNone) return "";
  return absl::StrCat("descriptor ", fd, " (", Describe(kind), ")");
}

std::string TracedCall::Words() const {
  const std::string descriptor = Descriptor();
  return descriptor.empty() ? name : absl::StrCat(name, " on ", descriptor);
}

std::optional<TracedCall> Inspect(pid_t process, pid_t thread,
                                  const CallState& state) {
  const SystemCall* call = FindSystemCall(state.number);
  if (!call) return std::nullopt;
  TracedCall traced = {call, call->name, process, thread};
  traced.name = NameInC(*call, state.arguments, thread);
  int status_flags = 0;
  if (call->descriptor >= 0) {
    traced.fd = static_cast<int>(state.arguments[call->descriptor]);
    traced.kind = KindOf(process, thread, traced.fd);
    status_flags = StatusFlags(thread, traced.fd);
  }
  if (IsLibrarys(traced, state)) return std::nullopt;
  traced.output = call->effect == Effect::kWrites &&
                  (traced.fd == STDOUT_FILENO || traced.fd == STDERR_FILENO);
  traced.size = SizeOf(thread, *call, state.arguments);
  traced.may_be_interrupted = MayBeInterrupted(traced, state, status_flags);
  traced.may_be_cut = MayBeCut(traced, state, status_flags);
  traced.time_limit = TimeLimitOf(traced, state, status_flags);
  return traced;
}

}  // namespace harness
