// The checks of lab 09. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::Peer;
using harness::Process;
using harness::Robust;

using Strings = std::vector<std::string>;

constexpr size_t kMostBytes = 65536;  // In a body.
constexpr size_t kMostParts = 1024;   // Elements of a call: IOV_MAX.
constexpr size_t kStartSize = 8, kSumSize = 4;

// A random number from `least` to `most`.
size_t Random(size_t least, size_t most) {
  static auto& engine = *new std::mt19937(std::random_device{}());
  return std::uniform_int_distribution<size_t>(least, most)(engine);
}

// What 4 bytes on the wire say, and the way back.
std::string Wire(uint32_t value) {
  value = htonl(value);
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
uint32_t Value(absl::string_view wire) {
  uint32_t value;
  memcpy(&value, wire.data(), sizeof(value));
  return ntohl(value);
}

uint32_t Adler32(absl::string_view bytes) {
  uint32_t low = 1, high = 0;
  for (const char byte : bytes) {
    low = (low + static_cast<unsigned char>(byte)) % 65521;
    high = (high + low) % 65521;
  }
  return high << 16 | low;
}

std::string Frame(uint32_t number, const std::string& body) {
  const std::string summed = absl::StrCat(
      Wire(static_cast<uint32_t>(body.size())), Wire(number), body);
  return summed + Wire(Adler32(summed));
}

// Makes the byte `at` in `frame` another one.
void Corrupt(std::string* frame, size_t at) {
  (*frame)[at] = static_cast<char>((*frame)[at] ^ Random(1, 255));
}

// What the deframer prints of it.
std::string Printed(int number, const std::string& body) {
  return absl::StrCat("frame ", number, ": ", body.size(), " bytes: ", body,
                      "\n");
}

std::string End(int frames) {
  return absl::StrCat("end after ", frames, " frames\n");
}

// What the framer prints of a record.
std::string Sent(int number, size_t words, size_t bytes, size_t calls) {
  return absl::StrCat("frame ", number, ": ", words, " words, ", bytes,
                      " bytes, ", calls, " calls\n");
}

// A system call on a socket, as strace told it.
struct SocketCall {
  std::string name;
  ssize_t result;
  size_t elements;  // Of its array; 0 where it has none.
};

// Those of them in the file `path`, which have been done.
std::vector<SocketCall> SocketCalls(const std::string& path) {
  std::vector<SocketCall> calls;
  std::map<std::string, std::string> begun;  // By process or thread.
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::pair<std::string, std::string> split =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    std::string text(absl::StripLeadingAsciiWhitespace(split.second));
    if (absl::StartsWith(text, "<... ")) {
      // strace aligns the result: ")             = 15".
      std::string rest = text.substr(std::min(text.find('>'), text.size()));
      absl::RemoveExtraAsciiWhitespace(&rest);
      text = begun[split.first] + rest;
    }
    const size_t unfinished = text.rfind(" <unfinished ...>");
    if (unfinished != text.npos) {
      begun[split.first] = text.substr(0, unfinished);
      continue;
    }
    const size_t open = text.find('('), end = text.rfind(") = ");
    if (open == text.npos || end == text.npos || end < open) continue;
    if (!absl::StartsWith(text.substr(text.find('<', open) + 1), "socket:[")) {
      continue;
    }
    SocketCall call = {text.substr(0, open), atol(text.c_str() + end + 4), 0};
    const std::string vector = "msg_iovlen=";
    const size_t length = text.find(vector);
    if (length != text.npos) {
      call.elements = atol(text.c_str() + length + vector.size());
    } else if (absl::EndsWith(call.name, "v")) {
      call.elements = atol(text.c_str() + text.rfind(", ", end) + 2);
    }
    calls.push_back(call);
  }
  return calls;
}

class ScatterGather : public harness::Check {
 protected:
  static std::string SocketFlag(const std::string& path) {
    return "--socket=" + path;
  }

