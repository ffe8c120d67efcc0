// The name of the server of lab 04: which it has, what it prints of it, and how
// long.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/04_abstract_namespace/abstract_namespace.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

TEST_F(Server, ExactLength) {
  About(Core(3), "the server's name has its own bytes and no others",
        "An abstract name has no end but the length that bind was given. With "
        "sizeof(sockaddr_un) it is the name and all the zeros behind it; with "
        "one byte too many, the name and a NUL. Each is another name, and a "
        "client that connects to the right one finds nobody. With "
        "strlen(sun_path), which is 0, the kernel chooses a name.",
        Handout(1, {1, 3}, "man 7 unix, abstract"));
  // Longer names are other names.
  Host(Address(name_ + '\0'));
  Process server = StartServer(name_);
  Because(
      "Lists show an @ for a NUL and for a true @. sun_path must begin with a "
      "NUL, or bind makes a file. The socket must be a SOCK_STREAM socket, and "
      "its server waits for clients in accept.",
      Handout(1, {1, 3}, "man 7 unix, man 2 accept"));
  server.FallsAsleep();
  Connect(Address(name_), "a client");
}

TEST_F(Server, NulInTheName) {
  About(Core(3), "each @ stands for a NUL, wherever it is",
        "A NUL inside a name, at its end or at its beginning is a byte like "
        "any other. strlen, strcpy and strncpy stop at the first NUL; the "
        "kernel does not. Take the length before you put NULs in, and copy "
        "with memcpy. The NUL that makes the name abstract comes before all "
        "of NAME.",
        Handout(1, {1}, "man 7 unix"));
  for (const std::string& name : NamesWithNuls()) {
    Part(absl::StrCat("--name=", Shown(name)));
    StartServer(name);
    Step("each @ of the name must be a NUL for the kernel");
    Connect(Address(name), "a client with NULs in the name");
  }
}

TEST_F(Server, NameOf107Bytes) {
  About(
      Core(2), "a name of 107 bytes is used as it is",
      "sun_path has 108 bytes. The leading NUL takes one, and no NUL is needed "
      "at the end: the length says where that is.",
      Handout(1, {2}, "man 7 unix"));
  std::string nuls = NameOfLength(kMaxName);
  nuls[50] = nuls[60] = '\0';
  for (const std::string& name : {NameOfLength(kMaxName), nuls}) {
    StartServer(name);
    Connect(Address(name), "a client");
  }
}

TEST_F(Server, RefusesImpossibleNames) {
  About(Robust(1), "the server refuses a name of more than 107 bytes",
        "A name that is cut to fit is another name. Look at the length before "
        "you copy.",
        Handout(1, {2, 13}, "man 7 unix"));
  for (const std::string& name : ImpossibleNames()) {
    Part(absl::StrCat("a name of ", name.size(), " bytes"));
    Start("server", {Flag(name)}).Refuses({name, "ENAMETOOLONG"});
  }
}

TEST_F(Server, NameTaken) {
  About(Core(2), "a name that somebody has is left to him",
        "As with a file, bind says EADDRINUSE. But no name is ever stale here: "
        "it goes with the last descriptor of its socket, so a process that "
        "has it lives.",
        Handout(1, {3, 13}, "man 2 bind"));
  Host(Address(name_));
  Start("server", {Flag(name_)}).Refuses({name_, "EADDRINUSE"});
  Part("a name with a NUL inside");
  Because(
      "The line has NAME as it was given, with each @. A raw name is cut off "
      "at its first NUL.",
      Handout(1, {13}, "man 7 unix"));
  const std::string name = name_ + '\0' + RandomText(6);
  Host(Address(name));
  Start("server", {Flag(name)}).Refuses({Shown(name), "EADDRINUSE"});
}

TEST_F(Server, TouchesNoFile) {
  About(Core(2), "the server makes no file and removes none",
        "The name is in the kernel only. A path \"@name\" would be a file, "
        "which ss lists the same way. unlink has nothing to do here: a file "
        "that happens to have that name belongs to somebody.",
        Handout(1, {1, 9}, "man 7 unix"));
  const auto expect_same = [&](Process* server,
                               const std::vector<std::string>& before) {
    const std::vector<std::string> now = scratch().Entries();
    std::string others;
    for (const std::string& one : now) {
      if (std::count(before.begin(), before.end(), one) == 0) others += one;
    }
    server->Expect(
        now == before, "the folder has the files that it had",
        others.empty() ? "a file is gone" : "there is a new file: " + others);
  };
  const auto ends = [&](Process* server) {
    Because(
        "The server ends when its N clients have ended, and one that has sent "
        "nothing is a client like any other.",
        WholeHandout({3, 8}));
    server->Exits(0);
    BecauseOfTheWhole();
  };
  Part("a folder without a file of that name");
  Process alone = StartServer(name_);
  expect_same(&alone, {});
  Connect(Address(name_), "a client").Close();
  ends(&alone);
  expect_same(&alone, {});

  Part("a folder with files of that name");
  const std::string name = NameOfLength(30);
  for (const std::string& file : {name, "@" + name}) {
    std::ofstream(scratch().File(file)) << "precious";
  }
  Step(absl::StrCat("wrote text files called ", name, " and @", name));
  const std::vector<std::string> before = scratch().Entries();
  Process server = StartServer(name);
  expect_same(&server, before);
  Connect(Address(name), "a client").Close();
  ends(&server);
  expect_same(&server, before);
}

