// The checks of lab 10. Each states a fact about the program; the mutants
// beside this file show what each one is there to catch.
#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"
#include "tests/support/strace.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Process;
using harness::Robust;

using Words = std::vector<std::string>;

const std::map<std::string, int>& Catalogue() {
  static const auto& catalogue =
      *new std::map<std::string, int>{{"ENOMEM", ENOMEM},
                                      {"ECONNREFUSED", ECONNREFUSED},
                                      {"EINVAL", EINVAL},
                                      {"EOPNOTSUPP", EOPNOTSUPP},
                                      {"EPROTONOSUPPORT", EPROTONOSUPPORT},
                                      {"ESOCKTNOSUPPORT", ESOCKTNOSUPPORT},
                                      {"EPROTOTYPE", EPROTOTYPE},
                                      {"EADDRINUSE", EADDRINUSE},
                                      {"EISCONN", EISCONN},
                                      {"ENOTCONN", ENOTCONN},
                                      {"ECONNRESET", ECONNRESET},
                                      {"EPIPE", EPIPE},
                                      {"EFAULT", EFAULT},
                                      {"EPERM", EPERM},
                                      {"ENOENT", ENOENT},
                                      {"EACCES", EACCES},
                                      {"EAGAIN", EAGAIN},
                                      {"EMSGSIZE", EMSGSIZE},
                                      {"ETOOMANYREFS", ETOOMANYREFS},
                                      {"ENOBUFS", ENOBUFS},
                                      {"EMFILE", EMFILE},
                                      {"ENOTSOCK", ENOTSOCK}};
  return catalogue;
}

// One error as the program tells it.
struct Told {
  std::string error, call;
  bool injected = false;
  Words before;  // The calls that led there.
};

// The name of the call that `text` begins with.
std::string CallIn(absl::string_view text) {
  const size_t end = std::find_if_not(text.begin(), text.end(),
                                      [](unsigned char letter) {
                                        return isalnum(letter) || letter == '_';
                                      }) -
                     text.begin();
  return std::string(text.substr(0, end));
}

// Whether `traced`, as strace calls it, is what programs call `said`.
bool IsCall(const std::string& said, const std::string& traced) {
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
};

// The numbers that `text` has between its `before` and its `after`, such as
// "[3, 4]".
std::vector<int> NumbersIn(absl::string_view text, char before, char after) {
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

// The calls that returned, in the order in which they did.
std::vector<SystemCall> ReadTrace(const std::string& path) {
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
    calls.push_back(call);
  }
  return calls;
}

class Errors : public harness::Check {
 protected:
  // What `program` tells of `errors`, these and no others in that order, having
  // ended well.
  std::vector<Told> Tells(Process program, const Words& errors) {
    std::vector<Told> all;
    program.Exits(0);
    if (over()) return all;
    Told told;
    Words seen;
    const std::string out = program.out();
    for (absl::string_view line :
         absl::StrSplit(absl::StripSuffix(out, "\n"), '\n')) {
      if (absl::ConsumePrefix(&line, "  ") && !CallIn(line).empty()) {
        told.before.push_back(CallIn(line));
        continue;
      }
      told.error = CallIn(line);
      const auto known = Catalogue().find(told.error);
      absl::string_view rest = line.substr(told.error.size());
      bool right = known != Catalogue().end();
      if (right) {
        told.injected = absl::ConsumeSuffix(&rest, " (injected)");
        right = absl::ConsumePrefix(&rest, ": ") &&
                absl::ConsumeSuffix(
                    &rest, absl::StrCat(": ", strerrordesc_np(known->second)));
        told.call = CallIn(rest);
      }
      // Behind the call something is said of its object.
      const absl::string_view object = absl::StripAsciiWhitespace(
          absl::string_view(rest).substr(told.call.size()));
      if (!right || told.call.empty() || object.empty()) {
        program.Expect(
            false,
            "each line is either two spaces and a call, or "
            "\"ENAME: call object: Message\", with the message of strerror",
            harness::Escaped(line, 160));
        return {};
      }
      seen.push_back(told.error);
      all.push_back(told);
      told = Told();
    }
    program.Expect(seen == errors, "errors told: " + absl::StrJoin(errors, " "),
                   absl::StrJoin(seen, " "));
    if (over()) return {};
    return all;
  }

