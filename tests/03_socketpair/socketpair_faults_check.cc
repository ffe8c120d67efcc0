// More checks of lab 03: what may happen to the program's system calls, and
// what happens while one of both sides does not move.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/unique_fd.h"
#include "tests/03_socketpair/socketpair_check.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"
#include "tests/support/tracer.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Process;
using harness::Robust;

class SocketPairFaults : public SocketPair {
 protected:
  // A program that is stopped, and that has sent "more\n" to its child, which
  // has answered; `answer` is what was printed before.
  Process StartStoppedBeforeAnswer(pid_t* child, std::string* answer) {
    Process pair = StartAnswered(answer);
    *child = ChildOf(pair);
    StopChild(pair, *child);
    pair.Feed("more\n", "another line");
    pair.ComesDownTo(0, "bytes of it that it has not read",
                     [&] { return pair.Unread(); });
    pair.FallsAsleep();
    pair.Stop();
    SignalChild(*child, SIGCONT, "SIGCONT");
    if (!over()) ChildSleeps(pair, *child);
    return pair;
  }

  // Writes to `fd`, which does not block, until nobody takes any more; how much
  // that was. `pair` must be asleep then.
  size_t FeedUntilStuck(Process pair, int fd, absl::string_view bytes) {
    if (over()) return 0;
    Step(absl::StrCat("pair was fed as much as it takes, up to ", bytes.size(),
                      " bytes"));
    size_t done = 0;
    while (!over() && done < bytes.size()) {
      const ssize_t count = write(fd, bytes.data() + done, bytes.size() - done);
      if (count > 0) {
        done += static_cast<size_t>(count);
        continue;
      }
      pair.Expect(pair.FallsAsleep(), "pair sleeps: its child reads nothing",
                  "it runs in circles");
      int waits = 0;
      ioctl(fd, FIONREAD, &waits);
      if (waits >= 65536 - 4096) break;  // The pipe is full all the same.
    }
    return done;
  }
};

// What the input may be -------------------------------------------------------

TEST_F(SocketPairFaults, InputOfNoSize) {
  About(Robust(1), "a file without a size is read as well",
        "Files in /proc have size 0, and something in them all the same. Only "
        "read tells where a file ends: it returns 0.",
        Handout(4, {3}, "man 2 read, man 5 proc"));
  std::ifstream file("/proc/version");
  const std::string bytes((std::istreambuf_iterator<char>(file)),
                          std::istreambuf_iterator<char>());
  StartFed("pair", "/proc/version").Exits(0, Answer(bytes));
}

TEST_F(SocketPairFaults, LeavesOpenFilesAlone) {
  About(Robust(1), "standard input and output stay as they were",
        "O_NONBLOCK belongs to the open file. The shell that shares it finds "
        "it there too, and so do programs that read or write it later.",
        Handout(7, {5}, "man 2 fcntl, man 2 open"));
  Process pair = StartAnswered();
  for (int fd : {0, 1}) {
    if (over()) return;
    std::ifstream info(absl::StrCat("/proc/", pair.pid(), "/fdinfo/", fd));
    std::string word, flags;
    while (info >> word) {
      if (word == "flags:") info >> flags;
    }
    pair.Expect(!(strtol(flags.c_str(), nullptr, 8) & O_NONBLOCK),
                absl::StrCat("descriptor ", fd, " without O_NONBLOCK"),
                "it has it");
  }
}

// While the child does not move -----------------------------------------------

