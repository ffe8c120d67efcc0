// What the reader of lab 05 makes of what it is passed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/unique_fd.h"
#include "tests/05_fd_passing/fd_passing.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::UniqueFd;

TEST_F(Reader, ReaderAsks) {
  About(Core(2), "the reader asks for four files at a time, in the right form",
        "A request has 1024 bytes, whatever the names: what they leave free is "
        "zero, and so are the wishes that are none. Whoever does not zero it "
        "first sends what was in memory before.",
        Handout(1, {7, 13}, ""));
  std::vector<std::string> names = Names(6);
  names[0] = RandomText(60);
  names[2] = RandomText(kNameSize - 1);
  auto [reader, opener] = StartReader(names);
  const std::vector<std::string> first(names.begin(), names.begin() + 4);
  const std::vector<std::string> second(names.begin() + 4, names.end());
  for (const auto& expected : {Reading(first), Reading(second)}) {
    const std::string seen = opener.Receive(expected.size());
    reader.Expect(seen == expected, "a request for the next files",
                  harness::Difference(expected, seen));
    opener.Send(AnswerBytes({}), "an answer: ENOENT, four times");
  }
  reader.Exits(1, "");
  Because(
      "The fifth name is the first one of the second request. The line on "
      "stderr is about the file that was refused.",
      Handout(6, {9}, ""));
  ExpectStderr(reader, names);
}

TEST_F(Reader, CountsRefusals) {
  About(Core(1), "the status is 1, however many files were refused",
        "An exit status has 8 bits, and 1 means that something failed. The "
        "number of failures is another thing: 2 would say that the call was "
        "wrong, and 256 is 0 again. A file that goes well does not make up for "
        "one that failed.",
        Handout(6, {9, 11}, "man 3 exit"));
  for (const int count : {2, 256}) {
    Part(absl::StrCat(count, " files are refused"));
    const std::string text = RandomText(20);
    auto [reader, opener] = StartReader(Names(count + 1));
    for (int left = count + 1; left > 0; left -= kFiles) {
      opener.Receive(Request({}).size());
      if (left > static_cast<int>(kFiles)) {
        opener.Send(AnswerBytes({}), "");
      } else {
        std::vector<int32_t> errors(left, ENOENT);
        errors.back() = 0;
        opener.Send(AnswerBytes(errors), "the last answer, with a pipe",
                    {EndOfPipeWith(text).get()});
      }
    }
    reader.Exits(1, text);
    CloseHost();
    unlink(SocketPath().c_str());
  }
}

TEST_F(Reader, AnyErrno) {
  About(Robust(1), "an errno has four bytes",
        "Each errno of the answer is an int of 32 bits, and only 0 means that "
        "a descriptor comes. What is another number is a refusal, whatever its "
        "low byte is.",
        Handout(6, {9, 14}, "man 3 errno"));
  const std::string text = RandomText(20);
  const std::vector<std::string> names = Names(4);
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  const UniqueFd pipe = EndOfPipeWith(text);
  opener.Send(AnswerBytes({256, 65536, 0, 1 << 24}),
              "an answer: 256, 65536, 0 and a pipe, 16777216", {pipe.get()});
  reader.Exits(1, text);
  ExpectStderr(reader, {names[0], names[1], names[3]});
}

TEST_F(Reader, CopiesAllBytes) {
  About(Core(2), "every byte is copied as it is",
        "What is in a file need not be text. A % is no format, a NUL no end, "
        "and there need not be a newline at the end. read says how many bytes "
        "there are: write these.",
        Handout(6, {7}, "man 2 read, man 2 write"));
  std::string bytes = "%s%d%n 100%% \\n";
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i);
  const std::string more = RandomText(3) + std::string(2, '\0');
  const std::string format = "100%% of %d %s %n\n";
  auto [reader, opener] = StartReader(Names(4));
  opener.Receive(Request({}).size());
  const UniqueFd first = EndOfPipeWith(bytes), empty = EndOfPipeWith(""),
                 last = EndOfPipeWith(more), formats = EndOfPipeWith(format);
  opener.Send(AnswerBytes({0, 0, 0, 0}),
              "an answer with four pipes: all bytes, none, five, formats",
              {first.get(), empty.get(), last.get(), formats.get()});
  reader.Exits(0, bytes + more + format);
}

