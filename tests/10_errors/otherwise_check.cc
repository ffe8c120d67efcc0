// The checks of lab 10 that judge what the program does when things are not as
// asked, and what it leaves behind. The mutants beside this file show what each
// one is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/10_errors/errors_check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Process;
using harness::Robust;

class Otherwise : public Errors {
 protected:
  // `program`, asked for `error`, does not see it, and says so with each of
  // `words`; `how` this came about.
  void DoesNotSee(Process program, const std::string& error, const Words& words,
                  const std::string& how) {
    Because(absl::StrCat(
                how,
                " So the error was not seen: the child ends with another "
                "status than 0, and the parent, which waits for it, with 1."),
            Handout(7, {8, 10}, "man 3 errno, man 2 wait"));
    program.Exits(1);
    Because(absl::StrCat(
                how,
                " A line ENAME tells only the error that was asked for, and "
                "only when the last call has returned it. Compare before you "
                "print."),
            Handout(7, {8}, "man 3 errno"));
    program.Expect(
        !TellsAny(program.out()) && !absl::StrContains(program.out(), "\nE"),
        absl::StrCat("no line \"", error, ": ...\" on stdout"),
        harness::Escaped(program.out(), 160));
    Because(absl::StrCat(how,
                         " One line on stderr, and no more, names what came, "
                         "such as EIO; and, if the last call was reached, the "
                         "error that was wanted."),
            Handout(7, {8}, "man 3 strerrorname_np"));
    program.Refuses(words);
  }

  // With `call`, which leads to `error`, failing with EIO, EIO is told.
  void IsToldOnTheWay(const std::string& error, const SystemCall& call,
                      const Words& before, size_t line) {
    const std::string& said = before[line];
    Part(absl::StrCat(error, ", whose ", said, " fails with EIO"));
    Process program =
        StartTraced("provoke", {error}, trace(), {Inject(call, "error=EIO")});
    DoesNotSee(program, error, {"EIO"},
               absl::StrCat("A call that leads to the error (", said,
                            ") failed with EIO, which the program has to "
                            "notice and to name."));
    Because(
        "A line with two spaces says that the call returned something good: "
        "print it when the call has returned.",
        Handout(7, {3}, "man 3 errno"));
    const auto good = std::count_if(
        before.begin(), before.begin() + static_cast<std::ptrdiff_t>(line),
        [&](const std::string& name) { return IsCall(name, call.name); });
    int shown = 0;
    const std::string out = program.out();
    for (absl::string_view text : absl::StrSplit(out, '\n')) {
      if (absl::ConsumePrefix(&text, "  ") && IsCall(CallIn(text), call.name)) {
        ++shown;
      }
    }
    program.Expect(shown <= good,
                   absl::StrCat("no line for the ", said, " that failed"),
                   harness::Escaped(out, 160));
  }

  // The calls of `provoked` that its lines tell, in their order; null where the
  // trace has none.
  static std::vector<const SystemCall*> CallsOf(const Provoked& provoked) {
    std::vector<const SystemCall*> found;
    const SystemCall* begin = provoked.calls.data();
    const SystemCall* const end = provoked.failing;
    for (const std::string& said : provoked.told.before) {
      const SystemCall* const call =
          std::find_if(begin, end, [&](const SystemCall& made) {
            return !made.failed && made.pid == end->pid && IsCall(said, made);
          });
      found.push_back(call == end ? nullptr : call);
      if (call != end) begin = call + 1;
    }
    return found;
  }

  // Of each of `errors`, the calls that lead there are made to fail.
  void AreToldOnTheWay(const Words& errors) {
    for (const std::string& error : errors) {
      Part(error);
      BecauseOf(error);
      const Provoked provoked = Provoke(error);
      if (over()) return;
      const Words& before = provoked.told.before;
      const std::vector<const SystemCall*> calls = CallsOf(provoked);
      for (size_t line = 0; line < before.size(); ++line) {
        // Sockets have their own check; the loader opens and closes files, too.
        if (!calls[line] || calls[line]->name == "close" ||
            absl::StartsWith(calls[line]->name, "socket") ||
            absl::StartsWith(calls[line]->name, "open")) {
          continue;
        }
        IsToldOnTheWay(error, *calls[line], before, line);
        Because(
            "The file that bind has made goes away on every way out, also when "
            "a later call fails. atexit calls a function of yours when the "
            "process leaves by exit; _exit does not.",
            Handout(7, {9}, "man 2 unlink, man 3 atexit"));
        if (!over() && !Leftovers().empty()) {
          Fail("no file is left", Leftovers());
        }
        if (over()) return;
      }
    }
  }