  std::vector<SystemCall> Trace() const { return ReadTrace(trace()); }
  std::string trace() const { return scratch().File("trace"); }

  // The call in `calls` that failed as `told`; nullptr after telling that there
  // is none.
  const SystemCall* Failing(Process program,
                            const std::vector<SystemCall>& calls,
                            const Told& told) {
    std::string failed;
    for (const SystemCall& call : calls) {
      if (!call.failed) continue;
      if (call.error == told.error && IsCall(told.call, call.name)) {
        return &call;
      }
      failed = call.text;
    }
    program.Expect(false,
                   absl::StrCat("a call of ", told.call, " that returned ",
                                told.error, ", as it says"),
                   failed.empty()
                       ? "no call that failed"
                       : absl::StrCat("none; the last that failed was ",
                                      harness::Escaped(failed, 160)));
    return nullptr;
  }

  // Whether one of `calls` failed as `told` on an AF_UNIX socket.
  static bool FailsOnUnixSocket(const std::vector<SystemCall>& calls,
                                const Told& told) {
    UnixSockets sockets;
    for (const SystemCall& call : calls) {
      if (call.failed && call.error == told.error &&
          IsCall(told.call, call.name) && sockets.Has(call)) {
        return true;
      }
      sockets.Note(call);
    }
    return false;
  }

  static bool MakesFilters(const std::vector<SystemCall>& calls) {
    return std::any_of(calls.begin(), calls.end(), [](const SystemCall& call) {
      return !call.failed &&
             (absl::StartsWith(call.text, "prctl(PR_SET_SECCOMP") ||
              absl::StartsWith(call.text, "seccomp(SECCOMP_SET_MODE_"));
    });
  }

  // Each of `errors` is what the kernel answered the call that is said to have
  // failed.
  void AreSeen(const Words& errors) {
    for (const std::string& error : errors) {
      Process program = StartTraced("provoke", {error}, trace());
      const std::vector<Told> told = Tells(program, {error});
      if (over()) return;
      const std::vector<SystemCall> calls = Trace();
      Failing(program, calls, told[0]);
      if (over()) return;
      program.Expect(!told[0].injected && !MakesFilters(calls),
                     absl::StrCat(error, " is the kernel's, nothing injected"),
                     told[0].injected ? "it says \"injected\""
                                      : "it made a seccomp filter");
      // ENOTSOCK is of something else; and a limit is reached by any call.
      if (error == "ENOTSOCK" || error == "EMFILE") continue;
      program.Expect(FailsOnUnixSocket(calls, told[0]),
                     absl::StrCat(told[0].call, " returns ", error,
                                  " on an AF_UNIX socket"),
                     "it does so on something else");
    }
  }

  // With the first of `calls` failing on the way to `error`, EIO is told. Not
  // judged if the program goes there without such a call.
  void IsToldOnTheWay(const std::string& error, const Words& calls) {
    Process learned = StartTraced("provoke", {error}, trace());
    const std::vector<Told> told = Tells(learned, {error});
    if (over()) return;
    const auto is_one = [&](const std::string& name) {
      return std::any_of(
          calls.begin(), calls.end(),
          [&](const std::string& one) { return IsCall(one, name); });
    };
    const std::vector<SystemCall> trace = Trace();
    const SystemCall* failing = Failing(learned, trace, told[0]);
    if (over()) return;
    const auto first =
        std::find_if(trace.begin(), trace.end(),
                     [&](const SystemCall& call) { return is_one(call.name); });
    if (first == trace.end() || first->failed || &*first >= failing) return;

    Process program = StartFailingOnce(calls, EIO, "provoke", {error});
    program.Refuses({"EIO"});
    const std::string out = program.out();
    program.Expect(!TellsAny(out),
                   absl::StrCat("no line \"", error, ": ...\" on stdout"),
                   harness::Escaped(out, 160));
    for (absl::string_view line : absl::StrSplit(out, '\n')) {
      program.Expect(!absl::ConsumePrefix(&line, "  ") ||
                         !IsCall(CallIn(line), first->name),
                     "a line for calls that worked only",
                     absl::StrCat("one for ", line, ", which failed"));
    }
  }

