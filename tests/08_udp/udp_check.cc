// The checks of lab 08 that judge both programs. Each states a fact about the
// programs; the mutants beside this file show what each one is there to catch.
#include "tests/08_udp/udp_check.h"

#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/socket_address.h"
#include "tests/support/check.h"
#include "tests/support/ports.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::SocketAddress;

TEST_F(Udp, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server must bind, say where, and answer each request to whoever "
        "sent it; the client must send its requests, each after the answer to "
        "the last one, and print the answers. They are your server and your "
        "client here, both.",
        WholeHandout({4, 5, 13, 14, 15}));
  SocketAddress name;
  Process server = StartServer({"--requests=2"}, &name);
  const std::string one = RandomText(20), two = RandomText(7);
  Process client = Start("client", {absl::StrCat("--port=", name.port()),
                                    "--timeout=60000", one, two});
  client.Exits(0);
  const std::string ends = client.out().substr(0, client.out().find('\n') + 1);
  client.Exits(0, ends + Answered(1, one) + Answered(2, two));
  const std::string who = ends.substr(0, ends.find(' '));
  server.Exits(0, Waiting(name) + New(1, Request(0, one), who) +
                      New(2, Request(0, two), who));
}

TEST_F(Udp, WaitsQuietly) {
  About(Robust(1), "who has nothing to do uses no processor time",
        "recvfrom waits by itself until there is something, and poll until "
        "there is or the time is up. A socket that does not block, asked again "
        "and again, keeps a processor busy with nothing.",
        Handout(2, {23}, "man 2 recvfrom, man 2 poll"));
  SocketAddress name;
  Process server = StartServer({kOpenEnd}, &name);
  DatagramPeer client = Open();
  Ask(server, client, name, RandomNumber(), "x", 1);
  server.Expect(server.FallsAsleep(), "it sleeps while nobody asks",
                "it kept the processor busy for 200 ms");

  DatagramPeer host = OpenHost();
  Process asking = StartClient(host, {"--timeout=60000", "x"});
  SocketAddress from;
  NextRequest(host, &from);
  asking.Expect(asking.FallsAsleep(), "it sleeps while nobody answers",
                "it kept the processor busy for 200 ms");
}

TEST_F(Udp, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to. A helper program that "
        "has the socket keeps the port taken, and may receive what was meant "
        "for you. SOCK_CLOEXEC for socket.",
        Handout(1, {24}, "man 2 socket"));
  SocketAddress name;
  Process server = StartServer({kOpenEnd}, &name);
  DatagramPeer client = Open(), host = OpenHost();
  Ask(server, client, name, RandomNumber(), "x", 1);
  Process asking = StartClient(host, {"--timeout=60000", "x"});
  SocketAddress from;
  NextRequest(host, &from);
  server.ClosesOnExec();
  asking.ClosesOnExec();
}

TEST_F(Udp, StaysInItsMemory) {
  About(Core(2), "no byte outside its buffers is touched",
        "The largest datagram fills its buffer and leaves no room for a NUL; "
        "of a short one the header is not all there. The length of a text is "
        "that of the datagram less 8, if it has as many.",
        WholeHandout({7, 19, 21}, ""));
  SocketAddress name;
  Process server = StartServer({kOpenEnd}, &name, /*sanitized=*/true);
  DatagramPeer client = Open();
  client.SendTo(name, "1234567", "7 bytes");
  for (uint32_t number = 1; number <= 66; ++number) {
    Ask(server, client, name, number,
        RandomText(number % 33 == 1 ? kLongestText : 3), number);
  }

  DatagramPeer host = OpenHost();
  const std::string longest = RandomText(kLongestText);
  Process asking = StartClient(host, {longest, "x"}, /*sanitized=*/true);
  SocketAddress from;
  for (const std::string& text : {longest, std::string("x")}) {
    const std::string request = RequestWith(asking, host, text, &from);
    host.SendTo(from, request.substr(0, 7), "7 bytes");
    host.SendTo(from, Pack(SequenceOf(request), 1, text), "the answer");
  }
  asking.Exits(0);
}

TEST_F(Udp, Ipv6) {
  About(Core(1), "--address=::1 is served, and asked, as well",
        "An IPv6 address needs another family, another struct and more room: "
        "sockaddr_in6 has 28 bytes, sockaddr_in 16. getaddrinfo makes the "
        "right one of either, and sockaddr_storage holds both, also what "
        "recvfrom tells.",
        WholeHandout({3, 13}, "man 3 getaddrinfo, man 7 ipv6"));
  if (!Has("::1")) return Skip("this machine has no IPv6");
  SocketAddress name;
  Process server = StartServer({"--address=::1", "--requests=2"}, &name);
  server.Expect(name.family() == AF_INET6, "it waits at [::1]",
                absl::StrCat("at ", name.ToString()));
  DatagramPeer client = Open("a client", "::1");
  const std::string text = RandomText(20);
  Ask(server, client, name, RandomNumber(), text, 1);
  Process asking = Start(
      "client", {"--address=::1", absl::StrCat("--port=", name.port()), text});
  asking.Exits(0);
  const std::string line = asking.out().substr(0, asking.out().find('\n') + 1);
  const std::string who = line.substr(0, line.find(' '));
  asking.Exits(0, absl::StrCat(who, " connected to ", name.ToString(), "\n",
                               Answered(2, text)));
  server.Exits(0, Waiting(name) + New(1, Request(0, text), NameOf(client)) +
                      New(2, Request(0, text), who));
}

TEST_F(Udp, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "A port has 16 bits. atoi makes 0 of a word, and getaddrinfo 4464 of "
        "70000, and 0, any port, of 65536. Look at the number before you pass "
        "it on.",
        Handout(1, {25}, ""));
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--port=65536"},    {"server", "--port=http"},
               {"server", "--port=-1"},       {"server", "--port="},
               {"server", "--port=80x"},      {"server", "--port=4294967376"},
               {"server", "--port=70000"},    {"server", "--requests=0"},
               {"server", "--requests=many"}, {"server", "--requests=-1"},
               {"server", "--lose=x"},        {"server", "--lose=0"},
               {"server", "argument"},        {"server", "--no-such-flag"},
               {"client", "--port=0"},        {"client", "--port=70000"},
               {"client", "--port="},         {"client", "--port=65536"},
               {"client", "--port=80x"},      {"client", "--port=4294967376"},
               {"client", "--timeout=soon"},  {"client", "--timeout=0"},
               {"client", "--timeout=-1"},    {"client", "--tries=0"},
               {"client", "--tries=x"},       {"client", "--no-such-flag"}};
  for (const auto& [program, flag] : calls) {
    Part(absl::StrCat(program, " ", flag));
    // Nothing else is wrong.
    std::vector<std::string> args = {flag};
    if (std::string(program) == "client" && !absl::StartsWith(flag, "--port")) {
      args.push_back("--port=9");
    }
    Start(program, args).Refuses({}, /*status=*/2);
  }
  Part("client without --port");
  Start("client", {}).Refuses({}, /*status=*/2);
}

}  // namespace
