// The checks of lab 03. Each states a fact about the program; the mutants
// beside this file show what each one is there to catch.
#include "tests/03_socketpair/socketpair_check.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
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
using harness::WholeHandout;

// One pair, both ways ---------------------------------------------------------

TEST_F(SocketPair, Transcript) {
  About(Core(4), "pair prints the documented transcript",
        "The parent must make the pair, fork, send what it reads to the child, "
        "say by shutdown that this was all, and print what the child answers "
        "until the child ends.",
        WholeHandout({1, 2}));
  Process pair = StartFed("pair");
  pair.Feed("Message from parent\n", "\"Message from parent\\n\"");
  pair.EndInput();
  pair.Exits(0, Answer("Message from parent\n"));
}

TEST_F(SocketPair, AnswersALine) {
  About(Core(2), "a line goes to the child, and comes back in capitals",
        "The parent reads the line from standard input and writes it to its "
        "end of the pair. The child reads it from the other end, changes it "
        "and writes it back; the parent reads the answer and prints it. All "
        "that while the input goes on: read returns as soon as there is "
        "anything, and fread and getline wait for more.",
        Handout(3, {1, 4}, "man 2 socketpair, man 2 fork, man 2 read"));
  const std::string line = RandomText(20) + "\n";
  Process pair = StartFed("pair");
  pair.Feed(line, "a line");
  pair.Prints(Capitals(line));
}