  // Whether the trace of `errors` shows that each is provoked in a process of
  // its own, and, if `call` is given, by that call and no other of the kind.
  bool HasProcesses(const Words& errors, const std::string& call = "") {
    Process program = StartTraced("provoke", errors, trace());
    const std::vector<Told> told = Tells(program, errors);
    if (over()) return false;
    const std::vector<SystemCall> calls = Trace();
    if (!call.empty()) {
      return std::all_of(told.begin(), told.end(),
                         [&](const Told& one) { return one.call == call; }) &&
             static_cast<size_t>(std::count_if(calls.begin(), calls.end(),
                                               [&](const SystemCall& made) {
                                                 return made.name == call;
                                               })) == errors.size();
    }
    return static_cast<size_t>(std::count_if(
               calls.begin(), calls.end(), [](const SystemCall& made) {
                 return !made.failed &&
                        !absl::StrContains(made.text, "CLONE_THREAD") &&
                        (made.name == "fork" || made.name == "vfork" ||
                         absl::StartsWith(made.name, "clone"));
               })) == errors.size();
  }

  // The option with which strace changes the call that fails with `error`, once
  // it is known by a run which call that is.
  std::string Inject(const std::string& error, const std::string& how) {
    Process program = StartTraced("provoke", {error}, trace());
    const std::vector<Told> told = Tells(program, {error});
    if (over()) return "";
    const std::vector<SystemCall> calls = Trace();
    const SystemCall* failing = Failing(program, calls, told[0]);
    if (over()) return "";
    return absl::StrCat("--inject=", failing->name, ":", how,
                        ":when=", failing->ordinal);
  }

  // With the call that fails changed by `how`, `error` is not told.
  void IsNotTold(const std::string& error, const std::string& how,
                 const Words& words) {
    const std::string inject = Inject(error, how);
    if (over()) return;
    Process program = StartTraced("provoke", {error}, trace(), {inject});
    program.Refuses(words);
    program.Expect(!TellsAny(program.out()),
                   absl::StrCat("no line \"", error, ": ...\" on stdout"),
                   harness::Escaped(program.out(), 160));
  }

  // Whether there is a line about an error in `out`.
  static bool TellsAny(const std::string& out) {
    for (absl::string_view line : absl::StrSplit(out, '\n')) {
      if (Catalogue().count(CallIn(line)) > 0) return true;
    }
    return false;
  }

  static Words Shuffled() {
    static auto& engine = *new std::mt19937(std::random_device{}());
    Words names;
    for (const auto& [name, number] : Catalogue()) names.push_back(name);
    std::shuffle(names.begin(), names.end(), engine);
    return names;
  }

  // What is in the program's working directory, beside what is ours.
  std::string Leftovers() const {
    std::string found;
    DIR* const folder = opendir(scratch().path().c_str());
    if (!folder) return found;
    while (const dirent* entry = readdir(folder)) {
      const std::string name = entry->d_name;
      if (name != "." && name != ".." && name != "trace") {
        absl::StrAppend(&found, " ", name);
      }
    }
    closedir(folder);
    return found;
  }
};

// What it prints --------------------------------------------------------------

TEST_F(Errors, OneError) {
  About(Core(3), "ECONNREFUSED is told in the form of the contract",
        "The calls that led there, two spaces before each, then the name of "
        "the error, the call that failed and strerror's message for it.",
        Handout(1, {}, "man 3 strerrorname_np, man 3 strerrordesc_np"));
  Tells(Start("provoke", {"ECONNREFUSED"}), {"ECONNREFUSED"});
}

TEST_F(Errors, List) {
  About(Core(2), "--list names the 22 errors of the catalogue",
        "One name on each line, each once, in the order you like, and nothing "
        "is provoked.",
        Handout(2, {}, ""));
  Process program = Start("provoke", {"--list"});
  program.Exits(0);
  if (over()) return;
  const std::string out = program.out();
  Words listed = absl::StrSplit(out, '\n', absl::SkipEmpty());
  std::sort(listed.begin(), listed.end());
  Words names;
  for (const auto& [name, number] : Catalogue()) names.push_back(name);
  program.Expect(listed == names, "in any order: " + absl::StrJoin(names, " "),
                 "sorted: " + absl::StrJoin(listed, " "));
}

TEST_F(Errors, All) {
  About(Core(3), "--all tells each that --list names, in that order",
        "One after the other, each as if it were the only one. A name that is "
        "in one and not in the other is in two places of your source.",
        Handout(2, {}, ""));
  Process list = Start("provoke", {"--list"});
  list.Exits(0);
  if (over()) return;
  const std::string out = list.out();
  const Words listed = absl::StrSplit(out, '\n', absl::SkipEmpty());
  Tells(Start("provoke", {"--all"}), listed);
}

