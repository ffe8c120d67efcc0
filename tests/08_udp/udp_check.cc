// The checks of lab 08. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "tests/support/check.h"
#include "tests/support/ports.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

constexpr size_t kHeaderSize = 8;
constexpr size_t kLongestText = 65507 - kHeaderSize;  // Over IPv4.
constexpr int kRemembered = 64;
constexpr char kLoopback[] = "127.0.0.1";

uint32_t RandomNumber(uint32_t low = 0, uint32_t high = UINT32_MAX) {
  static auto& engine = *new std::mt19937(std::random_device{}());
  return std::uniform_int_distribution<uint32_t>(low, high)(engine);
}

// Every byte there is, in any order.
std::string EveryByte() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(char(byte));
  std::rotate(bytes.begin(), bytes.begin() + RandomNumber(1, 255), bytes.end());
  return bytes;
}

std::string Bytes(size_t count) {
  return count == 1 ? "1 byte" : absl::StrCat(count, " bytes");
}

std::string Pack(uint32_t sequence, uint32_t number, const std::string& text) {
  const uint32_t header[] = {htonl(sequence), htonl(number)};
  return std::string(reinterpret_cast<const char*>(header), kHeaderSize) + text;
}
std::string Request(uint32_t sequence, const std::string& text) {
  return Pack(sequence, 0, text);
}

uint32_t Word(const std::string& bytes, size_t index) {
  uint32_t word = 0;
  if (bytes.size() >= kHeaderSize) memcpy(&word, &bytes[4 * index], 4);
  return ntohl(word);
}
uint32_t SequenceOf(const std::string& bytes) { return Word(bytes, 0); }

// For people.
std::string Shown(const std::string& bytes) {
  if (bytes.size() < kHeaderSize) return Bytes(bytes.size());
  return absl::StrCat(Bytes(bytes.size()), ": sequence ", Word(bytes, 0),
                      ", number ", Word(bytes, 1), ", text ",
                      harness::Escaped(bytes.substr(kHeaderSize), 60));
}

std::string NameOf(const DatagramPeer& peer) {
  const auto name = ipc::LocalAddress(peer.fd());
  return name.ok() ? name->ToString() : "(gone)";
}

// What the server prints.
std::string Waiting(const SocketAddress& name) {
  return absl::StrCat("waiting at ", name.ToString(), "\n");
}
std::string New(uint32_t number, const std::string& request,
                const std::string& client) {
  return absl::StrCat("request ", number, ": ", request.size(), " bytes from ",
                      client, "\n");
}
std::string Again(uint32_t number, const std::string& client) {
  return absl::StrCat("request ", number, ": again from ", client, "\n");
}

// What the client prints.
std::string Answered(uint32_t number, const std::string& text) {
  return absl::StrCat(number, ": ", text, "\n");
}
std::string Unanswered(int index) {
  return absl::StrCat("no answer to request ", index, ", again\n");
}

class Udp : public harness::Check {
 protected:
  // Many requests, for checks that let the server live on.
  static constexpr char kOpenEnd[] = "--requests=100000";

  Process StartServer(const std::vector<std::string>& flags,
                      SocketAddress* name, bool sanitized = false) {
    Process server = Start("server", flags, sanitized);
    *name = server.ReceivesOnUdp();
    return server;
  }

  // A client of ours.
  DatagramPeer Open(const std::string& name = "a client",
                    const std::string& host = kLoopback, int port = 0) {
    return OpenDatagram(*SocketAddress::Ip(host, port), name);
  }

  // A server of ours, in the place of the student's.
  DatagramPeer OpenHost() { return Open("a server of ours"); }

  static SocketAddress AddressOf(const DatagramPeer& peer) {
    const auto name = ipc::LocalAddress(peer.fd());
    return name.ok() ? *name : SocketAddress();
  }

  // The client, of a server of ours.
  Process StartClient(const DatagramPeer& host,
                      const std::vector<std::string>& args,
                      bool sanitized = false) {
    return Start("client", ArgsFor(host, args), sanitized);
  }

  static std::vector<std::string> ArgsFor(const DatagramPeer& host,
                                          std::vector<std::string> args) {
    args.insert(args.begin(),
                {absl::StrCat("--address=", kLoopback),
                 absl::StrCat("--port=", AddressOf(host).port())});
    return args;
  }

  // Waits for a datagram from the student's server at `name`, and tells the
  // difference.
  void Receives(Process server, DatagramPeer& client, const SocketAddress& name,
                const std::string& expected) {
    SocketAddress from;
    const std::string received = client.Receive("its answer", &from);
    server.Expect(received == expected, "its answer, " + Shown(expected),
                  Shown(received));
    server.Expect(from.port() == name.port(),
                  absl::StrCat("it comes from port ", name.port()),
                  "from " + from.ToString());
  }

  // A request and its answer.
  void Ask(Process server, DatagramPeer& client, const SocketAddress& name,
           uint32_t sequence, const std::string& text, uint32_t number) {
    const std::string request = Request(sequence, text);
    client.SendTo(name, request, Shown(request));
    Receives(server, client, name, Pack(sequence, number, text));
  }

  // The next request of the student's client, and where its answer goes.
  std::string NextRequest(DatagramPeer& host, SocketAddress* from,
                          const char* what = "a request") {
    std::string request = host.Receive(what, from);
    if (!over()) Step(absl::StrCat("it received ", Shown(request)));
    return request;
  }

  // The same, the first one with `text`. What follows is another check's.
  std::string RequestWith(Process client, DatagramPeer& host,
                          const std::string& text, SocketAddress* from) {
    while (!over()) {
      std::string request = NextRequest(host, from);
      if (request.size() >= kHeaderSize &&
          request.compare(kHeaderSize, text.size(), text) == 0) {
        return request;
      }
      // On a slow machine what it asked before may be asked again.
      client.Expect(absl::StrContains(client.out(), "again"),
                    absl::StrCat("a request of ", Bytes(text.size()),
                                 " and its header of 8"),
                    Shown(request));
    }
    return "";
  }

