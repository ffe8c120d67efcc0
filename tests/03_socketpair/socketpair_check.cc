// The checks of lab 03. Each states a fact about the program; the mutants
// beside this file show what each one is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"

namespace {

using harness::Core;
using harness::Process;
using harness::Robust;

// More than the sockets and pipes on the way hold, all together.
constexpr size_t kMuch = size_t{3} << 20;

// What the child makes of `bytes`, and what it adds when they were all.
std::string Capitals(std::string bytes) {
  absl::AsciiStrToUpper(&bytes);
  return bytes;
}
std::string Total(size_t count) {
  return absl::StrCat("\n===== info =====\nBytes from parent: ", count, "\n");
}
std::string Answer(const std::string& bytes) {
  return Capitals(bytes) + Total(bytes.size());
}

class SocketPair : public harness::Check {
 protected:
  // `count` random bytes of every value, which one strange to the lab may get.
  static std::string RandomBytes(size_t count) {
    static auto& engine = *new std::mt19937(std::random_device{}());
    std::uniform_int_distribution<int> byte(0, 255);
    std::string bytes;
    while (bytes.size() < count) {
      bytes.push_back(static_cast<char>(byte(engine)));
    }
    return bytes;
  }

  // A program that has answered a line, so that its child is there for sure.
  Process StartAnswered(std::string* answer = nullptr) {
    Process pair = StartFed("pair");
    const std::string line = RandomText(20) + "\n";
    pair.Feed(line, "a line");
    pair.Prints(Capitals(line));
    if (answer) *answer = Capitals(line);
    return pair;
  }

  // The child of `pair`; 0 after telling that it is not there, or not alone.
  pid_t ChildOf(Process pair) {
    if (over()) return 0;
    const std::vector<pid_t> children = harness::Descendants(pair.pid());
    pair.Expect(children.size() == 1, "pair has one child",
                absl::StrCat("it has ", children.size()));
    return over() ? 0 : children[0];
  }