TEST_F(Reader, CopiesToTheEnd) {
  About(Core(2), "a file is read until read returns 0",
        "One read brings what is there, up to the size of the buffer, and a "
        "pipe has more later. Fewer bytes than you asked for are not the end. "
        "Only 0 is.",
        Handout(6, {7}, "man 2 read"));
  const std::string text = RandomText(50000), one = RandomText(10),
                    two = RandomText(10);
  const UniqueFd file(memfd_create("no name", MFD_CLOEXEC));
  if (write(file.get(), text.data(), text.size()) < 0) Skip("no memfd");
  lseek(file.get(), 0, SEEK_SET);
  Pipe pipe = PipeWith(one);
  auto [reader, opener] = StartReader(Names(2));
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0, 0}), "an answer with a file and a pipe",
              {file.get(), pipe.output.get()});
  const int waiting = pipe.output.get();
  reader.ComesDownTo(0, "bytes in the pipe that it has not read", [&] {
    int count = 0;
    ioctl(waiting, FIONREAD, &count);
    return count;
  });
  reader.FallsAsleep();
  if (write(pipe.input.get(), two.data(), two.size()) < 0) Skip("no pipes");
  Step("10 bytes more came into the pipe, and then its end");
  pipe.input.reset();
  reader.Exits(0, text + one + two);
}

TEST_F(Reader, ReadFails) {
  About(Robust(1), "a file that cannot be read is a failure, and only this one",
        "read may fail: -1 is not the end of the file. Say what failed, go on "
        "with the next file, and end with status 1.",
        Handout(6, {7, 11}, "man 2 read"));
  const std::string text = RandomText(20);
  const UniqueFd folder(open(scratch().path().c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd pipe = EndOfPipeWith(text);
  auto [reader, opener] = StartReader(Names(2));
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0, 0}), "an answer with a folder and a pipe",
              {folder.get(), pipe.get()});
  reader.Exits(1, text);
  ExpectStderr(reader, {"EISDIR"});
}

TEST_F(Reader, UsesWhatArrives) {
  About(Core(3), "the reader reads what it was passed, whatever that is",
        "A file without a name, a pipe, a socket: a descriptor can be read "
        "wherever it comes from, from where its offset is. The name is the "
        "opener's business; to open it here gives another file, or none.",
        Handout(6, {7}, "man 7 unix, SCM_RIGHTS"));
  const std::vector<std::string> names = Names(3);
  for (const std::string& name : names) WriteFile(scratch().File(name));
  Step("wrote other files of these names into the reader's folder");
  const std::string text = RandomText(5000), piped = RandomText(30),
                    sent = RandomText(40);
  const UniqueFd file(memfd_create("no name", MFD_CLOEXEC));
  if (write(file.get(), text.data(), text.size()) < 0) Skip("no memfd");
  lseek(file.get(), 7, SEEK_SET);
  const UniqueFd pipe = EndOfPipeWith(piped);
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  const UniqueFd socket(pair[0]);
  UniqueFd other(pair[1]);
  if (write(other.get(), sent.data(), sent.size()) < 0) Skip("no socketpair");
  other.reset();
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0, 0, 0}),
              "an answer with a nameless file at byte 7, a pipe and a socket",
              {file.get(), pipe.get(), socket.get()});
  reader.Exits(0, text.substr(7) + piped + sent);
}