  // The client has printed `output` when it sends once more, if not before.
  void HasPrinted(Process client, const DatagramPeer& host,
                  const std::string& output) {
    const auto printed = [&] { return absl::StartsWith(client.out(), output); };
    int late = 0;  // Once may be before we have read what it printed.
    client.ComesDownTo(0, "lines that it has not printed", [&] {
      late += Waits(host);
      return printed() || late > 1 ? 0 : 1;
    });
    client.Expect(printed(), "it has printed " + harness::Escaped(output, 200),
                  harness::Difference(output, client.out()));
  }

  // What the client prints first.
  static std::string Ends(const SocketAddress& client,
                          const DatagramPeer& host) {
    return absl::StrCat(client.ToString(), " connected to ", NameOf(host),
                        "\n");
  }

  // How many datagrams wait for us.
  static int CountWaiting(const DatagramPeer& peer) {
    int count = 0;
    while (recv(peer.fd(), nullptr, 0, MSG_DONTWAIT) >= 0) ++count;
    return count;
  }
  static bool Waits(const DatagramPeer& peer) {
    return recv(peer.fd(), nullptr, 0, MSG_PEEK | MSG_DONTWAIT) >= 0;
  }

  static bool Has(const char* host) {
    return ipc::Bind(*SocketAddress::Ip(host, 0), SOCK_DGRAM).ok();
  }

  // Whether it has 3 lines on stderr, and so on.
  static void ExpectErrors(Process program, int count) {
    const std::string err = program.err();
    const auto lines = std::count(err.begin(), err.end(), '\n');
    program.Expect(lines == count, absl::StrCat("lines on stderr: ", count),
                   absl::StrCat(lines, err.empty() ? "" : ":\n", err));
  }
};

// The transcript --------------------------------------------------------------

TEST_F(Udp, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server must bind, say where, and answer each request to whoever "
        "sent it; the client must send its requests, each after the answer to "
        "the last one, and print the answers. They are your server and your "
        "client here, both.",
        "handout, steps 1 to 5");
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

// The server ------------------------------------------------------------------

TEST_F(Udp, WaitsWhereItSays) {
  About(Core(2),
        "it waits at --port, or at a port of the kernel's, and says so",
        "bind gives a UDP socket its name, and there is nothing to listen to: "
        "whatever is sent there waits in its queue. A port is in network byte "
        "order, the high byte first. Which one the kernel chose only "
        "getsockname tells.",
        "handout, step 1; man 7 udp, man 2 getsockname");
  const harness::OwnPort own(SOCK_DGRAM);
  for (const int port : {0, own.number()}) {
    SocketAddress name;
    Process server = StartServer({absl::StrCat("--port=", port)}, &name);
    server.Expect(name.port() == port || port == 0,
                  absl::StrCat("it waits at port ", port),
                  absl::StrCat("at port ", name.port()));
    const SocketAddress expected = *SocketAddress::Ip(kLoopback, name.port());
    server.Expect(name.ToString() == expected.ToString(),
                  "it waits at " + expected.ToString(),
                  "at " + name.ToString());
    server.Prints(Waiting(name));
  }
}

TEST_F(Udp, AnswersEachSender) {
  About(Core(3), "each answer goes to whom it belongs",
        "One socket hears all clients. recvfrom tells whose datagram it was, "
        "and sendto takes that name. A socket that is connected to the first "
        "client hears nobody else, and a name that is kept from an earlier "
        "request is somebody else's.",
        "handout, steps 2 and 3; man 2 recvfrom, man 2 sendto");
  SocketAddress name;
  Process server = StartServer({"--requests=6"}, &name);
  DatagramPeer clients[] = {Open("the first client"), Open("the second client"),
                            Open("the third client", "127.0.0.3")};
  std::string output = server.PrintsLine();
  uint32_t number = 0;
  for (int round = 0; round < 2; ++round) {
    std::string requests[3];
    server.Stop();
    for (int i = 0; i < 3; ++i) {
      requests[i] = Request(RandomNumber(), RandomText(10 + i));
      clients[i].SendTo(name, requests[i], Shown(requests[i]));
    }
    server.Continue();
    for (int i = 0; i < 3; ++i) {
      output += New(++number, requests[i], NameOf(clients[i]));
      Receives(server, clients[i], name,
               Pack(SequenceOf(requests[i]), number,
                    requests[i].substr(kHeaderSize)));
    }
    if (round == 0) server.Prints(output);
  }
  server.Exits(0, output);
}

TEST_F(Udp, RepeatedRequest) {
  About(Core(3), "a request that comes again is answered, and not counted",
        "Who gets no answer asks again, and cannot know which of the two was "
        "lost, the request or the answer. To the server it is one request: "
        "carried out twice, money would be paid twice. The same answer once "
        "more is what the client waits for.",
        "handout, step 8");
  SocketAddress name;
  Process server = StartServer({"--requests=3"}, &name);
  DatagramPeer client = Open();
  std::string output = server.PrintsLine();
  const uint32_t first = RandomNumber(0, 1u << 30);
  for (uint32_t number : {1, 2}) {
    const std::string text = RandomText(20 + number);
    const uint32_t sequence = first + number;
    for (int time = 0; time < 3; ++time) {
      Ask(server, client, name, sequence, text, number);
      output += time == 0 ? New(number, Request(0, text), NameOf(client))
                          : Again(number, NameOf(client));
    }
    server.Prints(output);
  }
  const std::string last = RandomText(5);
  Ask(server, client, name, first + 3, last, 3);
  server.Exits(0, output + New(3, Request(0, last), NameOf(client)));
}

