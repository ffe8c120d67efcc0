// What strace wrote, line by line, as calls, signals and ends of processes.
//
// It reads what `strace -f` prints, with -t, -tt or -ttt or without, with -T or
// without, with -y or -yy or without, into a file or onto stderr ("[pid 12]").
#ifndef TESTS_SUPPORT_STRACE_H_
#define TESTS_SUPPORT_STRACE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace harness {

// Something that happened to a process or thread.
struct TraceEvent {
  enum Kind {
    kCall,
    kSignal,  // It was delivered.
    kStop,    // A signal stopped it.
    kExit,    // It ended, with a status or by a signal.
  };
  Kind kind = kCall;
  pid_t pid = 0;        // 0 where strace ran without -f and -o.
  int64_t time = -1;    // In ns, as -ttt or -tt count them; -1 without.
  int64_t length = -1;  // Of a call, with -T, in ns.
  // Numbers of lines, from 0. The call had its effect between the first line's
  // begin and the last line's end, so two calls whose lines do not overlap
  // happened in the order of their lines.
  size_t begin = 0, end = 0;

  // Of a call, "name(arguments) = result", joined where it was unfinished at
  // first; of the others what stands between the "---" or "+++".
  std::string text;

  std::string name;  // Of the call or the signal ("SIGPIPE").
  bool finished =
      true;  // False: the call had not returned when the trace ended.
  bool has_value = false;  // False for "= ?", too.
  int64_t value = -1;      // What it returned; of an exit, the status.
  std::string error;       // "ENOENT"; "ERESTARTSYS" of a call interrupted.
  bool injected = false;

  bool failed() const { return !error.empty(); }
  // The text between the parentheses, and the text behind the " = ".
  absl::string_view arguments() const;
  absl::string_view result() const;

  size_t arguments_begin = 0, arguments_end = 0;  // In `text`.
};

// Turns lines into events. An event is returned with its last line.
class StraceParser {
 public:
  // Nothing when the line began a call, or holds none of an event.
  absl::optional<TraceEvent> Parse(absl::string_view line);
  // Calls that have not returned, once all lines were parsed.
  std::vector<TraceEvent> Unfinished() const;
  // How many lines had nothing that a trace has.
  size_t strange_lines() const { return strange_; }
  size_t lines() const { return line_; }

 private:
  std::map<pid_t, TraceEvent> begun_;
  size_t line_ = 0, strange_ = 0;
};

// All of a trace, in the order of their ends, the unfinished calls last.
std::vector<TraceEvent> ParseStrace(std::istream& trace);

// The parts of what strace prints
// ----------------------------------------------

// "a, {b, c}, [d]" is "a", "{b, c}", "[d]".
std::vector<absl::string_view> SplitArguments(absl::string_view text);

// The value of `name` in "{name=value, ...}"; "" where it has none. What the
// call changed ("110 => 2") is whole.
absl::string_view Field(absl::string_view text, absl::string_view name);

// The elements of "[a, b]".
std::vector<absl::string_view> Elements(absl::string_view text);

// The number that `text` begins with, behind a "=> " where there is one.
absl::optional<int64_t> Number(absl::string_view text);

// The bytes of "\"a\\n\"..."; `cut` tells whether strace left some out.
absl::optional<std::string> Unquoted(absl::string_view text,
                                     bool* cut = nullptr);

// A descriptor, as -y or -yy print it: 3</etc/passwd>, 3<socket:[5]>,
// 3<UNIX-STREAM:[5->6,"name"]>, 3<TCP:[127.0.0.1:80->127.0.0.1:4000]>.
struct TracedDescriptor {
  int fd = -1;
  std::string what;  // What stands between < and >.
  std::string kind;  // "UNIX-STREAM", "TCPv6", "pipe", "socket"; "" of a file.
  uint64_t inode = 0, peer = 0;  // 0 where strace does not tell.
  std::string local, remote;     // Addresses of the Internet's, "127.0.0.1:80".
  std::string name;              // A UNIX socket's: "@\"a\"" is abstract.
};
absl::optional<TracedDescriptor> ParseDescriptor(absl::string_view text);

}  // namespace harness

#endif  // TESTS_SUPPORT_STRACE_H_