TEST_F(Reader, AnswerInPieces) {
  About(Core(2), "an answer may arrive in pieces",
        "The descriptors come with the first byte, and recvmsg returns as soon "
        "as there is one. The rest of the 16 bytes needs another call, and "
        "what the first one brought must not be forgotten over it.",
        Handout(6, {14}, "man 2 recvmsg"));
  const std::vector<std::string> names = Names(4);
  const std::string text = RandomText(20), other = RandomText(20);
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  const std::string answer = AnswerBytes({ENOENT, 0, EACCES, 0});
  const UniqueFd pipe = EndOfPipeWith(text), second = EndOfPipeWith(other);
  opener.Send(answer.substr(0, 1), "1 byte of an answer with two descriptors",
              {pipe.get(), second.get()});
  opener.AwaitRead();
  opener.Send(answer.substr(1, 10), "10 more");
  opener.AwaitRead();
  opener.Send(answer.substr(11), "the last 5");
  reader.Exits(1, text + other);
  ExpectStderr(reader, {names[0], "ENOENT", names[2], "EACCES"});
}

TEST_F(Reader, ClosesSurplus) {
  About(Core(3), "descriptors that nobody asked for are closed",
        "Control data with room for one int has room for two: CMSG_SPACE(4) is "
        "24, as much as CMSG_SPACE(8). Whatever fits is installed, and open in "
        "the reader before it looks. So ask cmsg_len how many there are, take "
        "what was promised, and close the rest.",
        Handout(6, {9}, "man 3 cmsg, man 7 unix"));
  const std::vector<std::string> names = Names(5);
  const std::string text = RandomText(20), last = RandomText(20);
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  const UniqueFd pipe = EndOfPipeWith(text), second = EndOfPipeWith(last);
  const Pipe surplus = PipeWith(RandomText(5));
  opener.Send(AnswerBytes({0, ENOENT, EACCES, ENOENT}),
              "an answer that promises one descriptor, with three",
              {pipe.get(), surplus.output.get(), surplus.output.get()});
  ClosesSurplus(reader, &opener, surplus);
  opener.Send(AnswerBytes({0}), "an answer with one more", {second.get()});
  reader.Exits(1, text + last);
}

TEST_F(Reader, ClosesLaterSurplus) {
  About(Robust(2), "descriptors beyond the four are closed, whenever they come",
        "Every recvmsg that offers room for descriptors may bring some, with "
        "any byte of the answer. Those that have no place in your list are "
        "open all the same.",
        Handout(6, {9}, "man 3 cmsg, man 7 unix"));
  const std::string text = RandomText(20), last = RandomText(20);
  auto [reader, opener] = StartReader(Names(5));
  opener.Receive(Request({}).size());
  const std::string answer = AnswerBytes({0, 0, 0, 0});
  const Pipe surplus = PipeWith("");
  const UniqueFd pipe = EndOfPipeWith(text), empty = EndOfPipeWith(""),
                 second = EndOfPipeWith(last);
  opener.Send(answer.substr(0, 1), "1 byte of an answer with four descriptors",
              {pipe.get(), empty.get(), empty.get(), empty.get()});
  opener.AwaitRead();
  opener.Send(answer.substr(1, 1), "1 byte, with three more",
              {surplus.input.get(), surplus.input.get(), surplus.input.get()});
  opener.AwaitRead();
  opener.Send(answer.substr(2), "the rest of the answer, with ten more",
              Many(surplus));
  ClosesSurplus(reader, &opener, surplus);
  opener.Send(AnswerBytes({0}), "an answer with one more", {second.get()});
  reader.Exits(0, text + last);
}