// What it prints --------------------------------------------------------------

TEST_F(Server, SaysWhereItListens) {
  About(Core(3), "the server prints its name and the size of its address",
        "SIZE is what bind was given and what getsockname returns: 2 bytes of "
        "sun_family, the leading NUL, and the bytes of NAME. In the line each "
        "NUL is an @, the leading one as well. printf with %s stops at the "
        "first NUL. The line does not wait for a client.",
        Handout(2, {4}, "man 2 getsockname"));
  std::vector<std::string> names = NamesWithNuls();
  names.insert(names.begin(), name_);
  names.push_back(NameOfLength(kMaxName));
  for (const std::string& name : names) {
    Part(absl::StrCat("--name=", Shown(name)));
    Start("server", {Flag(name)}).Prints(Listening(name));
  }
}

TEST_F(Server, SaysItWhenItListens) {
  About(Core(1), "the server listens when it says so",
        "A client that has read the line may connect at once. If listen comes "
        "after the line, this client gets ECONNREFUSED.",
        Handout(2, {4}, "man 2 listen"));
  Process server = StartStoppedAfter({"listen"}, "server", {Flag(name_)});
  server.ListensAt("@" + Shown(name_));
  server.FallsAsleep();
  server.Expect(server.out().empty(), "nothing on stdout before listen returns",
                server.out());
  server.Continue();
  server.Prints(Listening(name_));
}

TEST_F(Server, EveryByteInTheName) {
  About(Core(1), "a name may have any bytes",
        "A name is bytes, and the kernel takes all of them. No byte but @ "
        "stands for another one, and none is left out of the line.",
        Handout(2, {1, 4}, "man 7 unix"));
  for (const std::string& name : NamesOfEveryByte()) {
    Part("one of three names that have every byte between them");
    Process server = Start("server", {Flag(name)});
    server.Prints(Listening(name));
    Connect(Address(name), "a client");
  }
}

TEST_F(Server, Autobind) {
  About(Core(2), "without a name, the kernel chooses one",
        "bind with nothing but the family, a length of 2, makes the kernel "
        "choose a free name of five hexadecimal digits. Only getsockname tells "
        "which, and it says how long the address is.",
        Handout(2, {4}, "man 7 unix, autobind"));
  Process server = Start("server", {"--name="});
  const std::string line = server.PrintsLine();
  char digits[6] = "";
  int length = 0;
  const bool understood =
      sscanf(line.c_str(), "listening at @%5[0-9a-f], %d bytes of address",
             digits, &length) == 2;
  server.Expect(understood && line == Listening(digits),
                "listening at @XXXXX, 8 bytes of address", line);
  Connect(Address(digits), "a client");
}

// How long it has the name ----------------------------------------------------

TEST_F(Server, FreesTheNameAtOnce) {
  About(
      Core(3), "the name is free when the server has gone, whoever is served",
      "The name lives as long as any descriptor of the listening socket, and "
      "fork copies that too. A child that keeps its copy keeps the name: the "
      "next server gets EADDRINUSE, and clients still connect, to a queue that "
      "nobody will ever look at. Close the listener in the child.",
      Handout(5, {9}, "man 2 fork, man 7 unix"));
  const struct {
    const char* what;
    std::string bytes;
  } clients[] = {{"a client that has sent a record", Record(RandomText(20))},
                 {"a client that has sent nothing yet", ""},
                 {"a client in the middle of a record", RandomText(20)}};
  for (const auto& [what, bytes] : clients) {
    Part(absl::StrCat("SIGKILL while the server serves ", what));
    const std::string name = NameOfLength(50);
    Process server = StartServer(name, {"--clients=2"});
    Peer client = Connect(Address(name), "a client");
    if (bytes.empty()) {
      server.FallsAsleep();
    } else {
      client.Send(bytes, absl::StrCat(bytes.size(), " bytes"));
      client.AwaitRead();
    }
    server.Signal(SIGKILL, "SIGKILL");
    server.ComesDownTo(0, "servers running",
                       [&] { return harness::IsAlive(server.pid()) ? 1 : 0; });
    server.ComesDownTo(0, "sockets listening at the name",
                       [&] { return Listeners(name); });
    StartServer(name);
  }
  Part("a server that has served its clients");
  Process first = StartServer(name_);
  Connect(Address(name_), "a client").Close();
  first.Exits(0);
  StartServer(name_);
}

}  // namespace