TEST_F(SocketPairFaults, ChildAnswers) {
  About(Core(2), "the answer is the child's, nobody else's",
        "The parent prints what comes back from the child. Without the child "
        "there is nothing to print.",
        Handout(3, {2}, "man 2 recv"));
  std::string answer;
  Process pair = StartAnswered(&answer);
  const pid_t child = ChildOf(pair);
  StopChild(pair, child);
  pair.Feed("more\n", "another line");
  pair.ComesDownTo(0, "bytes of it that it has not read",
                   [&] { return pair.Unread(); });
  pair.FallsAsleep();
  pair.Expect(pair.out() == answer, "no answer while the child is stopped",
              absl::StrCat("on stdout: ", harness::Escaped(pair.out())));
  std::string waits;
  if (!over() && Peek(child, &waits)) {
    Because(
        "The parent sends what it reads, and the child makes the capitals. "
        "What waits in the child's socket is the input as it was.");
    pair.Expect(absl::StrContains(waits, "more\n"),
                "\"more\\n\" waits in the child's socket",
                absl::StrCat("there waits: ", harness::Escaped(waits)));
    BecauseOfTheWhole();
  }
  SignalChild(child, SIGCONT, "SIGCONT");
  pair.Prints(answer + "MORE\n");
}

TEST_F(SocketPairFaults, ParentPrints) {
  About(Core(2), "the child sends its answer back, and the parent prints it",
        "fork copies standard input and output, too, but the child leaves them "
        "alone: it writes its answer to its end of the pair, in capitals, and "
        "the parent prints what it receives.",
        Handout(3, {1, 2}, "man 2 fork, man 2 send"));
  pid_t child = 0;
  std::string answer;
  Process pair = StartStoppedBeforeAnswer(&child, &answer);
  pair.Expect(pair.out() == answer,
              "nothing is printed while the parent is "
              "stopped",
              absl::StrCat("on stdout: ", harness::Escaped(pair.out())));
  std::string waits;
  if (!over() && Peek(pair.pid(), &waits)) {
    pair.Expect(absl::StrContains(waits, "MORE\n"),
                "\"MORE\\n\" waits in the parent's socket",
                absl::StrCat("there waits: ", harness::Escaped(waits)));
  }
  pair.Continue();
  pair.Prints(answer + "MORE\n");

  Part("the child sends its total back as well");
  Process other = StartAnswered(&answer);
  child = ChildOf(other);
  StopChild(other, child);
  other.EndInput();
  other.FallsAsleep();
  other.Stop();
  SignalChild(child, SIGCONT, "SIGCONT");
  if (!over()) ChildSleeps(other, child);
  other.Expect(other.out() == answer,
               "nothing is printed while the parent is stopped",
               absl::StrCat("on stdout: ", harness::Escaped(other.out())));
}