TEST_F(Reader, MissingDescriptor) {
  About(Robust(2), "a descriptor that was promised and did not come is missed",
        "The opener may lie, and the kernel may drop what finds no room: "
        "MSG_CTRUNC, with as little as a full table of descriptors. Count what "
        "came; an int that nobody set may well be 0, your stdin.",
        Handout(6, {9}, "man 2 recvmsg, MSG_CTRUNC"));
  const std::vector<std::string> names = Names(5);
  const std::string text = RandomText(20), last = RandomText(20);
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  const UniqueFd pipe = EndOfPipeWith(text), second = EndOfPipeWith(last);
  opener.Send(AnswerBytes({0, ENOENT, 0, EACCES}),
              "an answer that promises two descriptors, with one",
              {pipe.get()});
  Because(
      "The other files are read all the same: those whose descriptors came, "
      "and those of the next request.",
      Handout(6, {9}, "man 2 recvmsg"));
  opener.Receive(Request({}).size());
  Step("it asked for the fifth file");
  opener.Send(AnswerBytes({0}), "an answer with one more", {second.get()});
  reader.Exits(1, text + last);
  BecauseOfTheWhole();
  ExpectStderr(reader, {names[1], "ENOENT", names[2], "EBADMSG"});
  CloseHost();
  unlink(SocketPath().c_str());
  Part("without any descriptor");
  auto [other, host] = StartReader(Names(2));
  host.Receive(Request({}).size());
  host.Send(AnswerBytes({0, 0}),
            "an answer that promises two descriptors, without any");
  other.Exits(1, "");
  ExpectStderr(other, {"EBADMSG"});
}

TEST_F(Reader, BrokenAnswer) {
  About(Robust(1), "an answer that ends in the middle is no answer",
        "recvmsg returns 0 at the end of the stream. What has come with the "
        "first bytes is worth nothing without the others.",
        Handout(6, {10}, "man 2 recvmsg"));
  const UniqueFd pipe = EndOfPipeWith(RandomText(20));
  auto [reader, opener] = StartReader(Names(5));
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0}).substr(0, 7), "7 bytes of an answer",
              {pipe.get()});
  opener.Close();
  reader.Refuses({"EBADMSG"});
  reader.Exits(1, "");
}

TEST_F(Reader, OpenerHangsUp) {
  About(Robust(1), "an opener that hangs up does not kill the reader",
        "To send into a connection that the other side has closed raises "
        "SIGPIPE, which kills without a word. With MSG_NOSIGNAL send fails, "
        "and its result says so: say what failed, and end.",
        Handout(6, {10, 11}, "man 2 send"));
  Host(SocketPath());
  std::vector<std::string> args = Names(5);
  args.insert(args.begin(), SocketFlag());
  Process reader = StartStoppedAfter({"connect"}, "reader", args);
  { Peer opener = Accept(); }
  Step("the opener hung up");
  reader.Continue();
  reader.Refuses({});
}

TEST_F(Reader, ReaderHasPatience) {
  About(Robust(1), "the reader waits for as long as the opener is silent",
        "An opener may have much to do, or be stopped for an hour. The "
        "contract has no time limit.",
        Handout(6, {7}, "man 2 recvmsg"));
  const std::string text = RandomText(20);
  Host(SocketPath());
  Process reader = StartOutOfTime("reader", {SocketFlag(), "file"});
  Peer opener = Accept();
  opener.Receive(Request({}).size());
  Because(
      "A call that waits sleeps in the kernel until there is something to do. "
      "A loop that asks again and again keeps a processor busy.",
      Handout(6, {7}, "man 2 recvmsg"));
  reader.Expect(reader.FallsAsleep(), "reader sleeps until the answer comes",
                "it uses the processor all the time");
  BecauseOfTheWhole();
  const UniqueFd pipe = EndOfPipeWith(text);
  opener.Send(AnswerBytes({0}), "an answer with a pipe, after a long time",
              {pipe.get()});
  reader.Exits(0, text);
}

TEST_F(Reader, SaysThatItCannotCopy) {
  About(Robust(1), "bytes that cannot be printed are a failure",
        "write, or fflush, says whether the bytes are out: a disk may be full. "
        "Status 0 would mean that all was printed. With stdio, look at the "
        "result of fflush or fclose before you end.",
        Handout(6, {7, 11}, "man 2 write, man 3 fflush"));
  Host(SocketPath());
  Process reader = StartOnFullDisk("reader", {SocketFlag(), "file"});
  Peer opener = Accept();
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0}), "an answer with a pipe of 5 bytes",
              {EndOfPipeWith("short").get()});
  reader.Exits(1);
  reader.Expect(!reader.err().empty(), "a line on stderr", "nothing");
}

