// The checks of lab 08 that judge the client. Each states a fact about the
// programs; the mutants beside this file show what each one is there to catch.
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
#include "tests/08_udp/udp_check.h"
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

}  // namespace