  // Until it has ended, whatever comes of it.
  void Awaits(Process program) {
    program.ComesDownTo(0, "programs that run", [&] {
      return access(absl::StrCat("/proc/", program.pid()).c_str(), F_OK) == 0
                 ? 1
                 : 0;
    });
  }

  // ENOENT was not seen, and ESOCKTNOSUPPORT was.
  void ToldTheOther(Process program) {
    Because(
        "The others are provoked all the same: one that was not seen does not "
        "end the program.",
        Handout(7, {8}, ""));
    const std::string out = program.out();
    program.Expect(absl::StrContains(out, "ESOCKTNOSUPPORT: "),
                   "ESOCKTNOSUPPORT is told, though ENOENT was not seen",
                   harness::Escaped(out));
    program.Expect(!absl::StrContains(out, "ENOENT: "),
                   "no line \"ENOENT: ...\"", harness::Escaped(out));
  }
};

TEST_F(Otherwise, NotSeen) {
  About(Core(3), "a call that works, or fails otherwise, is no error seen", "",
        Handout(7, {8, 10}, "man 3 errno"));
  const struct {
    const char* error;
    const char* inject;
    Words words;
    const char* how;
  } cases[] = {
      {"ECONNREFUSED",
       "error=EIO",
       {"ECONNREFUSED", "EIO"},
       "The last call failed, with EIO: -1 says that it failed, errno says "
       "why. (strace had it return that.)"},
      {"ECONNREFUSED",
       "error=ENOENT",
       {"ECONNREFUSED", "ENOENT"},
       "The last call failed, with ENOENT, which another entry of the list "
       "asks for. (strace had it return that.)"},
      {"ENOENT",
       "retval=0",
       {"ENOENT"},
       "The last call returned 0: it worked, and errno is what it was before. "
       "(strace had it return that.)"},
      {"EPROTONOSUPPORT",
       "error=ETIMEDOUT",
       {"EPROTONOSUPPORT", "ETIMEDOUT"},
       "The last call failed, with ETIMEDOUT. (strace had it return that.)"}};
  for (const auto& [error, inject, words, how] : cases) {
    Part(absl::StrCat(error, ", whose last call has ", inject));
    BecauseOf(error);
    const Provoked provoked = Provoke(error);
    if (over()) return;
    DoesNotSee(StartTraced("provoke", {error}, trace(),
                           {Inject(*provoked.failing, inject)}),
               error, words, how);
    if (over()) return;
  }
}

TEST_F(Otherwise, GoesOn) {
  About(Robust(1), "one that is not seen does not keep the others from it", "",
        Handout(7, {8}, ""));
  SeenAlone({"ENOENT", "ESOCKTNOSUPPORT"});
  for (const Words& names : {Words{"ENOENT", "ESOCKTNOSUPPORT"},
                             Words{"ESOCKTNOSUPPORT", "ENOENT"}}) {
    Part(absl::StrCat(names[0], " and ", names[1],
                      ", and ENOENT gets ETIMEDOUT instead"));
    BecauseOf("ENOENT");
    const Provoked provoked = Provoke("ENOENT");
    if (over()) return;
    Process program =
        StartTraced("provoke", names, trace(),
                    {Inject(*provoked.failing, "error=ETIMEDOUT")});
    Because(
        "The exit status is 1 when one of them was not seen, whether it was "
        "the first or the last. (strace had the call for ENOENT return "
        "ETIMEDOUT.)",
        Handout(7, {10}, "man 2 wait"));
    program.Exits(1);
    ToldTheOther(program);
  }
}

TEST_F(Otherwise, TwoNotSeen) {
  About(Robust(1), "the exit status is 1, also when two were not seen",
        "2 says that the call was wrong. The status does not count.",
        Handout(7, {10}, ""));
  const Words names = {"ENOENT", "ECONNREFUSED"};
  SeenAlone(names);
  if (!HasProcesses(names, "connect") || over()) return;
  Part("both fail with EIO");
  Process program = StartWithFaults(
      {Fault::Fail({"connect"}, 1, EIO), Fault::Fail({"connect"}, 1, EIO)},
      "provoke", names);
  program.Exits(1);
}