TEST_F(Reader, ProgramGetsStdinOnly) {
  About(Core(3),
        "a program that is run gets its stdin, and nothing else of ours",
        "FD_CLOEXEC belongs to the descriptor, not to the file, and does not "
        "travel: what arrives is open across exec, unless recvmsg was called "
        "with MSG_CMSG_CLOEXEC. To set it later would be too late where "
        "another thread forks in between.",
        Handout(7, {8}, "man 2 recvmsg, MSG_CMSG_CLOEXEC"));
  std::vector<std::string> args = Names(2);
  args.insert(args.begin(), "--run=cat");
  const std::string one = RandomText(20), two = RandomText(20);
  Pipe pipe = PipeWith("");
  const UniqueFd second = EndOfPipeWith(two);
  auto [reader, opener] = StartReader(args);
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0, 0}), "an answer with two pipes",
              {pipe.output.get(), second.get()});
  const pid_t parent = reader.pid();
  pid_t cat = 0;  // Once it runs: exec closes what it must before the new name.
  reader.ComesDownTo(0, "programs still to be run: cat", [&] {
    for (pid_t pid : harness::Descendants(parent)) {
      if (harness::CommandName(pid) == "cat") cat = pid;
    }
    return cat == 0 ? 1 : 0;
  });
  Step("it runs cat, which waits for more to come from the first pipe");
  reader.ComesDownTo(3, "descriptors in cat: stdin, stdout, stderr", [&] {
    return CountOpen(cat, [](const std::string&) { return true; });
  });
  Because(
      "One after another: wait for the PROGRAM of a file (waitpid) before you "
      "run the next one.",
      Handout(7, {8}, "man 2 waitpid"));
  reader.FallsAsleep();
  const size_t programs = harness::Descendants(parent).size();
  reader.Expect(programs == 1, "one program runs", absl::StrCat(programs));
  BecauseOfTheWhole();
  if (write(pipe.input.get(), one.data(), one.size()) < 0) Skip("no pipes");
  pipe.input.reset();
  reader.Exits(0, one + two);
}

TEST_F(Reader, ProgramRunsAsItIs) {
  About(Core(2), "PROGRAM is run by its name, alone, for each file that came",
        "execlp looks for a name without a slash in PATH, and takes the name "
        "as it is: a shell would split it at its spaces. PROGRAM gets no "
        "arguments, and its stdout and stderr are the reader's.",
        Handout(7, {8}, "man 3 exec"));
  const std::string script = scratch().File("my program");
  WriteFile(script,
            "#!/bin/sh\n"
            "echo \"$# arguments\"\n"
            "echo complaint >&2\n"
            "cat\n");
  chmod(script.c_str(), 0755);
  const std::vector<std::string> names = Names(5);
  std::vector<std::string> args = {"--run=" + script};
  args.insert(args.end(), names.begin(), names.end());
  const std::string one = RandomText(20) + "\n", two = RandomText(20) + "\n",
                    last = RandomText(20) + "\n";
  auto [reader, opener] = StartReader(args);
  opener.Receive(Request({}).size());
  const UniqueFd first = EndOfPipeWith(one), second = EndOfPipeWith(two),
                 third = EndOfPipeWith(last);
  opener.Send(AnswerBytes({ENOENT, 0, EACCES, 0}),
              "an answer: ENOENT, a pipe, EACCES, a pipe",
              {first.get(), second.get()});
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0}), "the next answer, with a pipe", {third.get()});
  const std::string none = "0 arguments\n";
  reader.Exits(1, absl::StrCat(none, one, none, two, none, last));
  ExpectStderr(reader, {"complaint", names[0], "ENOENT", names[2], "EACCES"});
}

