// The checks of lab 08 that judge the client. Each states a fact about the
// programs; the mutants beside this file show what each one is there to catch.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/socket.h"
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
using ipc::SocketAddress;

TEST_F(Client, HostByName) {
  About(Core(1), "the server's machine may be given by its name",
        "People know names, and getaddrinfo finds the addresses of one. With "
        "AI_NUMERICHOST it does not, and inet_pton knows no names at all.",
        Handout(4, {13}, "man 3 getaddrinfo"));
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

TEST_F(Client, ClientSendsRequests) {
  About(Core(3), "a message is sent as a request, and its answer printed",
        "One datagram: sequence and number in network byte order, then the "
        "text, without a NUL. The sequence of the next one is one more. The "
        "number of an answer has 32 bits as well, and no sign.",
        Handout(4, {1, 14, 15}, ""));
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

TEST_F(Client, OneAtATime) {
  About(Core(2), "the next request waits for the answer to the last one",
        "Sent all at once, requests may overtake one another, and the queue of "
        "the server overflows: what does not fit is thrown away, and nobody is "
        "told. One at a time is the slowest way, and the safest.",
        Handout(5, {14}, ""));
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

TEST_F(Client, SequenceIsRandom) {
  About(Robust(1), "the first sequence number is a random one",
        "The kernel gives ports again. Who gets one that another client had a "
        "moment ago, and begins with 1 as that did, is taken for that client: "
        "its requests are old ones to the server, and late answers to the "
        "other one seem to be its own.",
        Handout(7, {15}, "man 2 getrandom"));
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

TEST_F(Client, AsksAgain) {
  About(Core(3), "a request without an answer is sent again, the very same",
        "The request was lost, or the answer, or it is late: who sends by UDP "
        "is not told. All that can be done is to ask again, with the same "
        "sequence number, by which the server knows that it is no new one.",
        Handout(6, {16}, ""));
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

TEST_F(Client, GivesUp) {
  About(Core(3), "after --tries tries it gives up: ETIMEDOUT",
        "A server that is gone, or unreachable, will not answer however often "
        "you ask, and a program that never ends helps nobody. How often to try "
        "is the user's affair. Each message has all its tries, and each try, "
        "the last one too, its time.",
        Handout(6, {18}, ""));
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

TEST_F(Client, WaitsLongerEachTime) {
  About(Core(2), "it waits --timeout, then twice as long each time",
        "When answers are late because the server or the network has too much "
        "to do, asking more often is the last thing that helps. So does "
        "everybody wait longer each time, until there is little enough to do: "
        "exponential backoff.",
        Handout(6, {17}, ""));
  DatagramPeer host = OpenHost();
  // Not later than: that nobody can promise. Not earlier than: by our clock,
  // from before it starts until its last try is here.
  constexpr int kFirst = 4, kTries = 8;
  const absl::Time start = absl::Now();
  Process client =
      StartClient(host, {absl::StrCat("--timeout=", kFirst),
                         absl::StrCat("--tries=", kTries), RandomText(5)});
  SocketAddress from;
  for (int i = 0; i < kTries; ++i) {
    NextRequest(host, &from, i == 0 ? "a request" : "it again");
  }
  const absl::Duration took = absl::Now() - start;
  constexpr int kWaits = kFirst * ((1 << (kTries - 1)) - 1);
  client.Expect(
      took >= absl::Milliseconds(kWaits - kTries),
      absl::StrCat("with --timeout=4 it waits 4, 8, 16, 32, 64, 128 and 256 "
                   "ms, ",
                   kWaits, " in all, before the eighth try"),
      absl::StrCat("that comes after ", absl::ToInt64Milliseconds(took),
                   " ms"));
}

TEST_F(Client, EachMessageBeginsAnew) {
  About(Core(2), "each message has all its tries, and waits --timeout at first",
        "The time that the last request needed tells nothing about the next "
        "one. A count of tries, or a time-out, that is not set back makes the "
        "client slower with each message, and gives up too early.",
        Handout(6, {17, 18}, ""));
  DatagramPeer host = OpenHost();
  constexpr int kMessages = 6;
  std::vector<std::string> args = {"--timeout=20", "--tries=4"};
  for (int i = 0; i < kMessages; ++i) args.push_back(absl::StrCat("m", i));
  Process client = StartClient(host, args);
  bool in_time = false;
  absl::Time last = absl::Now();
  for (int i = 0; i < kMessages && !over(); ++i) {
    SocketAddress from;
    std::string request =
        RequestWith(client, host, absl::StrCat("m", i), &from);
    // The first message is answered at its last try: after 140 ms.
    for (int time = 1; time < (i == 0 ? 4 : 2) && !over(); ++time) {
      request = NextRequest(host, &from, "the request again");
    }
    // How late the second request comes nobody can promise. Once is enough.
    if (i > 0 && absl::Now() - last < absl::Milliseconds(155)) in_time = true;
    last = absl::Now();
    host.SendTo(from, Pack(SequenceOf(request), i + 1, ""), "the answer");
  }
  client.Expect(in_time,
                "with --timeout=20 each message is sent again after "
                "20 ms",
                "after a message that was sent four times, the others wait "
                "for 160 ms at first");
  client.Exits(0);
}

TEST_F(Client, Defaults) {
  About(Core(2), "without flags it waits 1000 ms, and tries 5 times",
        "The user who gives no flag relies on what the handout says.",
        Handout(6, {16, 18}, ""));
  DatagramPeer host = OpenHost();
  SocketAddress from;
  Process client = StartClient(host, {"--timeout=5", RandomText(5)});
  Part("--timeout=5, and --tries is not given");
  for (int i = 0; i < 5; ++i) {
    NextRequest(host, &from, i == 0 ? "a request" : "it again");
  }
  client.Refuses({"ETIMEDOUT"});
  client.Expect(!Waits(host), "5 tries", "more than 5 tries");

  Part("--tries=2, and --timeout is not given");
  const absl::Time start = absl::Now();
  client = StartClient(host, {"--tries=2", RandomText(5)});
  NextRequest(host, &from);
  const std::string again = NextRequest(host, &from, "it again");
  const absl::Duration took = absl::Now() - start;
  client.Expect(took >= absl::Milliseconds(1000 - 2),
                "it waits 1000 ms for an answer",
                absl::StrCat("it asks again after ",
                             absl::ToInt64Milliseconds(took), " ms"));
  host.SendTo(from, Pack(SequenceOf(again), 1, ""), "the answer");
  client.Exits(0);
}

TEST_F(Client, WaitsVeryLong) {
  About(Robust(1), "--timeout may be any number of milliseconds",
        "A second has 1000 million nanoseconds: in an int, 3 seconds are "
        "already too many. Reckon with 64 bits.",
        Handout(6, {16}, "man 3 stdint, int64_t"));
  for (const char* timeout :
       {"3000", "5000", "60000", "4000000", "2147483647"}) {
    DatagramPeer host = OpenHost();
    Process client =
        StartClient(host, {absl::StrCat("--timeout=", timeout), "x"});
    SocketAddress from;
    const std::string request = NextRequest(host, &from);
    client.Expect(client.FallsAsleep(), "it sleeps while nobody answers",
                  "it keeps the processor busy");
    client.Expect(!Waits(host) && !absl::StrContains(client.out(), "again"),
                  "it waits for the answer", "it has asked again at once");
    host.SendTo(from, Pack(SequenceOf(request), 1, ""), "the answer");
    client.Exits(0);
  }
}

TEST_F(Client, IgnoresOldAnswers) {
  About(Core(3), "an answer to another request is not taken for this one's",
        "A request that was sent twice is answered twice, and the second "
        "answer is still on its way when the next request has been sent. Whose "
        "it is only the sequence number tells.",
        Handout(7, {19}, ""));
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
    // Each of these differs from it in one bit, or is near it.
    for (const uint32_t other :
         {sequence + 1, sequence - 1, sequence ^ 0x80, sequence ^ 0x8000,
          sequence ^ 0x10000, sequence ^ 0x800000, sequence ^ 0x1000000,
          sequence ^ 0x80000000, htonl(sequence)}) {
      if (other == sequence) continue;
      const std::string stranger = Pack(other, i + 1, RandomText(20));
      host.SendTo(from, stranger, Shown(stranger));
    }
    const std::string answer = Pack(sequence, i + 1, texts[i]);
    host.SendTo(from, answer, Shown(answer));
    host.SendTo(from, answer, "the same once more");
    output += Answered(i + 1, texts[i]);
    old = answer;
  }
  client.Exits(0, output);
}

TEST_F(Client, IgnoresNonsense) {
  About(Core(2), "what is no answer is ignored",
        "A datagram may be of 0 bytes, which is no end, or of less than a "
        "header: then what is behind it in your buffer is from the last one. "
        "And what has the number 0 is a request.",
        Handout(7, {19}, ""));
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

TEST_F(Client, IgnoresStrangers) {
  About(Core(3), "an answer from somebody else is not taken",
        "Whoever knows or guesses your port can send to it. A socket that is "
        "connected gets only what its peer has sent; the kernel drops "
        "everything else. One that is not must compare the sender of each "
        "datagram, address and port.",
        Handout(4, {19}, "man 2 connect, man 7 udp"));
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

TEST_F(Client, DeadlineStands) {
  About(Robust(3), "what else comes does not put off the next try",
        "A time-out that starts anew with each datagram, as SO_RCVTIMEO does "
        "and a poll with the whole time, never ends while old answers keep "
        "coming. Reckon the deadline once, and wait for what is left of it.",
        Handout(7, {19}, "man 2 poll, man 2 clock_gettime"));
  DatagramPeer host = OpenHost();
  const std::string text = RandomText(20);
  AsksAgainInTime(StartClient(host, DeadlineArgs(text)), host, text, 1,
                  "an old answer");
}

TEST_F(Client, DeadlineStandsInterrupted) {
  About(Robust(2), "a signal does not put off the next try",
        "A poll that was interrupted has waited for a while already. To call "
        "it again with the whole time is to wait longer with each signal. "
        "Reckon the deadline once, and wait for what is left of it.",
        Handout(7, {19}, "man 7 signal, man 2 poll"));
  DatagramPeer host = OpenHost();
  const std::string text = RandomText(20);
  // Every third call is interrupted, and each datagram has it call once more.
  AsksAgainInTime(StartInterrupted("client", ArgsFor(host, DeadlineArgs(text))),
                  host, text, 4,
                  "old answers, so that it calls again, and is interrupted");
}

TEST_F(Client, ConnectionRefused) {
  About(Core(3), "where nobody is, it fails at once: ECONNREFUSED",
        "To connect a UDP socket sends nothing. The first datagram meets a "
        "closed port, the other machine says so by ICMP, and the kernel tells "
        "a connected socket with its next call, once. To wait and to try again "
        "is to hide what you know.",
        Handout(4, {20}, "man 7 udp"));
  const harness::OwnPort port(SOCK_DGRAM);
  const auto closed = harness::Refuse(SOCK_DGRAM, kLoopback, port.number());
  Process client =
      Start("client", {absl::StrCat("--port=", port.number()), "--timeout=100",
                       "--tries=2", RandomText(20), "next"});
  client.Refuses({"ECONNREFUSED"});
  client.Expect(!absl::StrContains(client.out(), "again"),
                "it does not ask again", harness::Escaped(client.out()));
}

TEST_F(Client, TooLong) {
  About(Core(2), "a message that fits in no datagram is an error: EMSGSIZE",
        "A stream takes a message in pieces; a datagram is sent whole or not "
        "at all. The kernel knows how much that is: over IPv4 65507 bytes. To "
        "send a part would be to ask something else.",
        Handout(2, {21}, "man 2 send"));
  DatagramPeer host = OpenHost();
  Process client = StartClient(
      host, {"--timeout=100", "--tries=1", RandomText(kLongestText + 1)});
  client.Refuses({"EMSGSIZE"});
  client.Expect(!Waits(host), "nothing is sent", "something was");
}

TEST_F(Client, LongestMessage) {
  About(Core(2), "the longest message works, and any answer is printed whole",
        "65499 bytes and the header are a full datagram. An answer is bytes: "
        "what a NUL or a %s would end is printed short, what a small buffer "
        "cannot hold is cut, and nobody says so.",
        Handout(5, {14, 21}, "man 3 fwrite"));
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

TEST_F(Client, PrintsAnyAnswer) {
  About(Core(2), "the text of an answer is printed as it is",
        "A text is bytes and a length. The client prints each of them: white "
        "space at the end, a percent sign and a NUL too. The length is the "
        "length of this datagram less 8, and 0 is a length.",
        Handout(5, {14}, "man 3 fwrite"));
  DatagramPeer host = OpenHost();
  const std::string texts[] = {
      RandomText(40), std::string(),        "a \r\n",   " \t",
      "\n",           std::string(1, '\0'), "%s%n%d%%", std::string("a\0b", 3),
      "\377",         RandomText(3)};
  std::vector<std::string> args = {"--timeout=60000"};
  for (size_t i = 0; i < std::size(texts); ++i) {
    args.push_back(absl::StrCat("m", i));
  }
  Process client = StartClient(host, args);
  std::string output;
  for (size_t i = 0; i < std::size(texts) && !over(); ++i) {
    SocketAddress from;
    const std::string request =
        RequestWith(client, host, absl::StrCat("m", i), &from);
    if (i == 0) output = Ends(from, host);
    const uint32_t number = static_cast<uint32_t>(i) + 1;
    const std::string answer = Pack(SequenceOf(request), number, texts[i]);
    host.SendTo(from, answer, Shown(answer));
    output += Answered(number, texts[i]);
    client.Prints(output);
  }
  client.Exits(0, output);
}

TEST_F(Client, ClientInterrupted) {
  About(Robust(2), "a signal neither ends its wait nor its request",
        "poll is interrupted by any signal that has a handler, SA_RESTART or "
        "not, and a recv with SO_RCVTIMEO too. It is no answer, and no end of "
        "the time: wait for what is left of it.",
        Handout(5, {19}, "man 7 signal"));
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

TEST_F(Client, AsksByUdp) {
  About(Robust(1), "it asks by UDP, whatever listens by TCP at that port",
        "TCP and UDP have ports of their own: two programs can have the same "
        "number. Without a socket type getaddrinfo gives each address once for "
        "each protocol, TCP first.",
        Handout(4, {13}, "man 3 getaddrinfo, ai_socktype"));
  DatagramPeer host = OpenHost();
  auto tcp = ipc::Bind(AddressOf(host), SOCK_STREAM);
  if (!tcp.ok() || listen(tcp->get(), 5) < 0) {
    Skip("another program has the TCP port of that number");
  }
  if (over()) return;
  Step("a TCP server of ours listens at the same port");
  const std::string text = RandomText(20);
  Process client = StartClient(host, {"--timeout=60000", text});
  client.ComesDownTo(0, "requests by UDP that it has not sent", [&] {
    pollfd connected = {tcp->get(), POLLIN, 0};
    return Waits(host) || poll(&connected, 1, 0) > 0 ? 0 : 1;
  });
  client.Expect(Waits(host), "a request comes by UDP",
                "the client has connected to the TCP server");
  SocketAddress from;
  const std::string request = RequestWith(client, host, text, &from);
  host.SendTo(from, Pack(SequenceOf(request), 1, text), "the answer");
  client.Exits(0);
}

TEST_F(Client, UnknownHost) {
  About(Robust(1), "a host that is not known is an error, in one line",
        "getaddrinfo returns what went wrong, and gai_strerror tells it in "
        "words. Without a line the user does not know why nothing happens.",
        Handout(4, {26}, "man 3 gai_strerror"));
  // No name server is asked for a name as long as this.
  Start("client", {"--address=" + RandomText(300), "--port=9", "x"})
      .Refuses({});
}

TEST_F(Client, ClientCannotPrint) {
  About(Robust(1), "a line of the client that cannot be printed is a failure",
        "printf and fflush say whether they have printed. A disk may be full. "
        "Status 0 would mean that the answers were printed.",
        Handout(5, {22, 25}, "man 3 fflush, man 2 write"));
  DatagramPeer host = OpenHost();
  std::vector<Fault> faults;
  for (int i = 1; i <= 4; ++i) {
    faults.push_back(Fault::Fail({"write", "writev"}, i, ENOSPC));
    faults.back().output = true;
    faults.back().on = {harness::DescriptorKind::kPipe};
  }
  Process client = StartWithFaults(faults, "client",
                                   ArgsFor(host, {"--timeout=60000", "x"}));
  // It may end as soon as it cannot print its first line, or ask first.
  client.ComesDownTo(0, "requests that are still to come", [&] {
    return Waits(host) || !harness::IsAlive(client.pid()) ? 0 : 1;
  });
  if (!over() && Waits(host)) {
    SocketAddress from;
    const std::string request = NextRequest(host, &from);
    host.SendTo(from, Pack(SequenceOf(request), 1, "x"), "the answer");
  }
  client.Exits(1);
}

TEST_F(Client, ClientWhateverHappens) {
  About(Robust(2), "the client does its work whatever its system calls return",
        "A call may be interrupted or fail. Here the checker makes that "
        "happen, to one call at a time.",
        Handout(5, {19, 25, 26}, "man 7 signal, man 2 send"));
  harness::SweepOptions options;
  options.errors = {{"socket", EMFILE, {}},
                    {"connect", ENETUNREACH, {harness::DescriptorKind::kUdp}},
                    {"timerfd_create", EMFILE, {}},
                    {"epoll_create", EMFILE, {}}};
  for (const char* mover : {"send", "sendmsg", "write", "writev"}) {
    options.errors.push_back(
        {mover, ENETUNREACH, {harness::DescriptorKind::kUdp}});
  }
  options.interrupted = {"recv", "recvmsg", "recvmmsg", "read",   "readv",
                         "send", "sendmsg", "poll",     "select", "epoll_wait"};
  Sweep(
      "client",
      [&](const Starter& start) {
        DatagramPeer host = OpenHost();
        const std::string texts[] = {RandomText(9), RandomText(10)};
        Process client =
            start(ArgsFor(host, {"--timeout=60000", texts[0], texts[1]}),
                  "/dev/null");
        std::string output;
        for (int i = 0; i < 2; ++i) {
          SocketAddress from;
          const std::string request = NextRequest(host, &from);
          if (request.empty()) break;
          if (i == 0) output = Ends(from, host);
          host.SendTo(from, Pack(SequenceOf(request), i + 1, texts[i]),
                      "the answer");
          output += Answered(i + 1, texts[i]);
        }
        client.Exits(0, output);
      },
      options);
}

}  // namespace
