// The checks of lab 04. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <set>
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
using harness::Fault;
using harness::Handout;
using harness::Peer;
using harness::Person;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

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
  void SetUp() override {
    name_ = absl::StrCat("lab-", RandomText(12), getpid());
  }
  std::string name_;

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

  // A client sends one record of `text`; the server has read it.
  void SendRecord(Peer* client, const std::string& text) {
    client->Send(Record(text), "one record");
    client->AwaitRead();
  }

  // Waits until `server` has no child, not even a zombie.
  static void HasNoChildren(Process* server) {
    server->ComesDownTo(0, "children", [&] {
      return static_cast<int>(harness::Descendants(server->pid()).size());
    });
  }

  // The server has not ended by itself, though it has nothing to do.
  void StillServes(Process* server) {
    server->FallsAsleep();
    server->Expect(harness::IsAlive(server->pid()),
                   "the server waits for its clients", "it has ended");
  }

  // How many sockets listen at `name`.
  static int Listeners(const std::string& name) {
    const auto sockets = harness::UnixSockets();
    return static_cast<int>(std::count_if(
        sockets.begin(), sockets.end(), [&](const harness::UnixSocket& socket) {
          return socket.listening && socket.path == "@" + Shown(name);
        }));
  }

  // `server` refuses a client of `who`, whose record it does not print.
  void ExpectRefusal(Process* server, const Person& who) {
    server->Stop();
    pid_t pid;
    Peer stranger = ConnectAs(who, Address(name_), &pid);
    stranger.Send(Record("from a stranger"), "one record");
    server->Continue();
    stranger.ReceiveAll();
    server->ComesDownTo(1, "open sockets: the listening one",
                        [&] { return CountSockets(server->pid()); });
    const std::string uid = absl::StrCat(who.effective.uid);
    server->Expect(absl::StrContains(server->err(), uid),
                   absl::StrCat("a line on stderr that names the uid ", uid),
                   server->err().empty() ? "nothing on stderr" : server->err());
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
        WholeHandout({}));
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
        Handout(1, {}, "man 7 unix, abstract"));
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
      Handout(3, {}, "man 7 unix, man 2 connect"));
  ExpectClientAt(name_);
}

TEST_F(AbstractNamespace, NulInTheName) {
  About(Core(2), "a NUL inside the name is a byte like any other",
        "strlen, strcpy and printf stop at the first NUL; the kernel does not. "
        "Count the bytes before you put NULs in, and copy them with a length.",
        Handout(1, {}, "man 7 unix"));
  const std::string name = name_ + '\0' + RandomText(5);
  Process server = StartServer(name);
  Peer client = Connect(Address(name), "a client");
  const std::string text = RandomText(30);
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, Listening(name) + Line(1, text));
  ExpectClientAt(name + RandomText(1));
}

TEST_F(AbstractNamespace, NulsAnywhere) {
  About(Core(2), "each @ stands for a NUL, wherever it is",
        "A NUL at the end of a name counts as one in its middle does, and so "
        "does one at the beginning: the NUL that makes the name abstract comes "
        "before it.",
        Handout(1, {}, "man 7 unix"));
  const std::string nul(1, '\0');
  for (const std::string& name :
       {name_ + nul, nul + name_, nul + name_ + nul + nul + "x" + nul + "y"}) {
    Process server = StartServer(name);
    Connect(Address(name), "a client").Close();
    server.Exits(0, Listening(name));
    ExpectClientAt(name);
  }
}

TEST_F(AbstractNamespace, NameOf107Bytes) {
  About(
      Core(2), "a name of 107 bytes is used as it is",
      "sun_path has 108 bytes. The leading NUL takes one, and no NUL is needed "
      "at the end: the length says where that is.",
      Handout(1, {}, "man 7 unix"));
  const std::string name = NameOfLength(kMaxName);
  Process server = StartServer(name);
  Connect(Address(name), "a client").Close();
  server.Exits(0, Listening(name));
  ExpectClientAt(NameOfLength(kMaxName));
  // NULs are among the 107.
  std::string nuls = NameOfLength(kMaxName);
  nuls[50] = nuls[60] = '\0';
  Process other = StartServer(nuls);
  Connect(Address(nuls), "a client").Close();
  other.Exits(0, Listening(nuls));
}

