// A trace understood: who did what, and what it did to whom. Made by
// Understand, drawn by draw.h and its kin.
#ifndef TOOLS_TRACE_TRACE_H_
#define TOOLS_TRACE_TRACE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/strace.h"

namespace trace {

constexpr int kNone = -1;

// A process or thread: a lane of the picture.
struct Lane {
  pid_t pid = 0;
  int process = kNone;  // The lane of its first thread; its own, if it is that.
  int parent = kNone;   // The lane that made it.
  std::string program;  // "server".
  std::string name;     // Unlike all others: "server", "server's child 4712".
  size_t begin = 0, end = 0;  // Lines of the trace.
  std::string ending;         // "exit status 0", "killed by SIGKILL", or "".
  bool ended = false;
  bool hidden = false;  // It only starts the programs: the demo, the check.
};

// What a descriptor refers to: an open file description of the kernel's.
struct File {
  enum Kind { kOther, kUnix, kTcp, kUdp, kPipe };
  enum Type { kNoType, kStream, kDatagram, kSeqpacket };
  Kind kind = kOther;
  Type type = kNoType;
  uint64_t inode = 0;
  int peer = kNone;           // The file at the other end, as far as known.
  int listener = kNone;       // Of a socket that accept returned: whence.
  int made_by = kNone;        // The event.
  std::string name;           // A UNIX socket's, "@\"a\"" or "\"a\"".
  std::string local, remote;  // Addresses, "127.0.0.1:80".
  std::string what;           // "file notes.txt", "pipe", "TCP socket".
  int connection = kNone;     // The same number for both ends: its colour.
  bool listens = false;
  bool hidden = false;  // The harness's own.
};

// A call, a signal that came, or the begin or end of a lane.
struct Event {
  enum Kind { kCall, kSignal, kStop, kStart, kExit };
  Kind kind = kCall;
  int lane = kNone;
  size_t begin = 0, end = 0;    // Lines of the trace: its place in time.
  int64_t start = 0, stop = 0;  // In ns from the begin of the trace.
  bool finished = true;         // False: it never came back.
  std::string name, text;       // Of strace.
  std::string error;            // "EPIPE".
  bool has_value = false;
  int64_t value = 0;
  bool injected = false;
  int fd = kNone;    // The descriptor that the call is about.
  int file = kNone;  // What that is.

  bool hidden = false;  // The loader's, or the harness's own business.
  std::string brief;    // "read(4) = 12"; what the picture shows.
  std::string waited;   // "client", on whom; "" of a call that did not.
  std::vector<std::string> notes;  // What the trace tells beyond the call.
};

struct Arrow {
  enum Kind {
    kConnect,      // connect to accept.
    kData,         // Bytes of a stream or pipe.
    kMessage,      // A datagram.
    kDescriptor,   // 5 -> 4.
    kCredentials,  // pid, uid and gid, as the kernel vouched for them.
    kEnd,          // shutdown, close or exit to the 0 or error of the peer.
    kSignal,       // kill to the signal's coming.
    kStart,        // clone or fork to the new lane's begin.
    kWait,         // The end of a child to the wait that tells it.
  };
  Kind kind = kData;
  int from = kNone, to = kNone;  // Events.
  int64_t bytes = 0;
  int64_t from_at = 0, to_at = 0;  // Of kData: offsets in the two calls' bytes.
  int connection = kNone;
  std::string label;  // "12 bytes", "5 → 4: file notes.txt".
};

// A descriptor's life: from `begin` to `end`, in a process.
struct Life {
  int lane = kNone;  // The process.
  int fd = kNone;
  int file = kNone;
  size_t begin = 0, end = 0;
  int opened_by = kNone,
      closed_by = kNone;  // Events; kNone: inherited, still open.
  bool closed = false;    // False: open until the process or the trace ended.
  bool hidden = false;    // It ended before the lane began to show.
};

struct Trace {
  std::vector<Lane> lanes;
  std::vector<File> files;
  std::vector<Event> events;  // By `begin`.
  std::vector<Arrow> arrows;  // By the place of `to`.
  std::vector<Life> lives;
  size_t lines = 0;
  int64_t length = 0;  // In ns.
  int connections = 0;
  std::vector<std::string> warnings;  // What the trace cannot tell.
};

struct UnderstandOptions {
  // The first process only starts the others: it has a lane only if it talked
  // with them, and this is the name of it. "" where it is a program like
  // others.
  std::string harness;
};

Trace Understand(std::vector<harness::TraceEvent> events,
                 const UnderstandOptions& options = {});

}  // namespace trace

#endif  // TOOLS_TRACE_TRACE_H_
