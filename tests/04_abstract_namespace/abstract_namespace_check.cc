// The checks of lab 04. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/socket_address.h"
#include "tests/support/check.h"
#include "tests/support/other_uid.h"
#include "tests/support/proc.h"

namespace {

using harness::Core;
using harness::Peer;
using harness::Process;
using harness::Robust;

constexpr size_t kRecordSize = 1024;
constexpr size_t kMaxName = ipc::SocketAddress::kMaxPathLength;

// A record as it goes over the socket, and the line it becomes.
std::string Record(const std::string& text) {
  return text + std::string(kRecordSize - text.size(), '\0');
}
std::string Line(int client, const std::string& text) {
  return absl::StrCat("client ", client, ": ", text, "\n");
}

// `name` as it is written in flags and listings: @ for a NUL.
std::string Shown(std::string name) {
  std::replace(name.begin(), name.end(), '\0', '@');
  return name;
}
std::string Flag(const std::string& name) { return "--name=" + Shown(name); }

ipc::SocketAddress Address(const std::string& name) {
  return *ipc::SocketAddress::Abstract(name);
}

// What the server prints when it listens.
std::string Listening(const std::string& name) {
  return absl::StrCat("listening at @", Shown(name), ", ",
                      sizeof(sa_family_t) + 1 + name.size(),
                      " bytes of address\n");
}

class AbstractNamespace : public harness::Check {
 protected:
  // Nobody else's: abstract names are shared by all who share the network.
  const std::string name_ = "lab-" + RandomText(12);

  // The server, listening at `name`; `flags` beside --name.
  Process StartServer(const std::string& name,
                      const std::vector<std::string>& flags = {},
                      bool sanitized = false) {
    std::vector<std::string> args = {Flag(name)};
    args.insert(args.end(), flags.begin(), flags.end());
    Process server = Start("server", args, sanitized);
    server.ListensAt("@" + Shown(name));
    return server;
  }

  // A name of `length` bytes.
  std::string NameOfLength(size_t length) const {
    return name_ + RandomText(length - name_.size());
  }

  // Has a client of the student's connect to `name`, where we listen.
  void ExpectClientAt(const std::string& name) {
    Host(Address(name));
    const std::string text = RandomText(20);
    Process client = Start("client", {Flag(name), "--message=" + text});
    const std::string received = Accept().ReceiveAll();
    client.Exits(0, "");
    client.Expect(absl::StartsWith(received, text), "the client's text",
                  harness::Difference(text, received));
  }
};

// The transcript --------------------------------------------------------------

TEST_F(AbstractNamespace, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server must bind a stream socket to the abstract name, listen, "
        "print the name, accept the client and print each record; the client "
        "must connect to the same name and send four records. They are your "
        "server and your client here, both.",
        "handout, steps 1 to 4");
  Process server = StartServer(name_);
  Process client = Start("client", {Flag(name_)});
  client.Exits(0, "");
  const std::string line = Line(1, "Message from client");
  server.Exits(0, Listening(name_) + line + line + line + line);
}

// The name --------------------------------------------------------------------

TEST_F(AbstractNamespace, ExactLength) {
  About(Core(3), "the server's name has its own bytes and no others",
        "An abstract name has no end but the length that bind was given. With "
        "sizeof(sockaddr_un) it is the name and all the zeros behind it; with "
        "one byte too many, the name and a NUL. Each is another name, and "
        "whoever "
        "connects to the right one finds nobody.",
        "handout, step 1; man 7 unix, abstract");
  Host(Address(name_ + '\0'));
  Process server = StartServer(name_);
  Peer client = Connect(Address(name_), "a client");
  const std::string text = RandomText(30);
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, Listening(name_) + Line(1, text));
}

TEST_F(AbstractNamespace, ClientsExactLength) {
  About(
      Core(3), "the client asks for the name and nothing behind it",
      "connect compares all the bytes that the length covers. Zeros behind the "
      "name make it another one, which nobody has: ECONNREFUSED, never ENOENT, "
      "for there is no file to be missing.",
      "handout, step 3; man 7 unix, man 2 connect");
  ExpectClientAt(name_);
}

