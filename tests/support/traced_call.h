// A system call of a program that is traced, and what could have become of it.
#ifndef TESTS_SUPPORT_TRACED_CALL_H_
#define TESTS_SUPPORT_TRACED_CALL_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "lib/unique_fd.h"
#include "tests/support/system_calls.h"
#include "tests/support/tracee.h"

namespace harness {

enum class DescriptorKind : int {
  kNone,  // The call has no descriptor.
  kUnixStream,
  kUnixDatagram,
  kUnixSeqpacket,
  kTcp,
  kUdp,
  kNetlink,
  kSocket,  // Another one, or not to be told.
  kPipe,
  kTerminal,
  kFile,    // A regular one.
  kDevice,  // Another file: /dev/null, a directory, ...
  kEpoll,
  kEvents,  // Of eventfd, timerfd, signalfd or inotify.
};

// "a UNIX stream socket"
std::string Describe(DescriptorKind kind);

// What `fd` of `thread` is. `process` is the thread's.
DescriptorKind KindOf(pid_t process, pid_t thread, int fd);

// A copy of a descriptor, where the kernel permits that.
ipc::UniqueFd CopyDescriptor(pid_t process, int fd);

// How a call is told how long to wait.
struct TimeLimit {
  enum Kind : int {
    kNone,         // It need not return before something has happened.
    kArgument,     // By milliseconds in an argument,
    kTime,         // by two words, a timespec or timeval, at an address,
    kOfTheSocket,  // by SO_RCVTIMEO or SO_SNDTIMEO.
  } kind = kNone;
  int argument = -1;
  uint64_t address = 0;
};

// All plain data: it goes from the tracer to the harness as it is.
struct TracedCall {
  const SystemCall* call;
  const char* name;  // In C.
  pid_t process, thread;
  int fd = -1;
  DescriptorKind kind = DescriptorKind::kNone;
  uint64_t size = 0;  // Bytes, or messages, that it may move.
  bool returned = false;
  int64_t result = 0;   // -errno when it failed.
  bool output = false;  // It writes to stdout or stderr.

  // What the kernel may do to it: give EINTR; move less than `size`.
  bool may_be_interrupted = false;
  bool may_be_cut = false;
  TimeLimit time_limit = {};

  int fault = -1;  // Which of the tracer's faults it suffered; -1: none.

  // "descriptor 4 (a UNIX stream socket)"; empty without one.
  std::string Descriptor() const;
  // "recv on descriptor 4 (a UNIX stream socket)".
  std::string Words() const;
};

// The call that `thread` is about to make. Nothing if it is of no interest, or
// is one that the C library makes for itself.
std::optional<TracedCall> Inspect(pid_t process, pid_t thread,
                                  const CallState& state);

}  // namespace harness

#endif  // TESTS_SUPPORT_TRACED_CALL_H_
