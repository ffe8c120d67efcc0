// The checks of lab 09 that judge the deframer: each plays a framer for it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

TEST_F(Deframer, OneFrameComes) {
  About(Core(1), "a frame that comes is printed, and then the end",
        "Length, number and checksum are in network byte order (ntohl), and "
        "the checksum is over all that stands before it, from 1 on. Both lines "
        "go to stdout.",
        Handout(6, {1, 2, 12}, "man 3 ntohl"));
  // The example of the handout, then another.
  for (const std::string& body : {std::string("abc"), RandomText(40)}) {
    const std::string path = scratch().File(absl::StrCat(body.size()));
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    framer.Send(Frame(1, body),
                absl::StrCat("a frame of ", body.size(), " bytes: ", body));
    framer.Close();
    deframer.Exits(
        0, absl::StrCat("listening on ", path, "\n", Printed(1, body), End(1)));
  }
}

TEST_F(Deframer, PrintsAtOnce) {
  About(Core(3), "a frame that is whole is printed, whatever comes next",
        "The start of the next frame is read along if it is there. Who insists "
        "on it, by a loop or by MSG_WAITALL, keeps each frame until the next "
        "one comes, perhaps tomorrow. And stdout is flushed.",
        Handout(7, {12}, "man 2 readv, man 2 recv, MSG_WAITALL"));
  for (const char* name : {"readv", "recvmsg"}) {
    const std::string path = scratch().File(name);
    Process deframer = StartDeframerAt(path, {absl::StrCat("--call=", name)});
    Peer framer = Connect(path, "a framer");
    std::string output = absl::StrCat("listening on ", path, "\n");
    for (int number : {1, 2, 3}) {
      const std::string body = RandomText(Random(1, 2000));
      framer.Send(Frame(number, body), "a frame");
      output += Printed(number, body);
      deframer.Prints(output);
    }
    framer.Close();
    deframer.Exits(0, output + End(3));
  }
}

TEST_F(Deframer, FrameInPieces) {
  About(Core(4), "a frame may come in any pieces",
        "A stream has no frames. A call that scatters ends where the bytes do, "
        "in the middle of the length, of the body, of the checksum: the next "
        "one has to go on there, not from the beginning of that element.",
        Handout(7, {14}, "man 2 readv"));
  for (const char* name : {"readv", "recvmsg"}) {
    const std::string path = scratch().File(name);
    Process deframer = StartDeframerAt(path, {absl::StrCat("--call=", name)});
    Peer framer = Connect(path, "a framer");
    const Strings bodies = {RandomText(Random(100, 200)), RandomText(3),
                            RandomText(Random(100, 200))};
    std::string stream, output = absl::StrCat("listening on ", path, "\n");
    for (int number = 1; number <= 3; ++number) {
      stream += Frame(number, bodies[number - 1]);
      output += Printed(number, bodies[number - 1]);
    }
    const size_t second = kStartSize + bodies[0].size() + kSumSize;
    const size_t third = second + kStartSize + bodies[1].size() + kSumSize;
    // Two cuts in the start of the first frame, two in its body, one in its
    // checksum; one behind it; in the start of the second, then byte by byte
    // into the third; and one in the checksum of that.
    std::vector<size_t> cuts = {Random(1, 3),          Random(4, 7),
                                Random(9, 50),         Random(51, 99),
                                second - Random(1, 3), second,
                                second + Random(1, 7)};
    for (size_t cut = cuts.back() + 1; cut < third + 12; ++cut) {
      cuts.push_back(cut);
    }
    cuts.push_back(stream.size() - Random(1, 3));
    Step(absl::StrCat("a framer sends three frames, cut at bytes ",
                      absl::StrJoin(cuts, ", ")));
    size_t sent = 0;
    for (const size_t cut : cuts) {
      framer.Send(stream.substr(sent, cut - sent), "");
      framer.AwaitRead();
      sent = cut;
    }
    framer.Send(stream.substr(sent), "");
    framer.Close();
    deframer.Exits(0, output + End(3));
  }
}