TEST_F(AbstractNamespace, NulInTheName) {
  About(Core(2), "a NUL inside the name is a byte like any other",
        "strlen, strcpy and printf stop at the first NUL; the kernel does not. "
        "Count the bytes before you put NULs in, and copy them with a length.",
        "handout, step 1; man 7 unix");
  const std::string name = name_ + '\0' + RandomText(5);
  Process server = StartServer(name);
  Peer client = Connect(Address(name), "a client");
  const std::string text = RandomText(30);
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, Listening(name) + Line(1, text));
  ExpectClientAt(name + RandomText(1));
}

TEST_F(AbstractNamespace, NameOf107Bytes) {
  About(
      Core(2), "a name of 107 bytes is used as it is",
      "sun_path has 108 bytes. The leading NUL takes one, and no NUL is needed "
      "at the end: the length says where that is.",
      "handout, step 1; man 7 unix");
  const std::string name = NameOfLength(kMaxName);
  Process server = StartServer(name);
  Connect(Address(name), "a client").Close();
  server.Exits(0, Listening(name));
  ExpectClientAt(NameOfLength(kMaxName));
}

TEST_F(AbstractNamespace, TouchesNoFile) {
  About(
      Core(2), "no file is made, and none removed",
      "The name is in the kernel only. A path \"@name\" would be a file, which "
      "ss lists the same way. And unlink has nothing to do here: whatever file "
      "happens to have that name is somebody's.",
      "handout, step 1; man 7 unix");
  for (const std::string& file : {name_, "@" + name_}) {
    std::ofstream(scratch().File(file)) << "precious";
  }
  Step(absl::StrCat("wrote text files called ", name_, " and @", name_));
  const std::vector<std::string> before = scratch().Entries();
  Process server = StartServer(name_);
  server.Expect(scratch().Entries() == before, "the folder as it was",
                "another set of files in it");
  Connect(Address(name_), "a client").Close();
  server.Exits(0, Listening(name_));
  server.Expect(scratch().Entries() == before, "the folder as it was",
                "another set of files in it");
}

TEST_F(AbstractNamespace, Autobind) {
  About(Core(2), "without a name, the kernel chooses one",
        "bind with nothing but the family, a length of 2, makes the kernel "
        "choose a free name of five hexadecimal digits. Only getsockname tells "
        "which, and it says how long the address is.",
        "handout, step 2; man 7 unix, autobind");
  Process server = Start("server", {"--name="});
  const std::string line = server.PrintsLine();
  char digits[6] = "";
  int length = 0;
  const bool understood =
      sscanf(line.c_str(), "listening at @%5[0-9a-f], %d bytes of address",
             digits, &length) == 2;
  server.Expect(understood && line == Listening(digits),
                "listening at @XXXXX, 8 bytes of address", line);
  Peer client = Connect(Address(digits), "a client");
  const std::string text = RandomText(9);
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, line + Line(1, text));
}

TEST_F(AbstractNamespace, NameTaken) {
  About(Core(2), "a name that somebody has is left to him",
        "As with a file, bind says EADDRINUSE. But no name is ever stale here: "
        "it goes with the last descriptor, so whoever has it, lives.",
        "handout, step 1; man 2 bind");
  Host(Address(name_));
  Process server = Start("server", {Flag(name_)});
  server.Refuses({"bind", name_, "EADDRINUSE"});
}

TEST_F(AbstractNamespace, RefusesImpossibleNames) {
  About(Robust(2), "a name that cannot be is refused in words",
        "A name that is cut to fit is another name. For connect an empty one "
        "means nobody: the kernel chooses names only for bind.",
        "handout, steps 1 and 3; man 7 unix");
  for (size_t length : {kMaxName + 1, kMaxName + 2, size_t{500}}) {
    const std::string name = NameOfLength(length);
    for (const char* program : {"server", "client"}) {
      Start(program, {Flag(name)}).Refuses({name, "ENAMETOOLONG"});
    }
  }
  Start("client", {"--name="}).Refuses({"connect", "EINVAL"});
}

// The server ------------------------------------------------------------------

