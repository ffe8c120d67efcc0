// What the checks of lab 02 have in common: the lines that the server prints,
// its answers, and the checker's ends.
#ifndef TESTS_02_UNIX_DATAGRAM_UNIX_DATAGRAM_H_
#define TESTS_02_UNIX_DATAGRAM_UNIX_DATAGRAM_H_

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

inline std::string Capitals(const std::string& text) {
  return absl::AsciiStrToUpper(text);
}

inline std::string Bytes(size_t count) {
  return count == 1 ? "1 byte" : absl::StrCat(count, " bytes");
}

inline size_t RandomNumber(size_t low, size_t high) {
  static auto& engine = *new std::mt19937(std::random_device{}());
  return std::uniform_int_distribution<size_t>(low, high)(engine);
}

// Every byte there is, twice: each stands behind a NUL.
inline std::string EveryByte() {
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

// A queue takes one datagram more than this before the next one must wait. See
// admin-guide/sysctl/net.rst in the kernel's documentation.
inline int QueueLimit() {
  int limit = 10;
  std::ifstream("/proc/sys/net/unix/max_dgram_qlen") >> limit;
  return limit;
}

// Of the harness: a program that waits for something uses no processor time.
constexpr char kIdle[] =
    "A call that waits (recvfrom, recv, poll) sleeps in the kernel until there "
    "is something to do. A loop that asks again and again keeps a processor "
    "busy and gains nothing.";

class UnixDatagram : public harness::Check {
 protected:
  // Many datagrams, for checks that let the server live on.
  static constexpr char kOpenEnd[] = "--datagrams=100000";
  // For checks of the client that are not about time.
  static constexpr char kLong[] = "--timeout=600000";

  std::string SocketFlag() const { return "--socket=" + SocketPath(); }

  // A client of ours bound to `path`.
  harness::DatagramPeer ClientAt(const std::string& path,
                                 const std::string& name = "a client") {
    return OpenDatagram(*ipc::SocketAddress::UnixPath(path), name);
  }
  harness::DatagramPeer Unnamed() {
    return OpenDatagram(ipc::SocketAddress(), "a client without a name");
  }
  // A client of ours whose name the kernel chooses.
  harness::DatagramPeer Autobound(const std::string& name = "a client") {
    return OpenDatagram(ipc::SocketAddress::UnixUnnamed(), name);
  }

  static bool Exists(const std::string& path) {
    struct stat status;
    return lstat(path.c_str(), &status) == 0;
  }

  // A path in this check's folder that is `length` bytes long.
  std::string PathOfLength(size_t length) const {
    const std::string start = scratch().path() + "/";
    return start + std::string(length - start.size(), 'p');
  }

  // Whether a datagram waits for `peer`.
  static bool Waits(const harness::DatagramPeer& peer) {
    return recv(peer.fd(), nullptr, 0, MSG_PEEK | MSG_DONTWAIT) >= 0;
  }

  // Whether `program` has as many lines on stderr.
  static void ExpectErrors(harness::Process program, int count) {
    const std::string err = program.err();
    const auto lines = std::count(err.begin(), err.end(), '\n');
    program.Expect(lines == count, absl::StrCat("lines on stderr: ", count),
                   absl::StrCat(lines, err.empty() ? "" : ":\n", err));
  }

  // Whether `program` and all processes that it made sleep: what it is late
  // for, it is not on its way to do, however slow the machine is.
  static bool Sleeps(harness::Process program);

  // Waits until `done`, or until nothing happens any more.
  static void Settle(harness::Process program, absl::FunctionRef<bool()> done);

  // The next message of a client, which is to be `text`, and where a reply to
  // it goes.
  ipc::SocketAddress ReceiveMessage(harness::DatagramPeer& host,
                                    harness::Process client,
                                    const std::string& text);

  // Sends to the socket at SocketPath() until its queue is full.
  void FillQueue() {
    const auto address = ipc::SocketAddress::UnixPath(SocketPath());
    // One sender's SO_SNDBUF may be full before the queue is.
    for (bool room = true; room && !over();) {
      const ipc::UniqueFd sender(
          socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      room = false;
      while (sendto(sender.get(), "", 0, 0, address->data(), address->size()) ==
             0) {
        room = true;
      }
    }
    Step("others filled its queue");
  }
};

// The checks that judge the server alone.
class Server : public UnixDatagram {
 protected:
  Server() { Judges("server"); }

  // The server, with its name; `flags` beside --socket.
  harness::Process StartServer(const std::vector<std::string>& flags = {},
                               bool sanitized = false, mode_t umask = 022) {
    harness::Process server = Start("server", ArgsFor(flags), sanitized, umask);
    HasStarted(&server);
    return server;
  }
  std::vector<std::string> ArgsFor(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), SocketFlag());
    return flags;
  }
  void HasStarted(harness::Process* server) {
    said_.clear();
    server->ReceivesAt(SocketPath());
  }

  // A client of ours, `name` in words, sends `text` to the server.
  void Send(harness::DatagramPeer& client, const std::string& text,
            const std::string& name = "a client");

  // The same, and the server answers it: with what it keeps of it, in capitals.
  void Ask(harness::DatagramPeer& client, const std::string& text,
           size_t kept = SIZE_MAX) {
    Send(client, text);
    Answers(client, text, kept);
  }
  void Answers(harness::DatagramPeer& client, const std::string& text,
               size_t kept = SIZE_MAX);

  // The server prints the line about a datagram of `length` bytes from `name`,
  // of which it keeps `kept`, behind what it Says before.
  void Says(harness::Process server, size_t length, const std::string& name,
            size_t kept = SIZE_MAX);

  // It ends, and has printed nothing else.
  void Ends(harness::Process server, int status);

  // `name` of a client has been told on stderr, with `error` if that is given.
  void ExpectReport(harness::Process server, const std::string& name,
                    const std::string& error);

  void ExpectNoSocketFile(harness::Process server) {
    server.Expect(!Exists(SocketPath()),
                  absl::StrCat("no file at ", SocketPath()),
                  "it is still there");
  }

  // In a check that has reasons of its own for a name that is wrong.
  bool about_names_ = false;

 private:
  std::string said_;  // What the server should have printed so far.
};