TEST_F(AbstractNamespace, TouchesNoFile) {
  About(
      Core(2), "no file is made, and none removed",
      "The name is in the kernel only. A path \"@name\" would be a file, which "
      "ss lists the same way. And unlink has nothing to do here: whatever file "
      "happens to have that name is somebody's.",
      Handout(1, {}, "man 7 unix"));
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
  const std::string name = name_ + "x";
  Process second = StartServer(name);
  second.Expect(scratch().Entries() == before, "the folder as it was",
                "another set of files in it");
  Start("client", {Flag(name)}).Exits(0, "");
  second.Exits(0);
  second.Expect(scratch().Entries() == before, "the folder as it was",
                "another set of files in it");
}

TEST_F(AbstractNamespace, Autobind) {
  About(Core(2), "without a name, the kernel chooses one",
        "bind with nothing but the family, a length of 2, makes the kernel "
        "choose a free name of five hexadecimal digits. Only getsockname tells "
        "which, and it says how long the address is.",
        Handout(2, {}, "man 7 unix, autobind"));
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
        Handout(1, {}, "man 2 bind"));
  Host(Address(name_));
  Process server = Start("server", {Flag(name_)});
  server.Refuses({name_, "EADDRINUSE"});
}

TEST_F(AbstractNamespace, RefusesImpossibleNames) {
  About(Robust(2), "a name that cannot be is refused in words",
        "A name that is cut to fit is another name. For connect an empty one "
        "means nobody: the kernel chooses names only for bind.",
        Handout(3, {}, "man 7 unix"));
  std::string nuls = NameOfLength(kMaxName + 1);
  nuls[90] = nuls[91] = '@';
  for (const std::string& name :
       {NameOfLength(kMaxName + 1), NameOfLength(kMaxName + 2),
        NameOfLength(500), nuls}) {
    for (const char* program : {"server", "client"}) {
      Start(program, {Flag(name)}).Refuses({name, "ENAMETOOLONG"});
    }
  }
  Start("client", {"--name="}).Refuses({"connect", "EINVAL"});
}

TEST_F(AbstractNamespace, ClientTakesNoFileForAName) {
  About(Core(1), "a file of that name is not the abstract name",
        "A server at the path lab and one at the abstract name lab are two. "
        "Where nobody has the abstract one, the client says so.",
        Handout(3, {}, "man 7 unix, man 2 connect"));
  // The program runs in that folder.
  Host(scratch().File(name_));
  Start("client", {Flag(name_)}).Refuses({"connect", name_, "ECONNREFUSED"});
}

// The server ------------------------------------------------------------------

TEST_F(AbstractNamespace, RecordsInPieces) {
  About(
      Core(2), "a record may arrive in pieces, or with the next",
      "What you learned in lab 01 holds here: read returns what is there. It "
      "takes as many calls as it takes until 1024 bytes have come, and none of "
      "them asks for more than the record lacks.",
      Handout(4, {}, "lab 01, step 6; man 2 read"));
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
      Handout(4, {}, "man 2 wait"));
  Process server = StartServer(name_, {"--clients=2"});
  Peer client = Connect(Address(name_), "the first client");
  client.Send(RandomText(400), "400 bytes of a record");
  client.AwaitRead();
  client.Send(RandomText(300), "300 bytes more");
  client.AwaitRead();
  client.Close();
  HasNoChildren(&server);
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
        Handout(4, {}, "man 2 fork"));
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

