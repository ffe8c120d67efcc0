// The first half of Understand: replays the calls, so that it is known which
// descriptor of which process was what at each moment, and who moved which
// bytes. What one call did to another process is the second half's,
// understand.cc.
#ifndef TOOLS_TRACE_REPLAY_H_
#define TOOLS_TRACE_REPLAY_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/strace.h"
#include "tools/trace/trace.h"

namespace trace {

// A file open at a descriptor of a process.
struct Ref {
  int table = kNone, fd = kNone, file = kNone;
  int lane = kNone;  // The process whose table it is.
  size_t begin = 0;
  int opened_by = kNone;  // The event; kNone: inherited.
  // Closed between these two lines, by this event; by none of them: still open.
  int closed_by = kNone;
  size_t close_begin = 0, close_end = 0;
  bool close_on_exec = false;
  bool reads = true, writes = true;  // A pipe's end does one of both.
};

// A call, or one message of it, that moved bytes.
struct Transfer {
  int event = kNone, file = kNone;
  bool put = false;
  int64_t size = 0;   // kUnknownSize where the call never returned.
  int64_t asked = 0;  // How many bytes there was room for.
  std::string
      content;  // The bytes that strace shows; fewer than `size`, or all.
  std::string address;  // Of a datagram: to whom, from whom, as far as told.
  bool peek = false, cut = false;  // MSG_PEEK; the message was longer.
  bool fds_cut = false;        // strace does not print all that were passed.
  bool waits_for_all = false;  // It may have taken its bytes one by one.
  std::vector<std::pair<int, std::string>> fds;  // Passed: number, what it is.
  std::vector<int> fd_files;
  std::vector<std::string> credentials;
};

// A call about a file, with what it was given.
struct FileCall {
  int event = kNone, file = kNone;
  std::string what;  // An address, "SHUT_WR", "{pid=1, uid=0, gid=0}".
};

struct SentSignal {
  int event = kNone;
  std::string name;
  pid_t to = 0;  // 0 or below: as kill(2).
};

struct Replay {
  Trace trace;
  std::vector<Ref> refs;
  std::vector<std::vector<int>> refs_of;  // By file.
  std::vector<Transfer> transfers;
  std::vector<FileCall> ends;  // Takes that returned 0, and errors.
  std::vector<FileCall> connects, accepts, shutdowns, listens, peer_credentials;
  std::vector<SentSignal> signals;
  std::map<std::string, std::vector<FileCall>> binds;  // By name.
  // By file: what makes the rules of its queue others than ours.
  std::vector<bool> queue_is_odd, buffer_is_set, held_outside;
  std::vector<uint64_t> peer_inode;
  std::vector<std::string> event_detail;  // By event: si_pid and the like.
};

Replay ReplayEvents(std::vector<harness::TraceEvent> events,
                    const UnderstandOptions& options);

// "127.0.0.1:80" of an address as strace prints it, `"name"` of a UNIX
// socket's;
// "" of others.
std::string Address(absl::string_view text);

}  // namespace trace

#endif  // TOOLS_TRACE_REPLAY_H_
