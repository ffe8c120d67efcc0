// What the server of lab 02 does with datagrams, names and answers. The mutants
// beside this file show what each check is there to catch.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/02_unix_datagram/unix_datagram.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::SocketAddress;

// An address with a path that fills all of sun_path.
SocketAddress AddressOf(const std::string& name) {
  SocketAddress address;
  address.FillBy([&](sockaddr* data, socklen_t* length) {
    data->sa_family = AF_UNIX;
    name.copy(reinterpret_cast<sockaddr_un*>(data)->sun_path, name.size());
    return static_cast<int>(*length = sizeof(sockaddr_un));
  });
  return address;
}

// Step 2: receive -------------------------------------------------------------

TEST_F(Server, PrintsItsLine) {
  About(Core(2), "the server prints a line when a datagram has come",
        "recvfrom waits for one datagram and returns its length. The server "
        "prints `LENGTH bytes from NAME` on stdout, also of 1 byte, and "
        "flushes it before it waits for the next datagram: stdout is flushed "
        "at each newline only when it is a terminal.",
        Handout(2, {2}, "man 2 recvfrom, man 3 setvbuf"));
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  for (const size_t size : {20, 1, 300}) {
    Part("a datagram of " + Bytes(size));
    Process server = StartServer();
    Send(client, RandomText(size));
    Says(server, size, path);
    Ends(server, 0);
  }
  Part("while the server waits for the next datagram");
  Process waiting = StartServer({"--datagrams=2"});
  Send(client, RandomText(40));
  Says(waiting, 40, path);
}

TEST_F(Server, ServesAtOnce) {
  About(Core(1), "a datagram is served when it comes, not some time later",
        "recvfrom sleeps until there is a datagram, and then returns at once. "
        "A server that looks for datagrams now and then, and sleeps meanwhile, "
        "lets its clients wait.",
        Handout(2, {1, 2}, "man 2 recvfrom"));
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  for (const size_t size : {20, 21}) {
    Process server = StartServer();
    server.FallsAsleep();
    Send(client, RandomText(size));
    const absl::Time late = absl::Now() + absl::Milliseconds(300);
    int asleep = 0;
    server.ComesDownTo(0, "moments to wait", [&] {
      asleep = absl::Now() > late && Sleeps(server) ? asleep + 1 : 0;
      return server.out().empty() && asleep < 3 ? 1 : 0;
    });
    server.Expect(!server.out().empty(),
                  "it prints the line when the datagram has come",
                  "300 ms later it sleeps, and has printed nothing");
    Says(server, size, path);
    Ends(server, 0);
  }
}