TEST_F(AbstractNamespace, AnyText) {
  About(
      Core(2), "the text of a record is any bytes, and each record is a line",
      "The text ends at the first NUL of the record, or with the record. What "
      "is in it is not for the server to judge: a newline, a blank at the end, "
      "a percent sign and bytes that are no letters are printed as they are.",
      Handout(4, {}, "man 3 printf"));
  Process server = StartServer(name_);
  server.Prints(Listening(name_));
  Peer client = Connect(Address(name_), "a client");
  std::string output = Listening(name_);
  const std::string same = RandomText(12), full = RandomText(kRecordSize);
  for (const std::string& text :
       {same, same, std::string(), full, RandomText(3),
        std::string("100%d %s%n %%"),
        RandomText(4) + "\n" + RandomText(4) + "\n", std::string("blanks \t "),
        std::string("\x01\x7f\xff\xc3\xa4\x1b[m"), full.substr(1)}) {
    client.Send(Record(text),
                absl::StrCat("a record with ", text.size(), " bytes of text"));
    output += Line(1, text);
    server.Prints(output);
  }
  std::string record = Record("first");
  record.replace(100, 6, "second");
  record.back() = 'x';
  client.Send(record, "a record with more text behind the first NUL");
  output += Line(1, "first");
  client.Close();
  server.Exits(0, output);
}

TEST_F(AbstractNamespace, ClientsAreNumbered) {
  About(Core(2), "K is the number of the connection, and no other number",
        "The first client that connects is client 1, whether it sends first or "
        "last, and whoever has ended meanwhile. That one has ended may "
        "interrupt accept (EINTR): a handler must leave errno as it was, and "
        "accept is called again.",
        Handout(4, {}, "man 2 accept, man 7 signal"));
  constexpr int kClients = 13;
  Process server = StartServer(name_, {absl::StrCat("--clients=", kClients)});
  std::string output = Listening(name_);
  server.Prints(output);
  Peer silent = Connect(Address(name_), "client 1");
  for (int i = 2; i < kClients; ++i) {
    Peer client = Connect(Address(name_), absl::StrCat("client ", i));
    const std::string text = RandomText(10);
    client.Send(Record(text), "one record");
    output += Line(i, text);
    server.Prints(output);
    client.Close();
    server.FallsAsleep();
  }
  Peer last = Connect(Address(name_), "the last client");
  const std::string text = RandomText(10), other = RandomText(11);
  silent.Send(Record(text), "one record");
  server.Prints(output += Line(1, text));
  last.Send(Record(other), "one record");
  server.Prints(output += Line(kClients, other));
  last.Close();
  StillServes(&server);
  silent.Send(Record(other), "one record");
  silent.Close();
  server.Exits(0, output + Line(1, other));
}

TEST_F(AbstractNamespace, ManySideBySide) {
  About(Core(2), "twelve clients are served at once, each with its own record",
        "No client waits for another, however many there are, and what one has "
        "sent of a record is not mixed with the bytes of another.",
        Handout(4, {}, "man 2 fork"));
  constexpr int kClients = 12;
  Process server = StartServer(name_, {absl::StrCat("--clients=", kClients)});
  std::vector<Peer> clients;
  std::vector<std::string> texts;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(Connect(Address(name_), absl::StrCat("client ", i + 1)));
    texts.push_back(RandomText(900));
    clients.back().Send(Record(texts.back()).substr(0, 400),
                        "a part of a record");
    clients.back().AwaitRead();
  }
  std::string output = Listening(name_);
  for (int i = 0; i < kClients; ++i) {
    clients[i].Send(Record(texts[i]).substr(400), "the rest of it");
    output += Line(i + 1, texts[i]);
    server.Prints(output);
  }
  for (Peer& client : clients) client.Close();
  server.Exits(0, output);
}