TEST_F(Reader, ClosesWhatAProgramRead) {
  About(Robust(1), "what a PROGRAM has read is closed",
        "The PROGRAM has a copy of the descriptor, and closes that when it "
        "ends. The reader's own is still open: close it.",
        Handout(7, {7, 8}, "man 2 dup2, man 2 close"));
  std::vector<std::string> args = Names(5);
  args.insert(args.begin(), "--run=true");
  auto [reader, opener] = StartReader(args);
  opener.Receive(Request({}).size());
  const Pipe pipe = PipeWith("");
  opener.Send(AnswerBytes({0, 0, 0, 0}), "an answer with four descriptors",
              std::vector<int>(kFiles, pipe.output.get()));
  opener.Receive(Request({}).size());
  Step("it asked for the fifth file");
  const pid_t pid = reader.pid();
  // It may close them when it has the next ones.
  opener.Send(AnswerBytes({}).substr(0, 4), "4 bytes of an answer: ENOENT");
  opener.AwaitRead();
  reader.ComesDownTo(0, "of these descriptors open in the reader", [&] {
    return CountOpen(pid, [&](const std::string& target) {
      return target == pipe.Target();
    });
  });
  opener.Send(AnswerBytes({}).substr(4), "the rest");
  reader.Exits(1, "");
}

TEST_F(Reader, ProgramFails) {
  About(Robust(1), "a program that fails, or cannot be run, is a failure",
        "exec returns only when it failed, and then two processes run the "
        "same code: the child must say why and leave by _exit. waitpid tells "
        "the parent how the child ended.",
        Handout(7, {8, 11}, "man 3 exec, man 2 waitpid"));
  const std::string script = scratch().File("program");
  const std::string good = RandomText(10);
  WriteFile(script,
            "#!/bin/sh\n"
            "read word\n"
            "case $word in\n"
            "  exit) exit 3 ;;\n"
            "  killed) kill -9 $$ ;;\n"
            "  *) echo $word ;;\n"
            "esac\n");
  chmod(script.c_str(), 0755);
  for (const std::string fate : {"exit", "killed"}) {
    Part(fate == "exit" ? "a PROGRAM with exit status 3, then a good one"
                        : "a PROGRAM that is killed, then a good one");
    const UniqueFd bad = EndOfPipeWith(fate + "\n"),
                   pipe = EndOfPipeWith(good + "\n");
    auto [reader, opener] = StartReader({"--run=" + script, "one", "two"});
    opener.Receive(Request({}).size());
    opener.Send(AnswerBytes({0, 0}), "an answer with two pipes",
                {bad.get(), pipe.get()});
    reader.Exits(1, good + "\n");
    CloseHost();
    unlink(SocketPath().c_str());
  }
  Part("a PROGRAM that is not there");
  {
    const UniqueFd only = EndOfPipeWith(RandomText(20));
    auto [alone, host] = StartReader({"--run=/no/such/program", "file"});
    host.Receive(Request({}).size());
    host.Send(AnswerBytes({0}), "an answer with a pipe", {only.get()});
    alone.Exits(1, "");
    ExpectStderr(alone, {"ENOENT"});
    CloseHost();
    unlink(SocketPath().c_str());
  }
  Part("a PROGRAM that is not there, and five files");
  const UniqueFd pipe = EndOfPipeWith(RandomText(20));
  const std::vector<std::string> names = Names(5);
  auto [reader, opener] = StartReader({"--run=/no/such/program", names[0],
                                       names[1], names[2], names[3], names[4]});
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0, ENOENT, ENOENT, ENOENT}), "an answer with a pipe",
              {pipe.get()});
  opener.Receive(Request({}).size());
  Step("it asked for the fifth file");
  opener.Send(AnswerBytes({}), "an answer: ENOENT");
  reader.Exits(1, "");
  Because(
      "The child whose exec has failed must end there, by _exit. Otherwise two "
      "processes go on as the reader, and say everything twice.",
      Handout(7, {8}, "man 3 exec, man 2 _exit"));
  const std::string err = reader.err();
  const size_t at = err.find(names[1]);
  reader.Expect(over() || (at != std::string::npos &&
                           err.find(names[1], at + 1) == std::string::npos),
                absl::StrCat("one line about ", names[1]),
                harness::Escaped(err, 400));
}

