#include "tools/trace/brief.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/support/strace.h"
#include "tools/trace/transfer.h"

namespace trace {
namespace {

using absl::string_view;
using harness::Field;
using harness::SplitArguments;

constexpr size_t kShownBytes = 12;

// The arguments of a call as strace printed them, without its parentheses.
string_view Arguments(const Event& event) {
  string_view text = event.text;
  const size_t open = text.find('(');
  if (open == text.npos) return "";
  text.remove_prefix(open + 1);
  const size_t end = event.finished ? text.rfind(") = ") : text.size();
  const size_t padded = event.finished ? text.rfind(")  ") : text.npos;
  if (end != text.npos) return text.substr(0, end);
  return padded != text.npos ? text.substr(0, padded) : text;
}

// A string as strace prints it, cut.
std::string ShortString(string_view text) {
  bool cut = false;
  const absl::optional<std::string> bytes = harness::Unquoted(text, &cut);
  if (!bytes) return std::string(text.substr(0, 20));
  std::string shown = "\"";
  size_t count = 0;
  for (const char byte : *bytes) {
    if (count++ == kShownBytes) return shown + "\"…";
    if (byte == '\n') {
      shown += "\\n";
    } else if (byte == '\0') {
      shown += "\\0";
    } else if (static_cast<unsigned char>(byte) < 32 ||
               static_cast<unsigned char>(byte) >= 127) {
      shown += "·";
    } else {
      shown += byte;
    }
  }
  return shown + (cut ? "\"…" : "\"");
}

std::string Name(string_view text) {  // A path or a name, whole.
  return std::string(text);
}

std::string ShortAddress(string_view text) {
  const string_view family = Field(text, "sa_family");
  if (family == "AF_UNIX") {
    const string_view path = Field(text, "sun_path");
    return path.empty() ? "no name" : Name(path);
  }
  const auto between = [&](string_view before) {
    const size_t at = text.find(before);
    if (at == text.npos) return string_view();
    const string_view rest = text.substr(at + before.size());
    return rest.substr(0, rest.find_first_of("\")"));
  };
  if (family == "AF_INET") {
    return absl::StrCat(between("inet_addr(\""), ":", between("htons("));
  }
  if (family == "AF_INET6") {
    return absl::StrCat("[", between("AF_INET6, \""), "]:", between("htons("));
  }
  return std::string(text.substr(0, 20));
}

std::string WithoutPrefixes(string_view flags) {
  std::string shortened;
  for (size_t i = 0; i < flags.size();) {
    bool found = false;
    for (const string_view prefix :
         {"AF_", "SOCK_", "O_", "MSG_", "IPPROTO_"}) {
      if ((i == 0 || !isalnum(static_cast<unsigned char>(flags[i - 1]))) &&
          absl::StartsWith(flags.substr(i), prefix)) {
        i += prefix.size();
        found = true;
        break;
      }
    }
    if (!found) shortened += flags[i++];
  }
  return shortened;
}

std::string ShortArgument(string_view text) {
  if (absl::StartsWith(text, "\"")) return ShortString(text);
  if (const auto descriptor = harness::ParseDescriptor(text)) {
    if (!descriptor->what.empty()) return absl::StrCat(descriptor->fd);
  }
  if (absl::StartsWith(text, "AT_FDCWD")) return "";
  if (absl::StartsWith(text, "{sa_family")) return ShortAddress(text);
  if (absl::StartsWith(text, "{") || absl::StartsWith(text, "[{")) return "{…}";
  if (absl::StartsWith(text, "[") && text.size() > 24) return "[…]";
  return WithoutPrefixes(text.substr(0, 40));
}

std::string FirstBytes(string_view message) {
  for (const string_view element :
       harness::Elements(Field(message, "msg_iov"))) {
    return ShortString(Field(element, "iov_base"));
  }
  return "";
}

std::string Descriptors(string_view list) {
  std::vector<std::string> numbers;
  for (const string_view element : harness::Elements(list)) {
    const string_view fd =
        absl::StartsWith(element, "{") ? Field(element, "fd") : element;
    if (const auto number = harness::Number(fd)) {
      numbers.push_back(absl::StrCat(*number));
    }
  }
  return absl::StrJoin(numbers, ", ");
}

// "server --socket=x" of execve's arguments.
std::string CommandLine(const std::vector<string_view>& args) {
  const std::string path = harness::Unquoted(args[0]).value_or("");
  std::string line = path.substr(path.rfind('/') + 1);
  const std::vector<string_view> words = harness::Elements(args[1]);
  for (size_t i = 1; i < words.size(); ++i) {
    absl::StrAppend(&line, " ", harness::Unquoted(words[i]).value_or("…"));
  }
  return line;
}

// The arguments that a beginner looks for.
std::string ShortArguments(const Event& event) {
  const std::vector<string_view> args = SplitArguments(Arguments(event));
  const std::string& name = event.name;
  const auto arg = [&](size_t i) {
    return i < args.size() ? ShortArgument(args[i]) : std::string();
  };
  if (args.empty()) return "";
  if (name == "socket" && args.size() > 1) {
    std::string type = arg(1);
    return absl::StrCat(arg(0), " ", type.substr(0, type.find('|')));
  }
  if (name == "socketpair" && args.size() > 3) {
    const std::string type = arg(1);
    return absl::StrCat(arg(0), " ", type.substr(0, type.find('|')), ", [",
                        Descriptors(args[3]), "]");
  }
  if (name == "pipe" || name == "pipe2") {
    return absl::StrCat("[", Descriptors(args[0]), "]");
  }
  if (name == "accept" || name == "accept4" || name == "read" ||
      name == "recvfrom" || name == "recvmsg" || name == "readv" ||
      name == "recvmmsg" || name == "getpeername" || name == "getsockname") {
    return arg(0);
  }
  if (name == "write" || name == "listen" || name == "shutdown" ||
      name == "bind" || name == "connect") {
    return absl::StrCat(arg(0), ", ", arg(1));
  }
  if (name == "sendto") {
    const bool to = args.size() > 4 && args[4] != "NULL";
    return absl::StrCat(arg(0), ", ", arg(1), to ? ", to " + arg(4) : "");
  }
  if (name == "sendmsg" && args.size() > 1) {
    return absl::StrCat(arg(0), ", ", FirstBytes(args[1]));
  }
  if (name == "writev" && args.size() > 1) {
    const size_t pieces = harness::Elements(args[1]).size();
    return absl::StrCat(arg(0), ", ", pieces,
                        pieces == 1 ? " piece" : " pieces");
  }
  if (name == "poll" || name == "ppoll") return Descriptors(args[0]);
  if (name == "getsockopt" || name == "setsockopt") {
    return absl::StrCat(arg(0), ", ", arg(2));
  }
  if (name == "openat" && args.size() > 1) {
    return absl::StrCat(harness::Unquoted(args[1]) ? Name(args[1]) : arg(1));
  }
  if (name == "execve" && args.size() > 1) return CommandLine(args);
  if (absl::StartsWith(name, "clone") || name == "fork" || name == "vfork") {
    return "";
  }
  if (name == "wait4" || name == "waitid") {
    return arg(0) == "-1" ? "any child" : arg(0);
  }
  if (name == "futex") return "";
  std::vector<std::string> all;
  for (size_t i = 0; i < args.size() && i < 3; ++i) {
    if (!arg(i).empty() && arg(i) != "NULL") all.push_back(arg(i));
  }
  return absl::StrJoin(all, ", ");
}

// What a take brought, behind its number.
std::string Brought(const Event& event) {
  const std::vector<string_view> args = SplitArguments(Arguments(event));
  if (args.size() < 2 || event.value <= 0) return "";
  if (event.name == "read" || event.name == "recvfrom") {
    return absl::StartsWith(args[1], "\"") ? " " + ShortString(args[1]) : "";
  }
  if (event.name == "recvmsg") return " " + FirstBytes(args[1]);
  return "";
}

}  // namespace

std::string Brief(const Trace& trace, const Event& event) {
  switch (event.kind) {
    case Event::kStart:
      return absl::StrCat(trace.lanes[event.lane].name, " begins, pid ",
                          trace.lanes[event.lane].pid);
    case Event::kExit:
      return trace.lanes[event.lane].ended ? trace.lanes[event.lane].ending
                                           : event.text;
    case Event::kSignal:
      return absl::StrCat("signal ", event.name);
    case Event::kStop:
      return event.text;
    case Event::kCall:
      break;
  }
  std::string call = absl::StrCat(event.name, "(", ShortArguments(event), ")");
  if (!event.finished) {
    return event.name == "exit_group" || event.name == "exit"
               ? call
               : call + " … never returned";
  }
  if (!event.error.empty()) {
    return absl::StrCat(call, event.has_value ? " fails: " : " interrupted: ",
                        event.error, event.injected ? " (injected)" : "");
  }
  if (!event.has_value) return call;
  const CallShape* shape = ShapeOf(event.name);
  if (event.value == 0 && (!shape || shape->put)) return call;
  return absl::StrCat(call, " = ", event.value, Brought(event));
}

namespace {

// What the C library does on its own: it loads libraries, and looks names up.
bool IsLibrarys(const Event& event) {
  const string_view text = event.text;
  if (event.name == "futex" && event.waited.empty()) return true;
  if (absl::StrContains(text, "NETLINK") ||
      absl::StrContains(text, "nlmsg_len") ||
      absl::StrContains(text, "/nscd/")) {
    return true;
  }
  for (const string_view file : {"gai", "host", "resolv", "nsswitch"}) {
    if (absl::StrContains(text, absl::StrCat("/etc/", file, ".conf"))) {
      return true;
    }
  }
  return absl::StrContains(text, "/ld.so.") ||
         absl::StrContains(text, ".so>") || absl::StrContains(text, ".so.") ||
         absl::StrContains(text, ".so\"") ||
         absl::StrContains(text, "/usr/lib/locale/");
}

bool IsSocket(const Trace& trace, int file) {
  if (file == kNone) return false;
  const File::Kind kind = trace.files[file].kind;
  return kind == File::kUnix || kind == File::kTcp || kind == File::kUdp;
}

// A program that the harness starts begins with its execve.
void HidePreparations(int lane, Trace* trace) {
  int exec = kNone, start = kNone;
  for (size_t i = 0; i < trace->events.size() && exec == kNone; ++i) {
    const Event& event = trace->events[i];
    if (event.lane != lane) continue;
    if (event.kind == Event::kStart) start = static_cast<int>(i);
    if (event.name == "execve" && event.finished && event.error.empty()) {
      exec = static_cast<int>(i);
    }
  }
  if (exec == kNone || start == kNone) return;
  const Event& call = trace->events[exec];
  for (Event& event : trace->events) {
    if (event.lane == lane && event.kind != Event::kStart &&
        event.begin <= call.begin) {
      event.hidden = true;
    }
  }
  Event& begin = trace->events[start];
  begin.begin = begin.end = call.begin;
  begin.start = begin.stop = call.start;
  const std::vector<string_view> args = SplitArguments(Arguments(call));
  if (args.size() > 1) begin.brief = CommandLine(args);
  begin.text = call.text;
  trace->lanes[lane].begin = call.begin;
  for (Life& life : trace->lives) {
    if (life.lane == lane && life.end <= call.end) life.hidden = true;
  }
}

}  // namespace

void HideNoise(const std::string& harness, Trace* trace) {
  for (Event& event : trace->events) {
    event.hidden = event.kind == Event::kCall && IsLibrarys(event);
  }
  if (harness.empty() || trace->lanes.empty()) return;

  // The harness is the first process, and its children until they run a
  // program.
  std::vector<bool> runs(trace->lanes.size()), is_harness(trace->lanes.size());
  for (const Event& event : trace->events) {
    if (absl::StartsWith(event.name, "execve") && event.finished &&
        event.error.empty()) {
      runs[event.lane] = true;
    }
  }
  is_harness[0] = true;
  for (size_t i = 1; i < trace->lanes.size(); ++i) {
    const int parent = trace->lanes[i].parent;
    is_harness[i] = parent != kNone && is_harness[parent] && !runs[i];
  }
  // A checker tries whether strace works; that and its children are no lanes.
  std::vector<bool> is_strace(trace->lanes.size());
  for (size_t i = 1; i < trace->lanes.size(); ++i) {
    const int parent = trace->lanes[i].parent;
    is_strace[i] = parent != kNone &&
                   (is_strace[parent] || (is_harness[parent] &&
                                          trace->lanes[i].program == "strace"));
    if (is_strace[i]) trace->lanes[i].hidden = true;
  }
  std::vector<bool> talks(trace->lanes.size());
  for (const Arrow& arrow : trace->arrows) {
    const Event& to = trace->events[arrow.to];
    const int from = trace->events[arrow.from].lane;
    if (is_harness[from] != is_harness[to.lane] && IsSocket(*trace, to.file)) {
      talks[is_harness[from] ? from : to.lane] = true;
    }
  }
  for (size_t i = 0; i < trace->lanes.size(); ++i) {
    Lane& lane = trace->lanes[i];
    if (is_harness[i]) {
      lane.hidden = !talks[i];
      lane.name = harness;
    } else if (lane.parent != kNone && is_harness[lane.parent]) {
      HidePreparations(static_cast<int>(i), trace);
    }
  }
  for (size_t i = 0; i < trace->files.size(); ++i) {
    const int made_by = trace->files[i].made_by;
    trace->files[i].hidden = !IsSocket(*trace, static_cast<int>(i)) &&
                             made_by != kNone &&
                             is_harness[trace->events[made_by].lane];
  }
  for (Event& event : trace->events) {
    if (event.file != kNone && trace->files[event.file].hidden) {
      // How the harness came by its own pipes is nobody's business.
      std::vector<std::string>& notes = event.notes;
      notes.erase(std::remove_if(notes.begin(), notes.end(),
                                 [](const std::string& note) {
                                   return absl::StartsWith(note, "unknown");
                                 }),
                  notes.end());
    }
    if (is_harness[event.lane] && event.kind != Event::kStart &&
        event.kind != Event::kExit && !IsSocket(*trace, event.file)) {
      event.hidden = true;
    }
  }
}

std::string ErrorInWords(const Event& event) {
  const size_t at = event.text.rfind(absl::StrCat(" ", event.error, " ("));
  if (event.error.empty() || at == std::string::npos) return "";
  const size_t begin = at + event.error.size() + 3;
  return event.text.substr(begin, event.text.find(')', begin) - begin);
}

std::string Duration(int64_t nanoseconds) {
  const double milliseconds = static_cast<double>(nanoseconds) / 1e6;
  if (milliseconds >= 1000) {
    return absl::StrFormat("%.2f s", milliseconds / 1000);
  }
  if (milliseconds >= 100) return absl::StrFormat("%.0f ms", milliseconds);
  if (milliseconds >= 10) return absl::StrFormat("%.1f ms", milliseconds);
  return absl::StrFormat("%.2f ms", milliseconds);
}

size_t Columns(string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char byte) { return (byte & 0xc0) != 0x80; });
}

std::string Cut(const std::string& text, size_t width) {
  if (Columns(text) <= width) return text;
  if (width == 0) return "";
  size_t at = 0;
  for (size_t columns = 0; at < text.size(); ++at) {
    if ((text[at] & 0xc0) != 0x80 && columns++ == width - 1) break;
  }
  return text.substr(0, at) + "…";
}

}  // namespace trace
