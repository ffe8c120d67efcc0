// The checks of lab 09 that judge the framer: each plays a deframer for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "tests/09_scatter_gather/scatter_gather_check.h"
#include "tests/support/check.h"
#include "tests/support/story.h"
#include "tests/support/tracer.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;

std::string InHex(absl::string_view frame) {
  std::string told;
  for (const unsigned char byte : frame) {
    absl::StrAppend(&told, told.empty() ? "" : " ",
                    absl::Hex(byte, absl::kZeroPad2));
  }
  return told;
}

TEST_F(Framer, FrameOnTheWire) {
  About(Core(3), "a frame is length, number, body and checksum",
        "Somebody else's deframer reads this. The three numbers have 4 bytes "
        "each, in network byte order (htonl); the length is that of the body "
        "alone, and the checksum is over all that stands before it, length and "
        "number too.",
        Handout(1, {1, 2}, "man 3 htonl"));
  Host(HostPath());
  // The example of the handout, then another.
  for (const Strings& words : {Strings{"abc"}, Words(Random(2, 9))}) {
    Process framer = Start("framer", Args(HostPath(), {Record(words)}));
    const std::string seen = Connection().ReceiveAll();
    const std::string expected = Frame(1, Body(words));
    framer.Expect(seen == expected, InHex(expected),
                  InHex(seen.substr(0, 200)));
    framer.Exits(0);
  }
}

TEST_F(Framer, NumbersFrames) {
  About(Core(1), "the frames of a connection are numbered from 1",
        "The number is how the other end notices that a frame was lost, or "
        "came twice. It counts on from frame to frame.",
        Handout(1, {1}, "man 3 htonl"));
  Host(HostPath());
  const Strings records = Words(4);
  Process framer = Start("framer", Args(HostPath(), records));
  const std::string stream = Connection().ReceiveAll();
  std::string numbers;
  for (size_t i = 0; i + kStartSize <= stream.size();
       i += kStartSize + Value(stream.substr(i)) + kSumSize) {
    absl::StrAppend(&numbers, " ", Value(stream.substr(i + 4)));
  }
  framer.Expect(numbers == " 1 2 3 4", "frames 1 2 3 4",
                "frames" + numbers.substr(0, 200));
  framer.Exits(0);
}

TEST_F(Framer, EmptyRecord) {
  About(Core(1), "a record without words is a frame without a body",
        "Its 12 bytes are sent all the same: that nothing was said is known "
        "only to who gets the frame that says so.",
        Handout(1, {4}, "man 3 strcspn"));
  Host(HostPath());
  Process framer = Start("framer", Args(HostPath(), {"", "   ", "x"}));
  SentBodies(framer, Connection().ReceiveAll(), {"", "", "x"});
  framer.Exits(0);
  framer.Expect(
      absl::StrContains(framer.out(), "frame 1: 0 words, 0 bytes") &&
          absl::StrContains(framer.out(), "frame 2: 0 words, 0 bytes"),
      "two frames of 0 words and 0 bytes, it says",
      harness::Escaped(framer.out()));
}

TEST_F(Framer, AnyBytes) {
  About(Core(1), "words are any bytes, with one space between them or more",
        "Only spaces separate words here: a tab, a newline or a byte above 127 "
        "is part of one. (To isspace a char above 127 is a negative number.)",
        Handout(1, {4}, "man 3 strcspn"));
  Host(HostPath());
  const std::string a = "\tA\n", b = "\xff\xc3\xa4\x01", c = RandomText(9);
  Process framer =
      Start("framer", Args(HostPath(), {absl::StrCat("  ", a, " ", b, "   ", c),
                                        absl::StrCat(c, " ", a, " ")}));
  SentBodies(framer, Connection().ReceiveAll(), {a + b + c, c + a});
  framer.Exits(0);
}