TEST_F(AbstractNamespace, BrokenRecordsOneByOne) {
  About(
      Robust(2), "each half record counts, whoever ends last",
      "A record that lacks one byte is broken, and so is one of a single byte. "
      "The status is 1 however many clients failed, and also when a client "
      "that did well ends last. One line says it, not two.",
      Handout(4, {}, "man 2 wait"));
  const std::string text = RandomText(9);
  for (const bool broken_last : {false, true}) {
    Process server = StartServer(name_, {"--clients=3"});
    std::string output = Listening(name_);
    server.Prints(output);
    Peer good = Connect(Address(name_), "the first client");
    Peer one = Connect(Address(name_), "the second client");
    Peer most = Connect(Address(name_), "the third client");
    if (broken_last) {
      one.Close();
    } else {
      one.Send(RandomText(1), "1 byte of a record");
      one.AwaitRead();
      one.Close();
      most.Send(RandomText(1023), "1023 bytes of a record");
      most.AwaitRead();
      most.Close();
    }
    server.FallsAsleep();
    good.Send(Record(text), "one record");
    server.Prints(output += Line(1, text));
    good.Close();
    if (broken_last) {
      server.FallsAsleep();
      most.Send(RandomText(1023), "1023 bytes of a record");
      most.Close();
    }
    server.Exits(1, output);
    const std::string err = server.err();
    server.Expect(
        std::count(err.begin(), err.end(), '\n') == (broken_last ? 1 : 2) &&
            absl::StrContains(err, "1023"),
        "a line on stderr for each half record, and no other", err);
  }
}

TEST_F(AbstractNamespace, ListensBeforeItSaysSo) {
  About(Core(1), "the server listens when it says so",
        "Somebody who reads the line may connect at once. Before listen, that "
        "is ECONNREFUSED.",
        Handout(1, {}, "man 2 listen"));
  Process server = StartStoppedAfter({"listen"}, "server", {Flag(name_)});
  server.ListensAt("@" + Shown(name_));
  server.FallsAsleep();
  server.Expect(server.out().empty(), "nothing on stdout before listen returns",
                server.out());
  server.Continue();
  server.Prints(Listening(name_));
  Connect(Address(name_), "a client").Close();
  server.Exits(0, Listening(name_));
}

TEST_F(AbstractNamespace, FreesTheNameAtOnce) {
  About(
      Core(3), "the name is free when the server has gone, whoever is served",
      "The name lives as long as any descriptor of the listening socket, and "
      "fork copies that too. A child that keeps its copy keeps the name: the "
      "next server gets EADDRINUSE, and clients still connect, to a queue that "
      "nobody will ever look at. Close the listener in the child.",
      Handout(5, {}, "man 2 fork, man 7 unix"));
  Process server = StartServer(name_, {"--clients=2"});
  Peer client = Connect(Address(name_), "a client");
  const std::string text = RandomText(20);
  client.Send(Record(text), "one record, and stays connected");
  server.Prints(Listening(name_) + Line(1, text));
  server.Signal(SIGKILL, "SIGKILL");
  server.ComesDownTo(0, "servers running",
                     [&] { return harness::IsAlive(server.pid()) ? 1 : 0; });
  server.ComesDownTo(0, "sockets listening at the name",
                     [&] { return Listeners(name_); });
  Process next = StartServer(name_);
  client.Close();
  Connect(Address(name_), "the next client").Close();
  next.Exits(0, Listening(name_));

  Part("a client that has sent nothing yet");
  Process other = StartServer(name_, {"--clients=2"});
  Peer slow = Connect(Address(name_), "a client");
  other.FallsAsleep();
  other.Signal(SIGKILL, "SIGKILL");
  other.ComesDownTo(0, "servers running",
                    [&] { return harness::IsAlive(other.pid()) ? 1 : 0; });
  other.ComesDownTo(0, "sockets listening at the name",
                    [&] { return Listeners(name_); });
  Process last = StartServer(name_);
  slow.Close();
  Connect(Address(name_), "the next client").Close();
  last.Exits(0, Listening(name_));
}

