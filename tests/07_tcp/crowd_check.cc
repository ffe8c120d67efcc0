// What the server of lab 07 does with many clients, slow ones among them.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/07_tcp/tcp.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

TEST_F(Server, ServesAllAtOnce) {
  About(Core(3), "a client that says nothing does not keep the others waiting",
        "A server that reads from one client until it ends serves nobody else "
        "meanwhile, for ever if that client has stalled. Wait for all of them "
        "at once with poll, or give each a thread or a process.",
        Handout(6, {4}, "man 2 poll"));
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

TEST_F(Server, TwoComeAtOnce) {
  About(Robust(1), "two clients that come at once are two clients",
        "The server may find both of them at its next accept, one right after "
        "the other. What belongs to a client must not be in a variable that "
        "the next accept overwrites: give each thread a copy of its own.",
        Handout(6, {4}, "man 3 pthread_create, man 2 accept"));
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  server.Stop();
  Peer first = Connect(name, "client A"), second = Connect(name, "client B");
  server.Continue();
  for (Peer* client : {&second, &first}) {
    const std::string line = Line();
    client->Send(line + "\n", "a line");
    Answers(server, *client, 1, line);
  }
}

TEST_F(Server, FiftyAtOnce) {
  About(
      Core(2), "50 clients are served at the same time",
      "An array of 32 places, or a backlog of 5, is full when the next client "
      "comes. The contract says how many there may be.",
      Handout(6, {4}, "man 2 poll, man 2 listen"));
  SocketAddress name;
  Process server = StartServer({"--clients=50"}, &name);
  std::vector<Peer> clients;
  std::vector<std::string> lines;
  // Without ado: what each step takes, fifty of them take fifty times.
  const auto each_sends = [&](size_t from, size_t count) {
    for (size_t i = 0; i < clients.size(); ++i) {
      const std::string bytes = (lines[i] + "\n").substr(from, count);
      send(clients[i].fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  };
  for (int i = 1; i <= 50 && !over(); ++i) {
    clients.push_back(Connect(name, absl::StrCat("client ", i)));
    lines.push_back(Line());
  }
  each_sends(0, 7);
  Step("each of them sent 7 bytes of a line");
  each_sends(7, std::string::npos);
  Step("each of them sent the rest of it");
  for (size_t i = clients.size(); i-- > 0 && !over();) {
    Answers(server, clients[i], 1, lines[i]);
  }
}

TEST_F(Server, SleepsWhileItWaits) {
  About(Robust(1), "while nothing happens, the server sleeps",
        "poll returns as soon as one of the events has come that it was asked "
        "for. A socket has nearly always room (POLLOUT): ask for that only "
        "while there is something to send. A descriptor whose end was read is "
        "readable for ever: close it, or do not ask for it.",
        Handout(6, {4}, "man 2 poll"));
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  const auto sleeps = [&](const char* when) {
    server.Expect(server.FallsAsleep(), absl::StrCat("server sleeps ", when),
                  "it uses the processor all the time");
  };
  sleeps("until a client comes");
  Peer client = Connect(name, "client 1");
  sleeps("until the client says something");
  const std::string line = Line();
  client.Send(line + "\n", "a line");
  Answers(server, client, 1, line);
  sleeps("until the client says more");
  client.Close();
  sleeps("when client 1 has ended");
}

TEST_F(Server, NoMoreThanN) {
  About(Robust(1), "with --clients=2 a third client is not served",
        "The server serves N clients. When it has accepted them, it has no "
        "business with the listening socket any more: if it polls that still, "
        "poll returns at once, again and again, while another client waits "
        "there.",
        Handout(6, {4}, "man 2 poll"));
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  std::string output = Listening(name);
  Peer first = Connect(name, "client 1");
  output += Arrival(1, first);
  server.Prints(output);
  Peer second = Connect(name, "client 2");
  server.Prints(output + Arrival(2, second));
  const auto third = ipc::Connect(name);
  Step("a third client tries to connect");
  const std::string line = Line();
  second.Send(line + "\n", "a line");
  Answers(server, second, 1, line);
  server.Expect(server.FallsAsleep(), "server sleeps until there is a line",
                "it uses the processor all the time");
  Because(kEnd, Handout(8, {1, 2}, "man 2 recv"));
  first.Close();
  server.ComesDownTo(0, "clients that it has not told to be gone", [&] {
    return absl::StrContains(server.out(), Departure(1, 0)) ? 0 : 1;
  });
  BecauseOfTheWhole();
  server.Expect(server.FallsAsleep(), "server sleeps until there is a line",
                "it uses the processor all the time");
  Because(kEnd, Handout(8, {1, 2}, "man 2 recv"));
  second.Close();
  server.Exits(0);
}

TEST_F(Server, ServerHasPatience) {
  About(Robust(1), "the server waits for as long as a client is silent",
        "The contract has no time limit: a client may say nothing for an hour, "
        "and then send a line. A server that gives it up after some seconds "
        "breaks its promise.",
        Handout(6, {4}, "man 2 poll"));
  // The time limits that pass at once are some hundreds: none of them is to
  // pass before the client is there.
  Process server = StartWithFaults(
      {Fault::Hold({"listen"}, 1), Fault::TimeOut()}, "server", {});
  const SocketAddress name = server.ListensOnTcp();
  Peer client = Connect(name, "a client");
  const std::string line = Line();
  client.Send(line.substr(0, 9), "9 bytes of a line");
  server.Continue();
  client.AwaitRead();
  server.FallsAsleep();
  client.Send(line.substr(9) + "\n", "the rest of it, after a long time");
  Answers(server, client, 1, line);
}

TEST_F(Server, SlowReader) {
  About(
      Core(3), "a client that reads late gets every answer whole",
      "What the kernel takes for a client is limited, to some megabytes. Then "
      "send waits; on a non-blocking socket it takes a part, or nothing "
      "(EAGAIN). Keep the rest, ask poll for POLLOUT, and go on from there.",
      Handout(7, {4, 5}, "man 2 send"));
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = ConnectWithLittleRoom(name);
  std::string lines, answers;
  const std::string line = Line(1000);
  for (int number = 1; number <= 2000; ++number) {
    lines += line + "\n";
    answers += Answer(number, line);
  }
  const size_t sent = Stall(server, client, lines);
  const size_t whole = sent / (line.size() + 1);
  size_t length = 0;
  for (size_t i = 1; i <= whole; ++i) {
    length += Answer(static_cast<int>(i), line).size();
  }
  Step(absl::StrCat("it sent lines for as long as the server took them, ", sent,
                    " bytes; now it reads"));
  Receives(server, client, answers.substr(0, length));
  Because(
      "When the last answer has gone, there is room (POLLOUT), and the server "
      "has nothing to send: poll returns at once, again and again. Ask for "
      "POLLOUT only while an answer waits.",
      Handout(7, {4}, "man 2 poll"));
  server.Expect(server.FallsAsleep(), "server sleeps until there is a line",
                "it uses the processor all the time");
}

TEST_F(Server, StalledReader) {
  About(Core(3), "a client that does not read holds up nobody else",
        "A client sends and sends, and reads no answer. Once the kernel takes "
        "no more for it, a send that blocks would stop a server of one thread. "
        "poll says when there is room (POLLOUT), and whom to serve meanwhile.",
        Handout(7, {4}, "man 2 poll, man 2 send"));
  SocketAddress name;
  Process server = StartServer({"--clients=2"}, &name);
  Peer stalled = ConnectWithLittleRoom(name);
  Stall(server, stalled, TooManyLines());
  Step("it sent lines for as long as the server took them, and read nothing");
  Peer busy = Connect(name, "a second client");
  const std::string another = Line();
  busy.Send(another + "\n", "a line");
  Answers(server, busy, 1, another);
}

TEST_F(Server, KeepsAnswersFew) {
  About(Robust(2), "who does not read his answers is not read from",
        "Whoever reads on, and keeps the answers until they are asked for, "
        "keeps as many as a client likes, until memory ends. Stop reading, "
        "and the client's own buffers fill: that is TCP's flow control.",
        Handout(7, {5}, "man 7 tcp"));
  SocketAddress name;
  Process server = StartServer({}, &name);
  Peer client = ConnectWithLittleRoom(name);
  const std::string lines = TooManyLines();
  const size_t sent = Stall(server, client, lines);
  Step("it sent lines for as long as the server took them, and read nothing");
  server.Expect(
      sent < lines.size(),
      absl::StrCat("the server stops reading before it has taken in ",
                   lines.size() >> 20, " MiB, more than the kernel keeps"),
      "it took them all");
}

TEST_F(Server, LeavesNothingBehind) {
  About(Core(3), "of clients that are gone nothing is left",
        "Each accept makes a descriptor, and only close gives it back; each "
        "fork makes a process, which stays as a zombie until somebody waits "
        "for it. After a thousand clients there are none left: EMFILE, EAGAIN.",
        Handout(8, {10}, "man 2 close, man 2 waitpid"));
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
  const size_t memory = harness::ResidentMemory(server.pid());
  Step("a thousand clients more, one after the other");
  for (int i = 0; i < 20 && !over(); ++i) {
    for (int j = 0; j < 49; ++j) ServeQuickly(server, name);
    serve(1);  // Takes in what it has printed meanwhile, too.
  }
  nothing_is_left();
  constexpr size_t kMore = size_t{8} << 20;
  server.Expect(
      harness::ResidentMemory(server.pid()) < memory + kMore,
      "less than 8 MiB of memory more than after 12 clients",
      absl::StrCat((harness::ResidentMemory(server.pid()) - memory) >> 20,
                   " MiB more"));
}

}  // namespace