TEST_F(Framer, OneCallAFrame) {
  About(Core(4), "a frame goes out in one call, from where its pieces lie",
        "Copying the words together costs a copy, and a write for each piece "
        "costs a call for each. writev takes an array that says where they "
        "are: the start, each word, the checksum.",
        Handout(2, {5}, "man 2 writev, man 2 sendmsg"));
  Host(HostPath());
  for (const char* name : {"writev", "sendmsg"}) {
    const size_t counts[] = {Random(2, 20), 1, Random(300, 1000)};
    Strings args = {absl::StrCat("--call=", name)};
    for (const size_t count : counts) args.push_back(Record(Words(count)));
    Process framer = TraceFramer(args);
    Connection().ReceiveAll();
    framer.Exits(0);
    if (over()) return;
    const std::vector<SocketCall> calls = SocketCalls(trace());
    framer.Expect(calls.size() == std::size(counts),
                  absl::StrCat(std::size(counts), " calls for ",
                               std::size(counts), " frames"),
                  absl::StrCat(calls.size(), " calls: ", Names(calls)));
    for (size_t i = 0; i < calls.size() && i < std::size(counts); ++i) {
      framer.Expect(calls[i].elements == counts[i] + 2,
                    absl::StrCat("call ", i + 1, " gathers ", counts[i] + 2,
                                 " elements: the start, ", counts[i],
                                 " words, the checksum"),
                    absl::StrCat(calls[i].elements));
    }
  }
}

TEST_F(Framer, ManyWords) {
  About(Core(3), "a frame may have more words than a call takes elements",
        "IOV_MAX, 1024, is the most that the kernel takes in one call. With "
        "more, writev fails with EINVAL and sendmsg with EMSGSIZE, and nothing "
        "is sent. Give it 1024, and go on.",
        Handout(4, {5}, "man 2 writev, NOTES"));
  Host(HostPath());
  for (const char* name : {"writev", "sendmsg"}) {
    Strings args = {absl::StrCat("--call=", name)}, bodies;
    for (const size_t count :
         {kMostParts - 2, kMostParts - 1, kMostParts, kMostParts + 1,
          2 * kMostParts - 2, 2 * kMostParts, Random(2500, 9000)}) {
      const Strings words = Words(count, 4);
      args.push_back(Record(words));
      bodies.push_back(Body(words));
    }
    Process framer = Start("framer", Args(HostPath(), args));
    const std::string stream = Connection().ReceiveAll();
    SentBodies(framer, stream, bodies);
    // Where that of the first does not fit, it is not for its many words.
    const Strings wrong = WrongSums(stream);
    framer.Expect(
        wrong.empty() || wrong[0] == "1",
        "checksums over all that stands before them",
        absl::StrCat("that of frame 1, which is one call, is; not so ",
                     "frame ", absl::StrJoin(wrong, ", ")));
    framer.Exits(0);
  }
}

TEST_F(Framer, FewestCalls) {
  About(Core(2), "it takes as few calls as the kernel allows",
        "N words are N + 2 elements, of which each call takes 1024: 1022 words "
        "are one call, 2046 are two, 2047 three.",
        Handout(4, {5, 7}, "man 2 writev, NOTES"));
  Host(HostPath());
  const size_t some = Random(2048, 3000);
  std::string output;
  Strings args;
  for (const size_t count : {kMostParts - 2, kMostParts - 1, 2 * kMostParts - 2,
                             2 * kMostParts - 1, some}) {
    const Strings words = Words(count, 4);
    args.push_back(Record(words));
    output += Sent(static_cast<int>(args.size()), count, Body(words).size(),
                   (count + 2 + kMostParts - 1) / kMostParts);
  }
  Process framer = Start("framer", Args(HostPath(), args));
  Connection().ReceiveAll();
  framer.Exits(0, output);
}

TEST_F(Framer, LargestRecord) {
  About(
      Core(1), "a body may have 65536 bytes",
      "65536 is within the limit, and what counts is what is sent: the spaces "
      "between the words are not.",
      Handout(1, {8}, ""));
  Host(HostPath());
  const std::string longest = RandomText(kMostBytes);
  // The same, cut into words by more spaces than an argument needs.
  std::string spaced = longest;
  for (size_t at = 300; at < kMostBytes; at += 310) spaced.insert(at, 10, ' ');
  Process framer = Start("framer", Args(HostPath(), {longest, spaced}));
  SentBodies(framer, Connection().ReceiveAll(), {longest, longest});
  framer.Exits(0);
}