TEST_F(AbstractNamespace, LeavesNothingOfAClient) {
  About(Core(2), "of a client that is done, nothing is left",
        "The parent has a descriptor of each client as well, and only its own "
        "close gives that back. And a child that has ended stays, as a zombie, "
        "until somebody waits for it. Handle SIGCHLD with waitpid(-1, ..., "
        "WNOHANG) in a loop: one signal may stand for several children.",
        Handout(4, {}, "man 2 waitpid, man 7 signal"));
  Process server = StartServer(name_, {"--clients=8"});
  const auto zombies = [&] {
    const std::vector<pid_t> pids = harness::Descendants(server.pid());
    return static_cast<int>(
        std::count_if(pids.begin(), pids.end(),
                      [](pid_t pid) { return !harness::IsAlive(pid); }));
  };
  for (int i = 1; i <= 4; ++i) {
    Peer client = Connect(Address(name_), absl::StrCat("client ", i));
    client.Send(i == 2 ? RandomText(10) : Record(RandomText(10)),
                i == 2 ? "10 bytes of a record" : "one record");
    client.AwaitRead();
    client.Close();
  }
  server.ComesDownTo(1, "open sockets: the listening one",
                     [&] { return CountSockets(server.pid()); });
  server.ComesDownTo(0, "zombies", zombies);
  // Several that end while the server cannot look.
  Peer clients[] = {Connect(Address(name_), "client 5"),
                    Connect(Address(name_), "client 6"),
                    Connect(Address(name_), "client 7")};
  for (Peer& client : clients) SendRecord(&client, RandomText(10));
  const std::vector<pid_t> children = harness::Descendants(server.pid());
  server.Stop();
  for (Peer& client : clients) client.Close();
  if (children.size() >= 3) {
    server.ComesDownTo(
        static_cast<int>(children.size()) - 3, "children running", [&] {
          return static_cast<int>(std::count_if(
              children.begin(), children.end(), harness::IsAlive));
        });
  }
  server.Continue();
  server.ComesDownTo(1, "open sockets: the listening one",
                     [&] { return CountSockets(server.pid()); });
  server.ComesDownTo(0, "zombies", zombies);
}

TEST_F(AbstractNamespace, RefusesStrangers) {
  About(Core(3), "a client of another user is refused",
        "A file has permissions; an abstract name has none, and anybody who "
        "shares the network namespace may connect. SO_PEERCRED tells who did: "
        "the uid that he had when he called connect.",
        Handout(6, {}, "man 7 unix, SO_PEERCRED"));
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

TEST_F(AbstractNamespace, EachClientIsAsked) {
  About(Core(2), "the uid of each client decides, and only the uid",
        "Each client is asked, whoever came before. A uid has 32 bits and no "
        "sign. The group does not matter: neither is somebody of our group "
        "one of us, nor somebody of our uid with another group a stranger.",
        Handout(6, {}, "man 7 unix, SO_PEERCRED"));
  ExpectStrangers();
  Process server = StartServer(name_, {"--clients=2"});
  server.Prints(Listening(name_));
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  pid_t pid;
  const gid_t other_gid = gid + 4243;
  Peer first =
      ConnectAs({{uid, other_gid}, {uid, other_gid}}, Address(name_), &pid);
  const std::string text = RandomText(20);
  first.Send(Record(text), "one record");
  std::string output = Listening(name_) + Line(1, text);
  server.Prints(output);
  first.Close();
  server.ComesDownTo(1, "open sockets: the listening one",
                     [&] { return CountSockets(server.pid()); });
  for (const uid_t stranger : {uid + 4242, uid + 65536, uid_t{4000000000}}) {
    ExpectRefusal(&server, {{stranger, gid}, {stranger, gid}});
  }
  Peer second = Connect(Address(name_), "a client of ours");
  second.Send(Record(text), "one record");
  second.Close();
  server.Exits(0, output + Line(2, text));
}

TEST_F(AbstractNamespace, StaysInItsMemory) {
  About(
      Core(2), "no byte outside its buffers is touched",
      "A name of 107 bytes fills sun_path to the last, and no NUL ends it: "
      "whoever prints it with %s reads on. The same goes for a record of 1024 "
      "bytes of text. %.*s with a length does not.",
      Handout(2, {}, "man 3 printf"));
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
      Handout(3, {}, "lab 01, step 7; man 2 send"));
  Host(Address(name_));
  for (const std::string& text :
       {RandomText(20), RandomText(kRecordSize), RandomText(kRecordSize - 1),
        std::string(), std::string("100%d %s %% \\n \\0 "),
        std::string("two\nlines\xff")}) {
    Process client = Start("client", {Flag(name_), "--message=" + text});
    const std::string received = Accept().ReceiveAll();
    std::string expected;
    for (int i = 0; i < 4; ++i) expected += Record(text);
    client.Expect(received == expected,
                  absl::StrCat("4096 bytes: four times the text of ",
                               text.size(), " bytes and its zeros"),
                  absl::StrCat(received.size(), " bytes\n",
                               harness::Difference(expected, received)));
    client.Exits(0, "");
    client.Expect(client.err().empty(), "nothing on stderr", client.err());
  }
}

