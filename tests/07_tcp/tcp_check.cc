// The checks of lab 07. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <climits>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/ports.h"
#include "tests/support/proc.h"

namespace {

using harness::Core;
using harness::OwnPort;
using harness::Peer;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

constexpr size_t kLineSize = 1024;
constexpr char kLoopback[] = "127.0.0.1";

// The answer to the `number`th line of a client.
std::string Answer(int number, const std::string& line) {
  return absl::StrCat(number, ": ", line, "\n");
}

std::string NameOf(const absl::StatusOr<SocketAddress>& address) {
  return address.ok() ? address->ToString() : "(gone)";
}

// What the server prints when a client comes, seen from that client.
std::string Arrival(int number, const Peer& client) {
  return absl::StrCat("client ", number, ": ",
                      NameOf(ipc::LocalAddress(client.fd())), " connected to ",
                      NameOf(ipc::PeerAddress(client.fd())), "\n");
}

std::string Departure(int number, int lines) {
  return absl::StrCat("client ", number, ": gone after ", lines, " lines\n");
}

std::string Listening(const SocketAddress& name) {
  return absl::StrCat("listening on ", name.ToString(), "\n");
}

std::string PortFlag(int port) { return absl::StrCat("--port=", port); }

class Tcp : public harness::Check {
 protected:
  // The server, listening; `name` is where.
  Process StartServer(const std::vector<std::string>& flags,
                      SocketAddress* name, bool sanitized = false) {
    Process server = Start("server", flags, sanitized);
    *name = server.ListensOnTcp();
    return server;
  }

  // The client, of a server at `name`.
  Process StartClient(const SocketAddress& name,
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
    port_ = std::make_unique<OwnPort>(SOCK_STREAM);
    RefuseSwapped(port_->number());
    Host(*SocketAddress::Ip(host, port_->number()));
  }

  // A client without htons is to disturb no other program of this machine.
  void RefuseSwapped(int port) {
    swapped_.push_back(
        harness::Refuse(SOCK_STREAM, kLoopback, OwnPort::Swapped(port)));
  }

  // A line of `length` random letters, without its newline.
  static std::string Line(size_t length = 20) { return RandomText(length); }

  // Waits for the answer to `line`, and tells the difference.
  void Answers(Process server, Peer& client, int number,
               const std::string& line) {
    Receives(server, client, Answer(number, line));
  }

  void Receives(Process server, Peer& client, const std::string& expected) {
    const std::string received = client.Receive(expected.size());
    server.Expect(received == expected, "the answer, or answers, to that",
                  harness::Difference(expected, received));
  }

  // The same, and then the end of the connection.
  void ReceivesInAll(Process server, Peer& client,
                     const std::string& expected) {
    const std::string received = client.ReceiveAll();
    server.Expect(received == expected, "the answers to that, and the end",
                  harness::Difference(expected, received));
  }