TEST_F(Errors, AnyOrder) {
  About(Core(3), "what one error took does not disturb the next",
        "A limit, a capability laid down, a filter, an open descriptor, a "
        "name: what a process has done to itself stays until it ends. Give "
        "each error a process of its own.",
        Handout(4, {}, "man 2 fork, man 2 setrlimit, man 2 seccomp"));
  Words names = Shuffled();
  const Words again = Shuffled();
  names.insert(names.end(), again.begin(), again.end());
  Tells(Start("provoke", names), names);
}

// What the kernel said --------------------------------------------------------

TEST_F(Errors, OfMaking) {
  About(Core(3), "a socket is refused for its type, protocol, or number",
        "socket(AF_UNIX, ...) knows SOCK_STREAM, SOCK_DGRAM and "
        "SOCK_SEQPACKET, and the protocols 0 and 1. A process may have as many "
        "descriptors as RLIMIT_NOFILE says; and not every descriptor is a "
        "socket.",
        Handout(3, {}, "man 2 socket, man 2 setrlimit"));
  AreSeen({"EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EMFILE", "ENOTSOCK"});
}

TEST_F(Errors, OfNames) {
  About(Core(4), "a name is missing, taken, dead, not allowed, of another type",
        "ENOENT: no file of that name. ECONNREFUSED: a name, and nobody "
        "listens there. EACCES: a file that you may not write to. EPROTOTYPE: "
        "a socket file of another type. EADDRINUSE: the name exists already.",
        Handout(3, {}, "man 7 unix, man 2 connect, man 2 bind"));
  AreSeen({"ENOENT", "ECONNREFUSED", "EACCES", "EPROTOTYPE", "EADDRINUSE"});
}

TEST_F(Errors, OfState) {
  About(Core(3), "a call does not fit the state of its socket",
        "A stream needs a connection before send, and has one address only. "
        "listen needs a name first, and datagram sockets do not listen.",
        Handout(3, {}, "man 2 listen, man 2 send"));
  AreSeen({"EINVAL", "EOPNOTSUPP", "EISCONN", "ENOTCONN"});
}

TEST_F(Errors, OfPeers) {
  About(Core(3), "the other end is gone, or has nothing to say",
        "ECONNRESET is read by who left something that the peer never read; a "
        "clean close is an end of file. EPIPE is for who writes, and comes "
        "with SIGPIPE unless you say MSG_NOSIGNAL. EAGAIN: nothing there now, "
        "and the call was told not to wait.",
        Handout(3, {}, "man 2 send, man 2 recv"));
  AreSeen({"ECONNRESET", "EPIPE", "EAGAIN"});
}

TEST_F(Errors, OfMessages) {
  About(Core(4), "a message is too big, nowhere, or not yours to send",
        "EMSGSIZE: more than SO_SNDBUF takes in one. ENOBUFS: too many control "
        "messages. EFAULT: at an address without memory. EPERM: credentials "
        "of somebody else. ETOOMANYREFS: too many descriptors on the way. Root "
        "is refused none of the last two, until it lays down its "
        "capabilities.",
        Handout(4, {}, "man 7 unix, man 7 capabilities"));
  AreSeen({"EMSGSIZE", "ENOBUFS", "EFAULT", "EPERM", "ETOOMANYREFS"});
}

TEST_F(Errors, OutOfMemory) {
  About(Core(3),
        "ENOMEM is returned by the call, and injected is said to be so",
        "The kernel does not run out of memory on demand. A seccomp filter "
        "makes a call return any errno, without a privilege; but then it is "
        "not the kernel that says so, and who reads your line must know.",
        Handout(6, {}, "man 2 seccomp"));
  Process program = StartTraced("provoke", {"ENOMEM"}, trace());
  const std::vector<Told> told = Tells(program, {"ENOMEM"});
  if (over()) return;
  const std::vector<SystemCall> calls = Trace();
  Failing(program, calls, told[0]);
  if (over()) return;
  program.Expect(told[0].injected == MakesFilters(calls),
                 "\"(injected)\" at the end of the line if there is a seccomp "
                 "filter, and only then",
                 told[0].injected ? "the line says so, and there is none"
                                  : "there is one, and the line does not say");
}

