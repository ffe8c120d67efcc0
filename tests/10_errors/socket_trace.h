// The calls of a program of lab 10, as strace saw them.
#ifndef TESTS_10_ERRORS_SOCKET_TRACE_H_
#define TESTS_10_ERRORS_SOCKET_TRACE_H_

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/support/strace.h"

// The name of the call that `text` begins with.
inline std::string CallIn(absl::string_view text) {
  const size_t end = std::find_if_not(text.begin(), text.end(),
                                      [](unsigned char letter) {
                                        return isalnum(letter) || letter == '_';
                                      }) -
                     text.begin();
  return std::string(text.substr(0, end));
}

// Whether `traced`, as strace calls it, is what programs call `said`.
inline bool IsCall(const std::string& said, const std::string& traced) {
  static const auto& others = *new std::map<std::string, std::set<std::string>>{
      {"send", {"sendto"}},
      {"recv", {"recvfrom"}},
      {"accept", {"accept4"}},
      {"pipe", {"pipe2"}},
      {"open", {"openat"}},
      {"creat", {"openat"}},
      {"mkstemp", {"openat"}},
      {"mkdtemp", {"mkdir", "mkdirat"}},
      {"mkdir", {"mkdirat"}},
      {"unlink", {"unlinkat"}},
      {"chmod", {"fchmodat", "fchmodat2"}},
      {"dup", {"dup2", "dup3"}},
      {"dup2", {"dup3"}},
      {"poll", {"ppoll"}},
      {"setrlimit", {"prlimit64", "prlimit"}},
      {"prlimit", {"prlimit64"}},
      {"fork", {"clone", "clone3", "vfork"}},
      {"waitpid", {"wait4", "waitid"}},
      {"signal", {"rt_sigaction"}},
      {"sigaction", {"rt_sigaction"}},
      {"prctl", {"seccomp"}},
      {"cap_set_proc", {"capset"}},
      {"setuid", {"setresuid", "setreuid"}},
      {"seteuid", {"setresuid", "setreuid"}},
      {"setegid", {"setresgid", "setregid"}},
      {"getrlimit", {"prlimit64"}},
      {"sigprocmask", {"rt_sigprocmask"}},
      {"clone", {"clone3"}},
      {"wait", {"wait4"}},
      {"epoll_create", {"epoll_create1"}},
      {"signalfd", {"signalfd4"}},
      {"stat", {"newfstatat"}},
      {"fstat", {"newfstatat"}},
      {"eventfd", {"eventfd2"}}};
  const auto found = others.find(said);
  return said == traced ||
         (found != others.end() && found->second.count(traced) > 0);
}

// A system call in a trace.
struct SystemCall {
  std::string pid, name, text;
  int ordinal;  // The how manieth of that name of this process.
  bool failed;
  std::string error;  // "ENOENT" of one that failed.
  std::vector<std::string> arguments;
};

// The numbers that `text` has between its `before` and its `after`, such as
// "[3, 4]".
inline std::vector<int> NumbersIn(absl::string_view text, char before,
                                  char after) {
  std::vector<int> numbers;
  const size_t begin = text.rfind(before);
  const size_t end = text.find(after, begin);
  if (begin == text.npos || end == text.npos) return numbers;
  for (absl::string_view part :
       absl::StrSplit(text.substr(begin + 1, end - begin - 1), ',')) {
    int number;
    if (absl::SimpleAtoi(part, &number)) numbers.push_back(number);
  }
  return numbers;
}

// The descriptors of AF_UNIX sockets, while one goes through a trace.
class UnixSockets {
 public:
  // Whether `call` makes such a socket, or is made on one.
  bool Has(const SystemCall& call) const {
    return absl::StartsWith(call.text, "socket(AF_UNIX") ||
           absl::StartsWith(call.text, "socketpair(AF_UNIX") ||
           (On(call) >= 0 && open_.count(On(call)) > 0);
  }

  // `call` was made.
  void Note(const SystemCall& call) {
    if (call.failed || !Has(call)) return;
    const absl::string_view text = call.text;
    if (call.name == "socketpair") {
      for (int fd : NumbersIn(text, '[', ']')) open_.insert(fd);
    } else if (call.name == "close") {
      open_.erase(On(call));
    } else if (call.name == "socket" || call.name == "dup" ||
               absl::StartsWith(call.name, "accept") ||
               absl::StrContains(text, "F_DUPFD")) {
      int fd;
      if (absl::SimpleAtoi(text.substr(text.rfind(" = ") + 3), &fd)) {
        open_.insert(fd);
      }
    }
  }

 private:
  // The descriptor that `call` begins with, or -1.
  static int On(const SystemCall& call) {
    const absl::string_view text = call.text;
    const size_t begin = call.name.size() + 1;
    if (begin > text.size()) return -1;
    const size_t end = text.find_first_not_of("0123456789", begin);
    int fd;
    return end != text.npos &&
                   absl::SimpleAtoi(text.substr(begin, end - begin), &fd)
               ? fd
               : -1;
  }

  std::set<int> open_;
};

// Whether `call` is one. (The C library asks for limits before main begins.)
inline bool IsCall(const std::string& said, const SystemCall& call) {
  return IsCall(said, call.name) &&
         !(said == "setrlimit" && call.name == "prlimit64" &&
           call.arguments.size() > 2 && call.arguments[2] == "NULL");
}

// Whether `call` installs a seccomp filter.
inline bool IsFilter(const SystemCall& call) {
  return absl::StartsWith(call.text, "prctl(PR_SET_SECCOMP") ||
         absl::StartsWith(call.text, "seccomp(SECCOMP_SET_MODE_");
}

// The calls that returned, in the order in which they did.
inline std::vector<SystemCall> ReadTrace(const std::string& path) {
  std::vector<SystemCall> calls;
  std::map<std::string, int> counts;  // By pid and name.
  std::ifstream file(path);
  for (const harness::TraceEvent& event : harness::ParseStrace(file)) {
    if (event.kind != harness::TraceEvent::kCall || !event.finished) continue;
    SystemCall call;
    call.pid = absl::StrCat(event.pid);
    call.name = event.name;
    call.text = event.text;
    call.ordinal = ++counts[call.pid + " " + call.name];
    call.failed = event.failed() && event.has_value;
    if (call.failed) call.error = event.error;
    for (absl::string_view part : harness::SplitArguments(event.arguments())) {
      call.arguments.emplace_back(part);
    }
    calls.push_back(call);
  }
  return calls;
}

#endif  // TESTS_10_ERRORS_SOCKET_TRACE_H_