TEST_F(AbstractNamespace, ClientsDoNotMeet) {
  About(Core(1), "two clients run at the same time",
        "A client needs no name of its own. If it binds to one, that is taken "
        "as long as the client runs.",
        Handout(3, {}, "man 2 connect"));
  Host(Address(name_));
  Process first = StartStoppedAfter({"connect"}, "client", {Flag(name_)});
  Peer slow = Accept();
  Process second = Start("client", {Flag(name_)});
  Accept().ReceiveAll();
  second.Exits(0, "");
  first.Continue();
  slow.ReceiveAll();
  first.Exits(0, "");
}

TEST_F(AbstractNamespace, ClientOutlivesServer) {
  About(Robust(2), "a server that leaves does not kill the client",
        "Writing to a connection whose other end is closed raises SIGPIPE, "
        "which ends the program without a word. send with MSG_NOSIGNAL, or "
        "ignoring the signal, makes it the error EPIPE, which you can report.",
        Handout(3, {}, "lab 01, step 7; man 2 send"));
  Host(Address(name_));
  Process client = StartStoppedAfter({"connect"}, "client", {Flag(name_)});
  Accept().Close();
  client.Continue();
  client.Refuses({"EPIPE"});
}

TEST_F(AbstractNamespace, ClientNamesTheError) {
  About(Core(1), "a client that finds nobody says so",
        "Nobody has the name: ECONNREFUSED. Status 0 would mean that all was "
        "sent.",
        Handout(3, {}, "man 2 connect"));
  Start("client", {Flag(name_)}).Refuses({"connect", name_, "ECONNREFUSED"});
  const std::string rest = RandomText(6);
  Start("client", {Flag(name_ + '\0' + rest)})
      .Refuses({"connect", rest, "ECONNREFUSED"});
}

// What may happen to any system call ------------------------------------------

TEST_F(AbstractNamespace, ServerTellsFailures) {
  About(Robust(2), "a call that fails is a failure of the server",
        "fork, accept and read may fail. Look at what each of them returns: "
        "-1 is neither a child nor an end of file.",
        Handout(4, {}, "man 2 fork, man 2 read"));
  const std::set<harness::DescriptorKind> stream = {
      harness::DescriptorKind::kUnixStream};
  Fault read_fails =
      Fault::Fail({"read", "readv", "recv", "recvmsg"}, 1, ECONNRESET);
  read_fails.on = stream;
  for (const Fault& fault : {Fault::Fail({"listen"}, 1, EADDRINUSE),
                             Fault::Fail({"fork"}, 1, EAGAIN), read_fails}) {
    const bool listens = fault.calls[0] != "listen";
    Process server = StartWithFault(fault, "server", {Flag(name_)});
    if (listens) {
      server.Prints(Listening(name_));
      server.Stop();  // Or it has ended before the client can send.
      Peer client = Connect(Address(name_), "a client");
      // One that threads or a loop serve does not fork.
      client.Send(RandomText(2), "2 bytes of a record");
      client.Close();
      server.Continue();
    }
    server.Exits(1);
    server.Expect(fault.calls[0] != "listen" || server.out().empty(),
                  "nothing on stdout", server.out());
  }
}