  static Strings Args(const std::string& path, const Strings& more) {
    Strings args = {SocketFlag(path)};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  Process StartDeframer(const Strings& flags = {}, bool sanitized = false) {
    return StartDeframerAt(SocketPath(), flags, sanitized);
  }
  Process StartDeframerAt(const std::string& path, const Strings& flags = {},
                          bool sanitized = false) {
    Process deframer = Start("deframer", Args(path, flags), sanitized);
    deframer.ListensAt(path);
    return deframer;
  }

  std::string Listening() const {
    return absl::StrCat("listening on ", SocketPath(), "\n");
  }

  // `count` random words.
  static Strings Words(size_t count, size_t most = 8) {
    Strings words;
    while (words.size() < count) words.push_back(RandomText(Random(1, most)));
    return words;
  }

  static std::string Body(const Strings& words) {
    return absl::StrJoin(words, "");
  }
  static std::string Record(const Strings& words) {
    return absl::StrJoin(words, " ");
  }

  // Records, as their words, which are together more than the kernel keeps for
  // who does not read, and 50000 bytes here and there besides.
  std::vector<Strings> MoreThanFits() {
    int room = 0;
    socklen_t size = sizeof(room);
    const ipc::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    getsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &room, &size);
    constexpr int kMostInArguments = 1500000;
    if (room <= 0 || 2 * room > kMostInArguments) {
      Skip("sockets have more room here than a command line");
    }
    std::vector<Strings> records;
    for (int bytes = 0; !over() && bytes < 2 * room + 100000; bytes += 60000) {
      Strings words;
      while (words.size() < 30) words.push_back(RandomText(Random(2000, 2100)));
      records.push_back(words);
    }
    return records;
  }

  // The bodies of the frames in `stream`; what number and checksum they have is
  // another check's business. What comes behind the last frame is one more.
  static Strings Bodies(absl::string_view stream) {
    Strings bodies;
    while (!stream.empty()) {
      size_t size = stream.size();
      if (size >= kStartSize) {
        size = std::min(size, kStartSize + Value(stream) + kSumSize);
      }
      const bool whole = size >= kStartSize + kSumSize;
      bodies.emplace_back(
          whole ? stream.substr(kStartSize, size - kStartSize - kSumSize)
                : stream);
      stream.remove_prefix(size);
    }
    return bodies;
  }

  // The numbers of those frames in `stream`, from 1 on, whose checksum does not
  // fit.
  static Strings WrongSums(absl::string_view stream) {
    Strings wrong;
    for (int number = 1; stream.size() >= kStartSize + kSumSize; ++number) {
      const size_t summed = std::min(kStartSize + size_t{Value(stream)},
                                     stream.size() - kSumSize);
      if (Value(stream.substr(summed)) != Adler32(stream.substr(0, summed))) {
        wrong.push_back(absl::StrCat(number));
      }
      stream.remove_prefix(summed + kSumSize);
    }
    return wrong;
  }

  // The framer sent frames with these bodies.
  static void SentBodies(Process framer, const std::string& stream,
                         const Strings& bodies) {
    const Strings seen = Bodies(stream);
    for (size_t i = 0; i < bodies.size(); ++i) {
      const std::string body = i < seen.size() ? seen[i] : "";
      framer.Expect(i < seen.size() && body == bodies[i],
                    absl::StrCat("the body of frame ", i + 1, " has ",
                                 bodies[i].size(), " bytes, the words of the ",
                                 "record without the blanks"),
                    i < seen.size()
                        ? absl::StrCat(body.size(), " bytes\n",
                                       harness::Difference(bodies[i], body))
                        : "there is no such frame");
    }
    framer.Expect(seen.size() == bodies.size(),
                  absl::StrCat("no more than ", bodies.size(), " frames"),
                  absl::StrCat(seen.size()));
  }

  // It failed, said each of `words`, and had printed `output` before.
  void Fails(Process program, const Strings& words, const std::string& output) {
    program.Refuses(words);
    program.Expect(program.out() == output,
                   "on its stdout, nothing of what is wrong, and all before",
                   harness::Difference(output, program.out()));
  }

  // Where a deframer of ours listens.
  std::string HostPath() const { return scratch().File("host"); }

  std::string trace() const { return scratch().File("trace"); }

  // Both programs under strace, with the calls that read or write a socket.
  Process TraceFramer(const Strings& args, const Strings& options = {}) {
    Strings all = {"-y", "-etrace=write,writev,sendto,sendmsg,sendmmsg"};
    all.insert(all.end(), options.begin(), options.end());
    return StartTraced("framer", Args(HostPath(), args), trace(), all);
  }
  Process TraceDeframer(const Strings& args) {
    Process deframer =
        StartTraced("deframer", Args(SocketPath(), args), trace(),
                    {"-y", "-etrace=read,readv,recvfrom,recvmsg,recvmmsg"});
    deframer.ListensAt(SocketPath());
    return deframer;
  }

