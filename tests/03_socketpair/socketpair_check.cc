// The checks of lab 03. Each states a fact about the program; the mutants
// beside this file show what each one is there to catch.
#include "tests/03_socketpair/socketpair_check.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

// One pair, both ways ---------------------------------------------------------

TEST_F(SocketPair, Transcript) {
  About(Core(4), "pair prints the documented transcript",
        "The parent must make the pair, fork, send what it reads to the child, "
        "say by shutdown that this was all, and print what the child answers "
        "until the child ends.",
        WholeHandout({}));
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
        Handout(4, {}, "man 2 shutdown"));
  StartFed("pair", "/dev/null").Exits(0, Total(0));
}

TEST_F(SocketPair, AnswersAtOnce) {
  About(Core(3), "what comes is sent, answered and printed when it comes",
        "read returns as soon as there is anything; send that on, do not wait "
        "for more. What goes through stdio is kept back until its buffer is "
        "full, on the way in (fread, getline) as on the way out (printf "
        "without fflush).",
        Handout(3, {}, "man 2 read, man 3 setvbuf"));
  Process pair = StartFed("pair");
  std::string fed;
  for (size_t size : {1, 30, 500, 1, 3000}) {
    const std::string piece = RandomText(size);
    pair.Feed(piece, absl::StrCat(size, size == 1 ? " letter" : " letters"));
    fed += piece;
    pair.Prints(Capitals(fed));
  }
  // Each of these has a meaning for some program, when it comes alone.
  for (absl::string_view piece :
       {absl::string_view("\n"), absl::string_view("\r\n"),
        absl::string_view("\4"), absl::string_view("\0", 1),
        absl::string_view("\32"), absl::string_view("\377"),
        absl::string_view(".\n"), absl::string_view("quit\n"),
        absl::string_view("\33")}) {
    pair.Feed(piece, absl::StrCat(harness::Escaped(piece)));
    fed.append(piece.data(), piece.size());
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
        Handout(3, {}, "man 2 read"));
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
  About(Core(4), "640 KiB go out while their answer comes in",
        "A socket holds some 200 KiB, a pipe 64. A parent that sends all "
        "before it reads anything fills them: the child cannot send its answer "
        "and stops reading, so the parent cannot send. Both wait for each "
        "other, for ever. And one call need not read or send everything: look "
        "at what it returns.",
        Handout(5, {}, "man 2 poll, man 2 send"));
  const std::string bytes = RandomBytes(kMuch);
  std::ofstream(scratch().File("input")) << bytes;
  Step("wrote a file of 640 KiB");
  StartFed("pair", scratch().File("input")).Exits(0, Answer(bytes));
}

TEST_F(SocketPair, SlowReader) {
  About(Core(3), "whoever reads the output slowly gets all of it",
        "A pipe that nobody reads fills up, and then write waits. That is as "
        "it should be. On a descriptor that is O_NONBLOCK it does not wait: it "
        "writes less than you asked for, or fails with EAGAIN, and what was "
        "not written is still yours to write.",
        Handout(3, {}, "man 2 write, man 7 pipe"));
  const std::string bytes = RandomBytes(kMuch);
  std::ofstream(scratch().File("input")) << bytes;
  Process pair = StartFed("pair", scratch().File("input"));
  pair.HoldOutput();
  ChildOf(pair);
  pair.FallsAsleep();
  pair.OutlastsTimeLimits();
  // A write that had to wait returns early then, with less than all.
  pair.Stop();
  pair.Continue();
  pair.ReadOutput();
  pair.Exits(0, Answer(bytes));
}

// Who holds which end ---------------------------------------------------------

TEST_F(SocketPair, OneEndEach) {
  About(Core(3), "parent and child hold one end of one pair each",
        "fork copies all descriptors, so that both have both ends. An end of "
        "file comes only when the last copy of the other end is closed: who "
        "keeps one keeps himself from ever seeing it.",
        Handout(2, {}, "man 2 fork, man 2 socketpair"));
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
    pair.Expect(HasStreamSocket(pid),
                absl::StrCat("a UNIX stream socket in ", name),
                "a socket of another kind");
  }
}