TEST_F(Udp, RemembersOlderRequests) {
  About(Core(3), "a request that comes again late is known, too",
        "A datagram may take its time, and be overtaken by others. Then the "
        "last sequence number of a client tells nothing: a lower one may be "
        "new, an older one may come again. The last 64 requests are to be "
        "remembered, whoever's they are.",
        "handout, step 8 and the contract");
  SocketAddress name;
  Process server = StartServer({kOpenEnd}, &name);
  DatagramPeer clients[] = {Open("the first client"),
                            Open("the second client")};
  // So far from each other that they have the same place in any small table.
  const uint32_t first = RandomNumber();
  const uint32_t firsts[] = {first, first + (1u << 16)};
  std::vector<std::string> texts;
  const auto ask = [&](uint32_t number) {
    // In pairs, the second before the first, and by turns.
    const int who = number / 2 % 2;
    const uint32_t sequence = firsts[who] + number / 4 * 2 + (number % 2 ^ 1);
    Ask(server, clients[who], name, sequence, texts[number - 1], number);
  };
  for (uint32_t number = 1; number <= kRemembered; ++number) {
    texts.push_back(RandomText(6));
    ask(number);
  }
  // The first of them twice: that is no reason to forget the second.
  for (uint32_t number : {1, 1, 2, 17, 63, 64, 1}) ask(number);
}

TEST_F(Udp, ForgetsAtLast) {
  About(Robust(1), "not all requests are remembered for ever",
        "Names and sequence numbers cost a server memory, and the network has "
        "no end of them. Some requests back, nobody asks again any more.",
        "handout, step 8 and the contract");
  SocketAddress name;
  Process server = StartServer({kOpenEnd}, &name);
  DatagramPeer client = Open();
  constexpr uint32_t kMost = 1024, kAtOnce = 64;
  const uint32_t first = RandomNumber();
  Step(absl::StrCat("a client sends ", kMost + 1, " requests"));
  for (uint32_t number = 0; number <= kMost && !over(); number += kAtOnce) {
    const uint32_t end = std::min(number + kAtOnce, kMost + 1);
    for (uint32_t i = number; i < end; ++i) {
      client.SendTo(name, Request(first + i, "x"), "");
    }
    for (uint32_t i = number; i < end && !over(); ++i) {
      Receives(server, client, name, Pack(first + i, i + 1, "x"));
    }
  }
  Step("now the first of them again, as a new one");
  Ask(server, client, name, first, "x", kMost + 2);
}

TEST_F(Udp, WhoseSequence) {
  About(Core(2), "two clients may use the same sequence number",
        "Each client counts for itself, so the number alone says nothing: a "
        "request is known by it and by the name of who sent it, the address "
        "and the port.",
        "handout, step 8");
  SocketAddress name;
  Process server = StartServer({"--requests=4"}, &name);
  DatagramPeer one = Open("the first client");
  DatagramPeer two = Open("the second client");
  DatagramPeer three = Open("the third client, with the first one's port,",
                            "127.0.0.2", AddressOf(one).port());
  const uint32_t sequence = RandomNumber();
  Ask(server, one, name, sequence, RandomText(9), 1);
  Ask(server, two, name, sequence, RandomText(9), 2);
  Ask(server, three, name, sequence, RandomText(9), 3);
  Ask(server, two, name, sequence + 1, RandomText(9), 4);
  server.Exits(0);
}

TEST_F(Udp, AnySequence) {
  About(Core(2), "a sequence number may be any of 32 bits",
        "The client chooses it. After 0xffffffff comes 0, and less than the "
        "last one is not older than the last one. In an int, half of them are "
        "negative.",
        "handout, steps 2 and 8");
  SocketAddress name;
  Process server = StartServer({"--requests=6"}, &name);
  DatagramPeer client = Open();
  uint32_t number = 0;
  for (uint32_t sequence :
       {0xfffffffeu, 0xffffffffu, 0u, 1u, 0x80000000u, 0x7fffffffu}) {
    Ask(server, client, name, sequence, RandomText(9), ++number);
  }
  server.Exits(0);
}

TEST_F(Udp, AnyText) {
  About(Core(2), "a text is bytes and a length, and may be empty",
        "A datagram ends where it ends: recvfrom returns its length. A NUL in "
        "it is a byte like any other, none follows it, and behind it the "
        "buffer has the rest of a longer one.",
        "handout, step 2");
  SocketAddress name;
  Process server = StartServer({"--requests=4"}, &name);
  DatagramPeer client = Open();
  uint32_t number = 0;
  const uint32_t sequence = RandomNumber();
  for (const std::string& text :
       {EveryByte(), std::string(), RandomText(300), std::string(2, '\0')}) {
    Ask(server, client, name, sequence + number, text, number + 1);
    ++number;
  }
  server.Exits(0);
}

TEST_F(Udp, LargestRequest) {
  About(Core(2), "a request may be as large as a datagram can be",
        "UDP over IPv4 carries up to 65507 bytes in one datagram. What does "
        "not fit in your buffer is cut off, and recvfrom does not say so: the "
        "rest is lost.",
        "handout, step 2; man 2 recv, MSG_TRUNC");
  SocketAddress name;
  Process server = StartServer({"--requests=3"}, &name);
  DatagramPeer client = Open();
  uint32_t number = 0;
  for (size_t size :
       {kLongestText, size_t{1}, RandomNumber(2000, 60000) + 0ul}) {
    ++number;
    Ask(server, client, name, number, RandomText(size), number);
  }
  server.Exits(0);
}