TEST_F(AbstractNamespace, AcceptIsCalledAgain) {
  About(Core(1), "accept that a signal interrupts is called again",
        "A handler makes accept fail with EINTR, and nothing has happened yet.",
        Handout(4, {}, "man 2 accept, man 7 signal"));
  Process server =
      StartWithFault(Fault::Interrupt({"accept"}, 1), "server", {Flag(name_)});
  server.ListensAt("@" + Shown(name_));
  const std::string text = RandomText(30);
  Peer client = Connect(Address(name_), "a client");
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, Listening(name_) + Line(1, text));
}

TEST_F(AbstractNamespace, ClientSendsTheRest) {
  About(Robust(1), "the client sends what was left over",
        "send may take fewer bytes than it was given, and says how many. The "
        "rest is yours to send.",
        Handout(3, {}, "man 2 send"));
  Host(Address(name_));
  const Fault::Calls send = {"write", "writev", "send", "sendmsg"};
  for (Fault fault : {Fault::CutTo(send, 1, 1), Fault::CutHalf(send, 1)}) {
    fault.on = {harness::DescriptorKind::kUnixStream};
    const std::string text = RandomText(kRecordSize);
    Process client =
        StartWithFault(fault, "client", {Flag(name_), "--message=" + text});
    const std::string received = Accept().ReceiveAll();
    const std::string expected = text + text + text + text;
    client.Expect(received == expected, "four records of 1024 bytes",
                  absl::StrCat(received.size(), " bytes\n",
                               harness::Difference(expected, received)));
    client.Exits(0, "");
  }
}

TEST_F(AbstractNamespace, SaysThatItCannotPrint) {
  About(Robust(1), "a line that cannot be printed is a failure",
        "printf and write say whether they have printed. A disk may be full. "
        "Status 0 would mean that all was printed.",
        Handout(4, {}, "man 3 fflush, man 2 write"));
  for (const int line : {1, 2}) {
    Fault full = Fault::Fail({"write", "writev"}, line, ENOSPC);
    full.output = true;
    full.on = {harness::DescriptorKind::kPipe};
    Process server = StartWithFault(full, "server", {Flag(name_)});
    if (line == 2) {
      server.ListensAt("@" + Shown(name_));
      Peer client = Connect(Address(name_), "a client");
      client.Send(Record(RandomText(20)), "one record");
      client.Close();
    }
    server.Exits(1);
  }
}

TEST_F(AbstractNamespace, RefusesBadUsage) {
  About(
      Robust(1), "a wrong call gets one line and status 2",
      "Status 2 says that the call was wrong and nothing was tried, 1 that it "
      "was tried and failed. A message that is cut to fit is not the message.",
      WholeHandout({}));
  Process server = StartServer(name_);
  Start("client", {Flag(name_)}).Exits(0, "");
  server.Exits(0);
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--clients=0"},
               {"server", "--clients=many"},
               {"server", "--no-such-flag"},
               {"server", "argument"},
               {"client", "argument"},
               {"client", "--no-such-flag"},
               {"client", "--message=" + RandomText(kRecordSize + 1)}};
  for (const auto& [program, flag] : calls) {
    Start(program, {Flag(name_), flag}).Refuses({}, /*status=*/2);
  }
}

}  // namespace