TEST_F(Reader, ReadsAThousandFiles) {
  About(Core(2), "the reader closes each file when it is done with it",
        "What arrives is yours as if you had opened it, and yours to close. "
        "When the table is full (RLIMIT_NOFILE), recvmsg still succeeds: the "
        "descriptors are missing, and MSG_CTRUNC says so.",
        Handout(6, {7}, "man 2 close, man 2 getrlimit"));
  const std::string text = RandomText(20);
  const UniqueFd file(memfd_create("no name", MFD_CLOEXEC));
  if (write(file.get(), text.data(), text.size()) < 0) Skip("no memfd");
  Host(SocketPath());
  std::vector<std::string> args = Names(1000);
  args.insert(args.begin(), "--socket=" + SocketPath());
  Process reader = Start("reader", args);
  Peer opener = Accept();
  Step("each of its requests is answered with four descriptors of one file");
  std::string expected;
  for (int i = 0; i < 250 && !over(); ++i) {
    opener.Receive(Request({}).size());
    if (i == 249) {
      const pid_t pid = reader.pid();
      reader.ComesDownTo(4, "of these descriptors open in the reader", [&] {
        return CountOpen(pid, [](const std::string& target) {
          return absl::StrContains(target, "memfd:no name");
        });
      });
    }
    lseek(file.get(), 0, SEEK_SET);
    opener.Send(AnswerBytes({0, 0, 0, 0}), "",
                std::vector<int>(kFiles, file.get()));
    expected += text;  // Once: the four share an offset.
  }
  reader.Exits(0, expected);
}

TEST_F(Reader, ReaderNamesTheError) {
  About(Core(1), "what did not work is said, and is the exit status",
        "A program that was refused, or found nobody, has not done what it "
        "was asked to, whatever else it printed.",
        Handout(1, {7, 11}, "man 2 connect"));
  Start("reader", {"--socket=" + SocketPath(), "file"})
      .Refuses({"connect", SocketPath(), "ENOENT"});
  Host(SocketPath());
  Because(
      "A wish has 255 bytes for a name, and one of them is the NUL at its end. "
      "A longer FILE is refused before it is sent: ENAMETOOLONG.",
      Handout(1, {7}, "man 3 strlen"));
  Start("reader", {"--socket=" + SocketPath(), RandomText(kNameSize)})
      .Refuses({"ENAMETOOLONG"});
}

TEST_F(Reader, ReaderWhateverHappens) {
  About(Robust(2), "the reader reads on when a signal interrupts it",
        "A call that reads may be interrupted by a signal (EINTR): call it "
        "again. Here the checker makes that happen, to one call at a time.",
        WholeHandout({12}));
  harness::SweepOptions options;
  options.errors = {};
  options.cut = false;
  Sweep(
      "reader",
      [&](const Starter& start) {
        Host(SocketPath());
        const std::vector<std::string> names = Names(5);
        std::vector<std::string> args = names;
        args.insert(args.begin(), SocketFlag());
        Process reader = start(args, "/dev/null");
        Peer opener = Accept();
        const std::string text = RandomText(20), last = RandomText(20);
        const UniqueFd first = EndOfPipeWith(text),
                       second = EndOfPipeWith(last);
        opener.Receive(Request({}).size());
        const std::string answer = AnswerBytes({ENOENT, 0, EACCES, ENOENT});
        opener.Send(answer.substr(0, 5), "5 bytes of an answer, with a pipe",
                    {first.get()});
        opener.AwaitRead();
        opener.Send(answer.substr(5), "the rest");
        opener.Receive(Request({}).size());
        opener.Send(AnswerBytes({0}), "the next answer, with a pipe",
                    {second.get()});
        reader.Exits(1, text + last);
        ExpectStderr(reader, {names[0], "ENOENT", names[2], "EACCES"});
      },
      options);
}

}  // namespace