TEST_F(Udp, NotARequest) {
  About(Core(2), "what is no request is told, not answered, and ends nothing",
        "Whoever has the address can send anything: nothing at all, less than "
        "a header, an answer. Look at the length before you look at the "
        "header. recvfrom returning 0 is an empty datagram, not an end.",
        "handout, step 2 and the contract");
  SocketAddress name;
  Process server = StartServer({"--requests=2"}, &name);
  DatagramPeer client = Open();
  const std::string text = RandomText(20), request = Request(7, text);
  // First, while its buffer is empty, and then after a request.
  client.SendTo(name, request.substr(0, 7), "7 bytes");
  client.SendTo(name, "", "a datagram of 0 bytes");
  Ask(server, client, name, 6, RandomText(30), 1);
  client.SendTo(name, request.substr(0, 4), "4 bytes");
  const std::string answer = Pack(8, RandomNumber(1), text);
  client.SendTo(name, answer, Shown(answer));
  const std::string small = Pack(9, 1 << 24, text);
  client.SendTo(name, small, Shown(small));
  Ask(server, client, name, 7, text, 2);
  server.Exits(1);
  ExpectErrors(server, 5);
}

TEST_F(Udp, ClientIsGone) {
  About(Core(2), "a client that is gone before its answer harms nobody",
        "The answer meets a closed port, and the other machine says so, by "
        "ICMP. A UDP socket is told only of errors of the one it is connected "
        "to: this one, which is connected to nobody, hears nothing, and has "
        "nothing to report.",
        "handout, steps 3 and 4; man 7 udp");
  SocketAddress name;
  Process server = StartServer({"--requests=3"}, &name);
  std::string output = server.PrintsLine();
  server.Stop();
  for (uint32_t number : {1, 2}) {
    DatagramPeer client = Open();
    const std::string request = Request(RandomNumber(), RandomText(20));
    client.SendTo(name, request, Shown(request));
    output += New(number, request, NameOf(client));
    client.Close();
  }
  server.Continue();
  server.Prints(output);
  DatagramPeer next = Open("the next client");
  const std::string text = RandomText(20);
  Ask(server, next, name, RandomNumber(), text, 3);
  server.Exits(0, output + New(3, Request(0, text), NameOf(next)));
  ExpectErrors(server, 0);
}

TEST_F(Udp, AnswerCannotBeSent) {
  About(Robust(1), "an answer that cannot be sent is reported, and no more",
        "sendto fails when there is no way to the client any more, or a "
        "firewall forbids it. That is one client's misfortune: say so, and "
        "serve the others. Its request has been carried out all the same, and "
        "is known if it comes again.",
        "handout, steps 3 and 8; man 2 sendto");
  Process server = StartFailingOnce({"sendto", "sendmsg"}, ENETUNREACH,
                                    "server", {"--requests=2"});
  const SocketAddress name = server.ReceivesOnUdp();
  DatagramPeer client = Open();
  const uint32_t sequence = RandomNumber();
  const std::string text = RandomText(20), request = Request(sequence, text);
  client.SendTo(name, request, Shown(request));
  Ask(server, client, name, sequence, text, 1);
  Ask(server, client, name, sequence + 1, text, 2);
  server.Exits(1);
  ExpectErrors(server, 1);
  server.Expect(absl::StrContains(server.err(), "ENETUNREACH"),
                "a line on stderr with ENETUNREACH", server.err());
}

TEST_F(Udp, LosesSome) {
  About(Core(2), "--lose=K loses every Kth datagram, of those in and out",
        "The loopback network loses nothing, so you have to do it yourself: a "
        "request that is lost was never there; an answer that is lost has been "
        "given, and its request been carried out.",
        "handout, step 6 and the contract");
  SocketAddress name;
  Process server = StartServer({"--requests=3", "--lose=3"}, &name);
  DatagramPeer client = Open();
  const std::string who = NameOf(client);
  std::string output = server.PrintsLine(), request = Request(1, RandomText(9));
  Ask(server, client, name, 1, request.substr(kHeaderSize), 1);
  output += New(1, request, who);
  request = Request(2, RandomText(11));
  client.SendTo(name, request, Shown(request));
  output += absl::StrCat("lost ", request.size(), " bytes from ", who, "\n");
  server.Prints(output);
  Ask(server, client, name, 2, request.substr(kHeaderSize), 2);
  output += New(2, request, who);
  client.SendTo(name, "12345", "5 bytes");
  output += absl::StrCat("lost 5 bytes from ", who, "\n");
  server.Prints(output);
  Ask(server, client, name, 3, "x", 3);
  server.Exits(0, output + New(3, Request(3, "x"), who));

  server = StartServer({"--requests=2", "--lose=2"}, &name);
  output = server.PrintsLine();
  for (uint32_t number : {1, 2}) {
    client.SendTo(name, Request(number, "x"), "a request");
    output += absl::StrCat(New(number, Request(number, "x"), who), "lost ",
                           kHeaderSize + 1, " bytes to ", who, "\n");
  }
  server.Exits(0, output);
  server.Expect(!Waits(client), "no answer comes: both were lost", "one came");
}

TEST_F(Udp, KnowsUnanswered) {
  About(Robust(1), "a request whose answer was lost is known, too",
        "A lost answer is why most requests come again. So a request is to be "
        "remembered when it is carried out, not when its answer is on its way: "
        "or just the one that comes again is carried out twice.",
        "handout, step 8 and the contract");
  SocketAddress name;
  Process server = StartServer({"--requests=2", "--lose=2"}, &name);
  DatagramPeer client = Open();
  const std::string who = NameOf(client);
  std::string output = server.PrintsLine();
  const uint32_t sequence = RandomNumber();
  for (uint32_t number : {1, 2}) {
    const std::string request = Request(sequence + number, RandomText(9));
    const std::string lost =
        absl::StrCat("lost ", request.size(), " bytes to ", who, "\n");
    for (int time = 0; time < (number == 1 ? 3 : 1); ++time) {
      client.SendTo(name, request, Shown(request));
      output += time == 0 ? New(number, request, who) : Again(number, who);
      output += lost;
    }
    server.Prints(output);
  }
  server.Exits(0, output);
  server.Expect(!Waits(client), "no answer comes: all were lost", "one came");
}

