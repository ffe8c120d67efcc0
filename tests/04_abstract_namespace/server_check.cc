// How the server of lab 04 serves several clients, whom it refuses, and what it
// does when that cannot be.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/04_abstract_namespace/abstract_namespace.h"
#include "tests/support/other_uid.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

const Fault::Calls kWrite = {"write", "writev"};

// For people: the first line of `seen` that is not among `expected`, or the
// first of `expected` that is missing from it. Each line counts.
std::string DifferenceInAnyOrder(const std::string& expected,
                                 const std::string& seen) {
  std::vector<std::string> missing = absl::StrSplit(expected, '\n');
  for (const absl::string_view line : absl::StrSplit(seen, '\n')) {
    const auto found = std::find(missing.begin(), missing.end(), line);
    if (found == missing.end()) {
      return absl::StrCat("this line is none of them: ",
                          harness::Escaped(line, 160));
    }
    missing.erase(found);
  }
  return missing.empty() ? ""
                         : absl::StrCat("this line is missing: ",
                                        harness::Escaped(missing[0], 160));
}

// The same, when the server has ended.
void ExpectInAnyOrder(Process* server, const std::string& expected) {
  const std::string difference = DifferenceInAnyOrder(expected, server->out());
  server->Expect(difference.empty(),
                 "each line that was due, whole, in any order", difference);
}

// Several clients -------------------------------------------------------------

TEST_F(Server, OneAfterAnother) {
  About(Core(1), "--clients=3 serves three clients, and tells them apart",
        "The Kth client that connects is client K. It is not the number of "
        "clients that are served now, nor the number of the record.",
        Handout(4, {3, 6}, "man 2 accept"));
  Process server = StartServer(name_, {"--clients=3"});
  std::string output = Listening(name_);
  for (int i = 1; i <= 3; ++i) {
    Because(
        "The server goes back to accept until it has had N clients. When a "
        "child ends, SIGCHLD comes, and its handler makes accept fail with "
        "EINTR. That is not a failure: call accept again. A child closes its "
        "copy of the listening socket: shutdown would act on that of the "
        "parent, too.",
        Handout(4, {3, 14}, "man 2 accept, man 7 signal"));
    server.FallsAsleep();
    Peer client = Connect(Address(name_), absl::StrCat("client ", i));
    BecauseOfTheWhole();
    const std::string text = RandomText(10);
    client.Send(Record(text), "one record");
    server.Prints(output += Line(i, text));
    client.Close();
  }
  Because(
      "N counts all clients from the beginning, those that have ended as well. "
      "After N clients the server ends.",
      Handout(4, {3}, ""));
  server.Exits(0, output);
}

TEST_F(Server, SideBySide) {
  About(Core(3), "a client that stalls does not keep others waiting",
        "Each client is served by itself: fork after accept, and go back to "
        "accept at once. (A thread for each, or poll, is as good.) What one "
        "client has sent of a record is not mixed with the bytes of another.",
        Handout(4, {5}, "man 2 fork"));
  Process server = StartServer(name_, {"--clients=2"});
  Peer slow = Connect(Address(name_), "client 1");
  const std::string slow_text = RandomText(20), quick_text = RandomText(20);
  slow.Send(Record(slow_text).substr(0, 500), "half a record, and stalls");
  slow.AwaitRead();
  Peer quick = Connect(Address(name_), "client 2");
  quick.Send(Record(quick_text), "one record");
  std::string output = Listening(name_) + Line(2, quick_text);
  server.Prints(output);
  quick.Close();
  slow.Send(Record(slow_text).substr(500), "the other half");
  slow.Close();
  server.Exits(0, output + Line(1, slow_text));
}