// The checks that judge the client alone.
class Client : public UnixDatagram {
 protected:
  Client() { Judges("client"); }

  // A socket of ours in the place of the student's server.
  harness::DatagramPeer HostDatagrams() {
    return ClientAt(SocketPath(), "a server of ours");
  }

  harness::Process StartClient(const std::vector<std::string>& args,
                               bool sanitized = false) {
    return Start("client", ArgsFor(args), sanitized);
  }
  std::vector<std::string> ArgsFor(std::vector<std::string> args) const {
    args.insert(args.begin(), SocketFlag());
    return args;
  }

  // Sends `reply` there, `what` it is in words.
  void Reply(harness::DatagramPeer& host, const ipc::SocketAddress& to,
             const std::string& reply, const std::string& what = "the reply") {
    if (!over()) host.SendTo(to, reply, what);
  }

  // A client that has had a reply ends, in a check that is not about that.
  void Finishes(harness::Process client);

  // `client`, whose socket was bound to `name`, fails, with `words` in its line
  // on stderr: it sends nothing more to `host` and leaves no file.
  void EndsAtFirstFailure(harness::DatagramPeer& host, harness::Process client,
                          const ipc::SocketAddress& name,
                          const std::vector<std::string>& words);

  // A client that has ended, and whose socket was bound to `name`, has left no
  // file.
  void ExpectNoFile(harness::Process client, const ipc::SocketAddress& name);
};

#endif  // TESTS_02_UNIX_DATAGRAM_UNIX_DATAGRAM_H_