TEST_F(Udp, WaitsQuietly) {
  About(Robust(1), "who has nothing to do uses no processor time",
        "recvfrom waits by itself until there is something, and poll until "
        "there is or the time is up. A socket that does not block, asked again "
        "and again, keeps a processor busy with nothing.",
        "handout, steps 2 and 5; man 2 recvfrom, man 2 poll");
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

TEST_F(Udp, Interrupted) {
  About(Robust(2), "a signal that interrupts a call changes nothing",
        "A call that waits returns -1 with EINTR when a signal comes and has a "
        "handler. Nothing has failed: call it again. A server must not end by "
        "it, nor an answer get lost.",
        "handout, step 2; man 7 signal, \"Interruption of system calls\"");
  Process server = StartInterrupted("server", {"--requests=6"});
  const SocketAddress name = server.ReceivesOnUdp();
  DatagramPeer client = Open();
  for (uint32_t number = 1; number <= 6; ++number) {
    Ask(server, client, name, number, RandomText(9), number);
  }
  server.Exits(0);
}

TEST_F(Udp, RefusesTakenPort) {
  About(Robust(2), "two servers cannot have the same port",
        "To UDP, SO_REUSEADDR means something else: all who have it may bind "
        "to one port, and the last of them gets what is sent there. The first "
        "server hears nothing more, and nobody is told. UDP has no TIME-WAIT, "
        "so there is nothing to be gained by it.",
        "handout, step 1; man 7 socket, man 7 udp");
  SocketAddress name;
  StartServer({}, &name);
  Start("server", {absl::StrCat("--port=", name.port())})
      .Refuses({"bind", "EADDRINUSE"});
  // TEST-NET-1 in RFC 5737: nobody's.
  Start("server", {"--address=192.0.2.1"}).Refuses({"bind", "EADDRNOTAVAIL"});
}

TEST_F(Udp, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to. A helper program that "
        "has the socket keeps the port taken, and may receive what was meant "
        "for you. SOCK_CLOEXEC for socket.",
        "handout, step 1; man 2 socket");
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
        "handout, steps 2 and 7");
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

// IPv6 ------------------------------------------------------------------------