TEST_F(SocketPairFaults, SleepsAfterTheEnd) {
  About(Robust(2), "the parent sleeps while the child is slow after the end",
        "A file that has ended is always POLLIN, or POLLHUP. Ask no more for "
        "it: -1 in place of the descriptor.",
        Handout(5, {9}, "man 2 poll"));
  const std::string path = scratch().File("fifo");
  if (mkfifo(path.c_str(), 0600) != 0) return Skip("there are no FIFOs here");
  ipc::UniqueFd fifo(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  Process pair = StartFed("pair", path);
  pair.Expect(write(fifo.get(), "hello\n", 6) == 6, "it takes a line",
              "it does not");
  pair.Prints("HELLO\n");
  const pid_t child = ChildOf(pair);
  StopChild(pair, child);
  Step("the input ends");
  fifo.reset();
  pair.Expect(pair.FallsAsleep(), "pair sleeps until its child goes on",
              "it runs in circles");
  Because(
      "After an end, a FIFO or a terminal may have more to read. The first end "
      "is the end of the input: shutdown has told the child.");
  Step("somebody writes into the same FIFO again: \"more\\n\"");
  fifo.reset(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  pair.Expect(write(fifo.get(), "more\n", 5) == 5, "it takes a line",
              "it does not");
  pair.FallsAsleep();
  SignalChild(child, SIGCONT, "SIGCONT");
  pair.Exits(0, "HELLO\n" + Total(6));
}

TEST_F(SocketPairFaults, SleepsWhileFull) {
  About(Robust(2), "the parent sleeps while the socket to the child is full",
        "While something waits to be sent, ask for room in the socket, not for "
        "more input: that is there already, and poll returns at once.",
        Handout(5, {9}, "man 2 poll, man 2 send"));
  const std::string path = scratch().File("fifo");
  if (mkfifo(path.c_str(), 0600) != 0) return Skip("there are no FIFOs here");
  const std::string bytes = RandomText(4 * kMuch);
  ipc::UniqueFd fifo(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  Process pair = StartFed("pair", path);
  pair.Expect(write(fifo.get(), "hello\n", 6) == 6, "it takes a line",
              "it does not");
  pair.Prints("HELLO\n");
  const pid_t child = ChildOf(pair);
  StopChild(pair, child);
  const size_t fed = FeedUntilStuck(pair, fifo.get(), bytes);
  Step("the input ends");
  fifo.reset();
  pair.Expect(pair.FallsAsleep(), "pair sleeps until its child goes on",
              "it runs in circles");
  SignalChild(child, SIGCONT, "SIGCONT");
  pair.Exits(0, Answer("hello\n" + bytes.substr(0, fed)));
}

TEST_F(SocketPairFaults, ReceivesBeforeItWaits) {
  About(Core(1), "the parent receives all, and then waits for the child",
        "The answer may be more than the socket holds: then the child waits in "
        "send until its parent receives. A parent that is in waitpid already "
        "waits for good. Receive until 0, and then wait for the child.",
        Handout(6, {3, 7}, "man 2 waitpid, man 2 recv"));
  const std::string path = scratch().File("fifo");
  if (mkfifo(path.c_str(), 0600) != 0) return Skip("there are no FIFOs here");
  ipc::UniqueFd fifo(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  Process pair = StartFed("pair", path);
  std::string fed;
  pid_t child = 0;
  // All fits into the socket. The answer does not, in pieces of 512 bytes.
  for (const size_t size : {size_t{1}, size_t{40000}, size_t{60000}}) {
    const std::string piece = RandomText(size);
    fed.append(piece, 0, FeedUntilStuck(pair, fifo.get(), piece));
    pair.FallsAsleep();
    if (size > 1) continue;
    pair.Prints(Capitals(fed));
    child = ChildOf(pair);
    StopChild(pair, child);
  }
  Step("the input ends");
  fifo.reset();
  pair.FallsAsleep();
  SignalChild(child, SIGCONT, "SIGCONT");
  pair.Exits(0, Answer(fed));
}

TEST_F(SocketPairFaults, PrintsWhatWasAnswered) {
  About(Core(2), "what the child has answered is printed when it is killed",
        "A socket whose other end is closed still gives what was sent before. "
        "Receive until 0 or an error, and then call waitpid.",
        Handout(6, {7}, "man 2 recv, man 2 waitpid"));
  pid_t child = 0;
  std::string answer;
  Process pair = StartStoppedBeforeAnswer(&child, &answer);
  SignalChild(child, SIGKILL, "SIGKILL");
  pair.ComesDownTo(0, "children that live",
                   [&] { return harness::IsAlive(child) ? 1 : 0; });
  pair.Continue();
  pair.Refuses({"child", "KILL"});
  pair.Exits(1, answer + "MORE\n");
}

TEST_F(SocketPairFaults, ChildIsKilledBeforeMore) {
  About(Core(2), "a child that is killed before it gets more is told the same",
        "The parent has something to send, and send fails with EPIPE: the "
        "child has gone. What it answered before waits still, so receive until "
        "0 or an error, and let waitpid tell why it has gone.",
        Handout(6, {7}, "man 2 send, man 2 recv, man 2 waitpid"));
  Fault fault = Fault::Hold({"read", "readv"}, 2);
  fault.on = {harness::DescriptorKind::kPipe};
  Process pair = StartWithFault(fault, "pair", {}, /*input=*/"");
  pid_t child = 0;
  pair.ComesDownTo(0, "children that have not been made", [&] {
    const std::vector<pid_t> children = harness::Descendants(pair.pid());
    if (!children.empty()) child = children[0];
    return children.empty() ? 1 : 0;
  });
  if (over()) return;
  ChildSleeps(pair, child);
  StopChild(pair, child);
  BecauseItAnswers();
  pair.Feed("a", "the letter a");
  pair.ComesDownTo(0, "bytes of it that it has not read",
                   [&] { return pair.Unread(); });
  pair.FallsAsleep();
  BecauseOfTheWhole();
  pair.Feed("b", "the letter b");
  // One that goes step by step does not read this before it has the answer.
  pair.FallsAsleep();
  if (over() || !harness::IsStopped(pair.pid())) return;
  Step("pair is stopped when it has read this");
  SignalChild(child, SIGCONT, "SIGCONT");
  ChildSleeps(pair, child);
  SignalChild(child, SIGKILL, "SIGKILL");
  pair.ComesDownTo(0, "children that live",
                   [&] { return harness::IsAlive(child) ? 1 : 0; });
  pair.Continue();
  pair.Refuses({"child", "KILL"});
  pair.Exits(1, "A");
}

TEST_F(SocketPairFaults, EndsWithItsParentAtWork) {
  About(Robust(1), "a child whose parent has not read its answer ends as well",
        "When the parent dies with an answer unread, the child's next read "
        "fails with ECONNRESET instead of giving 0. That is an end, too: a "
        "child that only waits for 0 reads on for ever.",
        Handout(7, {6}, "man 2 recv"));
  pid_t child = 0;
  std::string answer;
  Process pair = StartStoppedBeforeAnswer(&child, &answer);
  pair.Signal(SIGKILL, "SIGKILL");
  ChildEnds(pair, child);

  Part("the parent is killed right after fork");
  Process early = StartWithFault(Fault::Hold({"fork"}, 1), "pair", {},
                                 /*input=*/"");
  early.ComesDownTo(0, "parents that have not called fork",
                    [&] { return harness::IsStopped(early.pid()) ? 0 : 1; });
  if (over()) return;
  const std::vector<pid_t> children = harness::Descendants(early.pid());
  if (children.empty()) return;  // It was a thread.
  ChildSleeps(early, children[0]);
  early.Signal(SIGKILL, "SIGKILL");
  ChildEnds(early, children[0]);
}

TEST_F(SocketPairFaults, TakesNoMoreThanItNeeds) {
  About(Robust(1), "pair waits for its reader, and reads on only then",
        "Input may be more than fits into memory. While nobody reads the "
        "output, read no more of the input than a buffer holds: what waits "
        "behind it can wait in the file.",
        Handout(7, {3}, "man 2 write"));
  StartAnswered();
  const std::string path = scratch().File("input");
  std::ofstream(path).close();
  constexpr int64_t kSize = int64_t{64} << 20;
  if (truncate(path.c_str(), kSize) != 0) return Skip("no file of 64 MiB");
  Step("made a file of 64 MiB");
  Process pair = StartFed("pair", path);
  pair.HoldOutput();
  pair.FallsAsleep();
  if (over()) return;
  std::ifstream info(absl::StrCat("/proc/", pair.pid(), "/fdinfo/0"));
  std::string word;
  int64_t position = 0;
  while (info >> word) {
    if (word == "pos:") info >> position;
  }
  pair.Expect(position < kSize / 2, "less than half of the file has been read",
              absl::StrCat(position >> 20, " MiB have been read"));
}

// What may happen to any system call ------------------------------------------

TEST_F(SocketPairFaults, WhateverHappens) {
  About(Robust(3), "pair does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        Handout(7, {10}, "man 7 signal, man 2 read, man 2 send"));
  // What fails is for other checks: which of both processes suffers is not
  // known.
  harness::SweepOptions options;
  options.errors = {};
  Sweep(
      "pair",
      [&](const Starter& start) {
        Process pair = start({}, "");
        std::string fed;
        for (int i = 0; i < 2; ++i) {
          const std::string line = RandomText(20) + "\n";
          pair.Feed(line, "a line");
          fed += line;
          pair.Prints(Capitals(fed));
        }
        pair.EndInput();
        pair.Exits(0, Answer(fed));
      },
      options);
}

TEST_F(SocketPairFaults, Interrupted) {
  About(Robust(2), "what a signal interrupts is done again",
        "A signal that is handled ends the call that waits, which returns -1 "
        "with EINTR: nothing was read or sent, nothing is wrong. Call it "
        "again.",
        Handout(7, {10}, "man 7 signal"));
  Process pair = StartInterrupted("pair");
  std::string fed;
  for (int i = 0; i < 20; ++i) {
    const std::string piece = RandomText(20);
    pair.Feed(piece, "20 letters");
    fed += piece;
    pair.Prints(Capitals(fed));
  }
  pair.EndInput();
  pair.Exits(0, Answer(fed));
}

TEST_F(SocketPairFaults, InterruptedWait) {
  About(Robust(1), "a killed child is told when waitpid was interrupted",
        "waitpid that returns -1 has not told how the child ended: the status "
        "is what it was before. After EINTR, call it again.",
        Handout(7, {7, 10}, "man 2 waitpid"));
  Process pair =
      StartWithFault(Fault::Interrupt({"waitpid", "waitid"}, 0), "pair", {},
                     /*input=*/"");
  pair.Feed("hello\n", "a line");
  pair.Prints("HELLO\n");
  SignalChild(ChildOf(pair), SIGKILL, "SIGKILL");
  pair.Refuses({"child", "KILL"});
}

TEST_F(SocketPairFaults, CannotBegin) {
  About(Robust(1), "without a pair or a child the exit status is 1",
        "The pair is made by socketpair, and the child by fork. Both return -1 "
        "when there are too many descriptors or "
        "processes. The program cannot do its work then, and says so.",
        Handout(2, {11}, "man 2 socketpair, man 2 fork"));
  StartAnswered();
  StartFailingOnce({"socketpair"}, EMFILE, "pair", {}).Exits(1, "");
  StartFailingOnce({"fork"}, EAGAIN, "pair", {}).Exits(1, "");
}

TEST_F(SocketPairFaults, ReceivingFails) {
  About(Robust(2), "a child that cannot receive makes it exit status 1",
        "The child that cannot read must not end as if all had come, and the "
        "parent must look at the status of a child that ended by itself: "
        "WIFEXITED and WEXITSTATUS.",
        Handout(6, {11}, "man 2 waitpid, man 2 recv"));
  StartAnswered();
  // In a parent with threads the first may be of either process.
  for (int occurrence : {1, 2}) {
    Fault fault =
        Fault::Fail({"read", "readv", "recv", "recvmsg"}, occurrence, EIO);
    fault.on = {harness::DescriptorKind::kUnixStream};
    Process pair = StartWithFault(fault, "pair", {}, /*input=*/"");
    pair.Feed("hello\n", "a line");
    bool all_wait = false;
    int quiet_looks = 0;
    pair.ComesDownTo(0, "children that run on", [&] {
      const std::vector<pid_t> pids = harness::Descendants(pair.pid());
      bool quiet = harness::RunningThreads(pair.pid()) == 0;
      bool lives = pids.empty();  // It has not been made yet, or is no more.
      for (pid_t pid : pids) {
        quiet = quiet && harness::RunningThreads(pid) == 0;
        lives = lives || harness::IsAlive(pid);
      }
      quiet_looks = quiet ? quiet_looks + 1 : 0;
      std::vector<pid_t> all = pids;
      all.push_back(pair.pid());
      all_wait =
          quiet_looks >= 5 || (quiet && harness::ObserveActivity(all).blocked);
      return !harness::IsAlive(pair.pid()) || !lives || all_wait ? 0 : 1;
    });
    // It was the parent that suffered, and waits for its child.
    const std::vector<pid_t> pids = harness::Descendants(pair.pid());
    if (all_wait && !pids.empty() && harness::IsAlive(pids[0])) continue;
    pair.Exits(1);
  }
}

}  // namespace
