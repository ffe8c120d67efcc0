#include "tests/support/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <climits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"
#include "tests/support/time_limit.h"

namespace harness {

void Process::ListensAt(const std::string& path) {
  if (!child_ || check_->over()) return;
  if (check_->Await(absl::StrCat("a stream socket of ", child_->name(),
                                 " listens at ", path),
                    [&] { return harness::ListensAt(child_->pid(), path); })) {
    check_->Step("it listens there");
    check_->listened_here_ |= path == check_->socket_path_;
  }
}

void Process::ReceivesAt(const std::string& path) {
  if (!child_ || check_->over()) return;
  if (check_->Await(absl::StrCat("a datagram socket of ", child_->name(),
                                 " is bound to ", path),
                    [&] { return harness::ReceivesAt(child_->pid(), path); })) {
    check_->Step("it has a datagram socket there");
    check_->listened_here_ |= path == check_->socket_path_;
  }
}

ipc::SocketAddress Process::ListensOnTcp() {
  ipc::SocketAddress name;
  if (!child_ || check_->over()) return name;
  if (check_->Await(
          absl::StrCat("a TCP socket of ", child_->name(), " listens"), [&] {
            const auto names = TcpListeners(child_->pid());
            if (!names.empty()) name = names[0];
            return !names.empty();
          })) {
    check_->Step(absl::StrCat("it listens at ", name.ToString()));
  }
  return name;
}

ipc::SocketAddress Process::ReceivesOnUdp() {
  ipc::SocketAddress name;
  if (!child_ || check_->over()) return name;
  if (check_->Await(
          absl::StrCat("a UDP socket of ", child_->name(), " is bound"), [&] {
            const auto names = UdpNames(child_->pid());
            if (!names.empty()) name = names[0];
            return !names.empty();
          })) {
    check_->Step(absl::StrCat("it waits at ", name.ToString()));
  }
  return name;
}

void Process::Prints(absl::string_view text) {
  if (!child_ || check_->over()) return;
  const auto agrees = [&] { return absl::StartsWith(child_->out(), text); };
  const auto differs = [&] {
    const size_t length = std::min(child_->out().size(), text.size());
    return child_->out().compare(0, length, text.data(), length) != 0;
  };
  const absl::string_view last_line =
      text.substr(text.find_last_of('\n', text.size() - 2) + 1);
  if (check_->Await(
          absl::StrCat(child_->name(), " prints ", Escaped(last_line)),
          [&] { return agrees() || differs(); }) &&
      !agrees()) {
    check_->Fail(absl::StrCat("on the stdout of ", child_->name(),
                              ", line by line: ", Escaped(text, 200)),
                 Difference(text, child_->out()));
  }
}

std::string Process::PrintsLine() {
  std::string line;
  if (!child_ || check_->over()) return line;
  check_->Await(absl::StrCat(child_->name(), " prints a line"), [&] {
    const size_t end = child_->out().find('\n');
    if (end == std::string::npos) return false;
    line = child_->out().substr(0, end + 1);
    return true;
  });
  return line;
}

bool Process::EndedWith(int status) const {
  return WIFEXITED(child_->wait_status()) &&
         WEXITSTATUS(child_->wait_status()) == status;
}

void Process::AwaitEnd(absl::string_view expected) {
  check_->Await(expected, [&] { return child_->ended(); });
}

void Process::Exits(int status) {
  if (!child_ || check_->over()) return;
  const std::string expected =
      absl::StrCat(child_->name(), " ends with exit status ", status);
  check_->awaits_end_ = true;
  AwaitEnd(expected);
  check_->awaits_end_ = false;
  if (check_->over()) return;
  if (!EndedWith(status)) check_->Fail(expected, child_->Ending());
  check_->Step(absl::StrCat("it ended with ", child_->Ending()));
}

void Process::Exits(int status, absl::string_view output) {
  if (!child_ || check_->over()) return;
  AwaitEnd(
      absl::StrCat(child_->name(), " prints all that it should, and ends"));
  // What it printed tells more than the status, unless it was killed.
  if (!check_->over() && WIFEXITED(child_->wait_status()) &&
      child_->out() != output) {
    check_->Fail(
        absl::StrCat("in all, on the stdout of ", child_->name(), ": ",
                     output.empty() ? "nothing" : Escaped(output, 200)),
        Difference(output, child_->out()));
  }
  Exits(status);
}

void Process::Refuses(const std::vector<std::string>& words, int status) {
  if (!child_ || check_->over()) return;
  const std::string expected = absl::StrCat(
      child_->name(), " ends with exit status ", status,
      " and one line on stderr, starting with \"", child_->name(), ": \"",
      words.empty() ? "" : " and containing ", absl::StrJoin(words, ", "));
  AwaitEnd(expected);
  if (check_->over()) return;
  const std::string& err = child_->err();
  const bool one_line = !err.empty() && err.find('\n') == err.size() - 1;
  const bool says_all = std::all_of(
      words.begin(), words.end(),
      [&](const std::string& word) { return absl::StrContains(err, word); });
  if (!EndedWith(status)) {
    check_->Fail(expected, child_->Ending());
  } else if (!one_line || !says_all ||
             !absl::StartsWith(err, child_->name() + ": ")) {
    check_->Fail(
        expected,
        absl::StrCat("on stderr: ", err.empty() ? "nothing" : Escaped(err)));
  } else {
    check_->Step(
        absl::StrCat("it said ", Escaped(absl::StripSuffix(err, "\n"), 160)));
  }
}

void Process::ComesDownTo(int most, absl::string_view what,
                          absl::FunctionRef<int()> count) {
  if (!child_ || check_->over()) return;
  int seen = 0;
  const auto down = [&] { return (seen = count()) <= most; };
  if (check_->supervisor_->WaitUntil(down) != Waited::kMet) {
    check_->Fail(absl::StrCat("at most ", most, " ", what),
                 child_->ended()
                     ? absl::StrCat("it ended first: ", child_->name(), ", ",
                                    child_->Ending())
                 : seen == INT_MAX ? kHidden
                                   : absl::StrCat(seen));
  }
}

bool Process::FallsAsleep(bool may_look) {
  if (!child_ || check_->over()) return true;
  const absl::Duration most = ProcessorTime(pid()) + absl::Milliseconds(200);
  constexpr int kMoment = 5;  // Looks.
  bool busy = false;
  int quiet_looks = 0;
  switch (check_->supervisor_->WaitUntil([&] {
    quiet_looks = RunningThreads(pid()) ? 0 : quiet_looks + 1;
    busy = ProcessorTime(pid()) > most;
    return busy || quiet_looks >= kMoment;
  })) {
    case Waited::kMet:
      if (!busy && !may_look) SleepsOn();
      return !busy;
    case Waited::kBlocked:  // All have slept longer than that already.
      return true;
    case Waited::kSpins:
      return false;
    default:
      check_->Fail(absl::StrCat(child_->name(), " goes to sleep"),
                   child_->ended()
                       ? absl::StrCat("it ended first: ", child_->Ending())
                       : "time is up, and it still runs");
      return true;
  }
}

// That is, it does not wake up every few moments to look whether something has
// come.
void Process::SleepsOn() {
  constexpr absl::Duration kLook = absl::Milliseconds(300);
  constexpr int kTooOften = 12;
  // A tracer wakes it at each call.
  if (!WaitsWithTimeLimit(pid()) || TracerOf(pid()) != 0) return;
  const absl::Time since = absl::Now();
  const absl::Duration waited = WaitForProcessor(pid());
  const int64_t before = Wakes(pid());
  int64_t woke = 0;
  check_->supervisor_->WaitUntil([&] {
    woke = Wakes(pid()) - before;
    // A busy machine wakes it later.
    return woke >= kTooOften ||
           absl::Now() - since > kLook + WaitForProcessor(pid()) - waited;
  });
  if (woke < kTooOften) return;
  check_->Fail(
      absl::StrCat(child_->name(), " sleeps until something happens"),
      absl::StrCat("nothing happens, and it wakes up again and again: ", woke,
                   " times within ",
                   absl::ToInt64Milliseconds(absl::Now() - since), " ms"));
  check_->story_.Explain(
      "A program that wakes up every few moments to look keeps the processor "
      "from sleeping, and comes late all the same. Wait without a time limit "
      "(poll with -1): the call returns as soon as something comes.");
}

void Process::OutlastsTimeLimits() {
  if (!child_ || check_->over()) return;
  std::vector<pid_t> pids = Descendants(pid());
  pids.push_back(pid());
  if (std::none_of(pids.begin(), pids.end(), WaitsWithTimeLimit)) return;
  check_->Step("nothing happens for 4 seconds");
  const absl::Time end = absl::Now() + absl::Seconds(4);
  ComesDownTo(0, "seconds left", [&] { return absl::Now() < end; });
}

void Process::ClosesOnExec(pid_t pid) {
  if (!child_ || check_->over()) return;
  std::string leaky;
  for (const Descriptor& open : Descriptors(pid ? pid : child_->pid())) {
    if (open.number > 2 && !open.close_on_exec) {
      absl::StrAppend(&leaky, " ", open.number, " (", open.target, ")");
    }
  }
  Expect(leaky.empty(), "every descriptor above 2 has FD_CLOEXEC",
         "without it:" + leaky);
}

void Process::Stop() {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " was stopped, for a while"));
  child_->Signal(SIGSTOP);
  check_->Await(absl::StrCat(child_->name(), " stops"),
                [&] { return IsStopped(child_->pid()); });
}

