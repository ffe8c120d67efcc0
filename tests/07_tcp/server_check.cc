// What the server of lab 07 does with its clients and their lines.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/07_tcp/tcp.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

TEST_F(Server, OneLine) {
  About(Core(2), "the server answers a line of a client",
        "accept gives a new socket for the connection with this client. Read "
        "the line from it, and send the answer back through it.",
        Handout(5, {3}, "man 2 accept, man 2 recv, man 2 send"));
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  const std::string line = Line();
  client.Send(line + "\n", "a line");
  Answers(server, client, 1, line);
  const std::string arrival = Arrival(1, client);
  Because(kEnd, Handout(8, {1, 2}, "man 2 recv"));
  client.Close();
  server.Exits(0, Listening(name) + arrival + Departure(1, 1));
}

TEST_F(Server, LineInPieces) {
  About(Core(3), "a line may arrive in pieces",
        "TCP carries bytes. What was sent in one piece may come in several, "
        "and recv returns as soon as there is anything. A line is whole when "
        "its newline is there: keep what you have until then.",
        Handout(5, {3}, "man 2 recv, man 7 tcp"));
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
}

TEST_F(Server, LinesRunTogether) {
  About(Core(3), "several lines may arrive at once",
        "Whatever waits is read as one: three lines and the beginning of a "
        "fourth. Answer each whole line, and keep the rest, for it will not "
        "come again.",
        Handout(5, {3}, "man 2 recv, man 7 tcp"));
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
}

TEST_F(Server, LinesAsTheyAre) {
  About(Core(2), "a line is bytes, and only the newline ends it",
        "There may be a NUL in a line, a carriage return at its end, a % or a "
        "byte of 255. strchr, strlen and %s stop at a NUL; printf(line) makes "
        "something else of a %; a char of 255 equals EOF. Look for the newline "
        "with memchr, and count bytes.",
        Handout(5, {3}, "man 3 memchr"));
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    if (byte != '\n') all.push_back(static_cast<char>(byte));
  }
  int number = 0;
  for (const auto& [line, what] :
       {std::make_pair(std::string("100%% %d %s %n"), "a line with % in it"),
        std::make_pair(std::string("ends\r"), "a line that ends in \\r\\n"),
        std::make_pair(std::string("a\0b", 3), "a line with a NUL in it"),
        std::make_pair(std::string("\0", 1), "a line that is a NUL"),
        std::make_pair(std::string("\xff\xff"), "a line of two bytes of 255"),
        std::make_pair(std::string("  1: \t"), "a line with blanks"),
        std::make_pair(all, "a line with all 255 bytes that it can have")}) {
    client.Send(line + "\n", what);
    Answers(server, client, ++number, line);
  }
}

TEST_F(Server, ManyLines) {
  About(Robust(1), "the 65,537th line of a client has that number",
        "A counter of 16 bits begins anew after 65,535. Count with an int.",
        Handout(5, {2, 3}, "man 7 tcp"));
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = Connect(name, "a client");
  constexpr int kLines = 65537, kAtOnce = 8192;
  std::string output = Listening(name) + Arrival(1, client);
  Step(absl::StrCat("a client sends ", kLines, " empty lines"));
  for (int number = 1; number <= kLines && !over();) {
    std::string answers;
    const int first = number;
    for (; number <= kLines && number < first + kAtOnce; ++number) {
      answers += Answer(number, "");
    }
    client.Send(std::string(number - first, '\n'), "");
    Receives(server, client, answers);
  }
  Because(kEnd, Handout(8, {1, 2}, "man 2 recv"));
  client.Close();
  server.Exits(0, output + Departure(1, kLines));
}

TEST_F(Server, EndlessLine) {
  About(Core(3), "a line of more than 1024 bytes ends the connection",
        "Whoever sends no newline would fill your memory, or run over the end "
        "of your buffer. Set a limit, and hang up on who exceeds it: an answer "
        "to the first 1024 bytes would be to a line that nobody sent.",
        Handout(5, {7}, ""));
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
  Because(kFault, Handout(8, {7}, "man 3 exit"));
  next.Close();
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "1024"),
                "a line on stderr that says what the limit is: 1024",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(Server, BrokenLine) {
  About(Robust(2), "an end in the middle of a line is reported",
        "A line without its newline is one whose end was lost. To answer it "
        "would pass off a piece as the whole.",
        Handout(8, {7}, ""));
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  std::string output = Listening(name);
  // The second client is likely to have the descriptor of the first.
  const int sizes[] = {77, 1023};
  for (int number : {1, 2}) {
    const int size = sizes[number - 1];
    Peer client = Connect(name, absl::StrCat("client ", number));
    output += Arrival(number, client);
    server.Prints(output);
    const std::string line = Line();
    client.Send(line + "\n", "a line");
    Answers(server, client, 1, line);
    client.Send(Line(size), absl::StrCat(size, " bytes of the next"));
    client.StopWriting();
    ReceivesInAll(server, client, "");
    client.Close();
    output += Departure(number, 1);
    server.Prints(output);
  }
  Because(kFault, Handout(8, {7}, "man 3 exit"));
  server.Exits(1, output);
  for (int size : sizes) {
    server.Expect(
        absl::StrContains(server.err(), absl::StrCat(size)),
        absl::StrCat("a line on stderr that says how many bytes came: ", size),
        server.err().empty() ? "nothing on stderr" : server.err());
  }
}