TEST_F(SocketPair, AnyBytes) {
  About(Core(3), "every byte but a to z goes through as it is",
        "The child changes a to z, both included, and no other byte: no {, no "
        "byte above 127. (A char may be signed, and toupper looks at the "
        "locale.)",
        Handout(3, {2, 3}, "man 7 ascii"));
  std::string bytes;
  for (int byte = 1; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  Process pair = StartFed("pair");
  pair.Feed(bytes, "255 bytes, of each value from 1 to 255");
  pair.Prints(Capitals(bytes));
  Because(
      "read gives bytes and a count, no C string: there is no NUL behind them, "
      "and there may be one among them, where strlen, printf and fputs stop. "
      "Send, answer and print as many bytes as came.",
      Handout(3, {2, 3}, "man 2 read"));
  bytes = std::string("a\0b", 3) + RandomBytes(1000);
  Process other = StartFed("pair");
  other.Feed(bytes, "1003 bytes, with NULs among them");
  other.Prints(Capitals(bytes));
}

TEST_F(SocketPair, AnswersAtOnce) {
  About(Core(3), "what comes is sent, answered and printed when it comes",
        "Both processes read again and again, until read returns 0. "
        "read returns as soon as there is anything; send that on, do not wait "
        "for more. What goes through stdio is kept back until its buffer is "
        "full, on the way in (fread, getline) as on the way out (printf "
        "without fflush).",
        Handout(3, {4}, "man 2 read, man 3 setvbuf"));
  Process pair = StartFed("pair");
  std::string fed;
  for (size_t size : {1, 30, 500, 1, 3000}) {
    const std::string piece = RandomText(size);
    pair.Feed(piece, absl::StrCat(size, size == 1 ? " letter" : " letters"));
    fed += piece;
    pair.Prints(Capitals(fed));
  }
  Because(
      "Input is bytes, and none of them means anything here: an empty line, a "
      "Control-D, a NUL or a byte of 255 is answered like any other. The end "
      "is told by read alone, which returns 0.",
      Handout(3, {3, 4}, "man 2 read"));
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
  for (absl::string_view piece : {"one\n", "one\n", "two\n", "one\n"}) {
    pair.Feed(piece, harness::Escaped(piece));
    fed.append(piece.data(), piece.size());
    pair.Prints(Capitals(fed));
  }
}

TEST_F(SocketPair, CountsAndEnds) {
  About(Core(2), "at the end of the input the child tells the total, and ends",
        "When standard input ends, read returns 0, and shutdown(fd, SHUT_WR) "
        "tells the child, which reads 0 in turn. It adds an empty line, the "
        "line with info and the line with the number of bytes, and ends. The "
        "parent prints what comes until it receives 0, and ends too. The last "
        "words of the child may come together with POLLHUP.",
        Handout(4, {2}, "man 2 shutdown"));
  std::string answer;
  Process pair = StartAnswered(&answer);
  pair.EndInput();
  pair.Exits(0, answer + Total(answer.size()));
}

TEST_F(SocketPair, NoInput) {
  About(Core(2), "no input at all is an input of 0 bytes",
        "When standard input ends, read returns 0, be it the first time: "
        "shutdown passes that on, the child reads 0 in turn and says how much "
        "it was. A pipe that is closed is POLLHUP, without POLLIN.",
        Handout(4, {2, 3}, "man 2 shutdown, man 2 poll"));
  Process pair = StartFed("pair");
  pair.EndInput();
  pair.Exits(0, Total(0));
  Because(
      "/dev/null and files are at their end at once, and always ready: poll "
      "says so, and epoll refuses them (EPERM).",
      Handout(5, {2, 3}, "man 2 epoll_ctl"));
  StartFed("pair", "/dev/null").Exits(0, Total(0));
}

TEST_F(SocketPair, AnySize) {
  About(
      Core(2), "an input of any size is answered and counted",
      "A regular file is always ready, and epoll refuses it (EPERM): read it. "
      "An input may fill a buffer exactly, or be one byte longer. Only a "
      "read that returns 0 is the end: one that gives less than you asked "
      "for, or all of it, is not. The total counts bytes; it needs a type "
      "that is large enough. "
      "At the end POLLHUP may come with POLLIN: receive until 0.",
      Handout(4, {2, 3}, "man 2 read"));
  for (const size_t size : {1, 255, 256, 4096, 65536}) {
    if (over()) return;
    Part(absl::StrCat("a file of ", size, size == 1 ? " byte" : " bytes"));
    const std::string bytes = RandomText(size);
    std::ofstream(scratch().File("input")) << bytes;
    StartFed("pair", scratch().File("input")).Exits(0, Answer(bytes));
  }
}

TEST_F(SocketPair, StaysInItsMemory) {
  About(Core(3), "no byte outside its buffers is touched",
        "read may fill the whole buffer, and puts no NUL behind what it read. "
        "A NUL of yours at bytes[count] is then one byte beyond the end. "
        "Without a sanitizer it often looks right, by luck.",
        Handout(4, {3}, "man 2 read"));
  const std::string bytes = RandomBytes(kMuch / 4);
  std::ofstream(scratch().File("input")) << bytes;
  Process pair = StartFed("pair", scratch().File("input"), /*sanitized=*/true);
  pair.Exits(0, Answer(bytes));
}

TEST_F(SocketPair, MuchInput) {
  About(Core(4), "640 KiB go out while their answer comes in",
        "A socket holds some 200 KiB, a pipe 64. A parent that sends all "
        "before it reads anything fills them: the child cannot send its answer "
        "and stops reading, so the parent cannot send. Both wait for each "
        "other, for ever. And one call need not read or send everything: look "
        "at what it returns.",
        Handout(5, {3}, "man 2 poll, man 2 send"));
  const std::string bytes = RandomBytes(kMuch);
  std::ofstream(scratch().File("input")) << bytes;
  Step("wrote a file of 640 KiB");
  StartFed("pair", scratch().File("input")).Exits(0, Answer(bytes));
}

TEST_F(SocketPair, OutlastsTimeLimits) {
  About(Core(1), "nothing is given up while nothing happens",
        "The contract has no time limit: the input, and the child, may take an "
        "hour. Wait without one.",
        Handout(5, {9}, "man 2 poll"));
  Process pair = StartOutOfTime("pair", {}, /*input=*/"");
  pair.FallsAsleep();
  pair.Feed("hello\n", "a line");
  pair.Prints("HELLO\n");
  const pid_t child = ChildOf(pair);
  StopChild(pair, child);
  pair.Feed("more\n", "another line");
  pair.FallsAsleep();
  SignalChild(child, SIGCONT, "SIGCONT");
  pair.Prints("HELLO\nMORE\n");
}

TEST_F(SocketPair, SlowReader) {
  About(Core(3), "whoever reads the output slowly gets all of it",
        "A pipe that nobody reads fills up, and then write waits. That is as "
        "it should be. On a descriptor that is O_NONBLOCK it does not wait: it "
        "writes less than you asked for, or fails with EAGAIN, and what was "
        "not written is still yours to write.",
        Handout(5, {3}, "man 2 write, man 7 pipe"));
  const std::string bytes = RandomBytes(kMuch / 2);
  std::ofstream(scratch().File("input")) << bytes;
  Process pair = StartFed("pair", scratch().File("input"));
  pair.HoldOutput();
  ChildOf(pair);
  pair.FallsAsleep();
  // A write that had to wait returns early then, with less than all.
  pair.Stop();
  pair.Continue();
  pair.ReadOutput();
  pair.Exits(0, Answer(bytes));
}

TEST_F(SocketPair, WaitsForItsReader) {
  About(Core(1), "the reader may take longer than any time limit",
        "The contract has no time limit: a reader may take an hour for a page. "
        "What was not written yet is still yours to write then.",
        Handout(5, {3, 9}, "man 2 write, man 2 poll"));
  const std::string path = scratch().File("fifo");
  if (mkfifo(path.c_str(), 0600) != 0) return Skip("there are no FIFOs here");
  ipc::UniqueFd fifo(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  Process pair = StartOutOfTime("pair", {}, path);
  const auto feed = [&](const std::string& bytes) {
    Step(absl::StrCat("pair was fed ", bytes.size(), " bytes"));
    const ssize_t count = write(fifo.get(), bytes.data(), bytes.size());
    pair.Expect(count == static_cast<ssize_t>(bytes.size()), "it takes them",
                "it does not");
  };
  feed("hello\n");
  pair.Prints("HELLO\n");
  if (over()) return;
  const ipc::UniqueFd output = harness::CopyDescriptor(pair.pid(), 1);
  if (!output.valid()) return;  // The kernel does not let us.
  // The first piece would fill the pipe, which is not POLLOUT any more.
  const std::string before(4000, '.');
  const std::string first = RandomText(96), second = RandomText(50);
  fcntl(output.get(), F_SETPIPE_SZ, 4096);
  Step("the pipe that it prints into has room for 96 bytes");
  if (write(output.get(), before.data(), before.size()) != 4000) return;
  pair.HoldOutput();
  feed(first);
  pair.FallsAsleep();
  feed(second);
  pair.FallsAsleep();
  pair.ReadOutput();
  Step("the input ends");
  fifo.reset();
  pair.Exits(0, "HELLO\n" + before + Capitals(first + second) + Total(152));
}

TEST_F(SocketPair, MoreThanMemory) {
  About(Robust(2), "3 MiB pass through, and nothing of them stays",
        "The input may be larger than the memory, and may never end. Neither "
        "process may keep what it has passed on, or take memory for each piece "
        "without giving it back. The total goes on counting.",
        Handout(5, {2, 3}, "man 3 malloc"));
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  std::string fed = absl::AsciiStrToLower(pair.out());
  const auto feed = [&](const std::string& bytes, absl::string_view what) {
    pair.Feed(bytes, what);
    fed += bytes;
  };
  const auto memory = [&] {
    return harness::ResidentMemory(pair.pid()) + harness::ResidentMemory(child);
  };
  const auto time = [&] {
    return harness::ProcessorTime(pair.pid()) + harness::ProcessorTime(child);
  };
  const absl::Duration before = time();
  feed(RandomText(size_t{1} << 14), "16 KiB");
  pair.Prints(Capitals(fed));
  // One that goes byte by byte would need very long for it all.
  if (time() - before < absl::Milliseconds(8)) {
    std::string block = RandomText(size_t{1} << 16);
    while (block.size() < size_t{1} << 20) block += block;
    feed(block, "1 MiB");
    const size_t at_first = memory();
    feed(block + block, "2 MiB");
    const size_t now = memory();
    pair.Expect(
        now < at_first + (size_t{1} << 20),
        "parent and child need no more memory than when 1 MiB had passed",
        absl::StrCat(now >> 10, " KiB instead of ", at_first >> 10, " KiB"));
  }
  pair.EndInput();
  pair.Exits(0, Answer(fed));
}

// Who holds which end ---------------------------------------------------------

TEST_F(SocketPair, OneEndEach) {
  About(Core(3), "parent and child hold one end of one pair each",
        "One pair goes both ways. fork copies all descriptors, so that both "
        "have both ends. An end of "
        "file comes only when the last copy of the other end is closed: who "
        "keeps one keeps himself from ever seeing it.",
        Handout(2, {5}, "man 2 fork, man 2 socketpair"));
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  const struct {
    pid_t pid;
    const char* name;
  } processes[] = {{pair.pid(), "the parent"}, {child, "the child"}};
  for (const auto& [pid, name] : processes) {
    if (over()) return;
    const int count = CountSockets(pid);
    if (!harness::IsAlive(pid)) {
      BecauseThereIsOneChild();
    } else if (count == 0) {
      Because(
          "socketpair makes two sockets that are connected with each other. "
          "Each goes both ways; a pipe goes one way only.",
          Handout(3, {1}, "man 2 socketpair"));
    }
    pair.Expect(count == 1, absl::StrCat("one open socket in ", name),
                absl::StrCat(count));
    Because(
        "SOCK_STREAM makes a stream, with an end that shutdown tells. Other "
        "kinds of sockets carry messages, each of its own length.",
        Handout(1, {1}, "man 2 socketpair, man 7 unix"));
    pair.Expect(HasStreamSocket(pid),
                absl::StrCat("a UNIX stream socket in ", name),
                "a socket of another kind");
    BecauseOfTheWhole();
  }
}

TEST_F(SocketPair, EndsWithItsParent) {
  About(Core(2), "when the parent is killed, the child ends as well",
        "The kernel closes what the parent had open, and the child reads an "
        "end of file. Unless the child itself still holds a copy of the "
        "parent's end: then it waits for its own words, for ever.",
        Handout(2, {6}, "man 2 fork"));
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  pair.Signal(SIGKILL, "SIGKILL");
  ChildEnds(pair, child);

  Part("the child has a line to answer, and nobody is there to read it");
  Because(
      "Sending to a parent that is gone raises SIGPIPE, or is EPIPE. Both end "
      "the child.",
      Handout(7, {6}, "man 2 send, man 7 signal"));
  Process other = StartAnswered();
  const pid_t stopped = ChildOf(other);
  StopChild(other, stopped);
  other.Feed("more\n", "another line");
  other.ComesDownTo(0, "bytes of it that it has not read",
                    [&] { return other.Unread(); });
  other.FallsAsleep();
  other.Signal(SIGKILL, "SIGKILL");
  SignalChild(stopped, SIGCONT, "SIGCONT");
  ChildEnds(other, stopped);
}

TEST_F(SocketPair, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to. One that is left open in "
        "a helper program keeps the connection alive after you closed it: "
        "SOCK_CLOEXEC.",
        Handout(2, {5}, "man 2 socketpair"));
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
        Handout(6, {7}, "man 2 waitpid"));
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
        "it. waitpid says how the child ended: WIFSIGNALED, WTERMSIG. Then one "
        "line on stderr names the child and the signal, and the exit status is "
        "1.",
        Handout(6, {7}, "man 2 waitpid, man 3 sigabbrev_np"));
  const struct {
    int signal;
    const char* name;
  } cases[] = {
      {SIGKILL, "KILL"}, {SIGTERM, "TERM"}, {SIGUSR1, "USR1"}, {SIGHUP, "HUP"}};
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
        Handout(6, {7}, "man 2 send, man 7 signal"));
  Process pair = StartAnswered();
  const pid_t child = ChildOf(pair);
  StopChild(pair, child);
  pair.Feed(RandomText(2000), "2000 letters");
  pair.ComesDownTo(1999, "of them that it has not begun to read",
                   [&] { return pair.Unread(); });
  SignalChild(child, SIGKILL, "SIGKILL");
  pair.Refuses({"child", "KILL"});

  Part("the child is killed before it has had anything to do");
  Process idle = StartFed("pair");
  pid_t its_child = 0;
  idle.ComesDownTo(0, "children that have not been made", [&] {
    const std::vector<pid_t> children = harness::Descendants(idle.pid());
    if (!children.empty()) its_child = children[0];
    return children.empty() ? 1 : 0;
  });
  SignalChild(its_child, SIGTERM, "SIGTERM");
  idle.Refuses({"child", "TERM"});
  idle.Exits(1, "");

  Part("the child is killed after the end of the input");
  std::string answer;
  Process ended = StartAnswered(&answer);
  const pid_t last = ChildOf(ended);
  StopChild(ended, last);
  ended.EndInput();
  ended.FallsAsleep();
  SignalChild(last, SIGKILL, "SIGKILL");
  ended.Refuses({"child", "KILL"});
  ended.Exits(1, answer);
}