TEST_F(Deframer, FramesRunTogether) {
  About(Core(3), "many frames may come at once",
        "What was read of the next frame will not come again: it is the "
        "beginning of that one. And of the frame after it nothing is read "
        "before its length is known.",
        Handout(7, {12, 14}, "man 2 readv"));
  Process deframer = StartDeframer();
  deframer.Stop();
  Peer framer = Connect(SocketPath(), "a framer");
  std::string stream, output = Listening();
  const int frames = static_cast<int>(Random(20, 30));
  for (int number = 1; number <= frames; ++number) {
    const std::string body = RandomText(Random(1, 3000));
    stream += Frame(number, body);
    output += Printed(number, body);
  }
  // Of the last frame, only a part of the start comes along.
  const std::string last = RandomText(200);
  stream += Frame(frames + 1, last);
  const size_t cut = stream.size() - kSumSize - last.size() - Random(1, 7);
  framer.Send(stream.substr(0, cut),
              absl::StrCat(frames, " frames at once, and some of the next"));
  deframer.Continue();
  deframer.Prints(output);
  framer.Send(stream.substr(cut), "the rest of that");
  framer.Close();
  deframer.Exits(0, output + Printed(frames + 1, last) + End(frames + 1));
}

TEST_F(Deframer, OneReadAFrame) {
  About(Core(4), "one call brings the rest of a frame and the next one's start",
        "Where a frame ends is known only when its start has been read. That "
        "would be two calls for each frame, but for scattering: one call fills "
        "the body, the checksum and the start of the next frame.",
        Handout(7, {13}, "man 2 readv, man 2 recvmsg"));
  for (const char* name : {"readv", "recvmsg"}) {
    Process deframer = TraceDeframer({absl::StrCat("--call=", name)});
    deframer.Stop();
    Peer framer = Connect(SocketPath(), "a framer");
    std::string stream;
    const int frames = static_cast<int>(Random(10, 20));
    for (int number = 1; number <= frames; ++number) {
      // One is larger than a buffer that somebody thought would do.
      stream += Frame(number, RandomText(number == 5 ? Random(20000, 30000)
                                                     : Random(1, 1500)));
    }
    framer.Send(stream, absl::StrCat(frames, " frames"));
    framer.Close();
    deframer.Continue();
    deframer.Exits(0);
    if (over()) return;
    const std::vector<SocketCall> calls = SocketCalls(trace());
    const size_t moving = Moving(calls);
    deframer.Expect(moving <= frames + 1U,
                    absl::StrCat("at most ", frames + 1, " calls that bring ",
                                 "bytes, for ", frames, " frames"),
                    absl::StrCat(moving, ": ", Names(calls)));
  }
}