TEST_F(Errors, TellsTheCalls) {
  About(Core(3), "the calls that led there are told, as they were made",
        "The error alone explains nothing: it is the answer to the last call "
        "in a row of calls. Each that was made on a socket is one of the lines "
        "before, and each line is a call that was made.",
        Handout(1, {}, "man 1 strace"));
  for (const auto& [error, number] : Catalogue()) {
    Process program = StartTraced("provoke", {error}, trace());
    const std::vector<Told> told = Tells(program, {error});
    if (over()) return;
    const std::vector<SystemCall> calls = Trace();
    const SystemCall* failing = Failing(program, calls, told[0]);
    if (over()) return;

    // What is told is part of what was done, in its order.
    const Words& before = told[0].before;
    auto next = before.begin();
    UnixSockets sockets;
    std::map<std::string, int> made;  // On sockets, by name.
    for (const SystemCall* call = calls.data(); call != failing; ++call) {
      if (call->failed) continue;
      if (next != before.end() && IsCall(*next, call->name)) ++next;
      const bool on_socket = sockets.Has(*call);
      sockets.Note(*call);
      if (!on_socket || call->pid != failing->pid) continue;
      // A close that only tidies up leads nowhere.
      if (call->name == "close" && error != "ECONNRESET" && error != "EPIPE") {
        continue;
      }
      if (++made[call->name] <=
          std::count_if(before.begin(), before.end(), [&](const auto& said) {
            return IsCall(said, call->name);
          })) {
        continue;
      }
      program.Expect(
          false,
          absl::StrCat("a line for each call on a socket before ",
                       told[0].call),
          absl::StrCat("none for ", harness::Escaped(call->text, 160)));
      return;
    }
    if (next == before.end()) continue;
    program.Expect(false,
                   "each line before is a call that was made, in that order: " +
                       absl::StrJoin(before, ", "),
                   absl::StrCat(*next, " was not made there"));
    return;
  }
}

// What it says when things are otherwise --------------------------------------

TEST_F(Errors, NotSeen) {
  About(Core(3), "a call that works, or fails otherwise, is no error seen",
        "-1 says that a call failed, errno says why; errno after a call that "
        "worked is what it was before. Compare both with what you asked for, "
        "and when it is not that, say so and end with status 1. (Here strace "
        "changes what the call returns.)",
        Handout(7, {}, "man 3 errno"));
  IsNotTold("ENOENT", "retval=0", {"ENOENT"});
  IsNotTold("EPROTONOSUPPORT", "error=ETIMEDOUT",
            {"EPROTONOSUPPORT", "ETIMEDOUT"});
  IsNotTold("ECONNREFUSED", "error=ENOENT", {"ECONNREFUSED", "ENOENT"});
}

TEST_F(Errors, StepFails) {
  About(Robust(2), "a call on the way that fails is told, with its errno",
        "When socket fails, what follows is done with descriptor -1 and fails "
        "for that. The first failure is the one to tell. (Here strace makes it "
        "fail.)",
        Handout(7, {}, "man 2 socket"));
  for (const char* error : {"ENOTCONN", "EISCONN"}) {
    Process program =
        StartTraced("provoke", {error}, trace(),
                    {"--inject=socket,socketpair:error=ENFILE:when=1"});
    program.Refuses({"ENFILE"});
    program.Expect(!TellsAny(program.out()),
                   absl::StrCat("no line \"", error, ": ...\" on stdout"),
                   harness::Escaped(program.out(), 160));
  }
}

TEST_F(Errors, EachStepFails) {
  About(Robust(2), "each call on the way is looked at, and told if it worked",
        "A line says that a call returned something good: print it when the "
        "call has returned, and end with the error when it has failed. (Here "
        "the call is made to fail with EIO.)",
        Handout(7, {}, "man 3 errno"));
  IsToldOnTheWay("EPROTOTYPE", {"bind"});
  IsToldOnTheWay("EADDRINUSE", {"bind"});
  IsToldOnTheWay("EACCES", {"chmod", "fchmod"});
  IsToldOnTheWay("ECONNRESET", {"send", "sendmsg"});
  IsToldOnTheWay("EMSGSIZE", {"setsockopt"});
  if (over()) return;
  if (!Leftovers().empty()) Fail("no file is left", Leftovers());
}

