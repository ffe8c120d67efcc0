// The checks of lab 08 that judge the server. Each states a fact about the
// programs; the mutants beside this file show what each one is there to catch.
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/socket_address.h"
#include "tests/08_udp/udp_check.h"
#include "tests/support/check.h"
#include "tests/support/ports.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Fault;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::SocketAddress;

TEST_F(Server, WaitsWhereItSays) {
  About(Core(2),
        "it waits at --port, or at a port of the kernel's, and says so",
        "bind gives a UDP socket its name, and there is nothing to listen to: "
        "whatever is sent there waits in its queue. A port is in network byte "
        "order, the high byte first. Which one the kernel chose only "
        "getsockname tells.",
        Handout(1, {3}, "man 7 udp, man 2 getsockname"));
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

TEST_F(Server, AnswersEachSender) {
  About(Core(3), "each answer goes to whom it belongs",
        "One socket hears all clients. recvfrom tells whose datagram it was, "
        "and sendto takes that name. A socket that is connected to the first "
        "client hears nobody else, and a name that is kept from an earlier "
        "request is somebody else's.",
        Handout(3, {4}, "man 2 recvfrom, man 2 sendto"));
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

TEST_F(Server, RepeatedRequest) {
  About(Core(3), "a request that comes again is answered, and not counted",
        "Who gets no answer asks again, and cannot know which of the two was "
        "lost, the request or the answer. To the server it is one request: "
        "carried out twice, money would be paid twice. The same answer once "
        "more is what the client waits for.",
        Handout(8, {5}, ""));
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

TEST_F(Server, RemembersOlderRequests) {
  About(Core(3), "a request that comes again late is known, too",
        "A datagram may take its time, and be overtaken by others. Then the "
        "last sequence number of a client tells nothing: a lower one may be "
        "new, an older one may come again. The last 64 requests are to be "
        "remembered, from all clients together.",
        Handout(8, {5, 6}, ""));
  SocketAddress name;
  Process server = StartServer({kOpenEnd}, &name);
  DatagramPeer clients[] = {Open("the first client"),
                            Open("the second client")};
  std::string output = server.PrintsLine();
  // So far from each other that they have the same place in any small table.
  const uint32_t first = RandomNumber();
  const uint32_t firsts[] = {first, first + (1u << 16)};
  std::vector<std::string> texts;
  const auto ask = [&](uint32_t number) {
    // In pairs, the second before the first, and by turns.
    const int who = number / 2 % 2;
    const uint32_t sequence = firsts[who] + number / 4 * 2 + (number % 2 ^ 1);
    const bool is_new = number > texts.size();
    if (is_new) texts.push_back(RandomText(6));
    const std::string& text = texts[number - 1];
    Ask(server, clients[who], name, sequence, text, number);
    output += is_new ? New(number, Request(0, text), NameOf(clients[who]))
                     : Again(number, NameOf(clients[who]));
  };
  for (uint32_t number = 1; number <= kRemembered; ++number) ask(number);
  // The first of them twice: that is no reason to forget the second.
  for (uint32_t number : {1, 1, 2, 17, 63, 64, 1}) ask(number);
  server.Prints(output);
}

TEST_F(Server, RemembersTheLastOnes) {
  About(Core(2), "a new request makes the server forget the oldest one only",
        "When the memory is full, the new request takes the place of the "
        "oldest one. To empty the whole memory is to forget requests that may "
        "still come again.",
        Handout(8, {6}, ""));
  SocketAddress name;
  Process server = StartServer({kOpenEnd}, &name);
  DatagramPeer client = Open();
  const uint32_t first = RandomNumber();
  constexpr uint32_t kMost = 2 * kRemembered + 2;
  const auto ask = [&](uint32_t number) {
    Ask(server, client, name, first + number, absl::StrCat(number), number);
  };
  for (uint32_t number = 1; number <= kMost; ++number) {
    ask(number);
    if (number % kRemembered < 3 && number > 3) ask(number - 1);
  }
  for (uint32_t back = 0; back + 4 < kRemembered; back += 5) ask(kMost - back);
}

TEST_F(Server, EndsAfterTheLast) {
  About(Core(2), "after N different requests it takes no more",
        "--requests=N says how many it answers. The Nth answer is the last "
        "one, whatever waits in the queue: the clients of the others must hear "
        "that nobody is there.",
        Handout(3, {4}, ""));
  SocketAddress name;
  Process server = StartServer({"--requests=3"}, &name);
  DatagramPeer client = Open();
  std::string output = server.PrintsLine();
  server.Stop();
  const uint32_t first = RandomNumber();
  std::string answers[3];
  for (uint32_t i = 0; i < 8; ++i) {
    const std::string text = RandomText(5 + i);
    const std::string request = Request(first + i, text);
    client.SendTo(name, request, Shown(request));
    if (i >= 3) continue;
    answers[i] = Pack(first + i, i + 1, text);
    output += New(i + 1, request, NameOf(client));
  }
  server.Continue();
  for (const std::string& answer : answers) {
    Receives(server, client, name, answer);
  }
  server.Exits(0, output);
  server.Expect(!Waits(client), "3 answers, and no more", "a 4th answer came");
}

TEST_F(Server, ForgetsAtLast) {
  About(Robust(1), "not all requests are remembered for ever",
        "Names and sequence numbers cost a server memory, and the network has "
        "no end of them. Some requests back, nobody asks again any more.",
        Handout(8, {6}, ""));
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

TEST_F(Server, WhoseSequence) {
  About(Core(2), "two clients may use the same sequence number",
        "Each client counts for itself, so the number alone says nothing: a "
        "request is known by it and by the name of who sent it, the address "
        "and the port.",
        Handout(8, {5}, ""));
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

TEST_F(Server, AnySequence) {
  About(Core(2), "a sequence number may be any of 32 bits",
        "The client chooses it. After 0xffffffff comes 0, and less than the "
        "last one is not older than the last one. In an int, half of them are "
        "negative.",
        Handout(8, {1, 5}, ""));
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

TEST_F(Server, AnyText) {
  About(Core(2), "a text is bytes and a length, and may be empty",
        "A datagram ends where it ends: recvfrom returns its length. A NUL in "
        "it is a byte like any other, none follows it, and behind it the "
        "buffer has the rest of a longer one.",
        Handout(2, {1, 2}, "man 2 recvfrom"));
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

TEST_F(Server, LargestRequest) {
  About(Core(2), "a request may be as large as a datagram can be",
        "UDP over IPv4 carries up to 65507 bytes in one datagram. What does "
        "not fit in your buffer is cut off, and recvfrom does not say so: the "
        "rest is lost.",
        Handout(2, {12}, "man 2 recv, MSG_TRUNC"));
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

TEST_F(Server, NotARequest) {
  About(Core(3), "what is not a request is reported, and not answered",
        "Any program can send anything: nothing at all, less than a header, an "
        "answer. Look at the length before you look at the header. recvfrom "
        "returning 0 is an empty datagram, not an end. `number` is unsigned "
        "and has 32 bits: compare all of them with 0.",
        Handout(2, {7}, "man 2 recvfrom"));
  SocketAddress name;
  Process server = StartServer({"--requests=2"}, &name);
  DatagramPeer client = Open();
  std::string output = server.PrintsLine();
  int bad = 0;
  const auto send = [&](const std::string& bytes) {
    client.SendTo(name, bytes, Shown(bytes));
    ++bad;
  };
  const uint32_t first = RandomNumber();
  const std::string text = RandomText(20), request = Request(first, text);
  // First, while its buffer is empty, and then after a request.
  for (const int size : {7, 0, 4}) send(request.substr(0, size));
  const std::string longer = RandomText(30);
  Ask(server, client, name, first + 1, longer, 1);
  output += New(1, Request(0, longer), NameOf(client));
  for (const int size : {0, 1, 3, 4, 7}) send(request.substr(0, size));
  for (const uint32_t number :
       {1u, 0x100u, 0x10000u, 0x1000000u, 0x80000000u, 0xffffffffu}) {
    send(Pack(first, number, text));
  }
  Ask(server, client, name, first, text, 2);
  output += New(2, request, NameOf(client));
  server.Exits(1, output);
  ExpectErrors(server, bad);
}

TEST_F(Server, OneThatIsNotARequest) {
  About(Core(2), "one datagram that is not a request makes the status 1",
        "Exit status 0 says that all went well. The server remembers until its "
        "end that it has seen something else than a request, how often it was "
        "and whatever comes after it.",
        Handout(2, {7, 25}, "man 3 exit"));
  DatagramPeer client = Open();
  const uint32_t sequence = RandomNumber();
  const std::string text = RandomText(20);
  for (const std::string& bad :
       {Request(sequence, "").substr(0, 7), std::string(),
        Pack(sequence, RandomNumber(1), text)}) {
    Part(absl::StrCat("a datagram of ", Bytes(bad.size())));
    SocketAddress name;
    Process server = StartServer({}, &name);
    client.SendTo(name, bad, Shown(bad));
    Ask(server, client, name, sequence, text, 1);
    server.Exits(1);
    ExpectErrors(server, 1);
  }
  Part("two datagrams that are not requests, or 256");
  for (const int count : {2, 256}) {
    SocketAddress name;
    Process server = StartServer({}, &name);
    Step(absl::StrCat("a client sends ", count, " times 3 bytes"));
    for (int i = 0; i < count; ++i) {
      client.SendTo(name, "bad", "");
      // The queue has no room for all of them.
      if (i % 16 != 0) continue;
      server.ComesDownTo(0, "bytes that it has not read",
                         [&] { return Unread(name); });
    }
    Ask(server, client, name, sequence, text, 1);
    server.Exits(1);
    ExpectErrors(server, count);
  }
}

TEST_F(Server, ClientIsGone) {
  About(Core(2), "a client that is gone before its answer harms nobody",
        "The answer meets a closed port, and the other machine says so, by "
        "ICMP. A UDP socket is told only of errors of the one it is connected "
        "to: this one, which is connected to nobody, hears nothing, and has "
        "nothing to report.",
        Handout(3, {9}, "man 7 udp"));
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

TEST_F(Server, AnswerCannotBeSent) {
  About(Robust(1), "an answer that cannot be sent is reported, and no more",
        "sendto fails when there is no way to the client any more, or a "
        "firewall forbids it. That is one client's misfortune: say so, and "
        "serve the others. Its request has been carried out all the same, and "
        "is known if it comes again.",
        Handout(3, {8}, "man 2 sendto"));
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

TEST_F(Server, LosesSome) {
  About(Core(2), "--lose=K loses every Kth datagram, of those in and out",
        "The loopback network loses nothing, so you have to do it yourself: a "
        "request that is lost was never there; an answer that is lost has been "
        "given, and its request been carried out.",
        Handout(6, {10}, ""));
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

TEST_F(Server, LosesEveryKth) {
  About(Robust(2), "--lose counts whatever comes and whatever goes",
        "All datagrams are counted with one count: those that come, be they "
        "requests or not, and all answers, those to repeated requests too. "
        "With K = 1 none comes through. What is lost when it comes was never "
        "there: the server does not look at it.",
        Handout(6, {10}, ""));
  DatagramPeer client = Open();
  const std::string who = NameOf(client);
  for (const int lose : {1, 2, 3, 4, 5, 7}) {
    Part(absl::StrCat("with --lose=", lose));
    SocketAddress name;
    Process server =
        StartServer({kOpenEnd, absl::StrCat("--lose=", lose)}, &name);
    std::string output = server.PrintsLine();
    const uint32_t first = RandomNumber();
    uint32_t answered = 0, numbers[3] = {};
    int datagrams = 0, errors = 0;
    // Requests 0, 1 and 2, each more than once, and what is not a request.
    for (const int which : {0, 0, -1, 1, 0, 1, -1, -1, 2, 1, 2, 0, 2, 2, 1}) {
      const std::string text = RandomText(which < 0 ? 5 : 9 + which);
      const std::string bytes =
          which < 0 ? text : Request(first + which, "abc");
      client.SendTo(name, bytes, Shown(bytes));
      const std::string lost = absl::StrCat("lost ", Bytes(bytes.size()));
      if (++datagrams % lose == 0) {
        output += absl::StrCat(lost, " from ", who, "\n");
      } else if (which < 0) {
        ++errors;
      } else {
        uint32_t& number = numbers[which];
        output += number ? Again(number, who) : New(answered + 1, bytes, who);
        if (!number) number = ++answered;
        if (++datagrams % lose == 0) {
          output += absl::StrCat(lost, " to ", who, "\n");
        } else {
          Receives(server, client, name, Pack(first + which, number, "abc"));
        }
      }
      server.Prints(output);
    }
    server.FallsAsleep();
    server.Prints(output);
    server.Expect(!Waits(client), "a lost answer is not sent", "it came");
    ExpectErrors(server, errors);
  }
}

TEST_F(Server, KnowsUnanswered) {
  About(Robust(1), "a request whose answer was lost is known, too",
        "A lost answer is why most requests come again. So a request is to be "
        "remembered when it is carried out, not when its answer is on its way: "
        "or just the one that comes again is carried out twice.",
        Handout(8, {10}, ""));
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

TEST_F(Server, Interrupted) {
  About(Robust(2), "a signal that interrupts a call changes nothing",
        "A call that waits returns -1 with EINTR when a signal comes and has a "
        "handler. Nothing has failed: call it again. A server must not end by "
        "it, nor an answer get lost.",
        Handout(2, {12}, "man 7 signal, \"Interruption of system calls\""));
  Process server = StartInterrupted("server", {"--requests=6"});
  const SocketAddress name = server.ReceivesOnUdp();
  DatagramPeer client = Open();
  for (uint32_t number = 1; number <= 6; ++number) {
    Ask(server, client, name, number, RandomText(9), number);
  }
  server.Exits(0);
}

TEST_F(Server, RefusesTakenPort) {
  About(Robust(2), "two servers cannot have the same port",
        "To UDP, SO_REUSEADDR means something else: all who have it may bind "
        "to one port, and the last of them gets what is sent there. The first "
        "server hears nothing more, and nobody is told. UDP has no TIME-WAIT, "
        "so there is nothing to be gained by it.",
        Handout(1, {11, 26}, "man 7 socket, man 7 udp"));
  SocketAddress name;
  StartServer({}, &name);
  Start("server", {absl::StrCat("--port=", name.port())})
      .Refuses({"bind", "EADDRINUSE"});
  // TEST-NET-1 in RFC 5737: nobody's.
  Start("server", {"--address=192.0.2.1"}).Refuses({"bind", "EADDRNOTAVAIL"});
}

TEST_F(Server, DualStack) {
  About(
      Robust(2), "--address=:: serves IPv4 clients too",
      "A socket at :: gets IPv4 datagrams as well, from ::ffff:a.b.c.d, "
      "unless IPV6_V6ONLY is set. Its default is a setting of the machine, "
      "so a program that cares sets it, before bind. Who came by IPv6 and who "
      "by IPv4 are two, with the same port as well.",
      WholeHandout({11}, "man 7 ipv6, IPV6_V6ONLY"));
  if (!Has("::1")) return Skip("this machine has no IPv6");
  SocketAddress name;
  Process server = StartServer({"--address=::", "--requests=2"}, &name);
  std::string output = server.PrintsLine();
  const std::string text = RandomText(20);
  const uint32_t sequence = RandomNumber();
  DatagramPeer one = Open("an IPv6 client", "::1");
  Ask(server, one, *SocketAddress::Ip("::1", name.port()), sequence, text, 1);
  DatagramPeer two = Open("an IPv4 client, with the port of that,", "127.0.0.2",
                          AddressOf(one).port());
  Ask(server, two, *SocketAddress::Ip(kLoopback, name.port()), sequence, text,
      2);
  const std::string request = Request(0, text);
  server.Exits(0, absl::StrCat(output, New(1, request, NameOf(one)),
                               New(2, request,
                                   absl::StrCat("[::ffff:127.0.0.2]:",
                                                AddressOf(two).port()))));
}

TEST_F(Server, ServesAtAddress) {
  About(Core(1), "it waits at --address, and there only",
        "bind takes the address that clients must use: pass on the one that "
        "you were given. 0.0.0.0 is all addresses of the machine: at that, "
        "everybody reaches the server, whom it was not meant for, too.",
        Handout(1, {3}, "man 2 bind, man 7 ip"));
  SocketAddress name;
  Process server = StartServer({"--address=127.0.0.5"}, &name);
  const SocketAddress expected = *SocketAddress::Ip("127.0.0.5", name.port());
  server.Expect(name.ToString() == expected.ToString(),
                "it waits at " + expected.ToString(), "at " + name.ToString());
  server.Prints(Waiting(expected));
}

TEST_F(Server, NamesInNumbers) {
  About(Robust(1), "a client's name is printed in numbers",
        "getnameinfo looks names up, unless it is told not to: a port that is "
        "in /etc/services gets a name without NI_NUMERICSERV, an address "
        "without NI_NUMERICHOST.",
        Handout(1, {4}, "man 3 getnameinfo"));
  // A port that has a name, and no other program has.
  std::optional<DatagramPeer> client;
  setservent(1);
  while (const servent* service = getservent()) {
    const int port = ntohs(static_cast<uint16_t>(service->s_port));
    if (strcmp(service->s_proto, "udp") != 0 || port < 1024) continue;
    const auto address = *SocketAddress::Ip("127.0.0.7", port);
    if (!ipc::Bind(address, SOCK_DGRAM).ok()) continue;
    client = OpenDatagram(address, "a client");
    break;
  }
  endservent();
  if (!client) return Skip("this machine has no named UDP port that is free");
  if (over()) return;
  SocketAddress name;
  Process server = StartServer({}, &name);
  const std::string line = server.PrintsLine();
  const std::string request = Request(RandomNumber(), RandomText(9));
  client->SendTo(name, request, Shown(request));
  server.Exits(0, line + New(1, request, NameOf(*client)));
}

TEST_F(Server, ServerCannotPrint) {
  About(Robust(1), "a line of the server that cannot be printed is a failure",
        "printf and fflush say whether they have printed. A disk may be full. "
        "Status 0 would mean that all was printed.",
        Handout(3, {22, 25}, "man 3 fflush, man 2 write"));
  // Each write: a program may print by a process or a thread of its own.
  std::vector<Fault> faults;
  for (int i = 1; i <= 4; ++i) {
    faults.push_back(Fault::Fail({"write", "writev"}, i, ENOSPC));
    faults.back().output = true;
    faults.back().on = {harness::DescriptorKind::kPipe};
  }
  Process server = StartWithFaults(faults, "server", {});
  const SocketAddress name = server.ReceivesOnUdp();
  DatagramPeer client = Open();
  const std::string request = Request(RandomNumber(), RandomText(20));
  client.SendTo(name, request, Shown(request));
  server.Exits(1);
}

TEST_F(Server, ServerWhateverHappens) {
  About(Robust(2), "the server does its work whatever its system calls return",
        "A call may be interrupted or fail. Here the checker makes that "
        "happen, to one call at a time.",
        Handout(2, {12, 25, 26}, "man 7 signal"));
  harness::SweepOptions options;
  // An answer that cannot be sent is for AnswerCannotBeSent.
  options.errors = {{"socket", EMFILE, {}}, {"bind", EACCES, {}}};
  options.interrupted = {"recv", "recvmsg", "recvmmsg", "read",      "send",
                         "poll", "sendmsg", "select",   "epoll_wait"};
  Sweep(
      "server",
      [&](const Starter& start) {
        Process server = start({"--requests=2"}, "/dev/null");
        const SocketAddress name = server.ReceivesOnUdp();
        DatagramPeer client = Open();
        std::string output = Waiting(name);
        for (uint32_t number = 1; number <= 2; ++number) {
          const std::string text = RandomText(9);
          Ask(server, client, name, number, text, number);
          output += New(number, Request(0, text), NameOf(client));
        }
        server.Exits(0, output);
      },
      options);
}

}  // namespace