// What is around the program --------------------------------------------------

TEST_F(SocketPair, OutputIsClosed) {
  About(Core(3), "an output that nobody reads any more is an error",
        "Writing into a pipe whose reader has gone raises SIGPIPE, which ends "
        "the program without a word. MSG_NOSIGNAL is for sockets only: ignore "
        "the signal, and write returns EPIPE, which you can report.",
        Handout(7, {8}, "man 2 write, man 7 signal"));
  Process pair = StartAnswered();
  pair.CloseOutput();
  pair.Feed("more\n", "another line");
  pair.Refuses({"write", "EPIPE"});
}

TEST_F(SocketPair, OutputIsFull) {
  About(Robust(2), "an output that takes no more is an error",
        "On a full disk write returns -1 (ENOSPC). What stdio keeps back fails "
        "when it is flushed, at the end perhaps: look at what fflush returns.",
        Handout(7, {8}, "man 2 write, man 3 fflush"));
  Part("from the beginning");
  StartOnFullDisk("pair", {}).Refuses({"write", "ENOSPC"});

  Part("later");
  Fault fault = Fault::Fail({"write", "writev"}, 2, ENOSPC);
  fault.on = {harness::DescriptorKind::kPipe};
  fault.output = true;
  Process pair = StartWithFault(fault, "pair", {}, /*input=*/"");
  pair.Feed("hello\n", "a line");
  // Byte by byte, that is the second one already.
  pair.ComesDownTo(0, "answers that have not come", [&] {
    return pair.out().size() == 6 || !harness::IsAlive(pair.pid()) ? 0 : 1;
  });
  pair.Feed("more\n", "another line");
  pair.Refuses({"write", "ENOSPC"});
}

