// What the checks of lab 07 have in common.
#ifndef TESTS_07_TCP_TCP_H_
#define TESTS_07_TCP_TCP_H_

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/ports.h"
#include "tests/support/proc.h"

constexpr size_t kLineSize = 1024;
constexpr char kLoopback[] = "127.0.0.1";

// The answer to the `number`th line of a client.
inline std::string Answer(int number, const std::string& line) {
  return absl::StrCat(number, ": ", line, "\n");
}

inline std::string NameOf(const absl::StatusOr<ipc::SocketAddress>& address) {
  return address.ok() ? address->ToString() : "(gone)";
}

// What the server prints when a client comes, seen from that client.
inline std::string Arrival(int number, const harness::Peer& client) {
  return absl::StrCat("client ", number, ": ",
                      NameOf(ipc::LocalAddress(client.fd())), " connected to ",
                      NameOf(ipc::PeerAddress(client.fd())), "\n");
}

// What the client prints first, seen from the server's end.
inline std::string Ends(const harness::Peer& server) {
  return absl::StrCat(NameOf(ipc::PeerAddress(server.fd())), " connected to ",
                      NameOf(ipc::LocalAddress(server.fd())), "\n");
}

inline std::string Departure(int number, int lines) {
  return absl::StrCat("client ", number, ": gone after ", lines, " lines\n");
}

inline std::string Listening(const ipc::SocketAddress& name) {
  return absl::StrCat("listening on ", name.ToString(), "\n");
}

inline std::string PortFlag(int port) { return absl::StrCat("--port=", port); }

// Why a client's end may not be told, or not be the end of the server.
constexpr char kEnd[] =
    "When a client has ended, recv returns 0, at once and every time. The "
    "server answers what it has, closes this client's socket and prints that "
    "the client is gone. When all N clients are gone, the server ends; its "
    "exit status is 0 if none of them did anything wrong.";
// Why the exit status may be another one.
constexpr char kFault[] =
    "A client did something wrong. The server tells it in one line on stderr, "
    "serves all others, and in the end its exit status is 1.";

class Tcp : public harness::Check {
 protected:
  // The server, listening; `name` is where.
  harness::Process StartServer(const std::vector<std::string>& flags,
                               ipc::SocketAddress* name,
                               bool sanitized = false) {
    harness::Process server = Start("server", flags, sanitized);
    *name = server.ListensOnTcp();
    return server;
  }

  // The client, of a server at `name`.
  harness::Process StartClient(const ipc::SocketAddress& name,
                               const std::vector<std::string>& messages,
                               bool sanitized = false) {
    RefuseSwapped(name.port());
    std::vector<std::string> args = {absl::StrCat("--address=", kLoopback),
                                     PortFlag(name.port())};
    args.insert(args.end(), messages.begin(), messages.end());
    return Start("client", args, sanitized);
  }

  // Listens in the place of the student's server, at `host`.
  void HostAtOwnPort(const char* host) {
    port_ = std::make_unique<harness::OwnPort>(SOCK_STREAM);
    RefuseSwapped(port_->number());
    Host(*ipc::SocketAddress::Ip(host, port_->number()));
  }

  // A client without htons is to disturb no other program of this machine.
  void RefuseSwapped(int port) {
    swapped_.push_back(harness::Refuse(SOCK_STREAM, kLoopback,
                                       harness::OwnPort::Swapped(port)));
  }

  // A line of `length` random letters, without its newline.
  static std::string Line(size_t length = 20) { return RandomText(length); }

  // Waits for the answer to `line`, and tells the difference.
  void Answers(harness::Process server, harness::Peer& client, int number,
               const std::string& line) {
    Receives(server, client, Answer(number, line));
  }

  void Receives(harness::Process server, harness::Peer& client,
                const std::string& expected) {
    const std::string received = client.Receive(expected.size());
    server.Expect(received == expected, "the answer, or answers, to that",
                  harness::Difference(expected, received));
  }

  // The same, and then the end of the connection.
  void ReceivesInAll(harness::Process server, harness::Peer& client,
                     const std::string& expected) {
    const std::string received = client.ReceiveAll();
    server.Expect(received == expected, "the answers to that, and the end",
                  harness::Difference(expected, received));
  }

