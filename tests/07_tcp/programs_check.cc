// What both programs of lab 07 promise alike.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/07_tcp/tcp.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::OwnPort;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::SocketAddress;

TEST_F(Tcp, Transcript) {
  About(
      Core(4), "server and client print the documented transcript",
      "The server must listen, say where, accept the client and answer each of "
      "its lines; the client must connect, send its lines and print the "
      "answers. They are your server and your client here, both.",
      WholeHandout({1, 2, 3, 11, 12}));
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

TEST_F(Tcp, StaysInItsMemory) {
  About(Core(3), "no byte outside its buffers is touched",
        "A line of 1024 bytes fills a buffer of 1024 and leaves no room for a "
        "NUL; its answer is longer than it. What is read goes behind what is "
        "there, and the room that is left is less by that.",
        WholeHandout({3}, ""));
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
  Because(kEnd, Handout(8, {1, 2}, "man 2 recv"));
  client.Close();
  server.Exits(0);
  Because(
      "A line of 1024 bytes, its newline among them, has no room for a NUL in "
      "a buffer of 1024.",
      Handout(8, {12}, ""));

  HostAtOwnPort(kLoopback);
  Process sender = StartClient(HostAddress(), {Line(kLineSize - 1)},
                               /*sanitized=*/true);
  Peer host = Accept();
  host.ReceiveAll();
  host.Send(Answer(1, Line(kLineSize - 1)), "the answer");
  host.Close();
  sender.Exits(0);
}

TEST_F(Tcp, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "A port has 16 bits. atoi makes 0 of a word, and htons makes 4464 of "
        "70000; getaddrinfo does so too, and 65536 becomes 0, any port. strtol "
        "takes 0x with base 0, and stops at what is not a digit. Look "
        "at the text, and at the number, before you pass it on.",
        WholeHandout({13}));
  // A program that refuses every call would look right below.
  SocketAddress name;
  Process server = StartServer({}, &name);
  StartClient(name, {Line()}).Exits(0);
  server.Exits(0);
  for (const char* program : {"server", "client"}) {
    for (const char* port :
         {"65536", "70000", "4294967376", "18446744073709551696", "http", "-1",
          "8080x", "0x50", "80 ", "8 0", ""}) {
      Part(absl::StrCat(program, " --port='", port, "'"));
      Start(program, {absl::StrCat("--port=", port)}).Refuses({}, 2);
    }
    Part(absl::StrCat(program, " --no-such-flag"));
    Start(program, {"--no-such-flag"}).Refuses({}, 2);
  }
  Part("server --clients=0");
  Start("server", {"--clients=0"}).Refuses({}, 2);
  Part("client --port=0");
  Start("client", {"--port=0"}).Refuses({}, 2);
  Part("client without --port");
  Start("client", {Line()}).Refuses({}, 2);
  const OwnPort port(SOCK_STREAM);
  for (const std::string& message :
       {Line(kLineSize), std::string("two\nlines"), std::string("line\n")}) {
    Part("client with a second MESSAGE that is not a line");
    Start("client", {PortFlag(port.number()), Line(), message}).Refuses({}, 2);
  }
  Part("port 65535");
  Because("65535 is the highest port, and as good as any other.",
          WholeHandout({13}));
  // TEST-NET-1 in RFC 5737: nobody's.
  Start("server", {"--port=65535", "--address=192.0.2.1"})
      .Refuses({"EADDRNOTAVAIL"});
}

}  // namespace
