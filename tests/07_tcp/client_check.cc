// What the client of lab 07 sends, prints and reports.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/07_tcp/tcp.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::OwnPort;
using harness::Peer;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

TEST_F(Client, ClientNamesBothEnds) {
  About(Core(2), "the client connects, and names both ends",
        "The kernel gives the client a port when it connects: getsockname "
        "tells it. getpeername tells the server's name. The client's own end "
        "comes first.",
        Handout(4, {11, 12}, "man 2 connect, man 2 getsockname"));
  HostAtOwnPort(kLoopback);
  const std::string line = Line();
  Process client = StartClient(HostAddress(), {line});
  Peer host = Accept();
  const std::string ends = Ends(host);
  host.Receive(line.size());
  host.Send(Answer(1, line), "the answer");
  host.StopWriting();
  client.Prints(ends);
}

TEST_F(Client, ClientSendsLines) {
  About(Core(2), "the client sends each MESSAGE as a line",
        "A line ends with a newline, and the server waits for that. strlen "
        "does not count it, and the NUL at the end of a string is not a part "
        "of the line.",
        Handout(5, {12}, "man 2 send"));
  HostAtOwnPort(kLoopback);
  const std::string one = Line(), two = Line(9), sent = one + "\n" + two + "\n";
  Process client = StartClient(HostAddress(), {one, two});
  Peer host = Accept();
  const std::string received = host.Receive(sent.size());
  client.Expect(received == sent, "its two lines",
                harness::Difference(sent, received));
}