TEST_F(Framer, ShortCount) {
  About(Core(4), "a short count is continued from where it ended",
        "A call may take less than it was given, and stop in the middle of an "
        "element. Whole elements are done with; of the one where it stopped "
        "the base moves up and the length comes down, by what was sent. (Here "
        "strace keeps the first calls from happening and makes them return "
        "that many bytes: what came is the rest.)",
        Handout(3, {6}, "man 2 writev"));
  Host(HostPath());
  // What is sent of `words` when `count` bytes are taken, `times` times, of
  // `frame`, which is what is sent when nothing hinders it.
  const auto judge = [&](const Strings& words, const std::string& frame,
                         absl::string_view call, size_t count, size_t times) {
    Process framer =
        TraceFramer({absl::StrCat("--call=", call), Record(words)},
                    {absl::StrCat("--inject=", call, ":retval=", count,
                                  ":when=1..", times)});
    const std::string seen = Connection().ReceiveAll();
    const std::string rest = frame.substr(count * times);
    framer.Expect(
        seen == rest,
        absl::StrCat("what is behind byte ", count * times, " of ",
                     frame.size(), " in the frame, for those were ",
                     "taken by ", times, " calls"),
        absl::StrCat(seen.size(), " bytes\n", harness::Difference(rest, seen)));
    return framer;
  };

  const Strings words = Words(6, 30);
  Process unhindered = Start("framer", Args(HostPath(), {Record(words)}));
  const std::string frame = Connection().ReceiveAll();
  unhindered.Expect(
      frame.size() == kStartSize + Body(words).size() + kSumSize,
      absl::StrCat("a frame with a body of ", Body(words).size(), " bytes"),
      absl::StrCat(frame.size(), " bytes in all"));
  unhindered.Exits(0);
  if (over()) return;
  const size_t word = kStartSize + words[0].size();
  // In the start, and in it again; between two words; in one; in the checksum.
  judge(words, frame, "writev", Random(1, 3), 4).Exits(0);
  judge(words, frame, "sendmsg", word, 1).Exits(0);
  judge(words, frame, "writev", Random(word + 1, frame.size() - kSumSize - 1),
        1)
      .Exits(0);
  judge(words, frame, "sendmsg", frame.size() - Random(1, 3), 1).Exits(0);

  // The first of several calls. Whether so many words can be sent, and how the
  // framer ends then, is the business of ManyWords.
  const Strings many = Words(kMostParts + Random(1, 20));
  Start("framer", Args(HostPath(), {Record(many)}));
  const std::string large = Connection().ReceiveAll();
  if (large == Frame(1, Body(many))) {
    judge(many, large, "writev", Random(kStartSize + 1, kMostParts / 2), 1);
  }
}

TEST_F(Framer, CountsItsCalls) {
  About(Core(1), "it says how many calls a frame took",
        "How many there will be cannot be known before: a call may take less "
        "than it was given. Count those that sent something. (Here strace has "
        "the first ones take little.)",
        Handout(3, {7}, "man 2 writev"));
  Host(HostPath());
  const size_t calls = Random(3, 5);
  const Strings words = Words(3);
  Process framer = TraceFramer(
      {Record(words), words[0]},
      {absl::StrCat("--inject=writev:retval=1:when=1..", calls - 1)});
  Connection().ReceiveAll();
  framer.Exits(0, Sent(1, 3, Body(words).size(), calls) +
                      Sent(2, 1, words[0].size(), 1));
}

TEST_F(Framer, StalledReader) {
  About(Core(3), "who reads late gets every frame whole",
        "When the kernel's buffer is full the call waits, having taken a part "
        "already. A signal that comes then, even one that only stops the "
        "program for a while, makes it return how much that was.",
        Handout(3, {6}, "man 2 writev, man 7 signal"));
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    Strings args = {absl::StrCat("--call=", name)}, bodies;
    for (const Strings& words : MoreThanFits()) {
      args.push_back(Record(words));
      bodies.push_back(Body(words));
    }
    Process framer = Start("framer", Args(path, args));
    Peer host = Connection();
    std::string stream;
    for (int i = 0; i < 2; ++i) {
      framer.Expect(framer.FallsAsleep(),
                    "it sleeps while nobody reads what it sends",
                    "it kept the processor busy for 200 ms");
      framer.Stop();
      framer.Continue();
      stream += host.Receive(50000);
    }
    stream += host.ReceiveAll();
    SentBodies(framer, stream, bodies);
    framer.Exits(0);
  }
}