  // Whether this machine has the address `host` of its own.
  static bool Has(const char* host) {
    return ipc::Listen(*SocketAddress::Ip(host, 0)).ok();
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

  // A client with one line, without ado: to tell each of a thousand would take
  // longer than to serve them. It resets the connection, lest a thousand names
  // be in TIME_WAIT.
  void ServeQuickly(Process server, const SocketAddress& name) {
    if (over()) return;
    const auto client = ipc::Connect(name);
    ssize_t received = -1;
    if (client.ok()) {
      const timeval patience = {10, 0};
      setsockopt(client->get(), SOL_SOCKET, SO_RCVTIMEO, &patience,
                 sizeof(patience));
      const linger reset = {1, 0};
      setsockopt(client->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
      send(client->get(), "x\n", 2, MSG_NOSIGNAL);
      char answer[sizeof("1: x\n") - 1];
      received = recv(client->get(), answer, sizeof(answer), MSG_WAITALL);
    }
    server.Expect(received == 5, "an answer, to this client too",
                  client.ok() ? "none" : client.status().ToString());
  }

  // All sockets of the program.
  static int CountAllSockets(const Process& program) {
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
  std::unique_ptr<OwnPort> port_;
  std::vector<ipc::UniqueFd> swapped_;
};

// The transcript
// ---------------------------------------------------------------

TEST_F(Tcp, Transcript) {
  About(
      Core(4), "server and client print the documented transcript",
      "The server must listen, say where, accept the client and answer each of "
      "its lines; the client must connect, send its lines and print the "
      "answers. They are your server and your client here, both.",
      "handout, steps 1 to 6");
  SocketAddress name;
  Process server = StartServer({}, &name);
  const std::string one = Line(), two = Line(7);
  Process client = StartClient(name, {one, two});
  client.Exits(0);
  const std::string ends = client.out().substr(0, client.out().find('\n') + 1);
  client.Exits(0, ends + Answer(1, one) + Answer(2, two));
  server.Exits(
      0, absl::StrCat(Listening(name), "client 1: ", ends, Departure(1, 2)));
}

// Names and ports
// --------------------------------------------------------------

TEST_F(Tcp, ListensAtThatPort) {
  About(
      Core(3), "--port=PORT is the port that it listens at",
      "The two bytes of a port go over the network, and into sin_port, with "
      "the high one first; in the memory of this machine the low one is first. "
      "Without htons port 5000, 0x1388, becomes 0x8813, 34835. A client that "
      "makes the same mistake finds it all the same, and nobody else does.",
      "handout, step 2; man 3 htons, man 7 ip");
  const OwnPort port(SOCK_STREAM);
  SocketAddress name;
  Process server = StartServer({PortFlag(port.number())}, &name);
  server.Expect(name.port() == port.number(),
                absl::StrCat("it listens at port ", port.number()),
                absl::StrCat("at port ", name.port(),
                             name.port() == port.swapped()
                                 ? ", the same bytes the other way round"
                                 : ""));
}

TEST_F(Tcp, SaysWhereItListens) {
  About(Core(3), "the server prints the port that the kernel chose",
        "Port 0 asks the kernel for any that is free. Which one that was only "
        "getsockname tells, after bind; and a port from the kernel is in "
        "network byte order.",
        "handout, step 3; man 2 getsockname, man 3 getnameinfo");
  SocketAddress name;
  Process server = StartServer({"--port=0"}, &name);
  server.Prints(Listening(name));
}

TEST_F(Tcp, OnThisMachineOnly) {
  About(Core(2), "it listens at 127.0.0.1 unless another address is asked",
        "0.0.0.0, INADDR_ANY, is every address of the machine: whoever "
        "reaches it by any network may connect. A server for programs of this "
        "machine binds to the loopback address.",
        "handout, step 2; man 7 ip");
  const struct {
    std::vector<std::string> flags;
    const char* address;
  } cases[] = {{{}, kLoopback}, {{"--address=0.0.0.0"}, "0.0.0.0"}};
  for (const auto& [flags, address] : cases) {
    SocketAddress name;
    Process server = StartServer(flags, &name);
    const std::string expected =
        SocketAddress::Ip(address, name.port())->ToString();
    server.Expect(name.ToString() == expected,
                  absl::StrCat("it listens at ", expected),
                  absl::StrCat("at ", name.ToString()));
  }
}

TEST_F(Tcp, NamesBothEnds) {
  About(
      Core(3), "the server names both ends of each connection",
      "accept makes a new socket. It shares the port with the listening one, "
      "not the rest of its name: that one is 0.0.0.0 still, this one has the "
      "address that its client connected to, and a client's. The client's port "
      "is one that the kernel chose for it, another for each connection.",
      "handout, step 4; man 2 getpeername, man 2 getsockname");
  SocketAddress name;
  Process server = StartServer({"--address=0.0.0.0", "--clients=2"}, &name);
  std::string output = Listening(name);
  for (int number : {1, 2}) {
    const std::string host = number == 1 ? kLoopback : "127.0.0.2";
    Peer client = Connect(*SocketAddress::Ip(host, name.port()), "a client");
    output += Arrival(number, client);
    server.Prints(output);
    client.Close();
    output += Departure(number, 0);
    server.Prints(output);
  }
  server.Exits(0, output);
}

TEST_F(Tcp, RestartsAtOnce) {
  About(
      Core(3), "a server that was killed can be started again at once",
      "Its connections outlive it: the kernel keeps the end that closed first "
      "for a minute, in FIN-WAIT-2 until the other end closes, then in "
      "TIME-WAIT. Meanwhile bind refuses the port, EADDRINUSE, unless both the "
      "old and the new socket have SO_REUSEADDR, set before bind.",
      "handout, step 3; man 7 socket, man 7 tcp");
  const OwnPort port(SOCK_STREAM);
  SocketAddress name;
  Process server = StartServer({PortFlag(port.number())}, &name);
  Peer client = Connect(name, "a client");
  const std::string line = Line();
  client.Send(line + "\n", "a line");
  Answers(server, client, 1, line);
  server.Signal(SIGKILL, "SIGKILL");
  server.ComesDownTo(0, "servers, for it was killed",
                     [&] { return harness::IsAlive(server.pid()) ? 1 : 0; });
  SocketAddress again;
  Process second = StartServer({PortFlag(name.port())}, &again);
  Peer another = Connect(again, "another client");
  another.Send(line + "\n", "a line");
  Answers(second, another, 1, line);
}

TEST_F(Tcp, RefusesTakenPort) {
  About(Robust(2), "two servers cannot have the same port",
        "SO_REUSEADDR does not let two sockets listen at one port: that would "
        "be SO_REUSEPORT, with which each of them gets some of the clients, "
        "and nobody knows which.",
        "handout, step 3; man 7 socket");
  SocketAddress name;
  StartServer({}, &name);
  Start("server", {PortFlag(name.port())}).Refuses({"EADDRINUSE"});
  // TEST-NET-1 in RFC 5737: nobody's.
  Start("server", {"--address=192.0.2.1"}).Refuses({"bind", "EADDRNOTAVAIL"});
}

// Lines
// -----------------------------------------------------------------------

TEST_F(Tcp, LineInPieces) {
  About(Core(3), "a line may arrive in pieces",
        "TCP carries bytes. What was sent in one piece may come in several, "
        "and recv returns as soon as there is anything. A line is whole when "
        "its newline is there: keep what you have until then.",
        "handout, step 5; man 2 recv, man 7 tcp");
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  for (int number : {1, 2}) {
    const std::string line = Line(300);
    client.Send(line.substr(0, 1), "the first byte of a line");
    client.AwaitRead();
    client.Send(line.substr(1, 200), "200 bytes more");
    client.AwaitRead();
    client.Send(line.substr(201) + "\n", "the rest and its newline");
    Answers(server, client, number, line);
  }
  client.Close();
  server.Exits(0);
}

TEST_F(Tcp, LinesRunTogether) {
  About(Core(3), "several lines may arrive at once",
        "Whatever waits is read as one: three lines and the beginning of a "
        "fourth. Answer each whole line, and keep the rest, for it will not "
        "come again.",
        "handout, step 5; man 2 recv, man 7 tcp");
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  const std::vector<std::string> lines = {Line(20), "", Line(300), Line(40),
                                          Line(5)};
  client.Send(absl::StrCat(lines[0], "\n", lines[1], "\n", lines[2], "\n",
                           lines[3].substr(0, 10)),
              "three lines, one of them empty, and the first 10 bytes of a "
              "fourth at once");
  Receives(server, client,
           Answer(1, lines[0]) + Answer(2, lines[1]) + Answer(3, lines[2]));
  client.Send(absl::StrCat(lines[3].substr(10), "\n", lines[4], "\n"),
              "the rest of it, and a fifth");
  Receives(server, client, Answer(4, lines[3]) + Answer(5, lines[4]));
  client.Close();
  server.Exits(0);
}

TEST_F(Tcp, EndlessLine) {
  About(Core(3), "a line of more than 1024 bytes ends the connection",
        "Whoever sends no newline would fill your memory, or run over the end "
        "of your buffer. Set a limit, and hang up on who exceeds it: an answer "
        "to the first 1024 bytes would be to a line that nobody sent.",
        "handout, step 5 and the contract");
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  Peer client = Connect(name, "a client");
  const std::string longest = Line(kLineSize - 1);
  client.Send(longest + "\n", "a line of 1024 bytes, with its newline");
  Answers(server, client, 1, longest);
  client.Send(Line(kLineSize), "1024 bytes without a newline");
  ReceivesInAll(server, client, "");
  client.Close();
  Peer next = Connect(name, "the next client");
  const std::string line = Line();
  next.Send(line + "\n", "a line");
  Answers(server, next, 1, line);
  next.Close();
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "1024"),
                "a line on stderr that says what the limit is: 1024",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(Tcp, BrokenLine) {
  About(Robust(2), "an end in the middle of a line is reported",
        "A line without its newline is one whose end was lost. To answer it "
        "would pass off a piece as the whole.",
        "handout, step 5 and the contract");
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  const std::string line = Line();
  client.Send(absl::StrCat(line, "\n", Line(77)),
              "a line, and 77 bytes of the next");
  client.StopWriting();
  ReceivesInAll(server, client, Answer(1, line));
  client.Close();
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "77"),
                "a line on stderr that says how many bytes came: 77",
                server.err().empty() ? "nothing on stderr" : server.err());
}

// Many clients
// ----------------------------------------------------------------

TEST_F(Tcp, ServesAllAtOnce) {
  About(Core(3), "a client that says nothing does not keep the others waiting",
        "A server that reads from one client until it ends serves nobody else "
        "meanwhile, for ever if that client has stalled. Wait for all of them "
        "at once with poll, or give each a thread or a process.",
        "handout, step 6; man 2 poll");
  SocketAddress name;
  Process server = StartServer({"--clients=3"}, &name);
  Peer silent = Connect(name, "a silent client");
  Peer slow = Connect(name, "a slow client");
  slow.Send(Line(), "half a line");
  slow.AwaitRead();
  Peer busy = Connect(name, "a busy client");
  for (int number : {1, 2, 3}) {
    const std::string line = Line();
    busy.Send(line + "\n", "a line");
    Answers(server, busy, number, line);
  }
}

TEST_F(Tcp, SlowReader) {
  About(
      Core(3), "a client that reads late gets every answer whole",
      "What the kernel takes for a client is limited, to some megabytes. Then "
      "send waits; on a non-blocking socket it takes a part, or nothing "
      "(EAGAIN). Keep the rest, ask poll for POLLOUT, and go on from there.",
      "handout, step 7; man 2 send");
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  std::string lines, answers;
  const std::string line = Line(1000);
  for (int number = 1; number <= 10000; ++number) {
    lines += line + "\n";
    answers += Answer(number, line);
  }
  const size_t sent = client.SendUntilStuck(
      lines, "lines for as long as the server takes them");
  const size_t whole = sent / (line.size() + 1);
  size_t length = 0;
  for (size_t i = 1; i <= whole; ++i) {
    length += Answer(static_cast<int>(i), line).size();
  }
  Step(absl::StrCat("that was ", sent, " bytes; now it reads"));
  Receives(server, client, answers.substr(0, length));
}

TEST_F(Tcp, StalledReader) {
  About(Core(3), "a client that does not read holds up nobody else",
        "A client sends and sends, and reads no answer. Once the kernel takes "
        "no more for it, a send that blocks would stop a server of one thread. "
        "poll says when there is room (POLLOUT), and whom to serve meanwhile.",
        "handout, step 7; man 2 poll, man 2 send");
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  Peer stalled = Connect(name, "a client");
  stalled.SendUntilStuck(TooManyLines(),
                         "lines for as long as the server takes them");
  Peer busy = Connect(name, "a second client");
  const std::string another = Line();
  busy.Send(another + "\n", "a line");
  Answers(server, busy, 1, another);
}

TEST_F(Tcp, KeepsAnswersFew) {
  About(Robust(2), "who does not read his answers is not read from",
        "Whoever reads on, and keeps the answers until they are asked for, "
        "keeps as many as a client likes, until memory ends. Stop reading, "
        "and the client's own buffers fill: that is TCP's flow control.",
        "handout, step 7 and the contract; man 7 tcp");
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  const std::string lines = TooManyLines();
  const size_t sent = client.SendUntilStuck(
      lines, "lines for as long as the server takes them");
  server.Expect(
      sent < lines.size(),
      absl::StrCat("the server stops reading before it has taken in ",
                   lines.size() >> 20, " MiB, more than the kernel keeps"),
      "it took them all");
}

TEST_F(Tcp, HalfClose) {
  About(
      Core(3), "who has ended his half still gets his answers",
      "shutdown(SHUT_WR) ends one direction: recv returns 0, and the other "
      "direction is as open as before. What was asked before the end is to be "
      "answered, and then it is the server's turn to close.",
      "handout, step 8; man 2 shutdown");
  SocketAddress name;
  Process server = StartServer({}, &name);
  server.Stop();
  Peer client = Connect(name, "a client");
  std::string lines, answers;
  for (int number = 1; number <= 20; ++number) {
    const std::string line = Line(1000);
    lines += line + "\n";
    answers += Answer(number, line);
  }
  client.Send(lines, "20 lines");
  client.StopWriting();
  server.Continue();
  ReceivesInAll(server, client, answers);
  client.Close();
  server.Exits(0);
}

TEST_F(Tcp, GoneBeforeTheAnswer) {
  About(
      Core(3), "a client that is gone before its answers ends nobody else",
      "The first answer to who has closed is sent, and comes back as a reset. "
      "The next one raises SIGPIPE, which kills the server with all of its "
      "clients. MSG_NOSIGNAL makes it the error EPIPE.",
      "handout, step 8; man 2 send, man 7 signal");
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  server.Stop();
  Peer hasty = Connect(name, "a client");
  std::string lines;
  for (int i = 0; i < 30; ++i) lines += Line(1000) + "\n";
  hasty.Send(lines, "30 lines");
  hasty.Close();
  server.Continue();
  server.ComesDownTo(0, "clients that it has not told to be gone", [&] {
    return absl::StrContains(server.out(), "client 1: gone") ? 0 : 1;
  });
  Peer next = Connect(name, "the next client");
  const std::string line = Line();
  next.Send(line + "\n", "a line");
  Answers(server, next, 1, line);
}

TEST_F(Tcp, Reset) {
  About(Core(2), "a connection that is reset is reported, and no more",
        "A client that crashes with unread answers, or a firewall, resets the "
        "connection: recv says ECONNRESET. It is one client's misfortune. Say "
        "so, close that descriptor, and serve the others.",
        "handout, step 8; man 7 tcp");
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  Peer client = Connect(name, "a client");
  const std::string line = Line();
  client.Send(line + "\n", "a line");
  Answers(server, client, 1, line);
  client.Reset();
  Peer next = Connect(name, "the next client");
  next.Send(line + "\n", "a line");
  Answers(server, next, 1, line);
  next.Close();
  server.Exits(1);
  // Of a client's fault the contract asks for a line, not for the error's name.
  server.Expect(absl::StrContains(absl::AsciiStrToLower(server.err()), "reset"),
                "a line on stderr that tells of the reset",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(Tcp, Interrupted) {
  About(Robust(2), "a signal that interrupts a call changes nothing",
        "A call that waits returns -1 with EINTR when a signal comes and has a "
        "handler, and poll does so even with SA_RESTART. Nothing has failed: "
        "call it again.",
        "handout, step 6; man 7 signal, \"Interruption of system calls\"");
  Process server = StartInterrupted("server", {"--clients=3"});
  const SocketAddress name = server.ListensOnTcp();
  for (int i = 0; i < 3; ++i) {
    Peer client = Connect(name, "a client");
    for (int number : {1, 2, 3}) {
      const std::string line = Line();
      client.Send(line + "\n", "a line");
      Answers(server, client, number, line);
    }
    client.Close();
  }
  server.Exits(0);
}

TEST_F(Tcp, LeavesNothingBehind) {
  About(Core(3), "of clients that are gone nothing is left",
        "Each accept makes a descriptor, and only close gives it back; each "
        "fork makes a process, which stays as a zombie until somebody waits "
        "for it. After a thousand clients there are none left: EMFILE, EAGAIN.",
        "handout, step 6; man 2 close, man 2 waitpid");
  SocketAddress name;
  Process server = StartServer({"--clients=9999"}, &name);
  const auto serve = [&](int count) {
    for (int i = 0; i < count; ++i) {
      Peer client = Connect(name, "a client");
      const std::string line = Line();
      client.Send(line + "\n", "a line");
      Answers(server, client, 1, line);
      if (i % 3 == 0) {
        client.Reset();
      } else if (i % 3 == 1) {
        client.Close();
      } else {
        client.StopWriting();
        ReceivesInAll(server, client, "");
        client.Close();
      }
    }
  };
  serve(3);
  const auto nothing_is_left = [&] {
    // Listening alone takes one, but a program may have others for itself.
    const int allowed = 2;
    server.ComesDownTo(allowed, "open sockets when all clients are gone",
                       [&] { return CountAllSockets(server); });
    server.ComesDownTo(0, "zombies when all clients are gone", [&] {
      const std::vector<pid_t> pids = harness::Descendants(server.pid());
      return static_cast<int>(
          std::count_if(pids.begin(), pids.end(),
                        [](pid_t pid) { return !harness::IsAlive(pid); }));
    });
  };
  serve(9);
  nothing_is_left();
  Step("a thousand clients more, one after the other");
  for (int i = 0; i < 20 && !over(); ++i) {
    for (int j = 0; j < 49; ++j) ServeQuickly(server, name);
    serve(1);  // Takes in what it has printed meanwhile, too.
  }
  nothing_is_left();
}

TEST_F(Tcp, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to. A helper program that "
        "has the listening socket keeps the port taken; one that has a "
        "client's keeps the connection open. SOCK_CLOEXEC for socket and for "
        "accept4.",
        "handout, step 4; man 2 socket, man 2 accept");
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  const std::string line = Line();
  client.Send(line + "\n", "a line");
  Answers(server, client, 1, line);
  server.ClosesOnExec();
}

TEST_F(Tcp, StaysInItsMemory) {
  About(Core(3), "no byte outside its buffers is touched",
        "A line of 1024 bytes fills a buffer of 1024 and leaves no room for a "
        "NUL; its answer is longer than it. What is read goes behind what is "
        "there, and the room that is left is less by that.",
        "handout, step 5");
  SocketAddress name;
  Process server = StartServer({}, &name, /*sanitized=*/true);
  Peer client = Connect(name, "a client");
  std::string lines, answers;
  for (int number = 1; number <= 12; ++number) {
    const std::string line = Line(number % 2 ? kLineSize - 1 : 700);
    lines += line + "\n";
    answers += Answer(number, line);
  }
  client.Send(lines.substr(0, 500), "500 bytes of a line of 1024");
  client.AwaitRead();
  client.Send(lines.substr(500), "the rest, and 11 lines more");
  Receives(server, client, answers);
  client.Close();
  server.Exits(0);

  HostAtOwnPort(kLoopback);
  Process sender = StartClient(HostAddress(), {Line(kLineSize - 1)},
                               /*sanitized=*/true);
  Peer host = Accept();
  host.ReceiveAll();
  host.Send(Answer(1, Line(kLineSize - 1)), "the answer");
  host.Close();
  sender.Exits(0);
}

// IPv6
// ------------------------------------------------------------------------

TEST_F(Tcp, Ipv6) {
  About(Core(2), "--address=::1 is served as well",
        "An IPv6 address needs another family, another struct and more room: "
        "sockaddr_in6 has 28 bytes, sockaddr_in 16. getaddrinfo makes the "
        "right one of either, and sockaddr_storage holds both.",
        "handout, step 9; man 7 ipv6, man 3 getaddrinfo");
  if (!Has("::1")) Skip("this machine has no IPv6");
  SocketAddress name;
  Process server = StartServer({"--address=::1"}, &name);
  server.Expect(name.family() == AF_INET6, "it listens at [::1]",
                absl::StrCat("at ", name.ToString()));
  Peer client = Connect(name, "a client");
  const std::string line = Line();
  client.Send(line + "\n", "a line");
  Answers(server, client, 1, line);
  const std::string arrival = Arrival(1, client);
  client.Close();
  server.Exits(0, Listening(name) + arrival + Departure(1, 1));
}

TEST_F(Tcp, DualStack) {
  About(Robust(2), "--address=:: serves IPv4 clients too",
        "A socket at :: takes IPv4 connections as well, from ::ffff:a.b.c.d, "
        "unless IPV6_V6ONLY is set. Its default is a setting of the machine, "
        "so a program that cares sets it, before bind.",
        "handout, step 9; man 7 ipv6, IPV6_V6ONLY");
  if (!Has("::1")) Skip("this machine has no IPv6");
  SocketAddress name;
  Process server = StartServer({"--address=::", "--clients=2"}, &name);
  std::string output = Listening(name);
  for (const char* host : {"::1", kLoopback}) {
    Peer client = Connect(*SocketAddress::Ip(host, name.port()), "a client");
    const std::string line = Line();
    client.Send(line + "\n", "a line");
    Answers(server, client, 1, line);
    if (host == kLoopback) {
      const int port = ipc::LocalAddress(client.fd())->port();
      absl::StrAppend(&output, "client 2: [::ffff:127.0.0.1]:", port,
                      " connected to [::ffff:127.0.0.1]:", name.port(), "\n");
    } else {
      output += Arrival(1, client);
    }
    client.Close();
    output += Departure(host == kLoopback ? 2 : 1, 1);
    server.Prints(output);
  }
  server.Exits(0, output);
}

// The client
// -------------------------------------------------------------------

TEST_F(Tcp, ClientEndsItsHalf) {
  About(Core(3), "the client sends its lines, ends its half, and reads on",
        "A server knows that there are no more lines when it reads an end of "
        "file. close would send that as well, and throw away the answers: "
        "shutdown(SHUT_WR) ends what you send and nothing else.",
        "handout, step 8; man 2 shutdown");
  HostAtOwnPort(kLoopback);
  const std::string one = Line(), two = Line(kLineSize - 1);
  Process client = StartClient(HostAddress(), {one, two});
  Peer host = Accept();
  const std::string ends =
      absl::StrCat(NameOf(ipc::PeerAddress(host.fd())), " connected to ",
                   NameOf(ipc::LocalAddress(host.fd())), "\n");
  const std::string sent = absl::StrCat(one, "\n", two, "\n");
  const std::string received = host.ReceiveAll();
  client.Expect(received == sent, "its two lines",
                harness::Difference(sent, received));
  const std::string answers = Answer(1, Line(30)) + Answer(2, Line(3000));
  host.Send(answers.substr(0, 500), "one answer and a part of the next");
  host.AwaitRead();
  host.Send(answers.substr(500), "the rest");
  host.Close();
  client.Exits(0, ends + answers);
}

TEST_F(Tcp, ClientMissesAnswers) {
  About(Core(2), "an end before the last answer is a failure",
        "To the client, recv returning 0 says that the server has ended, not "
        "that all is well. Count the answers, and do not take the beginning "
        "of one for the whole.",
        "handout, step 8 and the contract");
  HostAtOwnPort(kLoopback);
  const std::string first = Answer(1, Line());
  for (size_t size : {first.size(), first.size() - 1}) {
    std::vector<std::string> messages = {Line()};
    if (size == first.size()) messages.push_back(Line());
    Process client = StartClient(HostAddress(), messages);
    Peer host = Accept();
    host.ReceiveAll();
    host.Send(first.substr(0, size), size == first.size()
                                         ? "one answer to two lines"
                                         : "an answer without its newline");
    host.Close();
    client.Refuses({});
  }
}

TEST_F(Tcp, ClientOutlivesServer) {
  About(Core(2), "a server that leaves does not kill the client",
        "Writing to a connection that the other end has left raises SIGPIPE, "
        "which ends the program without a word. MSG_NOSIGNAL makes it an "
        "error, which you can report.",
        "handout, step 8; man 2 send, man 7 signal");
  HostAtOwnPort(kLoopback);
  Process client =
      StartStoppedAfter({"connect"}, "client",
                        {"--address=127.0.0.1", PortFlag(HostAddress().port()),
                         Line(1000), Line(1000), Line(1000), Line(1000)});
  Accept().Close();
  client.Continue();
  client.Refuses({});
}

TEST_F(Tcp, ClientNamesTheError) {
  About(Core(1), "a port where nobody listens is told",
        "ECONNREFUSED: the machine is there, and nobody listens at that port. "
        "A status of 0 would mean that all was answered.",
        "handout, step 4; man 2 connect");
  const OwnPort port(SOCK_STREAM);
  const auto closed = harness::Refuse(SOCK_STREAM, kLoopback, port.number());
  Start("client", {"--address=127.0.0.1", PortFlag(port.number()), Line()})
      .Refuses({"connect", "ECONNREFUSED"});
}

TEST_F(Tcp, ClientTriesEveryAddress) {
  About(Robust(2), "the client tries one address after the other",
        "A name may stand for several addresses: this machine is ::1 and "
        "127.0.0.1. getaddrinfo returns a list of them, the likeliest first; "
        "somebody listens at one of them, not always at that one.",
        "handout, step 9; man 3 getaddrinfo, ai_next");
  if (!Has("::1")) Skip("this machine has no IPv6");
  for (const char* address : {kLoopback, "::1"}) {
    HostAtOwnPort(address);
    const auto closed =
        harness::Refuse(SOCK_STREAM, address == kLoopback ? "::1" : kLoopback,
                        HostAddress().port());
    const std::string line = Line();
    Process client = Start("client", {PortFlag(HostAddress().port()), line});
    Peer host = Accept();
    host.ReceiveAll();
    host.Send(Answer(1, line), "the answer");
    host.Close();
    client.Exits(0);
  }
}

TEST_F(Tcp, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "A port has 16 bits. atoi makes 0 of a word, and htons makes 4464 of "
        "70000; getaddrinfo does so too, and 65536 becomes 0, any port. Look "
        "at the number before you pass it on.",
        "the contract in the handout");
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--port=65536"},   {"server", "--port=http"},
               {"server", "--port=70000"},   {"server", "--port=-1"},
               {"server", "--port=8080x"},   {"server", "--clients=0"},
               {"server", "--no-such-flag"}, {"client", "--port=0"},
               {"client", "--port=70000"},   {"client", "--no-such-flag"}};
  for (const auto& [program, flag] : calls) {
    Start(program, {flag}).Refuses({}, /*status=*/2);
  }
  const OwnPort port(SOCK_STREAM);
  for (const std::string& message :
       {Line(kLineSize), std::string("two\nlines")}) {
    Start("client", {PortFlag(port.number()), message}).Refuses({}, 2);
  }
}

}  // namespace