  // How many of the calls moved bytes.
  static size_t Moving(const std::vector<SocketCall>& calls) {
    return std::count_if(
        calls.begin(), calls.end(),
        [](const SocketCall& call) { return call.result > 0; });
  }

  static std::string Names(const std::vector<SocketCall>& calls) {
    Strings names;
    for (const SocketCall& call : calls) {
      if (names.empty() || names.back() != call.name) {
        names.push_back(call.name);
      }
    }
    return names.empty() ? "none" : absl::StrJoin(names, ", ");
  }
};

// The transcript --------------------------------------------------------------

TEST_F(ScatterGather, Transcript) {
  About(Core(3), "framer and deframer print the documented transcript",
        "The deframer must listen, say so and print each frame; the framer "
        "must connect, send each record as a frame and say what it took. They "
        "are your framer and your deframer here, both.",
        "handout, steps 1, 2, 6 and 7");
  Process deframer = StartDeframer();
  const Strings words = Words(3), word = Words(1);
  Process framer =
      Start("framer", Args(SocketPath(), {Record(words), word[0]}));
  framer.Exits(
      0, Sent(1, 3, Body(words).size(), 1) + Sent(2, 1, word[0].size(), 1));
  deframer.Exits(
      0, Listening() + Printed(1, Body(words)) + Printed(2, word[0]) + End(2));
}

TEST_F(ScatterGather, FrameOnTheWire) {
  About(Core(3), "a frame is length, number, body and checksum",
        "Somebody else's deframer reads this. The three numbers have 4 bytes "
        "each, in network byte order (htonl); the length is that of the body "
        "alone, and the checksum is over all that stands before it, length and "
        "number too.",
        "handout, steps 1 and 2, the protocol");
  Host(HostPath());
  const Strings words = Words(Random(2, 9));
  Process framer = Start("framer", Args(HostPath(), {Record(words)}));
  const std::string seen = Accept().ReceiveAll();
  const std::string expected = Frame(1, Body(words));
  const auto tell = [](absl::string_view frame) {
    std::string told;
    for (const unsigned char byte : frame) {
      absl::StrAppend(&told, told.empty() ? "" : " ",
                      absl::Hex(byte, absl::kZeroPad2));
    }
    return told;
  };
  framer.Expect(seen == expected, tell(expected), tell(seen.substr(0, 200)));
  framer.Exits(0);
}

TEST_F(ScatterGather, NumbersFrames) {
  About(Core(1), "the frames of a connection are numbered from 1",
        "The number is how the other end notices that a frame was lost, or "
        "came twice. It counts on from frame to frame.",
        "handout, step 2, the protocol");
  Host(HostPath());
  const Strings records = Words(4);
  Process framer = Start("framer", Args(HostPath(), records));
  const std::string stream = Accept().ReceiveAll();
  std::string numbers;
  for (size_t i = 0; i + kStartSize <= stream.size();
       i += kStartSize + Value(stream.substr(i)) + kSumSize) {
    absl::StrAppend(&numbers, " ", Value(stream.substr(i + 4)));
  }
  framer.Expect(numbers == " 1 2 3 4", "frames 1 2 3 4",
                "frames" + numbers.substr(0, 200));
  framer.Exits(0);
}

TEST_F(ScatterGather, EmptyRecord) {
  About(Core(1), "a record without words is a frame without a body",
        "Its 12 bytes are sent all the same: that nothing was said is known "
        "only to who gets the frame that says so.",
        "handout, step 1; man 2 writev");
  Host(HostPath());
  Process framer = Start("framer", Args(HostPath(), {"", "   ", "x"}));
  SentBodies(framer, Accept().ReceiveAll(), {"", "", "x"});
  framer.Exits(0);
  framer.Expect(
      absl::StrContains(framer.out(), "frame 1: 0 words, 0 bytes") &&
          absl::StrContains(framer.out(), "frame 2: 0 words, 0 bytes"),
      "two frames of 0 words and 0 bytes, it says",
      harness::Escaped(framer.out()));
}