TEST_F(Server, LinesDoNotMix) {
  About(Robust(2), "the lines of two clients do not mix",
        "Two processes, or threads, print to one stdout. The kernel keeps the "
        "bytes of one write together, not those of two: between two writes the "
        "other process prints. Compose the whole line, and write it with one "
        "call (printf and one fflush do that).",
        Handout(4, {6}, "man 2 write, man 7 pipe"));
  constexpr int kRecords = 100;  // A pipe does not hold as many lines.
  Process server = StartServer(name_, {"--clients=2"});
  server.Prints(Listening(name_));
  // Until each of its processes waits for us.
  const auto does_what_it_can = [&] {
    int looks = 0;
    server.ComesDownTo(0, "processes that do something", [&] {
      std::vector<pid_t> pids = harness::Descendants(server.pid());
      pids.push_back(server.pid());
      const bool blocked = harness::ObserveActivity(pids).blocked;
      return blocked || ++looks > 100 ? 0 : 1;
    });
  };
  std::string output = Listening(name_);
  std::vector<Peer> clients;
  // Or it has printed all before nobody reads it.
  server.Stop();
  for (int i = 1; i <= 2; ++i) {
    clients.push_back(Connect(Address(name_), absl::StrCat("client ", i)));
    std::string records;
    for (int j = 0; j < kRecords; ++j) {
      const std::string text(700, i == 1 ? 'a' : 'b');
      records += Record(text);
      output += Line(i, text);
    }
    clients.back().Send(records, absl::StrCat(kRecords, " records"));
    if (i == 1) {
      server.Continue();
      server.HoldOutput();
    }
    does_what_it_can();
  }
  for (Peer& client : clients) client.Close();
  server.ReadOutput();
  server.Exits(0);
  ExpectInAnyOrder(&server, output);
}

TEST_F(Server, ClientsAreNumbered) {
  About(Core(2), "K is the number of the connection, and no other number",
        "The first client that connects is client 1, whether it sends first or "
        "last, and whatever the others do. It is not the number of clients "
        "that are served now, a descriptor or a pid. A thread takes its "
        "descriptor and K by value: a variable of the loop may have changed "
        "before the thread reads it.",
        Handout(4, {6}, "man 2 accept"));
  constexpr int kClients = 13;
  Process server = StartServer(name_, {absl::StrCat("--clients=", kClients)});
  std::string output = Listening(name_);
  Peer silent = Connect(Address(name_), "client 1");
  for (int i = 2; i < kClients; ++i) {
    Peer client = Connect(Address(name_), absl::StrCat("client ", i));
    const std::string text = RandomText(10);
    client.Send(Record(text), "one record");
    output += Line(i, text);
    server.Prints(output);
    client.Close();
  }
  Peer last = Connect(Address(name_), "the last client");
  const std::string text = RandomText(10), other = RandomText(11);
  silent.Send(Record(text), "one record");
  server.Prints(output += Line(1, text));
  last.Send(Record(other), "one record");
  server.Prints(output += Line(kClients, other));
  last.Close();
  Because(
      "The server ends when all of its clients have ended. After the last "
      "accept it waits for every child or thread that still serves.",
      Handout(4, {3}, "man 2 wait"));
  ExpectToWaitFor(&server, "client 1");
  silent.Send(Record(other), "one record");
  silent.Close();
  server.Exits(0, output + Line(1, other));
}

TEST_F(Server, ManySideBySide) {
  About(Core(2), "forty clients are served at once, each with its own record",
        "No client waits for another, however many there are, and what one has "
        "sent of a record is not mixed with the bytes of another.",
        Handout(4, {5}, "man 2 fork"));
  constexpr int kClients = 40;
  Process server = StartServer(name_, {absl::StrCat("--clients=", kClients)});
  std::string output = Listening(name_);
  std::vector<Peer> clients;
  std::vector<std::string> texts;
  for (int i = 1; i <= kClients; ++i) {
    const bool told = i == 1 || i == kClients;
    clients.push_back(
        Connect(Address(name_), told ? absl::StrCat("client ", i) : ""));
    texts.push_back(RandomText(900));
    output += Line(i, texts.back());
    clients.back().Send(Record(texts.back()).substr(0, 400),
                        told ? "a part of a record" : "");
    if (i == 1) Step("and so on, up to client 40");
  }
  clients.back().Send(Record(texts.back()).substr(400), "the rest of it");
  server.Prints(Listening(name_) + Line(kClients, texts.back()));
  for (int i = 0; i < kClients - 1; ++i) {
    clients[i].Send(Record(texts[i]).substr(400), "");
  }
  for (Peer& client : clients) client.Close();
  Step("the other clients sent the rest, and all ended");
  server.Exits(0);
  ExpectInAnyOrder(&server, output);
}