TEST_F(Errors, NoProcess) {
  About(Robust(1), "one that gets no process does not keep the others from it",
        "fork fails with -1, which is not 0, and not the child. It is a call "
        "before the error: go on with the next, and end with status 1.",
        Handout(4, {}, "man 2 fork"));
  const Words names = {"ENOENT", "ESOCKTNOSUPPORT"};
  if (!HasProcesses(names) || over()) return;
  Process program = StartFailingOnce({"fork"}, ENOMEM, "provoke", names);
  program.Exits(1);
  const std::string out = program.out();
  program.Expect(!absl::StrContains(out, "ENOENT: ") &&
                     absl::StrContains(out, "ESOCKTNOSUPPORT: "),
                 "ESOCKTNOSUPPORT is told, and ENOENT is not",
                 harness::Escaped(out));
}

TEST_F(Errors, ProcessIsKilled) {
  About(
      Robust(1), "a process that is killed has seen nothing",
      "WEXITSTATUS means something only if WIFEXITED: a process that a signal "
      "ended has no exit status.",
      Handout(4, {}, "man 2 wait"));
  const Words names = {"ENOENT", "ESOCKTNOSUPPORT"};
  if (!HasProcesses(names) || over()) return;
  Process program = StartStoppedAfter({"socket"}, "provoke", names);
  pid_t stopped = 0;
  program.ComesDownTo(0, "processes that do not stand still after socket", [&] {
    std::vector<pid_t> pids = harness::Descendants(program.pid());
    const auto found =
        std::find_if(pids.begin(), pids.end(), harness::IsStopped);
    stopped = found == pids.end() ? 0 : *found;
    return stopped > 0 ? 0 : 1;
  });
  if (over()) return;
  Step("its process was killed right after socket");
  kill(stopped, SIGKILL);
  program.Exits(1);
  program.Expect(!absl::StrContains(program.out(), "ENOENT: ") &&
                     absl::StrContains(program.out(), "ESOCKTNOSUPPORT: "),
                 "ESOCKTNOSUPPORT is told, and ENOENT is not",
                 harness::Escaped(program.out()));
}

TEST_F(Errors, TwoNotSeen) {
  About(Robust(1), "the exit status is 1, also when two were not seen",
        "2 says that the call was wrong. The status does not count.",
        Handout(2, {}, ""));
  const Words names = {"ENOENT", "ECONNREFUSED"};
  if (!HasProcesses(names, "connect") || over()) return;
  Process program = StartWithFaults({harness::Fault::Fail({"connect"}, 1, EIO),
                                     harness::Fault::Fail({"connect"}, 1, EIO)},
                                    "provoke", names);
  program.Exits(1);
  program.Expect(!TellsAny(program.out()), "no line \"ENAME: ...\" on stdout",
                 harness::Escaped(program.out(), 160));
}

TEST_F(Errors, TwiceTheSame) {
  About(Core(1), "the same error twice is provoked twice",
        "Each line \"ENAME: ...\" is what the kernel answered there, not what "
        "it had answered before.",
        Handout(2, {}, ""));
  Process program = StartTraced("provoke", {"ENOENT", "ENOENT"}, trace());
  const std::vector<Told> told = Tells(program, {"ENOENT", "ENOENT"});
  if (over()) return;
  const std::vector<SystemCall> calls = Trace();
  const auto failed =
      std::count_if(calls.begin(), calls.end(), [&](const SystemCall& call) {
        return call.error == "ENOENT" && IsCall(told[0].call, call.name);
      });
  program.Expect(failed >= 2,
                 absl::StrCat("2 calls of ", told[0].call, " return ENOENT"),
                 absl::StrCat(failed));
}

TEST_F(Errors, GoesOn) {
  About(Robust(1), "one that is not seen does not keep the others from it",
        "Status 1 says that something was not seen. What was, is told all the "
        "same. (Here strace has the call for ENOENT return something else.)",
        Handout(7, {}, ""));
  const std::string inject = Inject("ENOENT", "error=ETIMEDOUT");
  Process program =
      StartTraced("provoke", {"ENOENT", "ESOCKTNOSUPPORT"}, trace(), {inject});
  program.Exits(1);
  program.Expect(absl::StrContains(program.out(), "ESOCKTNOSUPPORT: "),
                 "ESOCKTNOSUPPORT is told, though ENOENT was not seen",
                 harness::Escaped(program.out()));
}

