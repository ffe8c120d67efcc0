// Where the server of lab 07 listens, and how it names the ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/07_tcp/tcp.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::OwnPort;
using harness::Peer;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

TEST_F(Server, Listens) {
  About(Core(1), "the server listens, and waits",
        "The server makes a TCP socket (socket), gives it an address and a "
        "port as its name (bind) and lets it wait for clients (listen). Then "
        "the server sleeps until a client comes.",
        Handout(1, {1, 4}, "man 2 socket, man 2 bind, man 2 listen"));
  SocketAddress name;
  Process server = StartServer({}, &name);
  server.Expect(server.FallsAsleep(), "server sleeps until a client comes",
                "it uses the processor all the time");
}

TEST_F(Server, ListensAtThatPort) {
  About(
      Core(3), "--port=PORT is the port that it listens at",
      "The two bytes of a port go over the network, and into sin_port, with "
      "the high one first; in the memory of this machine the low one is first. "
      "Without htons port 5000, 0x1388, becomes 0x8813, 34835. A client that "
      "makes the same mistake finds it all the same, and nobody else does.",
      Handout(2, {1}, "man 3 htons, man 7 ip"));
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

TEST_F(Server, SaysWhereItListens) {
  About(Core(3), "the server prints the port that the kernel chose",
        "Port 0 asks the kernel for any that is free. Which one that was only "
        "getsockname tells, after bind; and a port from the kernel is in "
        "network byte order.",
        Handout(3, {1}, "man 2 getsockname, man 3 getnameinfo"));
  SocketAddress name;
  Process server = StartServer({"--port=0"}, &name);
  server.Prints(Listening(name));
}

TEST_F(Server, ListensBeforeItSaysSo) {
  About(Robust(1), "the server listens before it says so",
        "A client may connect as soon as it has read the line. If listen comes "
        "after that, the kernel refuses the client.",
        Handout(3, {1}, "man 2 listen"));
  Fault held = Fault::Hold({"write", "writev"}, 1);
  held.output = true;
  held.on = {harness::DescriptorKind::kPipe};
  Process server = StartWithFault(held, "server", {});
  server.PrintsLine();
  server.ListensOnTcp();
}

TEST_F(Server, OnThisMachineOnly) {
  About(Core(2), "it listens at 127.0.0.1 unless another address is asked",
        "0.0.0.0, INADDR_ANY, is every address of the machine: whoever "
        "reaches it by any network may connect. A server for programs of this "
        "machine binds to the loopback address.",
        Handout(2, {1}, "man 7 ip"));
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

TEST_F(Server, NamesBothEnds) {
  About(
      Core(3), "the server names both ends of each connection",
      "accept makes a new socket. It shares the port with the listening one, "
      "not the rest of its name: that one is 0.0.0.0 still, this one has the "
      "address that its client connected to, and a client's. The client's port "
      "is one that the kernel chose for it, another for each connection.",
      Handout(4, {2}, "man 2 getpeername, man 2 getsockname"));
  SocketAddress name;
  Process server = StartServer({"--address=0.0.0.0", "--clients=2"}, &name);
  std::string output = Listening(name);
  for (int number : {1, 2}) {
    const std::string host = number == 1 ? kLoopback : "127.0.0.2";
    Peer client = Connect(*SocketAddress::Ip(host, name.port()), "a client");
    output += Arrival(number, client);
    server.Prints(output);
    Because(kEnd, Handout(8, {1, 2}, "man 2 recv"));
    client.Close();
    output += Departure(number, 0);
    server.Prints(output);
    BecauseOfTheWhole();
  }
  Because(kEnd, Handout(8, {1, 2}, "man 2 recv"));
  server.Exits(0, output);
}

TEST_F(Server, NamesPortsByNumber) {
  About(Robust(1), "a port that has a name is told as a number",
        "Some ports have names: see /etc/services. getnameinfo tells them, "
        "unless NI_NUMERICSERV asks for the number.",
        Handout(4, {2}, "man 3 getnameinfo, man 5 services"));
  ipc::UniqueFd fd = BindToNamedPort();
  if (!fd.valid()) return Skip("no port that has a name is free");
  SocketAddress name;
  Process server = StartServer({}, &name);
  if (over()) return;
  if (connect(fd.get(), name.data(), name.size()) < 0) {
    return Fail("a client can connect to " + name.ToString(), strerror(errno));
  }
  Peer client(this, std::move(fd), "a client");
  Step("a client connected, from a port that has a name");
  server.Prints(Listening(name) + Arrival(1, client));
}

TEST_F(Server, RestartsAtOnce) {
  About(
      Core(3), "a server that was killed can be started again at once",
      "Its connections outlive it: the kernel keeps the end that closed first "
      "for a minute, in FIN-WAIT-2 until the other end closes, then in "
      "TIME-WAIT. Meanwhile bind refuses the port, EADDRINUSE, unless both the "
      "old and the new socket have SO_REUSEADDR, set before bind.",
      Handout(3, {9}, "man 7 socket, man 7 tcp"));
  const OwnPort port(SOCK_STREAM);
  SocketAddress name;
  Process server = StartServer({PortFlag(port.number()), "--clients=2"}, &name);
  Peer client = Connect(name, "a client");
  HasAccepted(server, 1);
  server.Signal(SIGKILL, "SIGKILL");
  server.ComesDownTo(0, "servers, for it was killed",
                     [&] { return harness::IsAlive(server.pid()) ? 1 : 0; });
  SocketAddress again;
  Process second = StartServer({PortFlag(name.port()), "--clients=2"}, &again);
  Peer another = Connect(again, "another client");
  HasAccepted(second, 1);
}

TEST_F(Server, RefusesTakenPort) {
  About(Robust(2), "two servers cannot have the same port",
        "SO_REUSEADDR does not let two sockets listen at one port: that would "
        "be SO_REUSEPORT, with which each of them gets some of the clients, "
        "and nobody knows which.",
        Handout(3, {9}, "man 7 socket"));
  SocketAddress name;
  StartServer({}, &name);
  Start("server", {PortFlag(name.port())}).Refuses({"EADDRINUSE"});
  // TEST-NET-1 in RFC 5737: nobody's.
  Start("server", {"--address=192.0.2.1"}).Refuses({"bind", "EADDRNOTAVAIL"});
}

TEST_F(Server, Ipv6) {
  About(Core(2), "--address=::1 is served as well",
        "An IPv6 address needs another family, another struct and more room: "
        "sockaddr_in6 has 28 bytes, sockaddr_in 16. getaddrinfo makes the "
        "right one of either, and sockaddr_storage holds both.",
        Handout(9, {1}, "man 7 ipv6, man 3 getaddrinfo"));
  if (!Has("::1")) return Skip("this machine has no IPv6");
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

TEST_F(Server, DualStack) {
  About(Robust(2), "--address=:: serves IPv4 clients too",
        "A socket at :: takes IPv4 connections as well, from ::ffff:a.b.c.d, "
        "unless IPV6_V6ONLY is set. Its default is a setting of the machine, "
        "so a program that cares sets it, before bind.",
        Handout(9, {8}, "man 7 ipv6, IPV6_V6ONLY"));
  if (!Has("::1")) return Skip("this machine has no IPv6");
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

}  // namespace