TEST_F(Server, LeavesNothingOfAClient) {
  About(Core(2), "of a client that is done, nothing is left",
        "The parent has a descriptor of each client as well, and only its own "
        "close gives that back. And a child that has ended stays, as a zombie, "
        "until somebody waits for it. Handle SIGCHLD with waitpid(-1, ..., "
        "WNOHANG) in a loop: one signal may stand for several children.",
        Handout(4, {10}, "man 2 waitpid, man 7 signal"));
  Process server = StartServer(name_, {"--clients=10"});
  const int own = CountOwnSockets(&server);
  const auto zombies = [&] {
    const std::vector<pid_t> pids = harness::Descendants(server.pid());
    return static_cast<int>(
        std::count_if(pids.begin(), pids.end(),
                      [](pid_t pid) { return !harness::IsAlive(pid); }));
  };
  for (int i = 1; i <= 4; ++i) {
    Peer client = Connect(Address(name_), absl::StrCat("client ", i));
    SendRecord(&client, RandomText(10));
    client.Close();
    IsDoneWithClients(&server, own);
    server.ComesDownTo(0, "zombies", zombies);
  }
  Peer half = Connect(Address(name_), "client 5");
  half.StopWriting();
  half.ReceiveAll();

  // Several that end while the server cannot look.
  Peer clients[] = {Connect(Address(name_), "client 6"),
                    Connect(Address(name_), "client 7"),
                    Connect(Address(name_), "client 8")};
  for (Peer& client : clients) SendRecord(&client, RandomText(10));
  const std::vector<pid_t> children = harness::Descendants(server.pid());
  server.Stop();
  for (Peer& client : clients) client.Close();
  Step("clients 6, 7 and 8 have ended");
  if (children.size() >= 3) {
    server.ComesDownTo(
        static_cast<int>(children.size()) - 3, "children running", [&] {
          return static_cast<int>(std::count_if(
              children.begin(), children.end(), harness::IsAlive));
        });
  }
  server.Continue();
  IsDoneWithClients(&server, own);
  server.ComesDownTo(0, "zombies", zombies);

  Peer broken = Connect(Address(name_), "client 9");
  broken.Send(RandomText(10), "10 bytes of a record");
  broken.AwaitRead();
  broken.Close();
  IsDoneWithClients(&server, own);
  server.ComesDownTo(0, "zombies", zombies);
}

TEST_F(Server, BrokenRecordsOneByOne) {
  About(
      Robust(2), "a child's failure is the server's",
      "The process that met the end of file in the middle of a record ends "
      "with its own status. The parent learns of it by waitpid alone, and must "
      "look at each status, also of a child that ended early, or together "
      "with another. The server goes on, and its status is 1 at the end, "
      "however many clients failed.",
      Handout(4, {8}, "man 2 waitpid"));
  const std::string text = RandomText(9);
  for (const bool broken_last : {false, true}) {
    Part(broken_last ? "the last of three clients breaks off"
                     : "the first of three clients to end break off");
    Process server = StartServer(name_, {"--clients=3"});
    std::string output = Listening(name_);
    Peer good = Connect(Address(name_), "client 1");
    Peer one = Connect(Address(name_), "client 2");
    Peer most = Connect(Address(name_), "client 3");
    if (!broken_last) {
      one.Send(RandomText(1), "1 byte of a record");
      one.AwaitRead();
      most.Send(RandomText(1023), "1023 bytes of a record");
      most.AwaitRead();
      most.Close();
    }
    one.Close();
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
    server.Expect(CountLines(err) == (broken_last ? 1 : 2) &&
                      absl::StrContains(err, "1023"),
                  "a line on stderr for each half record, and no other", err);
  }
  Part("a client that does well follows one that breaks off");
  Process server = StartServer(name_, {"--clients=2"});
  Peer client = Connect(Address(name_), "client 1");
  client.Send(RandomText(400), "400 bytes of a record");
  client.AwaitRead();
  client.Close();
  server.FallsAsleep();
  Peer other = Connect(Address(name_), "client 2");
  other.Send(Record(text), "one record");
  other.Close();
  server.Exits(1, Listening(name_) + Line(2, text));
}

TEST_F(Server, GoneBeforeAccepted) {
  About(Robust(1), "a client may be gone before the server has accepted it",
        "The kernel completes the connection, and keeps it and what came over "
        "it until accept. A client that has ended meanwhile is a client all "
        "the same: it connected, and it counts.",
        Handout(4, {6, 8}, "man 2 listen"));
  Process server = StartServer(name_, {"--clients=2"});
  const std::string text = RandomText(11), other = RandomText(12);
  server.Stop();
  Peer first = Connect(Address(name_), "client 1");
  first.Send(Record(other), "one record");
  first.Close();
  server.Continue();
  server.Prints(Listening(name_) + Line(1, other));
  Peer client = Connect(Address(name_), "client 2");
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, Listening(name_) + Line(1, other) + Line(2, text));
}