TEST_F(Errors, RefusesNames) {
  About(Robust(2), "a name that is not in the catalogue gets status 2",
        "Look at all names before you provoke the first error: status 2 says "
        "that the call was wrong and nothing was tried.",
        Handout(2, {}, ""));
  const Words wrong[] = {{"E" + RandomText(8)},
                         {"ENOENT", "EXDEV"},
                         {"EXDEV", "ENOENT"},
                         {"ENO"},
                         {"ENOENTX"},
                         {"enoent"},
                         {"2"},
                         {"ENOENT,EPIPE"},
                         {"ENOTSUP"},
                         {"EWOULDBLOCK"},
                         {"--no-such-flag"},
                         {},
                         {""}};
  for (const Words& names : wrong) {
    Process program = Start("provoke", names);
    program.Refuses({}, /*status=*/2);
    program.Expect(program.out().empty(), "nothing on stdout",
                   harness::Escaped(program.out()));
  }
}

TEST_F(Errors, LeavesNothing) {
  About(Robust(2), "no file is left behind",
        "bind makes a file, and neither close nor exit removes it. What fails "
        "afterwards must not keep you from unlink.",
        Handout(7, {}, "man 2 unlink, man 3 atexit"));
  Start("provoke", {"--all"}).Exits(0);
  Step("looked into its working directory");
  if (over()) return;
  if (!Leftovers().empty()) Fail("nothing there", Leftovers());
  // Also when the error was not seen.
  if (HasProcesses({"EPROTOTYPE"}, "connect")) {
    StartFailingOnce({"connect"}, EIO, "provoke", {"EPROTOTYPE"})
        .Refuses({"EPROTOTYPE", "EIO"});
    if (over()) return;
    if (!Leftovers().empty()) Fail("nothing there", Leftovers());
  }
  // Nor anywhere else.
  Process program =
      StartTraced("provoke", {"EPROTOTYPE", "EACCES", "EADDRINUSE"}, trace());
  program.Exits(0);
  for (const SystemCall& call : over() ? std::vector<SystemCall>() : Trace()) {
    // "bind(3, {sa_family=AF_UNIX, sun_path="FILE"}, 20) = 0"
    const Words parts = absl::StrSplit(call.text, "sun_path=\"");
    if (call.name != "bind" || call.failed || parts.size() < 2) continue;
    const std::string file = parts[1].substr(0, parts[1].find('"'));
    program.Expect(!absl::StartsWith(file, "/") ||
                       absl::StartsWith(file, scratch().path() + "/"),
                   "its files are in the working directory", file);
    program.Expect(access(file.c_str(), F_OK) < 0 &&
                       access(scratch().File(file).c_str(), F_OK) < 0,
                   absl::StrCat(file, " is removed"), "it is still there");
  }
}

TEST_F(Errors, TwoAtOnce) {
  About(Robust(2), "two that run at the same time do not meet",
        "A name that is the same in each run is taken, or removed, by the "
        "other one. Put your pid into it.",
        Handout(7, {}, "man 2 getpid"));
  Process first = StartStoppedAfter({"bind"}, "provoke", {"EADDRINUSE"});
  first.ComesDownTo(0, "processes that do not stand still after bind", [&] {
    std::vector<pid_t> pids = harness::Descendants(first.pid());
    pids.push_back(first.pid());
    return std::any_of(pids.begin(), pids.end(), harness::IsStopped) ? 0 : 1;
  });
  Step("it was stopped right after bind");
  const Words names = {"EPROTOTYPE", "EACCES", "EADDRINUSE", "ENOENT",
                       "ECONNREFUSED"};
  Tells(Start("provoke", names), names);
  first.Continue();
  Tells(first, {"EADDRINUSE"});
}

TEST_F(Errors, StaysInItsMemory) {
  About(Core(2), "no byte outside its buffers is touched",
        "sun_path has room for 108 bytes, a control buffer for what "
        "CMSG_SPACE says. That the kernel was to look at a bad address is no "
        "reason for the program to do so.",
        Handout(3, {}, "man 3 cmsg"));
  const Words names = Shuffled();
  Tells(Start("provoke", names, /*sanitized=*/true), names);
}

}  // namespace