TEST_F(Server, ManyFaults) {
  About(Robust(1), "the status is 1, however many clients did wrong",
        "An exit status has 8 bits, and 1 means that something failed. The "
        "number of failures is another thing: 2 would say that the call was "
        "wrong, and 256 is 0 again. One client's fault is no reason not to "
        "serve the others.",
        Handout(8, {7, 13}, "man 3 exit"));
  for (const int count : {2, 256}) {
    Part(absl::StrCat(count, " clients end in the middle of a line"));
    SocketAddress name;
    Process server =
        StartServer({absl::StrCat("--clients=", count + 2)}, &name);
    Peer bystander = Connect(name, "a client without fault");
    const std::string text = Line();
    bystander.Send(text.substr(0, 5), "5 bytes of a line");
    bystander.AwaitRead();
    Step(absl::StrCat(count, " clients send half a line, and end"));
    for (int i = 0; i < count; ++i) SendHalfALine(server, name);
    Peer last = Connect(name, "the last client");
    const std::string line = Line();
    last.Send(line + "\n", "a line");
    Answers(server, last, 1, line);
    last.Close();
    bystander.Send(text.substr(5) + "\n",
                   "the rest of it, as the client without fault");
    Answers(server, bystander, 1, text);
    bystander.Close();
    server.Exits(1);
  }
}