void Process::Continue() {
  if (!child_ || check_->over()) return;
  // One that is to be stopped after a call may still be on its way there.
  check_->Await(absl::StrCat(child_->name(), " comes to where it is stopped"),
                [&] {
                  std::vector<pid_t> pids = Descendants(child_->pid());
                  pids.push_back(child_->pid());
                  return std::any_of(pids.begin(), pids.end(), IsStopped);
                });
  if (check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " goes on"));
  child_->Signal(SIGCONT);
  for (pid_t pid : Descendants(child_->pid())) kill(pid, SIGCONT);
}

void Process::Feed(absl::string_view bytes, absl::string_view what) {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " was fed ", what));
  // One that reads no more has ended or will: what is expected next tells.
  check_->Await(
      absl::StrCat(child_->name(), " reads its standard input"),
      [&] { return !child_->Feed(&bytes) || bytes.empty(); }, child_->input(),
      POLLOUT);
}

void Process::EndInput() {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat("the standard input of ", child_->name(), " ends"));
  child_->EndInput();
}

void Process::HoldOutput() {
  if (!child_ || check_->over()) return;
  check_->Step("nobody reads what it prints");
  child_->HoldOutput(true);
  check_->Await(absl::StrCat(child_->name(), " prints something"),
                [&] { return child_->OutputWaits() > 0; });
}

void Process::ReadOutput() {
  if (!child_ || check_->over()) return;
  check_->Step("we read it, a little at a time");
  child_->HoldOutput(false);
}

void Process::CloseOutput() {
  if (!child_ || check_->over()) return;
  check_->Step(
      absl::StrCat("we closed the pipe that ", child_->name(), " prints into"));
  child_->CloseOutput();
}

void Process::Signal(int signal, absl::string_view name) {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " was sent ", name));
  child_->Signal(signal);
}

void Process::Expect(bool condition, absl::string_view expected,
                     absl::string_view seen) {
  if (child_ && !check_->over() && !condition) check_->Fail(expected, seen);
}

}  // namespace harness