TEST_F(SocketPair, EndsWithItsParent) {
  About(Core(2), "when the parent is killed, the child ends as well",
        "The kernel closes what the parent had open, and the child reads an "
        "end of file. Unless the child itself still holds a copy of the "
        "parent's end: then it waits for its own words, for ever.",
        Handout(2, {}, "man 2 fork"));
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  pair.Signal(SIGKILL, "SIGKILL");
  pair.ComesDownTo(0, "children left behind",
                   [&] { return harness::IsAlive(child) ? 1 : 0; });

  Part("when the child has not read all, its read fails: ECONNRESET");
  Process other = StartAnswered();
  const pid_t stopped = ChildOf(other);
  StopChild(other, stopped);
  other.Feed("more\n", "another line");
  other.ComesDownTo(0, "bytes of it that it has not read",
                    [&] { return other.Unread(); });
  other.FallsAsleep();
  other.Signal(SIGKILL, "SIGKILL");
  SignalChild(stopped, SIGCONT, "SIGCONT");
  other.ComesDownTo(0, "children left behind",
                    [&] { return harness::IsAlive(stopped) ? 1 : 0; });
}

TEST_F(SocketPair, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to. One that is left open in "
        "a helper program keeps the connection alive after you closed it: "
        "SOCK_CLOEXEC.",
        Handout(2, {}, "man 2 socketpair"));
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
        Handout(6, {}, "man 2 waitpid"));
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
        Handout(6, {}, "man 2 waitpid, man 3 sigabbrev_np"));
  const struct {
    int signal;
    const char* name;
  } cases[] = {{SIGKILL, "KILL"}, {SIGTERM, "TERM"}, {SIGUSR1, "USR1"}};
  for (const auto& [signal, name] : cases) {
    std::string answer;
    Process pair = StartAnswered(&answer);
    SignalChild(ChildOf(pair), signal, absl::StrCat("SIG", name).c_str());
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
        Handout(6, {}, "man 2 send, man 7 signal"));
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  StopChild(pair, child);
  pair.Feed(RandomText(2000), "2000 letters");
  pair.ComesDownTo(1999, "of them that it has not begun to read",
                   [&] { return pair.Unread(); });
  SignalChild(child, SIGKILL, "SIGKILL");
  pair.Refuses({"child", "KILL"});
}

// What is around the program --------------------------------------------------

TEST_F(SocketPair, OutputIsClosed) {
  About(Core(3), "an output that nobody reads any more is an error",
        "Writing into a pipe whose reader has gone raises SIGPIPE, which ends "
        "the program without a word. MSG_NOSIGNAL is for sockets only: ignore "
        "the signal, and write returns EPIPE, which you can report.",
        Handout(7, {}, "man 2 write, man 7 signal"));
  Process pair = StartAnswered();
  pair.CloseOutput();
  pair.Feed("more\n", "another line");
  pair.Refuses({"write", "EPIPE"});
}

TEST_F(SocketPair, InputCannotBeRead) {
  About(Robust(2), "an input that fails is no input that ends",
        "read returns 0 at the end and -1 when it failed. Who takes both for "
        "the end reports a success that was none.",
        Handout(7, {}, "man 2 read"));
  StartFed("pair", scratch().path()).Refuses({"read", "EISDIR"});
}

TEST_F(SocketPair, SleepsWhenIdle) {
  About(Robust(2), "while there is nothing to do, nothing is done",
        "poll returns at once while anything that you asked for is the case. A "
        "socket with room is always POLLOUT, so ask only when there is "
        "something to send; a file that has ended is always POLLIN, so ask no "
        "more.",
        Handout(5, {}, "man 2 poll"));
  std::string answer;
  Process pair = StartAnswered(&answer);
  const pid_t child = ChildOf(pair);
  Sleeps(pair, child);
  pair.OutlastsTimeLimits();
  pair.Feed("more\n", "another line");
  pair.Prints(answer + "MORE\n");
}

TEST_F(SocketPair, Interrupted) {
  About(Robust(2), "what a signal interrupts is done again",
        "A signal that is handled ends the call that waits, which returns -1 "
        "with EINTR: nothing was read or sent, nothing is wrong. Call it "
        "again. (Here strace makes calls fail so.)",
        Handout(7, {}, "man 7 signal"));
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

TEST_F(SocketPair, StaysInItsMemory) {
  About(Core(3), "no byte outside its buffers is touched",
        "read may fill the whole buffer, and puts no NUL behind what it read. "
        "A NUL of yours at bytes[count] is then one byte beyond the end. "
        "Without a sanitizer it often looks right, by luck.",
        Handout(3, {}, "man 2 read"));
  const std::string bytes = RandomBytes(kMuch / 4);
  std::ofstream(scratch().File("input")) << bytes;
  Process pair = StartFed("pair", scratch().File("input"), /*sanitized=*/true);
  pair.Exits(0, Answer(bytes));
}

TEST_F(SocketPair, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried.",
        WholeHandout({}));
  StartFed("pair", "/dev/null").Exits(0, Total(0));
  Start("pair", {"--no-such-flag"}).Refuses({}, /*status=*/2);
  Start("pair", {"file"}).Refuses({}, /*status=*/2);
}

}  // namespace
