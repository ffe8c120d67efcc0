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

#include "absl/strings/str_cat.h"
#include "lib/unique_fd.h"
#include "tests/03_socketpair/socketpair_check.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/tracer.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Process;
using harness::Robust;

class SocketPairFaults : public SocketPair {
 protected:
  // Writes to `fd`, which does not block, until nobody takes any more; how much
  // that was. `pair` must be asleep then.
  size_t FeedUntilStuck(Process pair, int fd, absl::string_view bytes) {
    if (over()) return 0;
    Step("pair was fed as much as it takes");
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
        Handout(3, {}, "man 2 read, man 5 proc"));
  std::ifstream file("/proc/version");
  const std::string bytes((std::istreambuf_iterator<char>(file)),
                          std::istreambuf_iterator<char>());
  StartFed("pair", "/proc/version").Exits(0, Answer(bytes));
}

TEST_F(SocketPairFaults, LeavesOpenFilesAlone) {
  About(Robust(1), "standard input and output stay as they were",
        "O_NONBLOCK belongs to the open file. The shell that shares it finds "
        "it there too, and so do programs that read or write it later.",
        Handout(7, {}, "man 2 fcntl, man 2 open"));
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
        Handout(3, {}, "man 2 recv"));
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
  SignalChild(child, SIGCONT, "SIGCONT");
  pair.Prints(answer + "MORE\n");
}

TEST_F(SocketPairFaults, SleepsAfterTheEnd) {
  About(Robust(2), "the parent sleeps while the child is slow after the end",
        "A file that has ended is always POLLIN, or POLLHUP. Ask no more for "
        "it: -1 in place of the descriptor.",
        Handout(5, {}, "man 2 poll"));
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
        Handout(5, {}, "man 2 poll, man 2 send"));
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

TEST_F(SocketPairFaults, PrintsWhatWasAnswered) {
  About(Core(2), "what the child has answered is printed when it is killed",
        "A socket whose other end is closed still gives what was sent before. "
        "Receive until 0 or an error, and then call waitpid.",
        Handout(6, {}, "man 2 recv, man 2 waitpid"));
  Fault fault = Fault::Hold({"write", "writev", "send", "sendmsg"}, 1);
  fault.on = {harness::DescriptorKind::kUnixStream};
  Process pair = StartWithFault(fault, "pair", {}, /*input=*/"");
  pair.Feed("hello\n", "a line");
  pair.ComesDownTo(0, "parents that run on",
                   [&] { return harness::IsStopped(pair.pid()) ? 0 : 1; });
  const pid_t child = ChildOf(pair);
  // What it was sent has woken it; once it sleeps again it has answered.
  int quiet_looks = 0;
  pair.ComesDownTo(0, "children that are still busy with the answer", [&] {
    const bool asleep = harness::RunningThreads(child) == 0;
    quiet_looks = asleep ? quiet_looks + 1 : 0;
    return quiet_looks >= 3 ||
                   (asleep && harness::ObserveActivity({child}).blocked)
               ? 0
               : 1;
  });
  SignalChild(child, SIGKILL, "SIGKILL");
  pair.ComesDownTo(0, "children that live",
                   [&] { return harness::IsAlive(child) ? 1 : 0; });
  pair.Continue();
  pair.Refuses({"child", "KILL"});
  pair.Exits(1, "HELLO\n");
}

TEST_F(SocketPairFaults, TakesNoMoreThanItNeeds) {
  About(Robust(1), "pair waits for its reader, and reads on only then",
        "Input may be more than fits into memory. While nobody reads the "
        "output, read no more of the input than a buffer holds: what waits "
        "behind it can wait in the file.",
        Handout(7, {}, "man 2 write"));
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
        Handout(7, {}, "man 7 signal, man 2 read, man 2 send"));
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

TEST_F(SocketPairFaults, InterruptedWait) {
  About(Robust(1), "a killed child is told when waitpid was interrupted",
        "waitpid that returns -1 has not told how the child ended: the status "
        "is what it was before. After EINTR, call it again.",
        Handout(7, {}, "man 2 waitpid"));
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
        "socketpair and fork return -1 when there are too many descriptors or "
        "processes. The program cannot do its work then, and says so.",
        Handout(2, {}, "man 2 socketpair, man 2 fork"));
  StartAnswered();
  StartFailingOnce({"socketpair"}, EMFILE, "pair", {}).Exits(1, "");
  StartFailingOnce({"fork"}, EAGAIN, "pair", {}).Exits(1, "");
}

TEST_F(SocketPairFaults, ReceivingFails) {
  About(Robust(2), "a child that cannot receive makes it exit status 1",
        "The child that cannot read must not end as if all had come, and the "
        "parent must look at the status of a child that ended by itself: "
        "WIFEXITED and WEXITSTATUS.",
        Handout(6, {}, "man 2 waitpid, man 2 recv"));
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