TEST_F(Server, ManyClients) {
  About(Core(1), "--clients=258 serves 258 clients, and ends",
        "K has as many digits as it takes. A counter of 8 bits begins anew "
        "after 255 clients: count with an int.",
        Handout(4, {3, 6}, "man 2 accept"));
  constexpr int kClients = 258;
  Process server = StartServer(name_, {absl::StrCat("--clients=", kClients)});
  std::string output = Listening(name_);
  for (int i = 1; i <= kClients; ++i) {
    Peer client = Connect(Address(name_), "");
    const std::string text = RandomText(25);
    client.Send(Record(text),
                i > 1 ? "" : "each of 258 clients sends a record");
    client.Close();
    output += Line(i, text);
    if (i % 20 == 0) {
      server.ComesDownTo(0, "lines that are missing",
                         [&] { return i + 1 - CountLines(server.out()); });
    }
  }
  server.Exits(0);
  ExpectInAnyOrder(&server, output);
}

TEST_F(Server, MoreThanEverCome) {
  About(Robust(1), "N may be more than clients will ever come",
        "A table of N clients, made at the start, may not fit in the memory. "
        "Only those that are there need room.",
        Handout(4, {3}, "man 2 accept"));
  Process server = StartServer(name_, {"--clients=2147483647"});
  Peer client = Connect(Address(name_), "a client");
  const std::string text = RandomText(25);
  client.Send(Record(text), "one record");
  server.Prints(Listening(name_) + Line(1, text));
}

TEST_F(Server, ManyBrokenRecords) {
  About(Robust(1), "the status is 1, however many clients failed",
        "An exit status has 8 bits, and 1 means that something failed. The "
        "number of failures is another thing: 2 would say that the call was "
        "wrong, and 256 is 0 again.",
        Handout(4, {8, 12}, "man 3 exit"));
  constexpr int kClients = 256;
  Process server = StartServer(name_, {absl::StrCat("--clients=", kClients)});
  for (int i = 1; i <= kClients; ++i) {
    Peer client = Connect(Address(name_), "");
    client.Send("half", i > 1 ? "" : "each of 256 clients sends 4 bytes");
    client.Close();
    // It need not bear more than some at a time.
    if (i % 16 == 0) {
      server.ComesDownTo(0, "lines on stderr that are missing",
                         [&] { return i - CountLines(server.err()); });
    }
  }
  server.Exits(1, Listening(name_));
}

// Who the client is -----------------------------------------------------------

TEST_F(Server, RefusesStrangers) {
  About(Core(3), "a client of another user is refused",
        "A file has permissions; an abstract name has none, and anybody who "
        "shares the network namespace may connect. SO_PEERCRED tells who did: "
        "the uid that he had when he called connect.",
        Handout(6, {7}, "man 7 unix, SO_PEERCRED"));
  ExpectStrangers();
  Process server = StartServer(name_);
  Peer stranger = ConnectAsStranger(Address(name_));
  stranger.ReceiveAll();
  const std::string text = RandomText(20);
  Peer client = Connect(Address(name_), "a client of ours");
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, Listening(name_) + Line(1, text));
  ExpectOnStderr(&server, absl::StrCat(harness::kStrangerUid),
                 "a line on stderr that names the uid 4242");
}