TEST_F(SocketPair, InputCannotBeRead) {
  About(Robust(2), "an input that fails is no input that ends",
        "read returns 0 at the end and -1 when it failed. Who takes both for "
        "the end reports a success that was none.",
        Handout(7, {8}, "man 2 read"));
  Part("it is a directory");
  StartFed("pair", scratch().path()).Refuses({"read", "EISDIR"});

  Part("it fails later");
  Fault fault = Fault::Fail({"read", "readv"}, 2, EIO);
  fault.on = {harness::DescriptorKind::kPipe};
  Process pair = StartWithFault(fault, "pair", {}, /*input=*/"");
  pair.Feed("hello\n", "a line");
  pair.ComesDownTo(0, "bytes of it that it has not read",
                   [&] { return pair.Unread(); });
  pair.Feed("more\n", "another line");
  pair.Refuses({"read", "EIO"});
}

TEST_F(SocketPair, IsWithoutInputOrOutput) {
  About(Robust(2), "a standard input or output that is closed is an error",
        "A new descriptor gets the lowest number that is free. Without "
        "standard input that is 0: a socket of the pair takes its place, and "
        "the program reads its own words. Look first whether 0 and 1 are open: "
        "fcntl(fd, F_GETFD) fails with EBADF if not.",
        Handout(7, {8}, "man 2 fcntl, man 2 socketpair"));
  StartFed("pair", "/dev/null").Exits(0, Total(0));
  Part("standard input is closed");
  StartWithClosed(0, "pair").Refuses({});
  Part("standard output is closed");
  Process pair = StartWithClosed(1, "pair", /*input=*/"");
  pair.Feed("hello\n", "a line");
  pair.Refuses({});
}

TEST_F(SocketPair, SleepsWhenIdle) {
  About(Robust(2), "while there is nothing to do, nothing is done",
        "poll returns at once while anything that you asked for is the case. A "
        "socket with room is always POLLOUT, so ask only when there is "
        "something to send; a file that has ended is always POLLIN, so ask no "
        "more. A time limit wakes a process for nothing: wait without one.",
        Handout(5, {9}, "man 2 poll"));
  std::string answer;
  Process pair = StartAnswered(&answer);
  const pid_t child = ChildOf(pair);
  Sleeps(pair, child);
  pair.Feed("more\n", "another line");
  pair.Prints(answer + "MORE\n");
}

TEST_F(SocketPair, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried.",
        WholeHandout({1, 11}));
  StartFed("pair", "/dev/null").Exits(0, Total(0));
  Start("pair", {"--no-such-flag"}).Refuses({}, /*status=*/2);
  Start("pair", {"file"}).Refuses({}, /*status=*/2);
}

}  // namespace
