// What the checks of lab 09 have in common: the frame as it is on the wire, and
// the programs as a check starts them.
#ifndef TESTS_09_SCATTER_GATHER_SCATTER_GATHER_CHECK_H_
#define TESTS_09_SCATTER_GATHER_SCATTER_GATHER_CHECK_H_

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/story.h"
#include "tests/support/strace.h"
#include "tests/support/traced_call.h"
#include "tests/support/tracer.h"

using Strings = std::vector<std::string>;

constexpr size_t kMostBytes = 65536;  // In a body.
constexpr size_t kMostParts = 1024;   // Elements of a call: IOV_MAX.
constexpr size_t kStartSize = 8, kSumSize = 4;

// A random number from `least` to `most`.
inline size_t Random(size_t least, size_t most) {
  static auto& engine = *new std::mt19937(std::random_device{}());
  return std::uniform_int_distribution<size_t>(least, most)(engine);
}

// What 4 bytes on the wire say, and the way back.
inline std::string Wire(uint32_t value) {
  value = htonl(value);
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline uint32_t Value(absl::string_view wire) {
  uint32_t value;
  memcpy(&value, wire.data(), sizeof(value));
  return ntohl(value);
}

inline uint32_t Adler32(absl::string_view bytes) {
  uint32_t low = 1, high = 0;
  for (const char byte : bytes) {
    low = (low + static_cast<unsigned char>(byte)) % 65521;
    high = (high + low) % 65521;
  }
  return high << 16 | low;
}

inline std::string Frame(uint32_t number, const std::string& body) {
  const std::string summed = absl::StrCat(
      Wire(static_cast<uint32_t>(body.size())), Wire(number), body);
  return summed + Wire(Adler32(summed));
}

// Makes the byte `at` in `frame` another one.
inline void Corrupt(std::string* frame, size_t at) {
  (*frame)[at] = static_cast<char>((*frame)[at] ^ Random(1, 255));
}

// What the deframer prints of it.
inline std::string Printed(int number, const std::string& body) {
  return absl::StrCat("frame ", number, ": ", body.size(), " bytes: ", body,
                      "\n");
}

inline std::string End(int frames) {
  return absl::StrCat("end after ", frames, " frames\n");
}

// What the framer prints of a record.
inline std::string Sent(int number, size_t words, size_t bytes, size_t calls) {
  return absl::StrCat("frame ", number, ": ", words, " words, ", bytes,
                      " bytes, ", calls, " calls\n");
}
// A system call on a socket, as strace told it.
struct SocketCall {
  std::string name;
  int64_t result;
  size_t elements;  // Of its array; 0 where it has none.
};

// Those of them in the file `path` that have been done.
inline std::vector<SocketCall> SocketCalls(const std::string& path) {
  std::vector<SocketCall> calls;
  std::ifstream file(path);
  for (const harness::TraceEvent& event : harness::ParseStrace(file)) {
    if (event.kind != harness::TraceEvent::kCall || !event.finished) continue;
    const std::vector<absl::string_view> arguments =
        harness::SplitArguments(event.arguments());
    if (arguments.empty()) continue;
    const auto descriptor = harness::ParseDescriptor(arguments[0]);
    if (!descriptor || descriptor->kind != "socket") continue;
    // writev(fd, array, count); sendmsg(fd, {msg_iovlen=count, ...}, flags).
    absl::optional<int64_t> elements;
    if (arguments.size() > 1) {
      elements = harness::Number(harness::Field(arguments[1], "msg_iovlen"));
    }
    if (absl::EndsWith(event.name, "v") && arguments.size() > 2) {
      elements = harness::Number(arguments[2]);
    }
    calls.push_back(
        {event.name, event.value, static_cast<size_t>(elements.value_or(0))});
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

  harness::Process StartDeframer(const Strings& flags = {},
                                 bool sanitized = false) {
    return StartDeframerAt(SocketPath(), flags, sanitized);
  }
  harness::Process StartDeframerAt(const std::string& path,
                                   const Strings& flags = {},
                                   bool sanitized = false) {
    harness::Process deframer = Start("deframer", Args(path, flags), sanitized);
    Listens(deframer, path);
    return deframer;
  }

  // Before a deframer can be judged by anything else.
  void Listens(harness::Process deframer, const std::string& path) {
    Because(
        "The deframer listens at PATH before anything else: socket, bind, "
        "listen. Listen does that, and is given.",
        harness::Handout(6, {10}, "lab 01; man 2 bind, man 2 listen"));
    deframer.ListensAt(path);
    BecauseOfTheWhole();
  }
  // Before a framer can be: its connection to the deframer that we play.
  harness::Peer Connection() {
    Because(
        "The framer connects to the socket at PATH, and sends its frames "
        "there. Connect does that, and is given.",
        harness::Handout(1, {3}, "lab 01; man 2 connect"));
    harness::Peer host = Accept();
    BecauseOfTheWhole();
    return host;
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
  static void SentBodies(harness::Process framer, const std::string& stream,
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
  void Fails(harness::Process program, const Strings& words,
             const std::string& output) {
    program.Refuses(words);
    program.Expect(program.out() == output,
                   "on its stdout, nothing of what is wrong, and all before",
                   harness::Difference(output, program.out()));
  }

  // The longest path that a socket can have, and the scratch folder.
  std::string LongestPath() const {
    std::string path = scratch().File("p");
    path.resize(sizeof(sockaddr_un::sun_path) - 1, 'p');
    return path;
  }

  // What a program's first write to stdout gives when the disk is full.
  static harness::Fault FullDisk() {
    harness::Fault fault = harness::Fault::Fail({"write", "writev"}, 1, ENOSPC);
    fault.on = {harness::DescriptorKind::kPipe};
    fault.output = true;
    return fault;
  }

  // Where a deframer of ours listens.
  std::string HostPath() const { return scratch().File("host"); }

  std::string trace() const { return scratch().File("trace"); }

  // Both programs under strace, with the calls that read or write a socket.
  harness::Process TraceFramer(const Strings& args,
                               const Strings& options = {}) {
    Strings all = {"-y", "-etrace=write,writev,sendto,sendmsg,sendmmsg"};
    all.insert(all.end(), options.begin(), options.end());
    return StartTraced("framer", Args(HostPath(), args), trace(), all);
  }
  harness::Process TraceDeframer(const Strings& args) {
    harness::Process deframer =
        StartTraced("deframer", Args(SocketPath(), args), trace(),
                    {"-y", "-etrace=read,readv,recvfrom,recvmsg,recvmmsg"});
    Listens(deframer, SocketPath());
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

  // Sends a frame for each of `bodies`, and ends: each is printed when it has
  // come.
  void PrintsEach(harness::Process deframer, harness::Peer* framer,
                  const Strings& bodies) const {
    std::string output = Listening();
    int number = 0;
    for (const std::string& body : bodies) {
      framer->Send(Frame(++number, body),
                   absl::StrCat("a frame of ", body.size(), " bytes"));
      output += Printed(number, body);
      deframer.Prints(output);
    }
    framer->Close();
    deframer.Exits(0, output + End(number));
  }
};

class Framer : public ScatterGather {
 protected:
  Framer() { Judges("framer"); }
};

class Deframer : public ScatterGather {
 protected:
  Deframer() { Judges("deframer"); }
};

#endif  // TESTS_09_SCATTER_GATHER_SCATTER_GATHER_CHECK_H_