TEST_F(Client, ClientEndsItsHalf) {
  About(Core(3), "the client sends its lines, ends its half, and reads on",
        "A server knows that there are no more lines when it reads an end of "
        "file. close would send that as well, and throw away the answers: "
        "shutdown(SHUT_WR) ends what you send and nothing else.",
        Handout(8, {12}, "man 2 shutdown"));
  HostAtOwnPort(kLoopback);
  const std::string one = Line(), two = Line(kLineSize - 1);
  Process client = StartClient(HostAddress(), {one, two});
  Peer host = Accept();
  const std::string ends = Ends(host);
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

TEST_F(Client, ClientMissesAnswers) {
  About(Core(2), "an end before the last answer is a failure",
        "To the client, recv returning 0 says that the server has ended, not "
        "that all is well. Count the answers, and do not take the beginning "
        "of one for the whole.",
        Handout(8, {12}, ""));
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

TEST_F(Client, ClientOutlivesServer) {
  About(Core(2), "a server that leaves does not kill the client",
        "Writing to a connection that the other end has left raises SIGPIPE, "
        "which ends the program without a word. MSG_NOSIGNAL makes it an "
        "error, which you can report.",
        Handout(8, {13}, "man 2 send, man 7 signal"));
  HostAtOwnPort(kLoopback);
  for (const bool reset : {false, true}) {
    Part(reset ? "the server closes, and resets the connection"
               : "the server closes");
    Process client = StartStoppedAfter(
        {"connect"}, "client",
        {"--address=127.0.0.1", PortFlag(HostAddress().port()), Line(1000),
         Line(1000), Line(1000), Line(1000)});
    Peer host = Accept();
    if (reset) {
      // After both the first send raises SIGPIPE, not only the second.
      host.StopWriting();
      host.Reset();
    } else {
      host.Close();
    }
    client.Continue();
    client.Refuses({});
  }
}

TEST_F(Client, ClientNamesTheError) {
  About(Core(1), "a port where nobody listens is told",
        "ECONNREFUSED: the machine is there, and nobody listens at that port. "
        "A status of 0 would mean that all was answered.",
        Handout(4, {13}, "man 2 connect"));
  const OwnPort port(SOCK_STREAM);
  const auto closed = harness::Refuse(SOCK_STREAM, kLoopback, port.number());
  Start("client", {"--address=127.0.0.1", PortFlag(port.number()), Line()})
      .Refuses({"connect", "ECONNREFUSED"});
}

TEST_F(Client, ClientTriesEveryAddress) {
  About(Robust(2), "the client tries one address after the other",
        "A name may stand for several addresses: this machine is ::1 and "
        "127.0.0.1. getaddrinfo returns a list of them, the likeliest first; "
        "somebody listens at one of them, not always at that one.",
        Handout(9, {11}, "man 3 getaddrinfo, ai_next"));
  if (!Has("::1")) return Skip("this machine has no IPv6");
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
  Part("the first address cannot be reached");
  Because(
      "Whatever connect says of one address, the next one may do: not only "
      "ECONNREFUSED, ENETUNREACH and ETIMEDOUT too.",
      Handout(9, {11}, "man 2 connect, ERRORS"));
  // Which of the two addresses the client tries first is its own affair.
  const OwnPort port(SOCK_STREAM);
  const auto ipv4 = ipc::Listen(*SocketAddress::Ip(kLoopback, port.number()));
  const auto ipv6 = ipc::Listen(*SocketAddress::Ip("::1", port.number()));
  const std::string line = Line();
  harness::Fault unreachable =
      harness::Fault::Fail({"connect"}, 1, ENETUNREACH);
  unreachable.on = {harness::DescriptorKind::kTcp,
                    harness::DescriptorKind::kSocket};
  Process client =
      StartWithFault(unreachable, "client", {PortFlag(port.number()), line});
  Peer host = AcceptAt({ipv4->get(), ipv6->get()}, client);
  host.ReceiveAll();
  host.Send(Answer(1, line), "the answer");
  host.Close();
  client.Exits(0);
}

TEST_F(Client, ClientSendsMuch) {
  About(Robust(1), "the client waits while there is no room for its lines",
        "The server reads late. A blocking send waits until there is room; on "
        "a non-blocking socket it takes a part, or fails with EAGAIN. That is "
        "not a failure: wait (poll, POLLOUT) and send the rest.",
        Handout(8, {12, 14}, "man 2 send"));
  const OwnPort port(SOCK_STREAM);
  auto listener = ipc::Listen(*SocketAddress::Ip(kLoopback, port.number()));
  LeaveLittleRoom(listener->get());
  std::vector<std::string> args = {"--address=127.0.0.1",
                                   PortFlag(port.number())};
  std::string sent, answers;
  for (int number = 1; number <= 400; ++number) {
    args.push_back(Line(1000));
    sent += args.back() + "\n";
    answers += Answer(number, "");
  }
  Process client = Start("client", args);
  Peer host = AcceptAt({listener->get()}, client);
  Step("our server has small buffers, and reads late");
  client.FallsAsleep();
  const std::string received = host.ReceiveAll();
  client.Expect(received == sent, "its 400 lines",
                harness::Difference(sent, received));
  const std::string ends = Ends(host);
  host.Send(answers, "400 answers");
  host.Close();
  client.Exits(0, ends + answers);
}

TEST_F(Client, ClientSendsEachMessage) {
  About(Core(2), "each MESSAGE is a line, as it is",
        "A MESSAGE is bytes up to its NUL, and no format: it may be empty, or "
        "have a % or a letter of two bytes in it. The newline is what you add.",
        Handout(8, {12}, "man 2 send"));
  HostAtOwnPort(kLoopback);
  const std::vector<std::string> messages = {
      "", "100%% %d %s %n", "\\n \\t", "\xc3\xa9\xff\x01", " blanks ", "-x",
      ""};
  std::vector<std::string> args = {"--"};
  args.insert(args.end(), messages.begin(), messages.end());
  Process client = StartClient(HostAddress(), args);
  Peer host = Accept();
  std::string sent, answers;
  for (size_t i = 0; i < messages.size(); ++i) {
    sent += messages[i] + "\n";
    answers += Answer(static_cast<int>(i) + 1, "");
  }
  const std::string received = host.ReceiveAll();
  client.Expect(received == sent, "its seven lines",
                harness::Difference(sent, received));
  const std::string ends = Ends(host);
  host.Send(answers, "seven answers");
  host.Close();
  client.Exits(0, ends + answers);
}

TEST_F(Client, ClientPrintsBytes) {
  About(Core(2), "the answers are printed as they are",
        "What comes from the network is bytes: there may be a NUL in it, or a "
        "%. printf(answer) and %s make something else of that. fwrite and "
        "write take a number of bytes.",
        Handout(8, {12}, "man 3 fwrite"));
  HostAtOwnPort(kLoopback);
  Process client = StartClient(HostAddress(), {Line(), Line(), Line()});
  Peer host = Accept();
  host.ReceiveAll();
  const std::string ends = Ends(host);
  std::string answers = "1: 100%% %d %s %n\n2: a";
  answers.push_back('\0');
  answers += "b\r\n3: \xff\xff\x1b[0m\n";
  host.Send(answers, "three answers with a %, a NUL and bytes of 255");
  host.Close();
  client.Exits(0, ends + answers);
}

TEST_F(Client, ClientReadsToTheEnd) {
  About(Robust(1), "what the server sends is printed until it ends",
        "Only the end of the connection tells that there is no more. An answer "
        "without its newline, and one more than expected, are printed as "
        "well.",
        Handout(8, {12}, "man 2 recv"));
  HostAtOwnPort(kLoopback);
  Process client = StartClient(HostAddress(), {Line()});
  Peer host = Accept();
  host.ReceiveAll();
  const std::string ends = Ends(host), answer = Answer(1, Line());
  host.Send(answer, "the answer");
  host.AwaitRead();
  host.Send("2: one more\nand more", "another line, and 8 bytes of the next");
  host.Close();
  client.Prints(ends + answer + "2: one more\nand more");
}

TEST_F(Client, ClientTellsReset) {
  About(Core(1), "a connection that is reset is a failure",
        "recv fails with ECONNRESET when the server has died, or has closed "
        "with your bytes unread. That is an error, and not an end of file.",
        Handout(8, {13}, "man 2 recv"));
  HostAtOwnPort(kLoopback);
  Process client = StartClient(HostAddress(), {Line()});
  Peer host = Accept();
  host.ReceiveAll();
  host.Send(Answer(1, Line()), "the answer");
  host.AwaitRead();
  host.Reset();
  client.Refuses({});
}

TEST_F(Client, ClientTakesNames) {
  About(Robust(1), "HOST may be a name, and the client prints numbers",
        "getaddrinfo finds the addresses of a name, unless AI_NUMERICHOST "
        "forbids it. The name of an end is what getpeername and getnameinfo "
        "say, with NI_NUMERICHOST and NI_NUMERICSERV, not what the user "
        "typed.",
        Handout(9, {11}, "man 3 getaddrinfo, man 3 getnameinfo"));
  HostAtOwnPort(kLoopback);
  if (HasLocalhost()) {
    Part("--address=localhost");
    const std::string line = Line();
    Process client = Start("client", {"--address=localhost",
                                      PortFlag(HostAddress().port()), line});
    Peer host = Accept();
    host.ReceiveAll();
    AnswersAndEnds(&host, line, client, "the answer");
  }
  Part("a name that cannot exist");
  Because(
      "getaddrinfo does not set errno: it returns its error, and gai_strerror "
      "tells it.",
      Handout(2, {13}, "man 3 gai_strerror"));
  Start("client",
        {"--address=" + Line(70), PortFlag(HostAddress().port()), Line()})
      .Refuses({});
}

TEST_F(Client, ClientNamesPortsByNumber) {
  About(Robust(1), "a port that has a name is told as a number",
        "Some ports have names: see /etc/services. getnameinfo tells them, "
        "unless NI_NUMERICSERV asks for the number.",
        Handout(9, {12}, "man 3 getnameinfo, man 5 services"));
  const ipc::UniqueFd listener = BindToNamedPort();
  if (!listener.valid()) return Skip("no port that has a name is free");
  listen(listener.get(), 1);
  const auto name = ipc::LocalAddress(listener.get());
  const std::string line = Line();
  Process client = StartClient(*name, {line});
  Peer host = AcceptAt({listener.get()}, client);
  host.ReceiveAll();
  AnswersAndEnds(&host, line, client, "the answer");
}

TEST_F(Client, ClientTellsOnce) {
  About(Robust(1), "when no address answers, the client says so in one line",
        "An address where nobody listens is no failure as long as there is "
        "another one to try. Report when the list is at its end.",
        Handout(9, {11, 13}, "man 3 getaddrinfo"));
  const OwnPort port(SOCK_STREAM);
  const auto closed = harness::Refuse(SOCK_STREAM, kLoopback, port.number());
  const auto closed_too = harness::Refuse(SOCK_STREAM, "::1", port.number());
  Start("client", {PortFlag(port.number()), Line()})
      .Refuses({"connect", "ECONNREFUSED"});
}

TEST_F(Client, ClientNamesIpv6) {
  About(Robust(1), "an IPv6 name has its address in brackets",
        "An IPv6 address has colons in it. Without brackets the port looks "
        "like one more part of it: [::1]:40963.",
        Handout(9, {11}, "man 7 ipv6"));
  if (!Has("::1")) return Skip("this machine has no IPv6");
  HostAtOwnPort("::1");
  const std::string line = Line();
  Process client =
      Start("client", {"--address=::1", PortFlag(HostAddress().port()), line});
  Peer host = Accept();
  host.ReceiveAll();
  AnswersAndEnds(&host, line, client, "the answer");
}

TEST_F(Client, ClientHasPatience) {
  About(Robust(1), "the client waits for as long as the server is silent",
        "The contract has no time limit: a server may be busy for an hour, and "
        "then answer.",
        Handout(8, {12}, "man 2 recv"));
  HostAtOwnPort(kLoopback);
  const std::string line = Line();
  Process client = StartOutOfTime(
      "client", {"--address=127.0.0.1", PortFlag(HostAddress().port()), line});
  Peer host = Accept();
  host.ReceiveAll();
  client.Expect(client.FallsAsleep(), "client sleeps until there is an answer",
                "it uses the processor all the time");
  AnswersAndEnds(&host, line, client, "the answer, after a long time");
}

TEST_F(Client, ClientSaysThatItCannotPrint) {
  About(Robust(1), "an answer that cannot be printed is a failure",
        "printf only fills a buffer. fflush, or write, says whether the bytes "
        "are out: a disk may be full. Status 0 would mean that all was "
        "printed.",
        Handout(8, {13}, "man 3 fflush, man 2 write"));
  HostAtOwnPort(kLoopback);
  const std::string line = Line();
  Process client = StartOnFullDisk(
      "client", {"--address=127.0.0.1", PortFlag(HostAddress().port()), line});
  Peer host = Accept();
  // The client may end at its first line.
  host.ReceiveAll();
  send(host.fd(), "1: \n", 4, MSG_NOSIGNAL);
  host.Close();
  client.Exits(1);
  client.Expect(absl::StrContains(client.err(), "ENOSPC"),
                "a line on stderr with ENOSPC",
                client.err().empty() ? "nothing on stderr" : client.err());
}

TEST_F(Client, ClientWhateverHappens) {
  About(Robust(2), "the client does its work whatever its system calls return",
        "A call may move fewer bytes than it was asked for, or fail. Here the "
        "checker makes that happen, to one call at a time.",
        Handout(8, {14}, "man 7 signal, man 2 send"));
  harness::SweepOptions options;
  options.interrupt = false;  // The client has no handlers.
  options.errors = {{"connect", ENETUNREACH, {}},
                    {"recv", ECONNRESET, {harness::DescriptorKind::kTcp}},
                    {"read", ECONNRESET, {harness::DescriptorKind::kTcp}}};
  Sweep(
      "client",
      [&](const Starter& start) {
        HostAtOwnPort(kLoopback);
        const std::string line = Line(), sent = line + "\n" + line + "\n";
        Process client = start(
            {"--address=127.0.0.1", PortFlag(HostAddress().port()), line, line},
            "/dev/null");
        Peer host = Accept();
        const std::string received = host.ReceiveAll();
        client.Expect(received == sent, "its two lines",
                      harness::Difference(sent, received));
        const std::string ends = Ends(host),
                          answers = Answer(1, line) + Answer(2, line);
        host.Send(answers.substr(0, 30), "30 bytes of the answers");
        host.AwaitRead();
        host.Send(answers.substr(30), "the rest");
        host.Close();
        client.Exits(0, ends + answers);
      },
      options);
}

}  // namespace