TEST_F(Server, EachClientIsAsked) {
  About(Core(2), "the uid of each client decides, and only the uid",
        "Each client is asked, whatever came before. A uid has 32 bits and no "
        "sign. The group does not matter: neither is somebody of our group "
        "one of us, nor somebody of our uid with another group a stranger.",
        Handout(6, {7}, "man 7 unix, SO_PEERCRED"));
  ExpectStrangers();
  Process server = StartServer(name_, {"--clients=2"});
  const int own = CountOwnSockets(&server);
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  pid_t pid;
  const gid_t other_gid = gid + 4243;
  Peer first =
      ConnectAs({{uid, other_gid}, {uid, other_gid}}, Address(name_), &pid);
  const std::string text = RandomText(20);
  first.Send(Record(text), "one record");
  const std::string output = Listening(name_) + Line(1, text);
  server.Prints(output);
  first.Close();
  IsDoneWithClients(&server, own);
  std::vector<uid_t> strangers = {uid + 4242, uid + 256, uid + 65536,
                                  uid_t{4000000000}};
  if (uid != 0) strangers.push_back(0);  // root is a stranger as well.
  for (const uid_t stranger : strangers) {
    server.Stop();
    Peer refused =
        ConnectAs({{stranger, gid}, {stranger, gid}}, Address(name_), &pid);
    refused.Send(Record("from a stranger"), "one record");
    server.Continue();
    refused.ReceiveAll();
    Because(
        "A client that is refused is done, and its descriptor must be closed: "
        "shutdown ends the connection and keeps the descriptor.",
        Handout(6, {7, 10}, "man 2 close, man 2 shutdown"));
    IsDoneWithClients(&server, own);
    BecauseOfTheWhole();
    ExpectOnStderr(
        &server, absl::StrCat(stranger),
        absl::StrCat("a line on stderr that names the uid ", stranger));
  }
  Peer second = Connect(Address(name_), "a client of ours");
  second.Send(Record(text), "one record");
  second.Close();
  server.Exits(0, output + Line(2, text));
}

// What may come between -------------------------------------------------------

TEST_F(Server, WaitsQuietly) {
  About(Robust(1), "the server sleeps while it waits",
        "A call that waits (accept, read, wait, poll) sleeps in the kernel "
        "until there is something to do. A loop that asks again and again "
        "keeps a processor busy and gains nothing.",
        Handout(4, {3}, "man 2 accept, man 2 waitpid"));
  Process server = StartServer(name_, {"--clients=2"});
  const auto expect_sleep = [&] {
    server.Expect(server.FallsAsleep(), "the server sleeps",
                  "it uses the processor all the time");
    server.ComesDownTo(0, "processes of the server that do not sleep", [&] {
      int running = 0;
      for (pid_t pid : harness::Descendants(server.pid())) {
        running += harness::RunningThreads(pid) > 0 ? 1 : 0;
      }
      return running;
    });
  };
  expect_sleep();
  Peer silent = Connect(Address(name_), "client 1");
  silent.Send("half", "4 bytes of a record");
  silent.AwaitRead();
  expect_sleep();
  Peer last = Connect(Address(name_), "client 2, the last one,");
  SendRecord(&last, RandomText(5));
  expect_sleep();
}

TEST_F(Server, HasPatience) {
  About(
      Robust(1), "the server waits for as long as a client is silent",
      "A client may be slow, or stopped for an hour. The contract has no time "
      "limit: a server that gives a client up after some seconds loses its "
      "records.",
      Handout(4, {3}, "man 2 read"));
  Process server = StartOutOfTime("server", {Flag(name_)});
  server.ListensAt("@" + Shown(name_));
  server.FallsAsleep();
  Peer client = Connect(Address(name_), "a client");
  const std::string text = RandomText(30);
  client.Send(Record(text).substr(0, 10), "10 bytes of a record");
  client.AwaitRead();
  server.FallsAsleep();
  client.Send(Record(text).substr(10), "the rest of it, after a long time");
  client.Close();
  server.Exits(0, Listening(name_) + Line(1, text));
}

TEST_F(Server, SaysThatItCannotPrint) {
  About(Robust(2), "a line that cannot be printed is a failure",
        "printf only fills a buffer. fflush, or write, says whether the bytes "
        "are out: a disk may be full. Status 0 would mean that all was "
        "printed.",
        Handout(4, {12, 13}, "man 3 fflush, man 2 write"));
  Part("the first line does not fit on the disk");
  Fault full = Fault::Fail(kWrite, 1, ENOSPC);
  full.output = true;
  full.on = {harness::DescriptorKind::kPipe};
  Process server = StartWithFaults({Fault::Hold({"listen"}, 1), full}, "server",
                                   {Flag(name_)});
  server.ListensAt("@" + Shown(name_));
  // The server may end as soon as it cannot print the line, or serve.
  Connect(Address(name_), "a client").Close();
  server.Continue();
  server.Exits(1);
  ExpectOnStderr(&server, "ENOSPC", "a line on stderr with ENOSPC");

  Part("nobody reads the line of a record");
  Because(
      "Nobody reads the pipe any more. The write gives EPIPE, and SIGPIPE "
      "kills a process that does not ignore it, before it can say so. The "
      "child that cannot print ends with status 1, and the parent looks at "
      "that.",
      Handout(4, {12, 13}, "man 7 pipe, man 3 fflush"));
  Process unread = StartServer(name_ + "x");
  unread.Prints(Listening(name_ + "x"));
  unread.CloseOutput();
  Peer client = Connect(Address(name_ + "x"), "a client");
  client.Send(Record(RandomText(20)), "one record");
  client.Close();
  unread.Exits(1);
  ExpectOnStderr(&unread, "EPIPE", "a line on stderr with EPIPE");
}