TEST_F(Server, ServesSoMany) {
  About(Core(2), "--datagrams=5 serves five datagrams, then the server ends",
        "recvfrom takes one datagram out of the queue. Count each of them, "
        "whoever sent it and whatever is in it, and call recvfrom again until "
        "there were N. What waits in the queue then is lost with the socket.",
        Handout(2, {1, 2}, "man 2 recvfrom"));
  Process server = StartServer({"--datagrams=5"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  for (const size_t size : {21, 22, 23}) {
    Send(client, RandomText(size));
    Says(server, size, path);
  }
  server.Stop();
  for (int i = 0; i < 4; ++i) Send(client, RandomText(24));
  server.Continue();
  Says(server, 24, path);
  Says(server, 24, path);
  Ends(server, 0);

  Because(
      "N may have more than 16 bits: in an unsigned short 65537 is 1, and so "
      "it is in 8 bits. Count with an int, and up to N, not to N + 1.",
      Handout(2, {1}, "man 2 recvfrom"));
  for (const char* flag : {"--datagrams=65537", "--datagrams=2147483647"}) {
    Part(flag);
    server = StartServer({flag});
    for (const size_t size : {28, 29}) {
      Send(client, RandomText(size));
      Says(server, size, path);
    }
    unlink(SocketPath().c_str());  // For the next server.
  }
}

TEST_F(Server, KeepsBoundaries) {
  About(Core(3), "one receive takes one datagram, however many wait",
        "A datagram comes whole, and by itself: recvfrom returns all of it and "
        "nothing of the next. Do not ask again for what a buffer still lacks, "
        "as on a stream: there is no rest to come.",
        Handout(2, {1, 2}, "man 7 unix, man 2 recv"));
  Process server = StartServer({"--datagrams=5"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  const size_t sizes[] = {RandomNumber(2, 999), 1, 700, 255, 256};
  server.Stop();
  for (const size_t size : sizes) {
    Send(client, RandomText(size));
  }
  server.Continue();
  for (const size_t size : sizes) Says(server, size, path);
  Ends(server, 0);
}

TEST_F(Server, EmptyDatagram) {
  About(Core(2), "a datagram of no bytes is a datagram",
        "recv returning 0 is the end of a stream. A datagram socket has no "
        "end: 0 says that somebody sent 0 bytes. It is printed and counted as "
        "any other.",
        Handout(2, {2, 4}, "man 2 recv, RETURN VALUE"));
  Process server = StartServer({"--datagrams=5"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  for (const size_t size : {0, 20, 0, 0, 21}) {
    Send(client, RandomText(size));
    Says(server, size, path);
  }
  Ends(server, 0);
}

TEST_F(Server, TellsCutDatagram) {
  About(Core(3), "a datagram that was cut is told as such",
        "What does not fit in the buffer is thrown away, and recv returns as "
        "if nothing had happened. With MSG_TRUNC it returns how long the "
        "datagram was; recvmsg sets that flag in msg_flags. To be cut is not a "
        "failure.",
        Handout(2, {3}, "man 2 recv, MSG_TRUNC"));
  const size_t any = 16 * RandomNumber(70, 180);  // Not the default.
  for (const size_t size : {size_t{1024}, any, size_t{1}}) {
    Part(size == 1024 ? "without --size" : absl::StrCat("--size=", size));
    std::vector<std::string> flags = {"--datagrams=5"};
    if (size != 1024) flags.push_back(absl::StrCat("--size=", size));
    Process server = StartServer(flags);
    const std::string path = scratch().File(absl::StrCat("client", size));
    DatagramPeer client = ClientAt(path);
    for (size_t sent : {size, size + 1, 2 * size + 1000, size_t{1}, size + 2}) {
      Send(client, RandomText(sent));
      Says(server, sent, path, size);
    }
    Ends(server, 0);
  }
}

TEST_F(Server, LargeDatagram) {
  About(Core(1), "a datagram of more than 65536 bytes is one datagram",
        "65535 is the limit of UDP and the largest number of 16 bits. A UNIX "
        "datagram may be larger: as large as SO_SNDBUF allows. --size says how "
        "many bytes the buffer has.",
        Handout(2, {2, 3}, "man 7 unix"));
  const std::string path = scratch().File("client");
  for (const size_t size : {65535, 65536, 70000, 70001}) {
    Part("--size=70000 and a datagram of " + Bytes(size));
    Process server = StartServer({"--size=70000"});
    unlink(path.c_str());
    DatagramPeer client = ClientAt(path);
    Send(client, RandomText(size));
    Says(server, size, path, 70000);
    Ends(server, 0);
  }
  Part("--size=20000000");
  Because(
      "The stack has some 8 MiB. A buffer of --size bytes is for malloc, new "
      "or std::vector.",
      Handout(2, {2, 3}, "man 2 getrlimit, RLIMIT_STACK"));
  Process server = StartServer({"--size=20000000"});
  unlink(path.c_str());
  DatagramPeer client = ClientAt(path);
  Send(client, RandomText(20));
  Says(server, 20, path);
  Ends(server, 0);
}

TEST_F(Server, HasPatience) {
  About(Robust(1), "the server waits for as long as nobody sends",
        "Clients come when they come. The contract has no time limit: a server "
        "that gives up after some seconds of silence leaves its clients "
        "without an answer.",
        Handout(2, {1}, "man 2 recvfrom"));
  Process server = StartOutOfTime("server", ArgsFor({"--datagrams=2"}));
  HasStarted(&server);
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  for (const size_t size : {20, 21}) {
    server.FallsAsleep();
    client.SendTo(SocketPath(), RandomText(size),
                  Bytes(size) + ", after a long time");
    Says(server, size, path);
  }
  Ends(server, 0);
}

// Step 3: from whom? ----------------------------------------------------------

TEST_F(Server, NamesTheSender) {
  About(Core(3), "the line names the sender, each as it is called",
        "recvfrom tells the sender's address, and how long that is. A path is "
        "printed as it is, all of it; an abstract name with @ in place of the "
        "NUL that it begins with; no name as (unnamed).",
        Handout(3, {2}, "man 2 recvfrom, man 7 unix"));
  Process server = StartServer({"--datagrams=6"});
  const std::string path = scratch().File("client 100% %s");
  const std::string abstract = "lab02-" + RandomText(12);
  DatagramPeer one = ClientAt(path, "client A");
  DatagramPeer two =
      OpenDatagram(*SocketAddress::Abstract(abstract), "client B");
  DatagramPeer three = Autobound("client C");
  const auto chosen = ipc::LocalAddress(three.fd());
  for (int round = 0; round < 2; ++round) {
    Send(one, RandomText(10), "client A");
    Says(server, 10, path);
    Send(two, RandomText(11), "client B");
    Says(server, 11, "@" + abstract);
    Send(three, RandomText(12), "client C");
    Says(server, 12, chosen.ok() ? chosen->ToString() : "");
  }
  Ends(server, 0);
}

TEST_F(Server, NamesOfAnyLength) {
  About(Core(3), "a sender's name is as long as recvfrom says",
        "The length of the address goes in and out: before the call how much "
        "room there is, after it how long the name was. Set it again before "
        "each call, or a short name cuts the next one. And what is behind the "
        "name is left from the one before: an abstract name has no NUL at its "
        "end.",
        Handout(3, {2}, "man 2 recvfrom, man 7 unix"));
  about_names_ = true;
  const size_t most = sizeof(sockaddr_un::sun_path) - 1;
  const std::string names[] = {scratch().File("c"),
                               PathOfLength(most),
                               "lab02-" + RandomText(12),
                               scratch().File("longer-than-the-first"),
                               "lab02-" + RandomText(most - 6),
                               "lab02 " + RandomText(3) + " ",
                               scratch().File("d")};
  Process server =
      StartServer({absl::StrCat("--datagrams=", std::size(names))});
  std::vector<DatagramPeer> clients;  // They wait for their answers.
  for (const std::string& name : names) {
    const bool abstract = name[0] != '/';
    clients.push_back(
        abstract ? OpenDatagram(*SocketAddress::Abstract(name), "a client")
                 : ClientAt(name));
    Send(clients.back(), RandomText(9));
    Says(server, 9, (abstract ? "@" : "") + name);
  }
  Ends(server, 0);
}

TEST_F(Server, UnnamedSender) {
  About(Core(3), "a sender without a name does not stop the server",
        "A socket that was never bound sends without a name: recvfrom gives a "
        "length of 0 and leaves the address as it was. Its datagram is printed "
        "and counted. Nobody can answer it, which is not a failure, and "
        "nothing to report.",
        Handout(3, {2, 5}, "man 7 unix, man 2 recvfrom"));
  Process server = StartServer({"--datagrams=6"});
  const std::string path = scratch().File("client");
  constexpr char kUnnamed[] = "the client without a name";
  DatagramPeer unnamed = Unnamed();
  DatagramPeer client = ClientAt(path);
  Send(unnamed, RandomText(7), kUnnamed);
  Says(server, 7, "(unnamed)");
  Send(client, RandomText(8));
  Says(server, 8, path);
  Send(unnamed, RandomText(9), kUnnamed);
  Says(server, 9, "(unnamed)");
  Send(unnamed, "", kUnnamed);
  Says(server, 0, "(unnamed)");
  Send(unnamed, RandomText(1500), kUnnamed);
  Says(server, 1500, "(unnamed)", 1024);
  Send(client, RandomText(10));
  Says(server, 10, path);
  Ends(server, 0);
  server.Expect(server.err().empty(),
                "nothing on stderr: a sender without a name is not a failure",
                harness::Escaped(server.err()));
  Because(
      "The address is left as it was, and shows the sender before. An answer "
      "that is sent there goes to somebody who has not asked.",
      Handout(3, {5}, "man 2 recvfrom"));
  int answers = 0;
  while (!over() && recv(client.fd(), nullptr, 0, MSG_DONTWAIT) >= 0) ++answers;
  server.Expect(answers <= 2, "2 answers for the client with a name",
                absl::StrCat(answers, " answers"));
}

TEST_F(Server, LongestName) {
  About(Robust(2), "a sender's path may fill all of sun_path",
        "A path of 108 bytes is allowed, and has no NUL at its end. recvfrom "
        "then says a length of 111, one more than a sockaddr_un has bytes: do "
        "not read so far, nor pass it on to sendto.",
        Handout(3, {2, 4}, "man 7 unix"));
  about_names_ = true;
  Process server = StartServer({"--datagrams=2"});
  const std::string name = PathOfLength(sizeof(sockaddr_un::sun_path));
  const std::string path = scratch().File("client");
  DatagramPeer longest =
      OpenDatagram(AddressOf(name), "a client with a path of 108 bytes");
  DatagramPeer client = ClientAt(path, "another client");
  Send(longest, RandomText(3));
  Says(server, 3, name);
  Send(client, RandomText(4));
  Says(server, 4, path);
}

// Step 4: answer --------------------------------------------------------------

TEST_F(Server, AnswersInCapitals) {
  About(Core(2), "a datagram goes back to its sender in capitals",
        "sendto sends to the address that recvfrom gave. a to z become "
        "capital letters, and every other byte stays as it is. A datagram is "
        "bytes and a length, not a string: no NUL ends it, and a NUL in it is "
        "a byte like any other.",
        Handout(4, {4}, "man 2 sendto"));
  Process server = StartServer({"--datagrams=8"});
  DatagramPeer client = ClientAt(scratch().File("client"));
  Ask(client, RandomText(20));
  Ask(client, EveryByte());
  Ask(client, RandomText(300));
  Ask(client, "short");
  Ask(client, "Ends with a newline\n");
  Ask(client, "\n100% %s %n\\n\r\n\n");
  Ask(client, std::string("\0\0", 2));
  Ask(client, RandomText(1024));
  server.Exits(0);
}

TEST_F(Server, AnswersEmptyDatagram) {
  About(Core(1), "a datagram of no bytes has an answer of no bytes",
        "sendto with a length of 0 sends a datagram. The client waits for it.",
        Handout(4, {4}, "man 2 sendto"));
  Process server = StartServer({"--datagrams=3"});
  DatagramPeer client = ClientAt(scratch().File("client"));
  Ask(client, "");
  Ask(client, RandomText(20));
  Ask(client, "");
  server.Exits(0);
}

TEST_F(Server, AnswersWhatItKept) {
  About(Core(2), "of a datagram that was cut the first part is answered",
        "The server sends back what it has, BYTES bytes, whatever LENGTH is. "
        "The next datagram may be a short one: what the long one left in the "
        "buffer does not belong to it.",
        Handout(4, {3, 4}, "man 2 recv, man 2 sendto"));
  DatagramPeer client = ClientAt(scratch().File("client"));
  for (const size_t size :
       {size_t{1024}, RandomNumber(1025, 3000), size_t{1}}) {
    Part(size == 1024 ? "without --size" : absl::StrCat("--size=", size));
    std::vector<std::string> flags = {"--datagrams=5"};
    if (size != 1024) flags.push_back(absl::StrCat("--size=", size));
    Process server = StartServer(flags);
    for (size_t sent : {size, size + 1, 3 * size, size_t{1}, size + 2}) {
      Ask(client, RandomText(sent), size);
    }
    server.Exits(0);
  }
}

TEST_F(Server, AnswersEachSender) {
  About(Core(3), "each answer goes to whom it belongs",
        "There is no connection, so each datagram brings the address of its "
        "sender: recvfrom fills it in, sendto takes it, with its length. A "
        "socket that is connected to a client shuts all others out (EPERM), "
        "and a fixed path reaches one client at most.",
        Handout(4, {4}, "man 2 recvfrom, man 2 connect"));
  Process server = StartServer({"--datagrams=9"});
  constexpr const char* kNames[] = {"client A", "client B", "client C"};
  DatagramPeer one = ClientAt(scratch().File("client"), kNames[0]);
  DatagramPeer two = OpenDatagram(
      *SocketAddress::Abstract("lab02-" + RandomText(12)), kNames[1]);
  DatagramPeer three = Autobound(kNames[2]);
  DatagramPeer* const clients[] = {&one, &two, &three};
  for (int round = 0; round < 3; ++round) {
    std::string texts[3];
    // By turns, then all at once.
    if (round == 2) server.Stop();
    for (int i = 0; i < 3; ++i) {
      texts[i] = RandomText(10 + i);
      Send(*clients[i], texts[i], kNames[i]);
      if (round < 2) Answers(*clients[i], texts[i]);
    }
    if (round < 2) continue;
    server.Continue();
    for (int i : {2, 0, 1}) Answers(*clients[i], texts[i]);
  }
  server.Exits(0);
}

TEST_F(Server, AnswersLargeDatagram) {
  About(Core(1), "a datagram of 70000 bytes is answered whole",
        "Whatever --size allows has an answer: as many bytes in capitals, to "
        "the last one.",
        Handout(4, {4}, "man 2 sendto"));
  Process server = StartServer({"--size=70000", "--datagrams=4"});
  DatagramPeer client = ClientAt(scratch().File("client"));
  for (const size_t size : {65535, 65536, 70000, 70001}) {
    Ask(client, RandomText(size), 70000);
  }
  server.Exits(0);
}

TEST_F(Server, AnswersLongestName) {
  About(Robust(1), "a client whose path has 108 bytes is answered",
        "recvfrom says a length of 111 for a path of 108 bytes, and sendto "
        "refuses more than the 110 bytes of a sockaddr_un: EINVAL. Pass on the "
        "smaller one of the two.",
        Handout(4, {4}, "man 7 unix, BUGS"));
  Process server = StartServer();
  DatagramPeer client =
      OpenDatagram(AddressOf(PathOfLength(sizeof(sockaddr_un::sun_path))),
                   "a client with a path of 108 bytes");
  Ask(client, RandomText(9));
  server.Exits(0);
}

TEST_F(Server, ManyDatagrams) {
  About(Core(1), "the three-hundredth datagram is served as the first",
        "What is made for one datagram, a descriptor or a process, is one more "
        "each time unless it is given back (close, waitpid). A counter of 8 "
        "bits begins anew at 256.",
        Handout(4, {1}, "man 2 recvfrom"));
  constexpr int kMany = 304, kAtOnce = 8;
  Process server = StartServer({absl::StrCat("--datagrams=", kMany)});
  DatagramPeer client = ClientAt(scratch().File("client"));
  int sockets = 0;
  Step(absl::StrCat("it sends ", kMany, " datagrams of 10 bytes"));
  const std::string text = RandomText(10);
  for (int i = 0; i < kMany && !over(); i += kAtOnce) {
    if (i == kMany - kAtOnce) {
      Because(
          "A descriptor that is made for each datagram is one more each time, "
          "unless it is closed. After some hundred there are no more: EMFILE.",
          Handout(4, {4}, "man 2 close"));
      server.FallsAsleep();
      server.ComesDownTo(sockets, "open sockets, as after the first answers",
                         [&] { return CountSockets(server.pid()); });
      BecauseOfTheWhole();
    }
    for (int j = 0; j < kAtOnce; ++j) client.SendTo(SocketPath(), text, "");
    SocketAddress from;
    for (int j = 0; j < kAtOnce; ++j) client.Receive("an answer", &from);
    if (i == 0) {
      server.FallsAsleep();
      sockets = CountSockets(server.pid());
    }
  }
  server.Exits(0);
}

TEST_F(Server, ServerWaitsQuietly) {
  About(Robust(1), "the server sleeps while nobody sends", kIdle,
        Handout(2, {1}, "man 2 recvfrom, man 2 poll"));
  Process server = StartServer({kOpenEnd});
  DatagramPeer client = ClientAt(scratch().File("client"));
  constexpr char kSpins[] = "it uses the processor all the time";
  server.Expect(server.FallsAsleep(), "server sleeps until a datagram comes",
                kSpins);
  Send(client, "x");
  server.Expect(server.FallsAsleep(), "server sleeps until the next one comes",
                kSpins);
}

TEST_F(Server, ServerCannotPrint) {
  About(Robust(2), "a line of the server that cannot be printed is a failure",
        "printf only fills a buffer. fflush, or write, says whether the bytes "
        "are out: a disk may be full. Status 0 would mean that all was "
        "printed.",
        Handout(3, {14}, "man 3 fflush, man 2 write"));
  DatagramPeer client = ClientAt(scratch().File("client"));
  Part("on a full disk");
  Process server = StartOnFullDisk("server", ArgsFor({}));
  HasStarted(&server);
  Send(client, RandomText(12));
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "ENOSPC"),
                "a line on stderr with ENOSPC",
                server.err().empty() ? "nothing on stderr" : server.err());
  const auto file_is_gone = [&] {
    Because("The file is the server's to remove, however the server ends.",
            Handout(8, {7}, "man 2 unlink"));
    ExpectNoSocketFile(server);
    BecauseOfTheWhole();
  };
  file_is_gone();

  Part("into a pipe that nobody reads any more");
  Because(
      "The write gives EPIPE, and SIGPIPE kills a program that does not ignore "
      "it: its file then stays.",
      Handout(3, {14}, "man 7 pipe, man 7 signal"));
  server = StartServer();
  server.CloseOutput();
  Send(client, RandomText(12));
  server.Refuses({});
  file_is_gone();
}

TEST_F(Server, ServerWhateverHappens) {
  About(Robust(2), "the server does its work whatever its system calls return",
        "Any call may fail. Here the checker makes that happen, to one call at "
        "a time.",
        WholeHandout({15}, "man 3 errno"));
  harness::SweepOptions options;
  // An answer that cannot be sent is for AnswerCannotBeSent.
  options.errors = {{"bind", EACCES, {}}};
  // A server that has no handler, or one that ends it, never sees EINTR.
  options.interrupt = false;
  Sweep(
      "server",
      [&](const Starter& start) {
        Process server = start(ArgsFor({"--datagrams=3"}), "/dev/null");
        HasStarted(&server);
        const std::string path = scratch().File("client");
        DatagramPeer client = ClientAt(path);
        for (const size_t size : {20, 0, 30}) {
          Ask(client, RandomText(size));
          Says(server, size, path);
        }
        Ends(server, 0);
      },
      options);
}

}  // namespace