TEST_F(Otherwise, StepFails) {
  About(Robust(2), "a call on the way that fails is told, with its errno", "",
        Handout(7, {8}, "man 2 socket"));
  for (const char* error : {"ENOTCONN", "EISCONN"}) {
    SeenAlone({error});
    Part(absl::StrCat(error, ", whose socket fails with ENFILE"));
    DoesNotSee(
        StartTraced("provoke", {error}, trace(),
                    {"--inject=socket,socketpair:error=ENFILE:when=1"}),
        error, {"ENFILE"},
        "The call that makes the socket failed with ENFILE. What follows is "
        "done with descriptor -1, and fails for that: the first failure is the "
        "one to tell.");
    if (over()) return;
  }
  SeenAlone({"ENOENT"});
  Part("ENOENT, whose socket is descriptor 0");
  const Provoked provoked = Provoke("ENOENT");
  if (over()) return;
  const auto socket = std::find_if(
      provoked.calls.data(), provoked.failing,
      [](const SystemCall& call) { return call.name == "socket"; });
  if (socket == provoked.failing || provoked.told.call != "connect") return;
  Process program = StartTraced("provoke", {"ENOENT"}, trace(),
                                {Inject(*socket, "retval=0")});
  DoesNotSee(program, "ENOENT", {"ENOTSOCK", "ENOENT"},
             "socket returned descriptor 0, as it does when stdin is closed: "
             "that is a good one, only -1 says that the call failed. (Here "
             "strace says 0, which is not a socket, so connect failed with "
             "ENOTSOCK.)");
}

TEST_F(Otherwise, EachStepFails) {
  About(Robust(2), "each call on the way is looked at, and told if it worked",
        "", Handout(7, {3, 8}, "man 3 errno"));
  AreToldOnTheWay({"EPROTOTYPE", "EADDRINUSE", "EMSGSIZE", "ECONNRESET",
                   "ENOTSOCK", "EAGAIN"});
}

TEST_F(Otherwise, EachLimitFails) {
  About(Robust(2), "each call that sets a limit or a filter is looked at", "",
        Handout(7, {3, 8}, "man 3 errno"));
  AreToldOnTheWay({"EMFILE", "ENOMEM", "ETOOMANYREFS"});
}

TEST_F(Otherwise, EachPermissionFails) {
  About(Robust(2), "each call that takes a permission away is looked at", "",
        Handout(7, {3, 8}, "man 3 errno"));
  AreToldOnTheWay({"EPERM", "EACCES"});
}

TEST_F(Otherwise, NoProcess) {
  About(Robust(1), "one that gets no process does not keep the others from it",
        "fork fails with -1, which is not 0, and not the child. It is a call "
        "before the error: go on with the next, and end with status 1.",
        Handout(7, {8}, "man 2 fork"));
  const Words names = {"ENOENT", "ESOCKTNOSUPPORT"};
  SeenAlone(names);
  if (!HasProcesses(names) || over()) return;
  Part("fork fails for the first");
  Process program = StartFailingOnce({"fork"}, ENOMEM, "provoke", names);
  program.Exits(1);
  const std::string out = program.out();
  program.Expect(!absl::StrContains(out, "ENOENT: ") &&
                     absl::StrContains(out, "ESOCKTNOSUPPORT: "),
                 "ESOCKTNOSUPPORT is told, and ENOENT is not",
                 harness::Escaped(out));
}

TEST_F(Otherwise, ProcessIsKilled) {
  About(Robust(1), "a process that is killed has seen nothing",
        "WEXITSTATUS means something only if WIFEXITED: a process that a "
        "signal ended has no exit status, and has not seen its error.",
        Handout(7, {8, 10}, "man 2 wait"));
  const Words names = {"ENOENT", "ESOCKTNOSUPPORT"};
  SeenAlone(names);
  if (!HasProcesses(names) || over()) return;
  Part("the process for ENOENT is killed");
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
  ToldTheOther(program);
  Because(
      "A process that a signal has ended cannot say so itself: its parent does "
      "(WIFSIGNALED), in one line on stderr.",
      Handout(7, {8}, "man 2 wait"));
  program.Refuses({});
}