TEST_F(Udp, Ipv6) {
  About(Core(1), "--address=::1 is served, and asked, as well",
        "An IPv6 address needs another family, another struct and more room: "
        "sockaddr_in6 has 28 bytes, sockaddr_in 16. getaddrinfo makes the "
        "right one of either, and sockaddr_storage holds both, also what "
        "recvfrom tells.",
        "handout, step 1; lab 07, step 9");
  if (!Has("::1")) Skip("this machine has no IPv6");
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

TEST_F(Udp, DualStack) {
  About(
      Robust(2), "--address=:: serves IPv4 clients too",
      "A socket at :: gets IPv4 datagrams as well, from ::ffff:a.b.c.d, "
      "unless IPV6_V6ONLY is set. Its default is a setting of the machine, "
      "so a program that cares sets it, before bind. Who came by IPv6 and who "
      "by IPv4 are two, with the same port as well.",
      "lab 07, step 9; man 7 ipv6, IPV6_V6ONLY");
  if (!Has("::1")) Skip("this machine has no IPv6");
  SocketAddress name;
  Process server = StartServer({"--address=::", "--requests=2"}, &name);
  const uint32_t sequence = RandomNumber();
  DatagramPeer one = Open("an IPv6 client", "::1");
  Ask(server, one, *SocketAddress::Ip("::1", name.port()), sequence,
      RandomText(20), 1);
  DatagramPeer two = Open("an IPv4 client, with the port of that,", "127.0.0.2",
                          AddressOf(one).port());
  Ask(server, two, *SocketAddress::Ip(kLoopback, name.port()), sequence,
      RandomText(20), 2);
  server.Exits(0);
}

TEST_F(Udp, HostByName) {
  About(Core(1), "the server's machine may be given by its name",
        "People know names, and getaddrinfo finds the addresses of one. With "
        "AI_NUMERICHOST it does not, and inet_pton knows no names at all.",
        "the contract in the handout; lab 07, step 9; man 3 getaddrinfo");
  addrinfo hints = {}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  if (getaddrinfo("localhost", nullptr, &hints, &found) != 0) {
    Skip("this machine does not know localhost");
  }
  if (found) freeaddrinfo(found);
  // It may be ::1 or 127.0.0.1, whichever comes first.
  DatagramPeer host = Open("a server of ours", Has("::1") ? "::" : kLoopback);
  const std::string text = RandomText(20);
  Process client =
      Start("client", {"--address=localhost",
                       absl::StrCat("--port=", AddressOf(host).port()),
                       "--timeout=60000", text});
  SocketAddress from;
  const std::string request = NextRequest(host, &from);
  host.SendTo(from, Pack(SequenceOf(request), 1, text), "the answer");
  client.Exits(0);
}

// The client ------------------------------------------------------------------

TEST_F(Udp, ClientSendsRequests) {
  About(Core(3), "a message is sent as a request, and its answer printed",
        "One datagram: sequence and number in network byte order, then the "
        "text, without a NUL. The sequence of the next one is one more. The "
        "number of an answer has 32 bits as well, and no sign.",
        "handout, steps 2, 4 and 5");
  DatagramPeer host = OpenHost();
  const std::string texts[] = {RandomText(20), "", RandomText(7)};
  Process client =
      StartClient(host, {"--timeout=60000", texts[0], texts[1], texts[2]});
  uint32_t sequence = 0;
  std::string output;
  for (int i = 0; i < 3; ++i) {
    SocketAddress from;
    const std::string request = NextRequest(host, &from);
    if (i == 0) {
      sequence = SequenceOf(request);
      output = Ends(from, host);
    }
    const std::string expected = Request(sequence + i, texts[i]);
    client.Expect(request == expected, Shown(expected), Shown(request));
    const uint32_t number = RandomNumber(1u << 31);
    const std::string answer = Pack(sequence + i, number, texts[i]);
    host.SendTo(from, answer, Shown(answer));
    output += Answered(number, texts[i]);
    if (i < 2) HasPrinted(client, host, output);
  }
  client.Exits(0, output);
  StartClient(host, {}).Exits(0);
  client.Expect(!Waits(host), "without a message it sends nothing", "it does");
}

TEST_F(Udp, OneAtATime) {
  About(Core(2), "the next request waits for the answer to the last one",
        "Sent all at once, requests may overtake one another, and the queue of "
        "the server overflows: what does not fit is thrown away, and nobody is "
        "told. One at a time is the slowest way, and the safest.",
        "handout, step 5");
  DatagramPeer host = OpenHost();
  Process client = StartClient(
      host, {"--timeout=60000", RandomText(5), RandomText(5), RandomText(5)});
  for (int i = 0; i < 3; ++i) {
    SocketAddress from;
    const std::string request = NextRequest(host, &from);
    // Or has had the time for another.
    if (i == 0) client.FallsAsleep();
    client.Expect(!Waits(host), "it waits for the answer",
                  "it has sent another request meanwhile");
    host.SendTo(from, Pack(SequenceOf(request), 1 + i, ""), "the answer");
  }
  client.Exits(0);
}

TEST_F(Udp, SequenceIsRandom) {
  About(Robust(1), "the first sequence number is a random one",
        "The kernel gives ports again. Who gets one that another client had a "
        "moment ago, and begins with 1 as that did, is taken for that client: "
        "its requests are old ones to the server, and late answers to the "
        "other one seem to be its own.",
        "handout, step 7; man 2 getrandom");
  DatagramPeer host = OpenHost();
  uint32_t sequences[3];
  for (uint32_t& sequence : sequences) {
    Process client = StartClient(host, {"--timeout=60000", ""});
    SocketAddress from;
    sequence = SequenceOf(NextRequest(host, &from));
    host.SendTo(from, Pack(sequence, 1, ""), "the answer");
    client.Exits(0);
  }
  // For them to be so near each other by chance, twice: one of 10^8 times.
  const auto near = [](uint32_t a, uint32_t b) {
    return a - b < 200000 || b - a < 200000;
  };
  if (!over() && near(sequences[0], sequences[1]) &&
      near(sequences[1], sequences[2])) {
    Fail("three runs begin with three random numbers",
         absl::StrCat("with ", sequences[0], ", ", sequences[1], ", ",
                      sequences[2]));
  }
}

TEST_F(Udp, AsksAgain) {
  About(Core(3), "a request without an answer is sent again, the very same",
        "The request was lost, or the answer, or it is late: who sends by UDP "
        "is not told. All that can be done is to ask again, with the same "
        "sequence number, by which the server knows that it is no new one.",
        "handout, step 6");
  DatagramPeer host = OpenHost();
  const std::string texts[] = {RandomText(20), RandomText(30)};
  Process client =
      StartClient(host, {"--timeout=20", "--tries=7", texts[0], texts[1]});
  std::string output;
  for (int i = 0; i < 2; ++i) {
    SocketAddress from;
    const std::string request = RequestWith(client, host, texts[i], &from);
    if (i == 0) output = Ends(from, host);
    const std::string again =
        NextRequest(host, &from, "the same request again");
    client.Expect(again == request, "the same once more, " + Shown(request),
                  Shown(again));
    // At once, not at its end: before it asks a third time, in any case.
    output += Unanswered(i + 1);
    HasPrinted(client, host, output);
    const std::string answer = Pack(SequenceOf(request), i + 1, texts[i]);
    host.SendTo(from, answer, Shown(answer));
    // On a slow machine it has asked more often.
    client.ComesDownTo(0, "answers that it has not printed", [&] {
      while (absl::StartsWith(client.out(), output + Unanswered(i + 1))) {
        output += Unanswered(i + 1);
      }
      return client.out().find('\n', output.size()) == std::string::npos;
    });
    const std::string line = Answered(i + 1, texts[i]);
    client.Prints(output += line);
  }
  client.Exits(0, output);
}

TEST_F(Udp, GivesUp) {
  About(Core(3), "after --tries tries it gives up: ETIMEDOUT",
        "A server that is gone, or unreachable, will not answer however often "
        "you ask, and a program that never ends helps nobody. How often to try "
        "is the user's affair. Each message has all its tries, and each try, "
        "the last one too, its time.",
        "handout, step 6");
  DatagramPeer host = OpenHost();
  Process once =
      StartClient(host, {"--timeout=60000", "--tries=1", "x", "y", "z"});
  for (int i = 1; i <= 3; ++i) {
    SocketAddress from;
    const std::string request = NextRequest(host, &from);
    host.SendTo(from, Pack(SequenceOf(request), i, ""), "the answer");
  }
  once.Exits(0);

  const int tries = static_cast<int>(RandomNumber(2, 4));
  const std::string text = RandomText(20);
  Process client = StartClient(
      host, {"--timeout=10", absl::StrCat("--tries=", tries), text, "next"});
  SocketAddress from;
  const std::string request = RequestWith(client, host, text, &from);
  int sent = 1;
  while (sent <= tries && !over()) {
    client.ComesDownTo(0, "programs that have not given up", [&] {
      return !Waits(host) && harness::IsAlive(client.pid()) ? 1 : 0;
    });
    if (!Waits(host)) break;
    const std::string again =
        NextRequest(host, &from, "the same request again");
    client.Expect(again == request, "the same once more, " + Shown(request),
                  Shown(again));
    ++sent;
  }
  client.Expect(sent == tries, absl::StrCat("sent ", tries, " times in all"),
                absl::StrCat(sent, " times"));
  client.Refuses({"ETIMEDOUT"});
  std::string output = Ends(from, host);
  for (int i = 1; i < tries; ++i) output += Unanswered(1);
  client.Exits(1, output);
}

TEST_F(Udp, WaitsLongerEachTime) {
  About(Core(2), "it waits --timeout, then twice as long each time",
        "When answers are late because the server or the network has too much "
        "to do, asking more often is the last thing that helps. So does "
        "everybody wait longer each time, until there is little enough to do: "
        "exponential backoff.",
        "handout, step 6");
  DatagramPeer host = OpenHost();
  // Not later than: that nobody can promise. Not earlier than: by our clock,
  // from before it starts until its last try is here.
  const absl::Time start = absl::Now();
  Process client =
      StartClient(host, {"--timeout=10", "--tries=5", RandomText(5)});
  SocketAddress from;
  for (int i = 0; i < 5; ++i) {
    NextRequest(host, &from, i == 0 ? "a request" : "it again");
  }
  const absl::Duration took = absl::Now() - start;
  constexpr int kWaits = 10 + 20 + 40 + 80, kRounding = 4;
  client.Expect(
      took >= absl::Milliseconds(kWaits - kRounding),
      absl::StrCat("with --timeout=10 it waits 10, 20, 40 and 80 ms, ", kWaits,
                   " in all, before the fifth try"),
      absl::StrCat("that comes after ", absl::ToInt64Milliseconds(took),
                   " ms"));
}

TEST_F(Udp, IgnoresOldAnswers) {
  About(Core(3), "an answer to another request is not taken for this one's",
        "A request that was sent twice is answered twice, and the second "
        "answer is still on its way when the next request has been sent. Whose "
        "it is only the sequence number tells.",
        "handout, step 7");
  DatagramPeer host = OpenHost();
  const std::string texts[] = {RandomText(20), RandomText(20), RandomText(20)};
  Process client =
      StartClient(host, {"--timeout=60000", texts[0], texts[1], texts[2]});
  SocketAddress from;
  std::string output, old;
  for (int i = 0; i < 3; ++i) {
    const std::string request = RequestWith(client, host, texts[i], &from);
    if (i == 0) output = Ends(from, host);
    const uint32_t sequence = SequenceOf(request);
    if (i > 0) host.SendTo(from, old, "the last answer, once more");
    const std::string next = Pack(sequence + 1, i + 1, RandomText(20));
    host.SendTo(from, next, Shown(next));
    const std::string answer = Pack(sequence, i + 1, texts[i]);
    host.SendTo(from, answer, Shown(answer));
    host.SendTo(from, answer, "the same once more");
    output += Answered(i + 1, texts[i]);
    old = answer;
  }
  client.Exits(0, output);
}

TEST_F(Udp, IgnoresNonsense) {
  About(Core(2), "what is no answer is ignored",
        "A datagram may be of 0 bytes, which is no end, or of less than a "
        "header: then what is behind it in your buffer is from the last one. "
        "And what has the number 0 is a request.",
        "handout, step 7");
  DatagramPeer host = OpenHost();
  const std::string texts[] = {RandomText(20), RandomText(20)};
  Process client = StartClient(host, {"--timeout=60000", texts[0], texts[1]});
  SocketAddress from;
  std::string output;
  for (int i = 0; i < 2; ++i) {
    const std::string request = RequestWith(client, host, texts[i], &from);
    if (i == 0) output = Ends(from, host);
    const std::string answer = Pack(SequenceOf(request), i + 1, texts[i]);
    host.SendTo(from, "", "a datagram of 0 bytes");
    host.SendTo(from, answer.substr(0, 7), "the first 7 bytes of its answer");
    host.SendTo(from, answer.substr(0, 4), "the first 4 bytes of its answer");
    host.SendTo(from, request, "its request, as it was");
    host.SendTo(from, answer, Shown(answer));
    output += Answered(i + 1, texts[i]);
  }
  client.Exits(0, output);
}

TEST_F(Udp, IgnoresStrangers) {
  About(Core(3), "an answer from somebody else is not taken",
        "Whoever knows or guesses your port can send to it. A socket that is "
        "connected gets only what its peer has sent; the kernel drops "
        "everything else. One that is not must compare the sender of each "
        "datagram, address and port.",
        "handout, step 4; man 2 connect, man 7 udp");
  DatagramPeer host = OpenHost();
  const std::string text = RandomText(20);
  Process client = StartClient(host, {"--timeout=60000", text});
  SocketAddress from;
  const std::string request = RequestWith(client, host, text, &from);
  DatagramPeer stranger = Open("a stranger");
  DatagramPeer impostor = Open("a stranger, with the server's port,",
                               "127.0.0.2", AddressOf(host).port());
  for (DatagramPeer& other : {std::ref(stranger), std::ref(impostor)}) {
    other.SendTo(from, Pack(SequenceOf(request), 666, RandomText(20)),
                 "an answer to that");
  }
  host.SendTo(from, Pack(SequenceOf(request), 1, text), "the answer");
  client.Exits(0, Ends(from, host) + Answered(1, text));
}

TEST_F(Udp, DeadlineStands) {
  About(Robust(3), "what else comes does not put off the next try",
        "A time-out that starts anew with each datagram, as SO_RCVTIMEO does "
        "and a poll with the whole time, never ends while old answers keep "
        "coming. Reckon the deadline once, and wait for what is left of it.",
        "handout, step 7; man 2 poll, man 2 clock_gettime");
  DatagramPeer host = OpenHost();
  const std::string text = RandomText(20);
  Process client = StartClient(host, {"--timeout=40", "--tries=5", text});
  SocketAddress from;
  const std::string request = RequestWith(client, host, text, &from);
  const absl::Time late = absl::Now() + absl::Milliseconds(100);
  Step("it sent old answers, one whenever the last one had been read");
  const std::string old = Pack(SequenceOf(request) - 1, 1, RandomText(20));
  const auto unread = [&] {
    if (Waits(host)) return 0;
    for (const harness::IpSocket& socket : harness::UdpSockets()) {
      if (socket.local.ToString() == from.ToString()) {
        return static_cast<int>(socket.unread);
      }
    }
    return 0;
  };
  // However slow the machine is: it has had its time, and many turns since.
  constexpr int kTurns = 50;
  for (int turns = 0; turns < kTurns && !Waits(host) && !over();) {
    host.SendTo(from, old, "");
    client.ComesDownTo(0, "bytes that it has not read", unread);
    if (absl::Now() > late) ++turns;
  }
  client.Expect(Waits(host), "it asks again after 40 ms",
                "100 ms later it has read 50 old answers more, and waits");
  NextRequest(host, &from);
  host.SendTo(from, Pack(SequenceOf(request), 1, text), "the answer");
  client.Exits(0);
}

TEST_F(Udp, ConnectionRefused) {
  About(Core(3), "where nobody is, it fails at once: ECONNREFUSED",
        "To connect a UDP socket sends nothing. The first datagram meets a "
        "closed port, the other machine says so by ICMP, and the kernel tells "
        "a connected socket with its next call, once. To wait and to try again "
        "is to hide what you know.",
        "handout, step 4; man 7 udp");
  const harness::OwnPort port(SOCK_DGRAM);
  const auto closed = harness::Refuse(SOCK_DGRAM, kLoopback, port.number());
  Process client =
      Start("client", {absl::StrCat("--port=", port.number()), "--timeout=100",
                       "--tries=2", RandomText(20), "next"});
  client.Refuses({"ECONNREFUSED"});
  client.Expect(!absl::StrContains(client.out(), "again"),
                "it does not ask again", harness::Escaped(client.out()));
}

TEST_F(Udp, TooLong) {
  About(Core(2), "a message that fits in no datagram is an error: EMSGSIZE",
        "A stream takes a message in pieces; a datagram is sent whole or not "
        "at all. The kernel knows how much that is: over IPv4 65507 bytes. To "
        "send a part would be to ask something else.",
        "handout, step 2; man 2 send");
  DatagramPeer host = OpenHost();
  Process client = StartClient(
      host, {"--timeout=100", "--tries=1", RandomText(kLongestText + 1)});
  client.Refuses({"EMSGSIZE"});
  client.Expect(!Waits(host), "nothing is sent", "something was");
}

TEST_F(Udp, LongestMessage) {
  About(Core(2), "the longest message works, and any answer is printed whole",
        "65499 bytes and the header are a full datagram. An answer is bytes: "
        "what a NUL or a %s would end is printed short, what a small buffer "
        "cannot hold is cut, and nobody says so.",
        "handout, steps 2 and 5; man 3 fwrite");
  DatagramPeer host = OpenHost();
  const std::string texts[] = {RandomText(kLongestText), RandomText(3)};
  Process client = StartClient(host, {"--timeout=60000", texts[0], texts[1]});
  const std::string answers[] = {RandomText(kLongestText),
                                 EveryByte() + RandomText(2)};
  std::string output;
  for (int i = 0; i < 2; ++i) {
    SocketAddress from;
    const std::string request = RequestWith(client, host, texts[i], &from);
    if (i == 0) output = Ends(from, host);
    host.SendTo(from, Pack(SequenceOf(request), i + 1, answers[i]),
                "an answer of " + Bytes(kHeaderSize + answers[i].size()));
    output += Answered(i + 1, answers[i]);
  }
  client.Exits(0, output);
}

TEST_F(Udp, ClientInterrupted) {
  About(Robust(2), "a signal neither ends its wait nor its request",
        "poll is interrupted by any signal that has a handler, SA_RESTART or "
        "not, and a recv with SO_RCVTIMEO too. It is no answer, and no end of "
        "the time: wait for what is left of it.",
        "handout, step 5; man 7 signal");
  DatagramPeer host = OpenHost();
  const std::string texts[] = {RandomText(5), RandomText(6), RandomText(7),
                               RandomText(8)};
  Process client =
      StartInterrupted("client", ArgsFor(host, {"--timeout=60000", texts[0],
                                                texts[1], texts[2], texts[3]}));
  std::string output;
  for (int i = 0; i < 4; ++i) {
    SocketAddress from;
    const std::string request = RequestWith(client, host, texts[i], &from);
    if (i == 0) output = Ends(from, host);
    host.SendTo(from, Pack(SequenceOf(request), i + 1, texts[i]), "the answer");
    output += Answered(i + 1, texts[i]);
  }
  client.Exits(0, output);
}

TEST_F(Udp, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "A port has 16 bits. atoi makes 0 of a word, and getaddrinfo 4464 of "
        "70000, and 0, any port, of 65536. Look at the number before you pass "
        "it on.",
        "the contract in the handout");
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--port=65536"},  {"server", "--port=http"},
               {"server", "--port=-1"},     {"server", "--requests=0"},
               {"server", "--lose=x"},      {"client", "--port=0"},
               {"client", "--port=70000"},  {"client", "--timeout=soon"},
               {"client", "--no-such-flag"}};
  for (const auto& [program, flag] : calls) {
    Start(program, {flag}).Refuses({}, /*status=*/2);
  }
  Start("client", {}).Refuses({}, /*status=*/2);
}

}  // namespace