TEST_F(AbstractNamespace, RecordsInPieces) {
  About(
      Core(2), "a record may arrive in pieces, or with the next",
      "What you learned in lab 01 holds here: read returns what is there. It "
      "takes as many calls as it takes until 1024 bytes have come, and none of "
      "them asks for more than the record lacks.",
      "lab 01, step 6; man 2 read");
  Process server = StartServer(name_);
  Peer client = Connect(Address(name_), "a client");
  const std::string first = RandomText(1000), second = RandomText(7);
  const std::string records = Record(first) + Record(second);
  client.Send(records.substr(0, 100), "100 bytes of a record");
  client.AwaitRead();
  client.Send(records.substr(100, 1500), "the rest, and a part of the next");
  client.AwaitRead();
  client.Send(records.substr(1600), "what was missing");
  client.Close();
  server.Exits(0, Listening(name_) + Line(1, first) + Line(1, second));
}

TEST_F(AbstractNamespace, BrokenRecord) {
  About(
      Robust(2), "a child's failure is the server's",
      "The process that met the end of file in the middle of a record ends "
      "with its own status. Nobody sees it unless the parent waits for it and "
      "looks.",
      "handout, step 4 and the contract; man 2 wait");
  Process server = StartServer(name_, {"--clients=2"});
  Peer client = Connect(Address(name_), "the first client");
  client.Send(RandomText(700), "700 bytes of a record");
  client.Close();
  const std::string text = RandomText(8);
  Peer other = Connect(Address(name_), "the second client");
  other.Send(Record(text), "one record");
  other.Close();
  server.Exits(1, Listening(name_) + Line(2, text));
  server.Expect(absl::StrContains(server.err(), "700"),
                "a line on stderr that says how many bytes came: 700",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(AbstractNamespace, SideBySide) {
  About(Core(3), "a client that stalls does not keep others waiting",
        "Each client is served by itself: fork after accept, and go back to "
        "accept at once. (A thread for each, or poll, is as good.)",
        "handout, step 4; man 2 fork");
  Process server = StartServer(name_, {"--clients=2"});
  Peer slow = Connect(Address(name_), "the first client");
  const std::string slow_text = RandomText(20), quick_text = RandomText(20);
  slow.Send(Record(slow_text).substr(0, 500), "half a record, and stalls");
  slow.AwaitRead();
  Peer quick = Connect(Address(name_), "the second client");
  quick.Send(Record(quick_text), "one record");
  server.Prints(Listening(name_) + Line(2, quick_text));
  quick.Close();
  slow.Send(Record(slow_text).substr(500), "the other half");
  slow.Close();
  server.Exits(0, Listening(name_) + Line(2, quick_text) + Line(1, slow_text));
}

TEST_F(AbstractNamespace, FreesTheNameAtOnce) {
  About(
      Core(3), "the name is free when the server has gone, whoever is served",
      "The name lives as long as any descriptor of the listening socket, and "
      "fork copies that too. A child that keeps its copy keeps the name: the "
      "next server gets EADDRINUSE, and clients still connect, to a queue that "
      "nobody will ever look at. Close the listener in the child.",
      "handout, step 5; man 2 fork, man 7 unix");
  Process server = StartServer(name_, {"--clients=2"});
  Peer client = Connect(Address(name_), "a client");
  const std::string text = RandomText(20);
  client.Send(Record(text), "one record, and stays connected");
  server.Prints(Listening(name_) + Line(1, text));
  server.Signal(SIGKILL, "SIGKILL");
  server.ComesDownTo(0, "servers running",
                     [&] { return harness::IsAlive(server.pid()) ? 1 : 0; });
  Process next = StartServer(name_);
  client.Close();
  Connect(Address(name_), "the next client").Close();
  next.Exits(0, Listening(name_));
}

TEST_F(AbstractNamespace, LeavesNothingOfAClient) {
  About(Core(2), "of a client that is done, nothing is left",
        "The parent has a descriptor of each client as well, and only its own "
        "close gives that back. And a child that has ended stays, as a zombie, "
        "until somebody waits for it. Handle SIGCHLD with waitpid(-1, ..., "
        "WNOHANG) in a loop: one signal may stand for several children.",
        "handout, step 4; man 2 waitpid, man 7 signal");
  Process server = StartServer(name_, {"--clients=8"});
  for (int i = 1; i <= 5; ++i) {
    Peer client = Connect(Address(name_), absl::StrCat("client ", i));
    client.Send(Record(RandomText(10)), "one record");
    client.AwaitRead();
    client.Close();
  }
  server.ComesDownTo(1, "open sockets: the listening one",
                     [&] { return CountSockets(server.pid()); });
  server.ComesDownTo(0, "zombies", [&] {
    const std::vector<pid_t> pids = harness::Descendants(server.pid());
    return static_cast<int>(
        std::count_if(pids.begin(), pids.end(),
                      [](pid_t pid) { return !harness::IsAlive(pid); }));
  });
}

TEST_F(AbstractNamespace, RefusesStrangers) {
  About(Core(3), "a client of another user is refused",
        "A file has permissions; an abstract name has none, and anybody who "
        "shares the network namespace may connect. SO_PEERCRED tells who did: "
        "the uid that he had when he called connect.",
        "handout, step 6; man 7 unix, SO_PEERCRED");
  ExpectStrangers();
  Process server = StartServer(name_);
  Peer stranger = ConnectAsStranger(Address(name_));
  stranger.ReceiveAll();
  const std::string text = RandomText(20);
  Peer client = Connect(Address(name_), "a client of ours");
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, Listening(name_) + Line(1, text));
  server.Expect(
      absl::StrContains(server.err(), absl::StrCat(harness::kStrangerUid)),
      "a line on stderr that names the uid 4242",
      server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(AbstractNamespace, StaysInItsMemory) {
  About(
      Core(2), "no byte outside its buffers is touched",
      "A name of 107 bytes fills sun_path to the last, and no NUL ends it: "
      "whoever prints it with %s reads on. The same goes for a record of 1024 "
      "bytes of text. %.*s with a length does not.",
      "handout, steps 1 and 2; man 3 printf");
  const std::string name = NameOfLength(kMaxName);
  Process server = StartServer(name, {}, /*sanitized=*/true);
  const std::string text = RandomText(kRecordSize);
  Process client = Start("client", {Flag(name), "--message=" + text},
                         /*sanitized=*/true);
  client.Exits(0, "");
  const std::string line = Line(1, text);
  server.Exits(0, Listening(name) + line + line + line + line);
}

// The client ------------------------------------------------------------------

TEST_F(AbstractNamespace, ClientSendsFourRecords) {
  About(
      Core(2), "the client sends four whole records, padded with zeros",
      "What goes out is 1024 bytes a record, whatever the length of the text: "
      "the text first, zeros behind it.",
      "lab 01, step 7; man 2 send");
  Host(Address(name_));
  const std::string text = RandomText(20);
  Process client = Start("client", {Flag(name_), "--message=" + text});
  const std::string received = Accept().ReceiveAll();
  std::string expected;
  for (int i = 0; i < 4; ++i) expected += Record(text);
  client.Expect(received == expected,
                "4096 bytes: four times the text and its zeros",
                absl::StrCat(received.size(), " bytes\n",
                             harness::Difference(expected, received)));
  client.Exits(0, "");
}

TEST_F(AbstractNamespace, ClientNamesTheError) {
  About(Core(1), "a client that finds nobody says so",
        "Nobody has the name: ECONNREFUSED. Status 0 would mean that all was "
        "sent.",
        "handout, step 3; man 2 connect");
  Start("client", {Flag(name_)}).Refuses({"connect", name_, "ECONNREFUSED"});
}

TEST_F(AbstractNamespace, RefusesBadUsage) {
  About(
      Robust(1), "a wrong call gets one line and status 2",
      "Status 2 says that the call was wrong and nothing was tried, 1 that it "
      "was tried and failed. A message that is cut to fit is not the message.",
      "the contract in the handout");
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--clients=0"},
               {"server", "--no-such-flag"},
               {"client", "--no-such-flag"},
               {"client", "--message=" + RandomText(kRecordSize + 1)}};
  for (const auto& [program, flag] : calls) {
    Start(program, {Flag(name_), flag}).Refuses({}, /*status=*/2);
  }
}

}  // namespace