TEST_F(Server, HalfClose) {
  About(
      Core(3), "who has ended his half still gets his answers",
      "shutdown(SHUT_WR) ends one direction: recv returns 0, and the other "
      "direction is as open as before. What was asked before the end is to be "
      "answered, and then it is the server's turn to close.",
      Handout(8, {6}, "man 2 shutdown"));
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

TEST_F(Server, HalfCloseOfSlowReader) {
  About(Core(2), "the end of a client's half drops none of its answers",
        "The server has read the end of file, and the answers are still on "
        "their way: the kernel had no room for them. The end says that there "
        "are no more lines. Close when the last answer has been sent.",
        Handout(8, {6}, "man 2 shutdown, man 2 poll"));
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  Peer silent = Connect(name, "a silent client");
  Peer client = ConnectWithLittleRoom(name);
  std::string lines, answers;
  for (int number = 1; number <= 200; ++number) {
    const std::string line = Line(999);
    lines += line + "\n";
    answers += Answer(number, line);
  }
  client.Send(lines, "200 lines of 1000 bytes, and reads nothing yet");
  client.StopWriting();
  server.FallsAsleep();
  Step("now it reads");
  ReceivesInAll(server, client, answers);
  client.Close();
  silent.Close();
  server.Exits(0);
}

TEST_F(Server, GoneBeforeTheAnswer) {
  About(
      Core(3), "a client that is gone before its answers ends nobody else",
      "The first answer to who has closed is sent, and comes back as a reset. "
      "The next one raises SIGPIPE, which kills the server with all of its "
      "clients. MSG_NOSIGNAL makes it the error EPIPE.",
      Handout(8, {7}, "man 2 send, man 7 signal"));
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

TEST_F(Server, Reset) {
  About(Core(2), "a connection that is reset is reported, and no more",
        "A client that crashes with unread answers, or a firewall, resets the "
        "connection: recv says ECONNRESET. It is one client's misfortune. Say "
        "so, close that descriptor, and serve the others.",
        Handout(8, {7}, "man 7 tcp"));
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
  Because(kFault, Handout(8, {7}, "man 3 exit"));
  next.Close();
  server.Exits(1);
  // Of a client's fault the contract asks for a line, not for the error's name.
  server.Expect(absl::StrContains(absl::AsciiStrToLower(server.err()), "reset"),
                "a line on stderr that tells of the reset",
                server.err().empty() ? "nothing on stderr" : server.err());

  Part("while its answers wait");
  Because(
      "The reset of a client that does not read is found by send, not by "
      "recv: it is the same misfortune, and to be told as well.",
      Handout(8, {7}, "man 2 send, man 7 tcp"));
  Process another = StartServer({}, &name);
  Peer stalled = ConnectWithLittleRoom(name);
  Stall(another, stalled, TooManyLines());
  Step("it sent lines for as long as the server took them, and read nothing");
  stalled.Reset();
  another.Exits(1);
  another.Expect(
      absl::StrContains(absl::AsciiStrToLower(another.err()), "reset"),
      "a line on stderr that tells of the reset",
      another.err().empty() ? "nothing on stderr" : another.err());
}

TEST_F(Server, GoneBeforeAccept) {
  About(Robust(1), "a client that is gone before accept ends nobody else",
        "A client can connect, and be gone again before the server accepts it. "
        "accept still gives its socket, or fails with ECONNABORTED; "
        "getpeername fails with ENOTCONN. That is the end of this client, not "
        "of the server.",
        Handout(8, {4, 7}, "man 2 accept, man 2 getpeername"));
  SocketAddress name;
  Process server = StartServer({"--clients=3"}, &name);
  server.Stop();
  Peer hasty = Connect(name, "a client");
  hasty.Reset();
  server.Continue();
  Peer next = Connect(name, "the next client");
  const std::string line = Line();
  next.Send(line + "\n", "a line");
  Answers(server, next, 1, line);

  Part("accept fails with ECONNABORTED, once");
  Process second =
      StartFailingOnce({"accept", "accept4"}, ECONNABORTED, "server", {});
  Peer client = Connect(second.ListensOnTcp(), "a client");
  client.Send(line + "\n", "a line");
  Answers(second, client, 1, line);
}

TEST_F(Server, CloseOnExec) {
  About(Robust(1), "no descriptor would leak into another program",
        "Descriptors survive exec unless told not to. A helper program that "
        "has the listening socket keeps the port taken; one that has a "
        "client's keeps the connection open. SOCK_CLOEXEC for socket and for "
        "accept4.",
        Handout(4, {10}, "man 2 socket, man 2 accept"));
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  Peer client = Connect(name, "a client");
  HasAccepted(server, 1);
  server.ClosesOnExec();
}

TEST_F(Server, SaysThatItCannotPrint) {
  About(Robust(1), "a line that cannot be printed is a failure",
        "printf only fills a buffer. fflush, or write, says whether the bytes "
        "are out: a disk may be full. Status 0 would mean that all was "
        "printed.",
        Handout(4, {13}, "man 3 fflush, man 2 write"));
  Process server = StartOnFullDisk("server", {});
  // The server may end as soon as it cannot say where it listens.
  ipc::UniqueFd client;
  const auto ended_or_served = [&] {
    if (!harness::IsAlive(server.pid())) return 0;
    const std::vector<SocketAddress> names =
        harness::TcpListeners(server.pid());
    if (!client.valid() && !names.empty()) {
      auto connected = ipc::Connect(names[0]);
      if (connected.ok()) client = std::move(*connected);
      if (client.valid()) shutdown(client.get(), SHUT_WR);
    }
    return client.valid() ? 0 : 1;
  };
  server.ComesDownTo(0, "servers that neither listen nor end", ended_or_served);
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "ENOSPC"),
                "a line on stderr with ENOSPC",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(Server, Interrupted) {
  About(Robust(2), "a signal that interrupts a call changes nothing",
        "A call that waits returns -1 with EINTR when a signal comes and has a "
        "handler, and poll does so even with SA_RESTART. Nothing has failed: "
        "call it again.",
        Handout(6, {14}, "man 7 signal, man 2 poll"));
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

TEST_F(Server, ServerWhateverHappens) {
  About(Robust(2), "the server does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        Handout(8, {14}, "man 7 signal, man 2 recv"));
  harness::SweepOptions options;
  options.errors = {{"bind", EACCES, {}}, {"listen", EADDRINUSE, {}}};
  Sweep(
      "server",
      [&](const Starter& start) {
        Process server = start({}, "/dev/null");
        const SocketAddress name = server.ListensOnTcp();
        std::string output = Listening(name);
        Peer client = Connect(name, "a client");
        output += Arrival(1, client);
        const std::string line = Line();
        client.Send(line.substr(0, 5), "5 bytes of a line");
        client.AwaitRead();
        client.Send(line.substr(5) + "\n", "the rest of it");
        Answers(server, client, 1, line);
        client.Close();
        server.Exits(0, output + Departure(1, 1));
      },
      options);
}

}  // namespace