TEST_F(Deframer, EmptyBody) {
  About(Core(1), "a frame without a body is a frame",
        "An element of length 0 takes nothing, and is no end of file: that is "
        "a call that returns 0 with room to fill.",
        Handout(7, {1, 12}, "man 2 readv"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  const std::string body = RandomText(9);
  PrintsEach(deframer, &framer, {std::string(), std::string(), body});
}

TEST_F(Deframer, BodyAsItCame) {
  About(Core(1), "a body is bytes, and printed as it came",
        "A NUL or a newline in it means nothing. %s stops at the first NUL, or "
        "goes on behind the end until there is one; fwrite is told how many.",
        Handout(7, {12}, "man 3 fwrite"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  std::string output = Listening();
  int number = 0;
  for (const std::string& body :
       {RandomText(50),
        absl::StrCat("a", std::string(1, '\0'), "%s%n\n", RandomText(5),
                     "\xff\n"),
        RandomText(1)}) {
    framer.Send(Frame(++number, body),
                "a frame: " + harness::Escaped(body, 100));
    output += Printed(number, body);
    deframer.Prints(output);
  }
  framer.Close();
  deframer.Exits(0, output + End(number));
}

TEST_F(Deframer, LargestBody) {
  About(Core(2), "a body of 65536 bytes is printed",
        "It is within the limit, and more than the kernel carries in one "
        "piece: it comes as some 36 thousand bytes, and then the rest.",
        Handout(7, {1, 12}, "man 2 readv"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  std::string output = Listening();
  for (int number : {1, 2, 3}) {
    const std::string body = RandomText(kMostBytes);
    framer.Send(Frame(number, body), "a frame of 65536 bytes");
    output += Printed(number, body);
    deframer.Prints(output);
  }
  framer.Close();
  deframer.Exits(0, output + End(3));
}

TEST_F(Deframer, TooLong) {
  About(Core(3), "a length over the limit is refused as soon as it is known",
        "The length is what the other end says. To take memory for it, to "
        "read that much into 65536 bytes, or only to wait for it is to do what "
        "a stranger tells you. And it has 32 bits: near 4294967295 it becomes "
        "-1 in an int, and small when something is added.",
        Handout(8, {15, 16}, "man 3 errno, EMSGSIZE"));
  const uint32_t lengths[] = {
      kMostBytes + 1, static_cast<uint32_t>(Random(70000, INT32_MAX)),
      0x80000000, static_cast<uint32_t>(UINT32_MAX - Random(0, 11))};
  uint32_t number = 1;
  for (const uint32_t length : lengths) {
    const std::string path = scratch().File(absl::StrCat(length));
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    std::string output = absl::StrCat("listening on ", path, "\n");
    std::string before;
    if (number == 2) {
      const std::string body = RandomText(30);
      before = Frame(1, body);
      output += Printed(1, body);
    }
    // By itself, or along with what stands before it.
    if (length == lengths[3]) {
      framer.Send(before, "a frame");
      deframer.Prints(output);
      before.clear();
    }
    framer.Send(absl::StrCat(before, Wire(length), Wire(number)),
                absl::StrCat(
                    before.empty() ? "" : "a frame, and along with it ",
                    "the start of a frame of ", length, " bytes, and no more"));
    Fails(deframer,
          {"EMSGSIZE", absl::StrCat(number), absl::StrCat(length), "65536"},
          output);
    number = 3 - number;
  }
}

TEST_F(Deframer, WrongChecksum) {
  About(Core(3), "a frame whose checksum does not fit is not printed",
        "A byte that is wrong, or a length that lies. Behind it nothing can be "
        "believed: where the next frame begins is what the wrong one said. So "
        "there is no going on, only the end of the connection.",
        Handout(8, {15, 18}, "man 3 errno, EBADMSG"));
  enum Mistake { kBody, kLength, kSum };
  for (const Mistake mistake : {kBody, kLength, kSum}) {
    const std::string path = scratch().File(absl::StrCat(mistake));
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    const std::string body = RandomText(100);
    const std::string output =
        absl::StrCat("listening on ", path, "\n", Printed(1, body));
    framer.Send(Frame(1, body), "a frame");
    deframer.Prints(output);
    std::string wrong = Frame(2, RandomText(100));
    switch (mistake) {
      case kBody:
        Corrupt(&wrong, kStartSize + Random(0, 99));
        framer.Send(wrong, "a frame with a wrong byte in its body");
        break;
      case kLength:
        wrong.replace(0, 4, Wire(static_cast<uint32_t>(Random(50, 99))));
        framer.Send(wrong, "a frame with a length that is too small");
        break;
      case kSum:
        Corrupt(&wrong, wrong.size() - Random(1, kSumSize));
        framer.Send(wrong, "a frame with a wrong byte in its checksum");
        break;
    }
    Fails(deframer, {"EBADMSG"}, output);
  }
}

TEST_F(Deframer, WrongNumber) {
  About(Core(1), "a frame that is not the next is refused",
        "A number that was left out is a frame that was lost, one that comes "
        "again a frame that was sent twice. The stream itself loses nothing: "
        "somebody did.",
        Handout(8, {15, 17}, "man 3 errno, EPROTO"));
  for (const uint32_t number : {0, 1, 3}) {
    const std::string path = scratch().File(absl::StrCat(number));
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    const std::string body = RandomText(20);
    std::string output = absl::StrCat("listening on ", path, "\n");
    if (number > 0) {
      framer.Send(Frame(1, body), "frame 1");
      output += Printed(1, body);
      deframer.Prints(output);
    }
    framer.Send(Frame(number, body), absl::StrCat("frame ", number));
    Fails(deframer, {"EPROTO"}, output);
  }
}

TEST_F(Deframer, Truncated) {
  About(Core(2), "an end in the middle of a frame is told, and where",
        "A call that returns 0 ends the stream. Between two frames that is "
        "how it should be; inside one, somebody died, or a length was too "
        "large. How much came helps to find out.",
        Handout(8, {15, 19}, "man 2 readv"));
  const size_t size = 100, whole = kStartSize + size + kSumSize;
  const struct {
    const char* name;
    size_t cut;
    bool along;  // With the frame before it.
  } cases[] = {
      {"start", Random(1, kStartSize - 1), false},
      {"start_along", Random(1, kStartSize - 1), true},
      {"no_body", kStartSize, false},
      {"body", Random(kStartSize + 1, kStartSize + size - 1), false},
      {"sum", whole - Random(1, kSumSize), false},
  };
  for (const auto& [name, cut, along] : cases) {
    const std::string path = scratch().File(name);
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    const std::string body = RandomText(30);
    const std::string output =
        absl::StrCat("listening on ", path, "\n", Printed(1, body));
    const std::string part = Frame(2, RandomText(size)).substr(0, cut);
    const std::string told =
        absl::StrCat("of a frame of ", whole, " bytes the first ", cut);
    if (along) {
      framer.Send(Frame(1, body) + part, "a frame, and along with it " + told);
    } else {
      framer.Send(Frame(1, body), "a frame");
      deframer.Prints(output);
      framer.Send(part, told);
    }
    framer.Close();
    const std::string where = absl::StrCat(
        cut, " of ", cut < kStartSize ? kStartSize : whole, " bytes");
    Fails(deframer, {where}, output);
    const size_t at = deframer.err().find(where);
    deframer.Expect(at == 0 || at == std::string::npos ||
                        !absl::ascii_isdigit(deframer.err()[at - 1]),
                    where, harness::Escaped(deframer.err()));
  }
}

TEST_F(Deframer, ReadFails) {
  About(Robust(1), "a call that fails is no end of the stream",
        "0 is the end that the framer meant; -1 says that nobody knows what "
        "else it sent. Who asks for `<= 0` takes one for the other, and is "
        "content with half of it. (Here the checker makes a call fail.)",
        Handout(6, {21}, "man 2 readv"));
  Process deframer = StartFailingOnce({"readv"}, ECONNRESET, "deframer",
                                      Args(SocketPath(), {}));
  Listens(deframer, SocketPath());
  deframer.Stop();
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, RandomText(20)), "a frame");
  deframer.Continue();
  deframer.Refuses({"ECONNRESET"});
  deframer.Expect(!absl::StrContains(deframer.out(), "end after"),
                  "nothing on its stdout of an end",
                  harness::Escaped(deframer.out()));
}

TEST_F(Deframer, SleepsWhenIdle) {
  About(Robust(2), "a framer that is slow costs no processor",
        "A blocking call sleeps until there is something to read. Who reads "
        "without blocking, or peeks, or asks FIONREAD until enough is there, "
        "goes round and round meanwhile.",
        Handout(7, {14}, "man 2 poll"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  const std::string body = RandomText(200);
  const std::string frame = Frame(1, body);
  size_t sent = 0;
  for (const size_t cut : {size_t{5}, size_t{100}}) {
    framer.Send(frame.substr(sent, cut - sent),
                absl::StrCat("a frame up to byte ", cut));
    sent = cut;
    deframer.Expect(deframer.FallsAsleep(),
                    "it sleeps while the rest does not come",
                    "it kept the processor busy for 200 ms");
  }
  framer.Send(frame.substr(sent), "the rest");
  framer.Close();
  deframer.Exits(0, Listening() + Printed(1, body) + End(1));
}

TEST_F(Deframer, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to, and the connection lives "
        "as long as anybody has it. SOCK_CLOEXEC for socket and for accept4.",
        Handout(6, {20}, "man 2 socket, man 2 accept"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, "x"), "a frame");
  deframer.Prints(Listening() + Printed(1, "x"));
  deframer.ClosesOnExec();
}

TEST_F(Deframer, SocketFile) {
  About(Robust(1), "the socket file is the deframer's, and gone at the end",
        "bind makes a file, which nobody removes but you: at a good end and at "
        "a bad one. What was there before is not yours: EADDRINUSE.",
        Handout(6, {10, 11}, "man 2 bind, man 2 unlink"));
  struct stat status;
  for (const bool good : {true, false}) {
    Process deframer = StartDeframer();
    Process second = Start("deframer", {SocketFlag(SocketPath())});
    Fails(second, {"bind", "EADDRINUSE"}, "");
    Peer framer = Connect(SocketPath(), "a framer");
    if (good) {
      framer.Send(Frame(1, "x"), "a frame");
    } else {
      framer.Send(Wire(70000) + Wire(1), "the start of a frame of 70000 bytes");
    }
    framer.Close();
    deframer.Exits(good ? 0 : 1);
    deframer.Expect(lstat(SocketPath().c_str(), &status) < 0,
                    "the socket file is gone", "it is still there");
  }
}

TEST_F(Deframer, SaysThatItListens) {
  About(Core(1), "it says that it listens when it does, and not before",
        "Who waits for this line connects when it comes. A framer that comes "
        "before listen is refused, so the line is printed after that, and "
        "flushed: stdout to a pipe keeps it otherwise.",
        Handout(6, {10, 12}, "man 2 listen, man 3 fflush"));
  Process deframer =
      StartStoppedAfter({"listen"}, "deframer", Args(SocketPath(), {}));
  Listens(deframer, SocketPath());
  deframer.FallsAsleep();
  deframer.Expect(deframer.out().empty(), "nothing on stdout before listen",
                  harness::Escaped(deframer.out()));
  deframer.Continue();
  deframer.Prints(Listening());
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, "x"), "a frame");
  framer.Close();
  deframer.Exits(0);
}

TEST_F(Deframer, ManyFramesCome) {
  About(Core(1), "a connection may bring hundreds of frames",
        "The number of a frame has 4 bytes, and so has the variable that "
        "counts. A counter of one byte is at 0 again after 255.",
        Handout(7, {1, 12}, "man 3type uint32_t"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  std::string stream, output = Listening();
  for (int number = 1; number <= 300; ++number) {
    const std::string body = RandomText(3);
    stream += Frame(number, body);
    output += Printed(number, body);
  }
  framer.Send(stream, "300 frames");
  framer.Close();
  deframer.Exits(0, output + End(300));
}

TEST_F(Deframer, EveryByteOfTheSum) {
  About(Core(2), "all 4 bytes of the checksum count, and no other sum fits",
        "Compare the whole number, in one order of bytes, with the sum of "
        "length, number and body. 0 is a number like any other, and a frame "
        "without a body has a checksum, too.",
        Handout(8, {1, 15, 18}, "man 3 errno, EBADMSG"));
  const std::string body = RandomText(60);
  const std::string frame = Frame(1, body);
  const auto with_sum = [&](const std::string& sum) {
    return frame.substr(0, frame.size() - kSumSize) + sum;
  };
  const std::string sum = frame.substr(frame.size() - kSumSize);
  std::vector<std::pair<std::string, std::string>> cases;
  for (size_t i = 0; i < kSumSize; ++i) {
    std::string wrong = frame;
    Corrupt(&wrong, frame.size() - kSumSize + i);
    cases.emplace_back(absl::StrCat("byte ", i + 1, " of its checksum wrong"),
                       wrong);
  }
  cases.emplace_back("its checksum in the other order of bytes",
                     with_sum({sum.rbegin(), sum.rend()}));
  cases.emplace_back("a checksum of the body alone",
                     with_sum(Wire(Adler32(body))));
  cases.emplace_back("a checksum of 0", with_sum(Wire(0)));
  cases.emplace_back("a checksum of 1, the sum of nothing", with_sum(Wire(1)));
  std::string empty = Frame(1, "");
  Corrupt(&empty, empty.size() - 1);
  cases.emplace_back("no body, and a wrong checksum", empty);
  for (size_t i = 0; i < cases.size(); ++i) {
    if (cases[i].second == frame)
      continue;  // The sum reads the same both ways.
    Part(absl::StrCat("a frame with ", cases[i].first));
    const std::string path = scratch().File(absl::StrCat(i));
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    framer.Send(cases[i].second, "a frame with " + cases[i].first);
    Fails(deframer, {"EBADMSG"}, absl::StrCat("listening on ", path, "\n"));
  }
}

TEST_F(Deframer, EveryByteOfTheNumber) {
  About(Core(1), "all 4 bytes of the number count, and they are enough",
        "256 + 1 is not 1. And nothing of a frame but its start is needed to "
        "see that its number is wrong: the body may never come.",
        Handout(8, {15, 17}, "man 3 errno, EPROTO"));
  for (const uint32_t number : {257u, 65537u, 0x01000001u, 0x01000000u}) {
    const std::string path = scratch().File(absl::StrCat(number));
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    framer.Send(Wire(20) + Wire(number),
                absl::StrCat("the start of a frame with number ", number,
                             " where 1 is the next, and no more"));
    Fails(deframer, {"EPROTO"}, absl::StrCat("listening on ", path, "\n"));
  }
}

TEST_F(Deframer, HalfAStart) {
  About(Core(1), "a start is judged when it is whole",
        "4 of 8 bytes are the length, without the number that the message must "
        "name. An end there is an end inside the frame, whatever the length.",
        Handout(8, {16, 19}, "man 2 readv"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Wire(UINT32_MAX), "a length of 4294967295, and no number");
  framer.AwaitRead();
  framer.Close();
  Fails(deframer, {"4 of 8 bytes"}, Listening());
}

TEST_F(Deframer, TruncatedInPieces) {
  About(Core(1), "what came before an end counts from the frame's beginning",
        "N is how much of the frame was there, over all calls: the start, and "
        "each piece of the body and the checksum.",
        Handout(8, {19}, "man 2 readv"));
  const size_t size = 100, whole = kStartSize + size + kSumSize;
  const std::string frame = Frame(1, RandomText(size));
  for (const std::vector<size_t>& cuts :
       {std::vector<size_t>{3, 6}, {kStartSize, 40, 70}, {5, 50, whole - 1}}) {
    const std::string path = scratch().File(absl::StrCat(cuts[0]));
    Process deframer = StartDeframerAt(path);
    Peer framer = Connect(path, "a framer");
    size_t sent = 0;
    for (const size_t cut : cuts) {
      framer.Send(frame.substr(sent, cut - sent),
                  absl::StrCat("a frame up to byte ", cut));
      framer.AwaitRead();
      sent = cut;
    }
    framer.Close();
    const std::string where = absl::StrCat(
        sent, " of ", sent < kStartSize ? kStartSize : whole, " bytes");
    Fails(deframer, {where}, absl::StrCat("listening on ", path, "\n"));
    // Not the end of a larger number.
    const size_t at = deframer.err().find(where);
    deframer.Expect(at == 0 || at == std::string::npos ||
                        !absl::ascii_isdigit(deframer.err()[at - 1]),
                    where, harness::Escaped(deframer.err()));
  }
}

TEST_F(Deframer, EachByteValue) {
  About(Core(1), "a body may have bytes of each value",
        "fwrite prints them as they are. Nothing is left out, replaced or "
        "added, at the end of the body neither.",
        Handout(7, {12}, "man 3 fwrite"));
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const Strings bodies = {all, std::string(all.rbegin(), all.rend()), "\n", " ",
                          std::string(3, '\0')};
  PrintsEach(deframer, &framer, bodies);
}

TEST_F(Deframer, SleepsUntilAFramerComes) {
  About(Robust(1), "a deframer without a framer costs no processor",
        "accept waits by itself, without the processor. With a socket that "
        "does not block it returns at once, and the loop goes round.",
        Handout(6, {14}, "man 2 accept, man 2 poll"));
  Process deframer = StartDeframer();
  deframer.Expect(deframer.FallsAsleep(), "it sleeps while no framer comes",
                  "it kept the processor busy for 200 ms");
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, "x"), "a frame");
  framer.Close();
  deframer.Exits(0);
}

TEST_F(Deframer, PassedDescriptors) {
  About(Robust(1), "descriptors that come along do not leak",
        "A framer can send descriptors along with the bytes. A recvmsg that "
        "has room for them opens them here: MSG_CMSG_CLOEXEC, and close. "
        "Without room the kernel drops them.",
        Handout(9, {20}, "man 2 recvmsg, man 7 unix"));
  Process deframer = StartDeframer({"--call=recvmsg"});
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, "x"), "a frame, and a descriptor with it", {0});
  deframer.Prints(Listening() + Printed(1, "x"));
  deframer.ClosesOnExec();
  framer.Close();
  deframer.Exits(0, Listening() + Printed(1, "x") + End(1));
}

TEST_F(Deframer, DeframerOnLongPath) {
  About(Robust(1), "the socket's PATH may have 107 bytes",
        "sun_path has 108 bytes, and one of them is for the NUL. A path that "
        "is cut is another path.",
        Handout(6, {10}, "man 7 unix"));
  const std::string path = LongestPath();
  Process deframer = Start("deframer", Args(path, {}));
  deframer.ListensAt(path);
  Peer framer = Connect(path, "a framer");
  framer.Send(Frame(1, "x"), "a frame");
  framer.Close();
  deframer.Exits(0);
}

TEST_F(Deframer, DeframerCannotPrint) {
  About(Robust(1), "a frame that the deframer cannot print is a failure",
        "The disk may be full. Who reads the lines later misses one, and only "
        "the exit status can say so. (Here the checker makes the write fail.)",
        Handout(9, {11, 21, 23}, "man 2 write, man 3 fflush"));
  // A framer is there before the deframer finds out.
  Process deframer = StartWithFaults({Fault::Hold({"listen"}, 1), FullDisk()},
                                     "deframer", Args(SocketPath(), {}));
  Listens(deframer, SocketPath());
  deframer.FallsAsleep();
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, "x"), "a frame");
  framer.Close();
  deframer.Continue();
  deframer.Refuses({});
  struct stat status;
  deframer.Expect(lstat(SocketPath().c_str(), &status) < 0,
                  "the socket file is gone", "it is still there");
}

}  // namespace