  void SignalChild(pid_t child, int signal, const char* name) {
    if (over()) return;
    Step(absl::StrCat("its child was sent ", name));
    kill(child, signal);
  }
};

// One pair, both ways ---------------------------------------------------------

TEST_F(SocketPair, Transcript) {
  About(Core(4), "pair prints the documented transcript",
        "The parent must make the pair, fork, send what it reads to the child, "
        "say by shutdown that this was all, and print what the child answers "
        "until the child ends.",
        "handout, steps 1 to 5");
  Process pair = StartFed("pair");
  pair.Feed("Message from parent\n", "\"Message from parent\\n\"");
  pair.EndInput();
  pair.Exits(0, Answer("Message from parent\n"));
}

TEST_F(SocketPair, NoInput) {
  About(Core(2), "no input at all is an input of 0 bytes",
        "When standard input ends, read returns 0, be it the first time: "
        "shutdown passes that on, the child reads 0 in turn and says how much "
        "it was.",
        "handout, step 4; man 2 shutdown");
  StartFed("pair", "/dev/null").Exits(0, Total(0));
}

TEST_F(SocketPair, AnswersAtOnce) {
  About(Core(3), "what comes is sent, answered and printed when it comes",
        "read returns as soon as there is anything; send that on, do not wait "
        "for more. What goes through stdio is kept back until its buffer is "
        "full, on the way in (fread, getline) as on the way out (printf "
        "without fflush).",
        "handout, step 3; man 2 read, man 3 setvbuf");
  Process pair = StartFed("pair");
  std::string fed;
  for (size_t size : {1, 30, 500, 1, 3000}) {
    const std::string piece = RandomText(size);
    pair.Feed(piece, absl::StrCat(size, size == 1 ? " letter" : " letters"));
    fed += piece;
    pair.Prints(Capitals(fed));
  }
  pair.EndInput();
  pair.Exits(0, Answer(fed));
}

TEST_F(SocketPair, AnyBytes) {
  About(Core(3), "every byte but a to z goes through as it is",
        "read gives bytes and a count, no C string: there is no NUL behind "
        "them, and there may be one among them, where strlen, printf and fputs "
        "stop.",
        "handout, step 3; man 2 read");
  std::string bytes("a\0b", 3);
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  bytes += RandomBytes(1000);
  Process pair = StartFed("pair");
  pair.Feed(bytes, absl::StrCat(bytes.size(), " bytes of every value"));
  pair.EndInput();
  pair.Exits(0, Answer(bytes));
}

TEST_F(SocketPair, MuchInput) {
  About(Core(4), "3 MiB go out while their answer comes in",
        "A socket holds some 200 KiB, a pipe 64. A parent that sends all "
        "before it reads anything fills them: the child cannot send its answer "
        "and stops reading, so the parent cannot send. Both wait for each "
        "other, for ever. And one call need not read or send everything: look "
        "at what it returns.",
        "handout, steps 3 and 5; man 2 poll, man 2 send");
  const std::string bytes = RandomBytes(kMuch);
  std::ofstream(scratch().File("input")) << bytes;
  Step("wrote a file of 3 MiB");
  StartFed("pair", scratch().File("input")).Exits(0, Answer(bytes));
}

TEST_F(SocketPair, SlowReader) {
  About(Core(3), "whoever reads the output slowly gets all of it",
        "A pipe that nobody reads fills up, and then write waits. That is as "
        "it should be. On a descriptor that is O_NONBLOCK it does not wait: it "
        "writes less than you asked for, or fails with EAGAIN, and what was "
        "not written is still yours to write.",
        "handout, step 3; man 2 write, man 7 pipe");
  const std::string bytes = RandomBytes(kMuch / 4);
  std::ofstream(scratch().File("input")) << bytes;
  Process pair = StartFed("pair", scratch().File("input"));
  pair.HoldOutput();
  pair.ReadOutput();
  pair.Exits(0, Answer(bytes));
}

// Who holds which end ---------------------------------------------------------

TEST_F(SocketPair, OneEndEach) {
  About(Core(3), "parent and child hold one end of one pair each",
        "fork copies all descriptors, so that both have both ends. An end of "
        "file comes only when the last copy of the other end is closed: who "
        "keeps one keeps himself from ever seeing it.",
        "handout, step 2; man 2 fork, man 2 socketpair");
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  const struct {
    pid_t pid;
    const char* name;
  } processes[] = {{pair.pid(), "the parent"}, {child, "the child"}};
  for (const auto& [pid, name] : processes) {
    if (over()) return;
    const int count = CountSockets(pid);
    pair.Expect(count == 1, absl::StrCat("one open socket in ", name),
                absl::StrCat(count));
  }
}

TEST_F(SocketPair, EndsWithItsParent) {
  About(Core(2), "when the parent is killed, the child ends as well",
        "The kernel closes what the parent had open, and the child reads an "
        "end of file. Unless the child itself still holds a copy of the "
        "parent's end: then it waits for its own words, for ever.",
        "handout, step 2; man 2 fork");
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  pair.Signal(SIGKILL, "SIGKILL");
  pair.ComesDownTo(0, "children left behind",
                   [&] { return harness::IsAlive(child) ? 1 : 0; });
}

TEST_F(SocketPair, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to. One that is left open in "
        "a helper program keeps the connection alive after you closed it: "
        "SOCK_CLOEXEC.",
        "handout, step 1; man 2 socketpair");
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  pair.ClosesOnExec();
  pair.ClosesOnExec(child);
}

// The child's end -------------------------------------------------------------

TEST_F(SocketPair, ReapsChild) {
  About(Core(2), "the child is waited for",
        "A child that has ended stays in the process table, a zombie, until "
        "its parent asks how it ended. A parent that ends without asking does "
        "not know either.",
        "handout, step 6; man 2 waitpid");
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  pair.EndInput();
  pair.Exits(0);
  // What it did not wait for has become our child.
  const std::vector<pid_t> left = harness::Descendants(getpid());
  pair.Expect(std::find(left.begin(), left.end(), child) == left.end(),
              "nothing is left of the child when pair has ended",
              "it has not been waited for");
}

TEST_F(SocketPair, ChildIsKilled) {
  About(Core(3), "a child that is killed is noticed and told, with its signal",
        "When the child dies, its end is closed and yours becomes readable: an "
        "end of file. A parent that only waits for standard input does not see "
        "it. waitpid says how the child ended: WIFSIGNALED, WTERMSIG.",
        "handout, step 6; man 2 waitpid, man 3 sigabbrev_np");
  const struct {
    int signal;
    const char* name;
  } cases[] = {
      {SIGKILL, "SIGKILL"}, {SIGTERM, "SIGTERM"}, {SIGUSR1, "SIGUSR1"}};
  for (const auto& [signal, name] : cases) {
    std::string answer;
    Process pair = StartAnswered(&answer);
    SignalChild(ChildOf(pair), signal, name);
    pair.Refuses({"child", name});
    pair.Exits(1, answer);
  }
}