  // A client whose connection holds few bytes: small segments, so that the
  // server's kernel keeps few, and a small buffer for what arrives. What we
  // send has room.
  harness::Peer ConnectWithLittleRoom(const ipc::SocketAddress& name) {
    ipc::UniqueFd fd(socket(name.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    LeaveLittleRoom(fd.get());
    const int much = 1 << 20;
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &much, sizeof(much));
    if (!over() && connect(fd.get(), name.data(), name.size()) < 0) {
      Fail("a client can connect to " + name.ToString(), strerror(errno));
    }
    fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    Step("a client with small buffers connected");
    return harness::Peer(this, std::move(fd), "a client");
  }
  static void LeaveLittleRoom(int fd) {
    const int segment = 600, room = 4096;
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
  }

  // A TCP socket bound to a port of 127.0.0.1 that has a name on this machine
  // (see services(5)); not valid() where none is free.
  static ipc::UniqueFd BindToNamedPort() {
    ipc::UniqueFd fd;
    setservent(/*stayopen=*/1);
    while (const servent* service = getservent()) {
      const int port = ntohs(static_cast<in_port_t>(service->s_port));
      if (strcmp(service->s_proto, "tcp") != 0 || port < 1024) continue;
      fd.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int on = 1;
      setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
      const auto name = ipc::SocketAddress::Ip(kLoopback, port);
      if (bind(fd.get(), name->data(), name->size()) == 0) break;
      fd.reset();
    }
    endservent();
    return fd;
  }

  // The connection of `client` to one of our `listeners`.
  harness::Peer AcceptAt(const std::vector<int>& listeners,
                         harness::Process client) {
    ipc::UniqueFd fd;
    client.ComesDownTo(0, "clients that have not connected yet", [&] {
      for (int listener : listeners) {
        fcntl(listener, F_SETFL, O_NONBLOCK);
        fd.reset(
            accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd.valid()) return 0;
      }
      return 1;
    });
    Step("it connected");
    return harness::Peer(this, std::move(fd), "our server");
  }

  // `client` sends lines until the server has taken in all that it will while
  // the client reads nothing; how many bytes that is.
  static size_t Stall(harness::Process server, const harness::Peer& client,
                      absl::string_view lines) {
    // A program that waits for the processor is not stuck; but not for ever.
    constexpr int kStuck = 3, kMost = 40, kMoment = 50;
    size_t sent = 0;
    for (int stuck = 0, looks = 0; stuck < kStuck && sent < lines.size();) {
      const ssize_t count = send(client.fd(), lines.data() + sent,
                                 lines.size() - sent, MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN) break;
      if (count > 0) {
        sent += count;
        stuck = looks = 0;
        continue;
      }
      if (++looks > kMost) break;
      pollfd room = {client.fd(), POLLOUT, 0};
      if (poll(&room, 1, kMoment) == 0 &&
          harness::RunningThreads(server.pid()) == 0) {
        ++stuck;
      }
    }
    return sent;
  }

  // Whether this machine has the address `host` of its own.
  static bool Has(const char* host) {
    return ipc::Listen(*ipc::SocketAddress::Ip(host, 0)).ok();
  }

  // Whether it knows 127.0.0.1 by the name localhost.
  static bool HasLocalhost() {
    addrinfo hints = {}, *list = nullptr;
    hints.ai_family = AF_INET;
    if (getaddrinfo("localhost", nullptr, &hints, &list) != 0) return false;
    freeaddrinfo(list);
    return true;
  }

  // Lines of 1000 letters, more of them than the kernel keeps: what we send,
  // the server's answers, and what it has not read.
  static std::string TooManyLines() {
    constexpr size_t kMore = size_t{16} << 20;
    size_t least, usual, written = 0, unread = 0;
    std::ifstream("/proc/sys/net/ipv4/tcp_wmem") >> least >> usual >> written;
    std::ifstream("/proc/sys/net/ipv4/tcp_rmem") >> least >> usual >> unread;
    const std::string line = Line(1000) + "\n";
    std::string lines;
    while (lines.size() < 2 * written + unread + kMore) lines += line;
    return lines;
  }

  // A client without ado: to tell each of a thousand would take longer than to
  // serve them. It sends `bytes`, and ends its half if there is to be no answer
  // of `size` bytes. In the end it resets the connection, lest a thousand names
  // be in TIME_WAIT.
  void Exchange(harness::Process server, const ipc::SocketAddress& name,
                const std::string& bytes, size_t size) {
    if (over()) return;
    const auto client = ipc::Connect(name);
    ssize_t received = -1;
    if (client.ok()) {
      const timeval patience = {10, 0};
      setsockopt(client->get(), SOL_SOCKET, SO_RCVTIMEO, &patience,
                 sizeof(patience));
      const linger reset = {1, 0};
      setsockopt(client->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
      send(client->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size == 0) shutdown(client->get(), SHUT_WR);
      char answer[16];
      received = recv(client->get(), answer, size ? size : 1, MSG_WAITALL);
    }
    server.Expect(received == static_cast<ssize_t>(size),
                  size ? "an answer, to this client too"
                       : "the end of the connection, for this client too",
                  client.ok() ? "none" : client.status().ToString());
  }
  void ServeQuickly(harness::Process server, const ipc::SocketAddress& name) {
    Exchange(server, name, "x\n", sizeof("1: x\n") - 1);
  }
  void SendHalfALine(harness::Process server, const ipc::SocketAddress& name) {
    Exchange(server, name, "half", 0);
  }

  // Waits until `server`, which expects more, has accepted `count` clients.
  static void HasAccepted(harness::Process server, int count) {
    server.ComesDownTo(0, "clients that it has not accepted yet", [&] {
      return std::max(0, 1 + count - CountAllSockets(server));
    });
  }

  // All sockets of the program.
  static int CountAllSockets(const harness::Process& program) {
    std::vector<pid_t> pids = harness::Descendants(program.pid());
    pids.push_back(program.pid());
    int count = 0;
    for (pid_t pid : pids) {
      const int sockets = CountSockets(pid);
      if (sockets == INT_MAX) return INT_MAX;
      count += sockets;
    }
    return count;
  }

 private:
  std::unique_ptr<harness::OwnPort> port_;
  std::vector<ipc::UniqueFd> swapped_;
};

// The checks that judge one program alone.
class Server : public Tcp {
 protected:
  Server() { Judges("server"); }
};
class Client : public Tcp {
 protected:
  Client() { Judges("client"); }

  // In the place of the server: answers `line`, `what` that is in words, and
  // ends. The client prints it, and ends well.
  static void AnswersAndEnds(harness::Peer* host, const std::string& line,
                             harness::Process client, const std::string& what) {
    const std::string ends = ::Ends(*host);
    host->Send(Answer(1, line), what);
    host->Close();
    client.Exits(0, ends + Answer(1, line));
  }
};

#endif  // TESTS_07_TCP_TCP_H_