TEST_F(Framer, ReaderLeaves) {
  About(Core(2), "a deframer that has left is an error, and not the end",
        "Writing to who reads no more raises SIGPIPE, which ends the program "
        "without a word. sendmsg has MSG_NOSIGNAL against that; writev has no "
        "flags, so the signal itself must be ignored. Then it is EPIPE; or "
        "ECONNRESET, once, for a call that waits when bytes that nobody read "
        "are thrown away.",
        Handout(5, {9}, "man 7 signal, man 2 sendmsg"));
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    Strings args = {absl::StrCat("--call=", name)};
    for (const Strings& words : MoreThanFits()) args.push_back(Record(words));
    Process framer = Start("framer", Args(path, args));
    Peer host = Connection();
    host.Receive(1000);
    host.Close();
    framer.Refuses({});
    framer.Expect(absl::StrContains(framer.err(), "EPIPE") ||
                      absl::StrContains(framer.err(), "ECONNRESET"),
                  "a line on stderr with EPIPE or ECONNRESET",
                  harness::Escaped(framer.err()));
  }
}

TEST_F(Framer, OnlyWhatWasSent) {
  About(
      Robust(1), "a frame that could not be sent is not told as sent",
      "Whoever reads these lines counts on what they say. That it was sent "
      "is known when the last call has returned, and what that returned is "
      "looked at before anything is printed. (Here strace makes a call fail.)",
      Handout(5, {7}, "man 2 writev"));
  Host(HostPath());
  const Strings records = Words(3);
  Process framer = TraceFramer(records, {"--inject=writev:error=EPIPE:when=2"});
  Connection().ReceiveAll();
  framer.Refuses({"EPIPE"});
  framer.Expect(
      framer.out() == Sent(1, 1, records[0].size(), 1),
      "the line of frame 1, which was sent, and no line of another",
      framer.out().empty() ? "nothing" : harness::Escaped(framer.out()));
}

TEST_F(Framer, NobodyListens) {
  About(Robust(1), "that nobody listens is told",
        "A status of 0 would mean that all was sent.",
        Handout(5, {21, 23}, "man 2 connect"));
  Start("framer", Args(SocketPath(), {"x"})).Refuses({"connect", "ENOENT"});
  Host(SocketPath());
  CloseHost();
  Start("framer", Args(SocketPath(), {"x"}))
      .Refuses({"connect", "ECONNREFUSED"});
}

TEST_F(Framer, TooLargeRecord) {
  About(Robust(2),
        "a record of more than 65536 bytes is refused, and all with "
        "it",
        "The deframer would hang up on it. The spaces do not count, for they "
        "are not sent. Look at all records before you connect: a part of what "
        "was asked for is no use to anybody.",
        Handout(1, {8}, ""));
  const std::string longest = RandomText(kMostBytes);
  // What is within the limit is sent, so a refusal has a reason.
  Host(HostPath());
  Process within = Start("framer", Args(HostPath(), {longest}));
  SentBodies(within, Connection().ReceiveAll(), {longest});
  within.Exits(0);
  CloseHost();
  Start("framer", Args(HostPath(), {"x", longest + "y"})).Refuses({}, 2);
  Start("framer", Args(HostPath(), {longest + " y", "x"})).Refuses({}, 2);
}

TEST_F(Framer, ManyFrames) {
  About(Core(1), "a connection may carry hundreds of frames",
        "The number of a frame has 4 bytes, and so has the variable that "
        "counts. A counter of one byte is at 0 again after 255.",
        Handout(2, {1, 7}, "man 3type uint32_t"));
  Host(HostPath());
  const Strings records = Words(300, 3);
  Process framer = Start("framer", Args(HostPath(), records));
  const std::string stream = Connection().ReceiveAll();
  std::string output;
  size_t at = 0;
  for (size_t i = 1; i <= records.size(); ++i) {
    const std::string& body = records[i - 1];
    const std::string expected = Frame(static_cast<uint32_t>(i), body);
    const std::string seen =
        stream.substr(std::min(at, stream.size()), expected.size());
    framer.Expect(seen == expected,
                  absl::StrCat("frame ", i, ": ", InHex(expected)),
                  InHex(seen));
    at += expected.size();
    output += Sent(static_cast<int>(i), 1, body.size(), 1);
  }
  framer.Exits(0, output);
}