TEST_F(SocketPair, ChildIsKilledAtWork) {
  About(Core(2), "a child that is killed at work is told the same",
        "Sending to a socket whose other end is gone raises SIGPIPE, which "
        "ends the parent without a word, or is EPIPE. Reading from it is "
        "ECONNRESET when the child left something unread. All of that says "
        "that the child is gone; waitpid says why.",
        "handout, step 6; man 2 send, man 7 signal");
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  SignalChild(child, SIGSTOP, "SIGSTOP: it reads no more");
  pair.ComesDownTo(0, "children that run on", [&] {
    return absl::StrContains(harness::ObserveActivity({child}).description,
                             "stopped")
               ? 0
               : 1;
  });
  pair.Feed(RandomText(2000), "2000 letters");
  pair.ComesDownTo(1999, "of them that it has not begun to read",
                   [&] { return pair.Unread(); });
  SignalChild(child, SIGKILL, "SIGKILL");
  pair.Refuses({"child", "SIGKILL"});
}

// What is around the program --------------------------------------------------

TEST_F(SocketPair, OutputIsClosed) {
  About(Core(3), "an output that nobody reads any more is an error",
        "Writing into a pipe whose reader has gone raises SIGPIPE, which ends "
        "the program without a word. MSG_NOSIGNAL is for sockets only: ignore "
        "the signal, and write returns EPIPE, which you can report.",
        "handout, step 7; man 2 write, man 7 signal");
  Process pair = StartAnswered();
  pair.CloseOutput();
  pair.Feed("more\n", "another line");
  pair.Refuses({"write", "EPIPE"});
}

TEST_F(SocketPair, InputCannotBeRead) {
  About(Robust(2), "an input that fails is no input that ends",
        "read returns 0 at the end and -1 when it failed. Who takes both for "
        "the end reports a success that was none.",
        "handout, step 7; man 2 read");
  StartFed("pair", scratch().path()).Refuses({"read", "EISDIR"});
}

TEST_F(SocketPair, SleepsWhenIdle) {
  About(Robust(2), "while there is nothing to do, nothing is done",
        "poll returns at once while anything that you asked for is the case. A "
        "socket with room is always POLLOUT, so ask only when there is "
        "something to send; a file that has ended is always POLLIN, so ask no "
        "more.",
        "handout, step 5; man 2 poll");
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  int quiet_looks = 0;
  pair.ComesDownTo(0, "running threads, with nothing to read and to answer",
                   [&] {
                     const int running = harness::RunningThreads(pair.pid()) +
                                         harness::RunningThreads(child);
                     quiet_looks = running ? 0 : quiet_looks + 1;
                     return quiet_looks < 5 ? std::max(running, 1) : 0;
                   });
}

TEST_F(SocketPair, Interrupted) {
  About(Robust(2), "what a signal interrupts is done again",
        "A signal that is handled ends the call that waits, which returns -1 "
        "with EINTR: nothing was read or sent, nothing is wrong. Call it "
        "again. (Here strace makes calls fail so.)",
        "handout, step 7; man 7 signal");
  Process pair = StartInterrupted("pair");
  std::string fed;
  for (int i = 0; i < 20; ++i) {
    const std::string piece = RandomText(2000);
    pair.Feed(piece, "2000 letters");
    fed += piece;
    pair.Prints(Capitals(fed));
  }
  pair.EndInput();
  pair.Exits(0, Answer(fed));
}

TEST_F(SocketPair, StaysInItsMemory) {
  About(Core(3), "no byte outside its buffers is touched",
        "read may fill the whole buffer, and puts no NUL behind what it read. "
        "A NUL of yours at bytes[count] is then one byte beyond the end. "
        "Without a sanitizer it often looks right, by luck.",
        "handout, step 3; man 2 read");
  const std::string bytes = RandomBytes(kMuch / 4);
  std::ofstream(scratch().File("input")) << bytes;
  Process pair = StartFed("pair", scratch().File("input"), /*sanitized=*/true);
  pair.Exits(0, Answer(bytes));
}

TEST_F(SocketPair, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried.",
        "the contract in the handout");
  Start("pair", {"--no-such-flag"}).Refuses({}, /*status=*/2);
  Start("pair", {"file"}).Refuses({}, /*status=*/2);
}

}  // namespace