TEST_F(Otherwise, InterruptedWait) {
  About(Robust(1), "a signal that interrupts the wait does not disturb it",
        "waitpid returns -1 with EINTR when a signal with a handler came: "
        "nothing has ended yet, the status is not set. Call it again.",
        Handout(4, {12}, "man 2 wait, man 7 signal"));
  const Words names = {"ECONNREFUSED", "ENOTCONN"};
  SeenAlone(names);
  Part("its first wait is interrupted");
  Tells(StartWithFault(Fault::Interrupt({"waitpid", "waitid"}, 1), "provoke",
                       names),
        names);
}

TEST_F(Otherwise, LeavesNothing) {
  About(Robust(2), "no file is left behind",
        "bind makes a file, and neither close nor exit removes it: unlink "
        "does.",
        Handout(7, {9}, "man 2 unlink, man 3 atexit"));
  for (const char* error : {"EPROTOTYPE", "EADDRINUSE", "EACCES"}) {
    SeenAlone({error});
    Step("looked into its working directory");
    if (over()) return;
    if (!Leftovers().empty()) Fail("nothing there", Leftovers());
  }
  if (HasProcesses({"EPROTOTYPE"}, "connect")) {
    Part("EPROTOTYPE, whose connect fails with EIO");
    Process program =
        StartFailingOnce({"connect"}, EIO, "provoke", {"EPROTOTYPE"});
    DoesNotSee(program, "EPROTOTYPE", {"EPROTOTYPE", "EIO"},
               "The last call failed, with EIO.");
    if (over()) return;
    Because(
        "The file goes away also when the error was not seen: atexit calls a "
        "function of yours however the process leaves by exit.",
        Handout(7, {9}, "man 2 unlink, man 3 atexit"));
    Step("looked into its working directory");
    if (!Leftovers().empty()) Fail("nothing there", Leftovers());
  }
  Part("the files that it binds");
  Because(
      "A file that bind made keeps its name taken until unlink: remove it "
      "before the next error is provoked, not only when the program ends.",
      Handout(4, {7, 9}, "man 2 unlink"));
  Process program =
      StartTraced("provoke", {"EPROTOTYPE", "EACCES", "EADDRINUSE"}, trace());
  program.Exits(0);
  for (const SystemCall& call : over() ? std::vector<SystemCall>() : Trace()) {
    // "bind(3, {sa_family=AF_UNIX, sun_path="FILE"}, 20) = 0"
    const Words parts = absl::StrSplit(call.text, "sun_path=\"");
    if (call.name != "bind" || call.failed || parts.size() < 2) continue;
    const std::string file = parts[1].substr(0, parts[1].find('"'));
    Because(
        "The files are made in the working directory. /tmp is for everybody: "
        "there a file may meet one of the same name of another user.",
        Handout(7, {9}, "man 2 bind"));
    program.Expect(!absl::StartsWith(file, "/") ||
                       absl::StartsWith(file, scratch().path() + "/"),
                   "its files are in the working directory", file);
    BecauseOfTheWhole();
    program.Expect(access(file.c_str(), F_OK) < 0 &&
                       access(scratch().File(file).c_str(), F_OK) < 0,
                   absl::StrCat(file, " is removed"), "it is still there");
  }
}

TEST_F(Otherwise, TwoAtOnce) {
  About(Robust(2), "two that run at the same time do not meet",
        "A name that is the same for two programs (in each run, in each "
        "second, for each parent) is taken, or removed, by the other one. Put "
        "the pid of the program into it, and remove no file but its own.",
        Handout(7, {9}, "man 2 getpid"));
  SeenAlone({"EADDRINUSE"});
  for (const char* name : {"EPROTOTYPE", "EACCES", "EADDRINUSE"}) {
    Part(absl::StrCat("one at EADDRINUSE, stopped right after bind, one at ",
                      name));
    Process first = StartStoppedAfter({"bind"}, "provoke", {"EADDRINUSE"});
    first.ComesDownTo(0, "processes that do not stand still after bind", [&] {
      std::vector<pid_t> pids = harness::Descendants(first.pid());
      pids.push_back(first.pid());
      return std::any_of(pids.begin(), pids.end(), harness::IsStopped) ? 0 : 1;
    });
    if (over()) return;
    Step("it was stopped right after bind");
    Process second = Start("provoke", {name});
    Awaits(second);
    first.Continue();
    Awaits(first);
    Tells(second, {name});
    Tells(first, {"EADDRINUSE"});
    if (over()) return;
  }
}

}  // namespace