TEST_F(Server, ServerWhateverHappens) {
  About(Robust(3), "the server does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        Handout(4, {14}, "man 7 signal, man 2 read"));
  // An error would come in the middle of a record, if it came in pieces, and
  // there would be two things to report.
  for (const bool in_pieces : {true, false}) {
    harness::SweepOptions options;
    options.interrupt = options.cut = in_pieces;
    for (const char* call :
         {"accept", "poll", "select", "epoll_wait", "waitpid", "waitid"}) {
      options.interrupted.emplace_back(call);
    }
    options.errors = {{"socket", EMFILE, {}},
                      {"bind", EACCES, {}},
                      {"listen", EADDRINUSE, {}},
                      {"accept", EMFILE, {}},
                      {"fork", EAGAIN, {}}};
    if (in_pieces) options.errors = {};
    Sweep(
        "server",
        [&](const Starter& start) {
          Process server = start({Flag(name_), "--clients=2"}, "/dev/null");
          server.ListensAt("@" + Shown(name_));
          std::string output = Listening(name_);
          for (int i = 1; i <= 2; ++i) {
            const std::string text = RandomText(30), record = Record(text);
            Peer client = Connect(Address(name_), "a client");
            if (in_pieces) {
              client.Send(record.substr(0, 20), "20 bytes of a record");
              client.AwaitRead();
              client.Send(record.substr(20), "the rest of it");
            } else {
              client.Send(record, "a record");
            }
            server.Prints(output += Line(i, text));
            // It must not end before its last client.
            if (in_pieces && i == 2) ExpectToWaitFor(&server, "the client");
            client.Close();
          }
          server.Exits(0, output);
        },
        options);
  }
}

TEST_F(Server, AllAtOnce) {
  About(Robust(1), "much may happen while the server cannot look",
        "Several clients send and end before the server comes to see any of "
        "it. One signal may stand for several children, and one return of poll "
        "for several clients.",
        Handout(4, {5, 6, 8}, "man 2 poll, man 7 signal"));
  Process server = StartServer(name_, {"--clients=6"});
  std::string output = Listening(name_);
  std::vector<Peer> clients;
  for (int i = 1; i <= 6; ++i) {
    clients.push_back(Connect(Address(name_), absl::StrCat("client ", i)));
    const std::string text = RandomText(15);
    clients.back().Send(Record(text), "one record");
    server.Prints(output += Line(i, text));
  }
  server.Stop();
  clients[0].Send(RandomText(77), "77 bytes of a record");
  clients[0].Close();
  for (const int i : {2, 4, 5}) {
    const std::string text = RandomText(15);
    clients[i - 1].Send(Record(text), "one record");
    output += Line(i, text);
  }
  clients[2].Close();
  clients[3].Close();
  clients[5].Close();
  Step("clients 1, 3, 4 and 6 ended");
  server.Continue();
  for (const int i : {2, 5}) {
    const std::string text = RandomText(16);
    clients[i - 1].Send(Record(text), "one more record");
    clients[i - 1].Close();
    output += Line(i, text);
  }
  server.Exits(1);
  ExpectInAnyOrder(&server, output);
}

TEST_F(Server, ServerTellsFailures) {
  About(Robust(1), "a read that fails is a failure of the server",
        "read returns -1 when it has failed, which is not an end of file. The "
        "exit status is 1 then.",
        WholeHandout({12, 14}, "man 2 read"));
  Fault fault =
      Fault::Fail({"read", "readv", "recv", "recvmsg"}, 1, ECONNRESET);
  fault.on = {harness::DescriptorKind::kUnixStream};
  Process server = StartWithFault(fault, "server", {Flag(name_)});
  server.Prints(Listening(name_));
  server.Stop();  // Or it has ended before the client can send.
  Peer client = Connect(Address(name_), "a client");
  client.Send(Record(RandomText(8)), "one record");
  client.Close();
  server.Continue();
  server.Exits(1);
}

}  // namespace