TEST_F(ScatterGather, AnyBytes) {
  About(Core(1), "words are any bytes, with one space between them or more",
        "Only spaces separate words here: a tab, a newline or a byte above 127 "
        "is part of one. (To isspace a char above 127 is a negative number.)",
        "handout, step 1 and the contract; man 3 strcspn");
  Host(HostPath());
  const std::string a = "\tA\n", b = "\xff\xc3\xa4\x01", c = RandomText(9);
  Process framer =
      Start("framer", Args(HostPath(), {absl::StrCat("  ", a, " ", b, "   ", c),
                                        absl::StrCat(c, " ", a, " ")}));
  SentBodies(framer, Accept().ReceiveAll(), {a + b + c, c + a});
  framer.Exits(0);
}

TEST_F(ScatterGather, OneCallAFrame) {
  About(Core(4), "a frame goes out in one call, from where its pieces lie",
        "Copying the words together costs a copy, and a write for each piece "
        "costs a call for each. writev takes an array that says where they "
        "are: the start, each word, the checksum.",
        "handout, step 2; man 2 writev, man 2 sendmsg");
  Host(HostPath());
  for (const char* name : {"writev", "sendmsg"}) {
    const size_t counts[] = {Random(2, 20), 1, Random(300, 1000)};
    Strings args = {absl::StrCat("--call=", name)};
    for (const size_t count : counts) args.push_back(Record(Words(count)));
    Process framer = TraceFramer(args);
    Accept().ReceiveAll();
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

TEST_F(ScatterGather, ManyWords) {
  About(Core(3), "a frame may have more words than a call takes elements",
        "IOV_MAX, 1024, is the most that the kernel takes in one call. With "
        "more, writev fails with EINVAL and sendmsg with EMSGSIZE, and nothing "
        "is sent. Give it 1024, and go on.",
        "handout, step 4; man 2 writev, NOTES");
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
    const std::string stream = Accept().ReceiveAll();
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

TEST_F(ScatterGather, FewestCalls) {
  About(Core(2), "it takes as few calls as the kernel allows",
        "N words are N + 2 elements, of which each call takes 1024: 1022 words "
        "are one call, 2046 are two, 2047 three.",
        "handout, step 4 and the contract");
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
  Accept().ReceiveAll();
  framer.Exits(0, output);
}

TEST_F(ScatterGather, LargestRecord) {
  About(
      Core(1), "a body may have 65536 bytes",
      "65536 is within the limit, and what counts is what is sent: the spaces "
      "between the words are not.",
      "the contract in the handout");
  Host(HostPath());
  const std::string longest = RandomText(kMostBytes);
  // The same, cut into words by more spaces than an argument needs.
  std::string spaced = longest;
  for (size_t at = 300; at < kMostBytes; at += 310) spaced.insert(at, 10, ' ');
  Process framer = Start("framer", Args(HostPath(), {longest, spaced}));
  SentBodies(framer, Accept().ReceiveAll(), {longest, longest});
  framer.Exits(0);
}

TEST_F(ScatterGather, ShortCount) {
  About(Core(4), "a short count is continued from where it ended",
        "A call may take less than it was given, and stop in the middle of an "
        "element. Whole elements are done with; of the one where it stopped "
        "the base moves up and the length comes down, by what was sent. (Here "
        "strace keeps the first calls from happening and makes them return "
        "that many bytes: what came is the rest.)",
        "handout, step 3; man 2 writev");
  Host(HostPath());
  // What is sent of `words` when `count` bytes are taken, `times` times, of
  // `frame`, which is what is sent when nothing hinders it.
  const auto judge = [&](const Strings& words, const std::string& frame,
                         absl::string_view call, size_t count, size_t times) {
    Process framer =
        TraceFramer({absl::StrCat("--call=", call), Record(words)},
                    {absl::StrCat("--inject=", call, ":retval=", count,
                                  ":when=1..", times)});
    const std::string seen = Accept().ReceiveAll();
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
  const std::string frame = Accept().ReceiveAll();
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
  const std::string large = Accept().ReceiveAll();
  if (large == Frame(1, Body(many))) {
    judge(many, large, "writev", Random(kStartSize + 1, kMostParts / 2), 1);
  }
}

TEST_F(ScatterGather, CountsItsCalls) {
  About(Core(1), "it says how many calls a frame took",
        "How many there will be cannot be known before: a call may take less "
        "than it was given. Count those that sent something. (Here strace has "
        "the first ones take little.)",
        "handout, step 3 and the contract");
  Host(HostPath());
  const size_t calls = Random(3, 5);
  const Strings words = Words(3);
  Process framer = TraceFramer(
      {Record(words), words[0]},
      {absl::StrCat("--inject=writev:retval=1:when=1..", calls - 1)});
  Accept().ReceiveAll();
  framer.Exits(0, Sent(1, 3, Body(words).size(), calls) +
                      Sent(2, 1, words[0].size(), 1));
}

TEST_F(ScatterGather, StalledReader) {
  About(Core(3), "who reads late gets every frame whole",
        "When the kernel's buffer is full the call waits, having taken a part "
        "already. A signal that comes then, even one that only stops the "
        "program for a while, makes it return how much that was.",
        "handout, step 3; man 2 writev, man 7 signal");
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    Strings args = {absl::StrCat("--call=", name)}, bodies;
    for (const Strings& words : MoreThanFits()) {
      args.push_back(Record(words));
      bodies.push_back(Body(words));
    }
    Process framer = Start("framer", Args(path, args));
    Peer host = Accept();
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

TEST_F(ScatterGather, ReaderLeaves) {
  About(Core(2), "a deframer that has left is an error, and not the end",
        "Writing to who reads no more raises SIGPIPE, which ends the program "
        "without a word. sendmsg has MSG_NOSIGNAL against that; writev has no "
        "flags, so the signal itself must be ignored. Then it is EPIPE; or "
        "ECONNRESET, once, for a call that waits when bytes that nobody read "
        "are thrown away.",
        "handout, step 5; man 7 signal, man 2 sendmsg");
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    Strings args = {absl::StrCat("--call=", name)};
    for (const Strings& words : MoreThanFits()) args.push_back(Record(words));
    Process framer = Start("framer", Args(path, args));
    Peer host = Accept();
    host.Receive(1000);
    host.Close();
    framer.Refuses({});
    framer.Expect(absl::StrContains(framer.err(), "EPIPE") ||
                      absl::StrContains(framer.err(), "ECONNRESET"),
                  "a line on stderr with EPIPE or ECONNRESET",
                  harness::Escaped(framer.err()));
  }
}

TEST_F(ScatterGather, OnlyWhatWasSent) {
  About(
      Robust(1), "a frame that could not be sent is not told as sent",
      "Whoever reads these lines counts on what they say. That it was sent "
      "is known when the last call has returned, and what that returned is "
      "looked at before anything is printed. (Here strace makes a call fail.)",
      "handout, step 5 and the contract");
  Host(HostPath());
  Process framer =
      TraceFramer(Words(3), {"--inject=writev:error=EPIPE:when=2"});
  Accept().ReceiveAll();
  framer.Refuses({"EPIPE"});
  framer.Expect(!absl::StrContains(framer.out(), "frame 2:"),
                "nothing on its stdout of frame 2, whose call failed",
                harness::Escaped(framer.out()));
}

TEST_F(ScatterGather, NobodyListens) {
  About(Robust(1), "that nobody listens is told",
        "A status of 0 would mean that all was sent.",
        "the contract in the handout; man 2 connect");
  Start("framer", Args(SocketPath(), {"x"})).Refuses({"connect", "ENOENT"});
  Host(SocketPath());
  CloseHost();
  Start("framer", Args(SocketPath(), {"x"}))
      .Refuses({"connect", "ECONNREFUSED"});
}

TEST_F(ScatterGather, TooLargeRecord) {
  About(Robust(2),
        "a record of more than 65536 bytes is refused, and all with "
        "it",
        "The deframer would hang up on it. The spaces do not count, for they "
        "are not sent. Look at all records before you connect: a part of what "
        "was asked for is no use to anybody.",
        "handout, step 1 and the contract");
  const std::string longest = RandomText(kMostBytes);
  Start("framer", Args(HostPath(), {"x", longest + "y"})).Refuses({}, 2);
  Start("framer", Args(HostPath(), {longest + " y", "x"})).Refuses({}, 2);
}

TEST_F(ScatterGather, PrintsAtOnce) {
  About(Core(3), "a frame that is whole is printed, whatever comes next",
        "The start of the next frame is read along if it is there. Who insists "
        "on it, by a loop or by MSG_WAITALL, keeps each frame until the next "
        "one comes, perhaps tomorrow. And stdout is flushed.",
        "handout, steps 7 and 9; man 2 recv, MSG_WAITALL");
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

TEST_F(ScatterGather, FrameInPieces) {
  About(Core(4), "a frame may come in any pieces",
        "A stream has no frames. A call that scatters ends where the bytes do, "
        "in the middle of the length, of the body, of the checksum: the next "
        "one has to go on there, not from the beginning of that element.",
        "handout, steps 6 and 7; man 2 readv");
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

TEST_F(ScatterGather, FramesRunTogether) {
  About(Core(3), "many frames may come at once",
        "What was read of the next frame will not come again: it is the "
        "beginning of that one. And of the frame after it nothing is read "
        "before its length is known.",
        "handout, step 7; man 2 readv");
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

TEST_F(ScatterGather, OneReadAFrame) {
  About(Core(4), "one call brings the rest of a frame and the next one's start",
        "Where a frame ends is known only when its start has been read. That "
        "would be two calls for each frame, but for scattering: one call fills "
        "the body, the checksum and the start of the next frame.",
        "handout, step 7; man 2 readv, man 2 recvmsg");
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

TEST_F(ScatterGather, ByThatCall) {
  About(Core(2), "--call says by which call the bytes go",
        "readv and writev are for any descriptor. recvmsg and sendmsg are for "
        "sockets, and have flags, addresses and ancillary data besides: who "
        "needs one of these gathers with them.",
        "handout, steps 5 and 9; man 2 sendmsg");
  const auto judge = [&](Process process, absl::string_view call) {
    process.Exits(0);
    if (over()) return;
    const std::vector<SocketCall> calls = SocketCalls(trace());
    process.Expect(Names(calls) == call,
                   absl::StrCat("calls on its connection: ", call),
                   Names(calls));
  };
  for (const char* call : {"readv", "recvmsg"}) {
    Process deframer = TraceDeframer({absl::StrCat("--call=", call)});
    Peer framer = Connect(SocketPath(), "a framer");
    framer.Send(Frame(1, RandomText(20)), "a frame");
    framer.Close();
    judge(deframer, call);
  }
  Host(HostPath());
  for (const char* call : {"writev", "sendmsg"}) {
    Process framer = TraceFramer({absl::StrCat("--call=", call), "a b", "c"});
    Accept().ReceiveAll();
    judge(framer, call);
  }
}

TEST_F(ScatterGather, EmptyBody) {
  About(Core(1), "a frame without a body is a frame",
        "An element of length 0 takes nothing, and is no end of file: that is "
        "a call that returns 0 with room to fill.",
        "handout, step 7; man 2 readv");
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  const std::string body = RandomText(9);
  std::string output = Listening();
  int number = 0;
  for (const std::string& one : {std::string(), std::string(), body}) {
    framer.Send(Frame(++number, one),
                absl::StrCat("a frame of ", one.size(), " bytes"));
    output += Printed(number, one);
    deframer.Prints(output);
  }
  framer.Close();
  deframer.Exits(0, output + End(number));
}

TEST_F(ScatterGather, BodyAsItCame) {
  About(Core(1), "a body is bytes, and printed as it came",
        "A NUL or a newline in it means nothing. %s stops at the first NUL, or "
        "goes on behind the end until there is one; fwrite is told how many.",
        "handout, step 7; man 3 fwrite");
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

TEST_F(ScatterGather, LargestBody) {
  About(Core(2), "a body of 65536 bytes is printed",
        "It is within the limit, and more than the kernel carries in one "
        "piece: it comes as some 36 thousand bytes, and then the rest.",
        "handout, step 7 and the contract");
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

TEST_F(ScatterGather, TooLong) {
  About(Core(3), "a length over the limit is refused as soon as it is known",
        "The length is what the other end says. To take memory for it, to "
        "read that much into 65536 bytes, or only to wait for it is to do what "
        "a stranger tells you. And it has 32 bits: near 4294967295 it becomes "
        "-1 in an int, and small when something is added.",
        "handout, step 8; man 3 errno, EMSGSIZE");
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

TEST_F(ScatterGather, WrongChecksum) {
  About(Core(3), "a frame whose checksum does not fit is not printed",
        "A byte that is wrong, or a length that lies. Behind it nothing can be "
        "believed: where the next frame begins is what the wrong one said. So "
        "there is no going on, only the end of the connection.",
        "handout, step 8; man 3 errno, EBADMSG");
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

TEST_F(ScatterGather, WrongNumber) {
  About(Core(1), "a frame that is not the next is refused",
        "A number that was left out is a frame that was lost, one that comes "
        "again a frame that was sent twice. The stream itself loses nothing: "
        "somebody did.",
        "handout, step 8; man 3 errno, EPROTO");
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

TEST_F(ScatterGather, Truncated) {
  About(Core(2), "an end in the middle of a frame is told, and where",
        "A call that returns 0 ends the stream. Between two frames that is "
        "how it should be; inside one, somebody died, or a length was too "
        "large. How much came helps to find out.",
        "handout, step 8 and the contract");
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

TEST_F(ScatterGather, ReadFails) {
  About(Robust(1), "a call that fails is no end of the stream",
        "0 is the end that the framer meant; -1 says that nobody knows what "
        "else it sent. Who asks for `<= 0` takes one for the other, and is "
        "content with half of it. (Here the checker makes a call fail.)",
        "handout, step 6 and the contract");
  Process deframer = StartFailingOnce({"readv"}, ECONNRESET, "deframer",
                                      Args(SocketPath(), {}));
  deframer.ListensAt(SocketPath());
  deframer.Stop();
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, RandomText(20)), "a frame");
  deframer.Continue();
  deframer.Refuses({"ECONNRESET"});
  deframer.Expect(!absl::StrContains(deframer.out(), "end after"),
                  "nothing on its stdout of an end",
                  harness::Escaped(deframer.out()));
}

TEST_F(ScatterGather, NoFrames) {
  About(Robust(1), "a connection without frames is a good one",
        "An end of file between two frames is the end that was meant, also "
        "before the first. And a framer that is given no records has none to "
        "send.",
        "handout, step 6 and the contract");
  Process deframer = StartDeframer();
  Connect(SocketPath(), "a framer").Close();
  deframer.Exits(0, Listening() + End(0));

  Host(HostPath());
  Process framer = Start("framer", Args(HostPath(), {}));
  const std::string seen = Accept().ReceiveAll();
  framer.Expect(seen.empty(), "nothing on its connection",
                absl::StrCat(seen.size(), " bytes"));
  framer.Exits(0, "");
}

TEST_F(ScatterGather, SleepsWhenIdle) {
  About(Robust(2), "a framer that is slow costs no processor",
        "A blocking call sleeps until there is something to read. Who reads "
        "without blocking, or peeks, or asks FIONREAD until enough is there, "
        "goes round and round meanwhile.",
        "handout, step 7; man 2 poll");
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

TEST_F(ScatterGather, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to, and the connection lives "
        "as long as anybody has it. SOCK_CLOEXEC for socket and for accept4.",
        "handout, step 6; man 2 accept");
  Process deframer = StartDeframer();
  Peer framer = Connect(SocketPath(), "a framer");
  framer.Send(Frame(1, "x"), "a frame");
  deframer.Prints(Listening() + Printed(1, "x"));
  deframer.ClosesOnExec();
}

TEST_F(ScatterGather, SocketFile) {
  About(Robust(1), "the socket file is the deframer's, and gone at the end",
        "bind makes a file, which nobody removes but you: at a good end and at "
        "a bad one. What was there before is not yours: EADDRINUSE.",
        "the contract in the handout; man 2 bind, man 2 unlink");
  struct stat status;
  for (const bool good : {true, false}) {
    Process deframer = StartDeframer();
    Start("deframer", {SocketFlag(SocketPath())})
        .Refuses({"bind", "EADDRINUSE"});
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

// Both ------------------------------------------------------------------------

TEST_F(ScatterGather, Interrupted) {
  About(Robust(2), "what a signal interrupts is done again",
        "A signal that is handled ends a call that waits, which returns -1 "
        "with EINTR: nothing was moved, nothing is wrong. Call it again. (Here "
        "strace makes calls fail so.) One that has moved a part returns that, "
        "with MSG_WAITALL too.",
        "handout, steps 3 and 9; man 7 signal");
  const Strings bodies = {RandomText(9), "b", RandomText(3), "d", "e"};
  for (const char* name : {"readv", "recvmsg"}) {
    const std::string path = scratch().File(name);
    Process deframer = StartInterrupted(
        "deframer", Args(path, {absl::StrCat("--call=", name)}));
    deframer.ListensAt(path);
    Peer framer = Connect(path, "a framer");
    std::string output = absl::StrCat("listening on ", path, "\n");
    for (size_t i = 1; i <= bodies.size(); ++i) {
      framer.Send(Frame(static_cast<uint32_t>(i), bodies[i - 1]), "a frame");
      framer.AwaitRead();
      output += Printed(static_cast<int>(i), bodies[i - 1]);
    }
    framer.Close();
    deframer.Exits(0, output + End(static_cast<int>(bodies.size())));
  }
  for (const char* name : {"readv", "recvmsg"}) {
    const std::string path = scratch().File(absl::StrCat(name, "_stopped"));
    Process deframer = StartDeframerAt(path, {absl::StrCat("--call=", name)});
    Peer framer = Connect(path, "a framer");
    const std::string body = RandomText(200), frame = Frame(1, body);
    size_t sent = 0;
    for (const size_t cut : {size_t{3}, size_t{100}}) {
      framer.Send(frame.substr(sent, cut - sent),
                  absl::StrCat("a frame up to byte ", cut));
      framer.AwaitRead();
      sent = cut;
      deframer.Stop();
      deframer.Continue();
    }
    framer.Send(frame.substr(sent), "the rest");
    framer.Close();
    deframer.Exits(
        0, absl::StrCat("listening on ", path, "\n", Printed(1, body), End(1)));
  }
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    Strings args = {absl::StrCat("--call=", name)};
    args.insert(args.end(), bodies.begin(), bodies.end());
    Process framer = StartInterrupted("framer", Args(path, args));
    SentBodies(framer, Accept().ReceiveAll(), bodies);
    std::string output;
    for (size_t i = 1; i <= bodies.size(); ++i) {
      output += Sent(static_cast<int>(i), 1, bodies[i - 1].size(), 1);
    }
    framer.Exits(0, output);
  }
}

TEST_F(ScatterGather, StaysInItsMemory) {
  About(Core(2), "no byte outside the buffers and the arrays is touched",
        "An array of elements has an end, which is where the loop over a short "
        "count stops; a body of 65536 bytes leaves no room for a NUL.",
        "handout, steps 3 and 7");
  Process deframer = StartDeframer({}, /*sanitized=*/true);
  Peer framer = Connect(SocketPath(), "a framer");
  const std::string body = RandomText(kMostBytes);
  const std::string stream = Frame(1, body) + Frame(2, "") + Frame(3, body);
  framer.Send(stream.substr(0, 50000), "50000 bytes of a frame");
  framer.AwaitRead();
  framer.Send(stream.substr(50000), "the rest, and two more");
  framer.Close();
  deframer.Exits(0);

  Host(HostPath());
  const std::string word = RandomText(60000);
  const Strings words = Words(2 * kMostParts - 1, 4);
  Process sender = Start("framer", Args(HostPath(), {Record(words), "x", word}),
                         /*sanitized=*/true);
  SentBodies(sender, Accept().ReceiveAll(), {Body(words), "x", word});
  sender.Exits(0);
}

TEST_F(ScatterGather, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Who asks for something that is not there is told so, not served with "
        "something else.",
        "the contract in the handout");
  Start("framer", Args(SocketPath(), {"--call=readv", "x"})).Refuses({}, 2);
  Start("framer", Args(SocketPath(), {"--call=", "x"})).Refuses({}, 2);
  Start("deframer", Args(SocketPath(), {"--call=writev"})).Refuses({}, 2);
  Start("deframer", Args(SocketPath(), {"--no-such-flag"})).Refuses({}, 2);
  Start("deframer", Args(SocketPath(), {"argument"})).Refuses({}, 2);
}

}  // namespace