TEST_F(Framer, SaysWords) {
  About(Core(1), "it says how many words, bytes and calls a frame had",
        "A blank before the first word, or behind the last, begins no word. "
        "The bytes are those of the body.",
        Handout(3, {4, 7}, "man 3 strcspn"));
  Host(HostPath());
  const Strings words = Words(3);
  Process framer = Start(
      "framer", Args(HostPath(), {"  " + Record(words), Record(words) + "  ",
                                  absl::StrJoin(words, "   "), words[0]}));
  Connection().ReceiveAll();
  std::string output;
  for (const int number : {1, 2, 3}) {
    output += Sent(number, 3, Body(words).size(), 1);
  }
  framer.Exits(0, output + Sent(4, 1, words[0].size(), 1));
}

TEST_F(Framer, FullCallsAfterShortOne) {
  About(Core(1), "after a short count each call has 1024 elements again",
        "What is left is an array like any other: the next call gets 1024 "
        "elements of it, whatever the call before was given. (Here the first "
        "call takes 8 bytes, the start, so that 1024 elements are left.)",
        Handout(4, {5, 6}, "man 2 writev, NOTES"));
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    const Strings words = Words(kMostParts - 1, 4);
    Process framer = StartWithFault(
        Fault::CutTo({name}, 1, kStartSize), "framer",
        Args(path, {absl::StrCat("--call=", name), Record(words)}));
    SentBodies(framer, Connection().ReceiveAll(), {Body(words)});
    framer.Exits(0, Sent(1, words.size(), Body(words).size(), 2));
  }
}

TEST_F(Framer, InterruptedAfterShortCount) {
  About(Robust(1), "an interruption does not undo what was sent",
        "EINTR says that this call sent nothing. What the calls before it sent "
        "is sent: the call is made again with the rest, as it was given. (Here "
        "the first call takes a few bytes, and the second fails with EINTR.)",
        Handout(3, {6, 22}, "man 2 writev, man 7 signal"));
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    // The first call ends inside the first word.
    const Strings words = {RandomText(5), RandomText(7), RandomText(1)};
    // The tracer counts the occurrences of a fault behind the fault before it.
    Process framer = StartWithFaults(
        {Fault::CutTo({name}, 1, kStartSize + 1),
         Fault::Fail({name}, 1, EINTR)},
        "framer", Args(path, {absl::StrCat("--call=", name), Record(words)}));
    const std::string seen = Connection().ReceiveAll();
    const std::string expected = Frame(1, Body(words));
    framer.Expect(seen == expected, InHex(expected),
                  InHex(seen.substr(0, 200)));
    framer.Exits(0, Sent(1, words.size(), Body(words).size(), 2));
  }
}

TEST_F(Framer, FramerOnLongPath) {
  About(Robust(1), "PATH may have 107 bytes",
        "sun_path has 108 bytes, and one of them is for the NUL. A path that "
        "is cut is another path.",
        Handout(5, {3}, "man 7 unix"));
  const std::string path = LongestPath();
  Host(path);
  Process framer = Start("framer", Args(path, {"x"}));
  SentBodies(framer, Connection().ReceiveAll(), {"x"});
  framer.Exits(0);
}

TEST_F(Framer, FramerCannotPrint) {
  About(Robust(1), "a line that the framer cannot print is a failure",
        "The disk may be full. Who reads the lines later misses one, and only "
        "the exit status can say so. (Here the checker makes the write fail.)",
        Handout(9, {21, 23}, "man 2 write, man 3 fflush"));
  Host(HostPath());
  Process framer =
      StartWithFault(FullDisk(), "framer", Args(HostPath(), {"x"}));
  Connection().ReceiveAll();
  framer.Refuses({});
}

}  // namespace
