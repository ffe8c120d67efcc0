// The name that the client of lab 04 asks for, what it sends there, and what it
// does when that cannot be.
#include <gtest/gtest.h>

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

TEST_F(Client, ClientsExactLength) {
  About(
      Core(3), "the client asks for the name and nothing behind it",
      "connect compares all the bytes that the length covers. Zeros behind the "
      "name make it another one, which nobody has: ECONNREFUSED, never ENOENT, "
      "for there is no file to be missing. The socket must be a stream socket, "
      "as the server's is.",
      Handout(3, {1, 11}, "man 7 unix, man 2 connect"));
  ExpectClientAt(name_);
}

TEST_F(Client, ClientsDoNotMeet) {
  About(Core(1), "two clients run at the same time",
        "A client needs no name of its own. If it binds to one, that is taken "
        "as long as the client runs.",
        Handout(3, {11}, "man 2 connect"));
  Host(Address(name_));
  Process first = StartStoppedAfter({"connect"}, "client", {Flag(name_)});
  Peer slow = Accept();
  Process second = Start("client", {Flag(name_)});
  Accept().ReceiveAll();
  second.Exits(0);
  first.Continue();
  slow.ReceiveAll();
  first.Exits(0);
}

TEST_F(Client, ClientsNulInTheName) {
  About(Core(2), "each @ of the client's name stands for a NUL",
        "The client and the server must mean the same bytes. A NUL inside a "
        "name, at its end or at its beginning is a byte like any other. Take "
        "the length before you put NULs in, and copy with memcpy.",
        Handout(3, {1}, "man 7 unix"));
  for (const std::string& name : NamesWithNuls()) {
    Part(absl::StrCat("--name=", Shown(name)));
    ExpectClientAt(name);
  }
}

TEST_F(Client, ClientsEveryByteInTheName) {
  About(Core(1), "the client's name may have any bytes, and 107 of them",
        "A name is bytes, and the kernel takes all of them. No byte but @ "
        "stands for another one. 107 bytes fit behind the leading NUL: none is "
        "needed at the end.",
        Handout(3, {1, 2}, "man 7 unix"));
  std::vector<std::string> names = NamesOfEveryByte();
  std::string nuls = NameOfLength(kMaxName);
  nuls[50] = nuls[60] = '\0';
  names.insert(names.begin(), {NameOfLength(kMaxName), nuls});
  for (const std::string& name : names) {
    Part(absl::StrCat("a name of ", name.size(), " bytes"));
    ExpectClientAt(name);
  }
}

TEST_F(Client, ClientRefusesImpossibleNames) {
  About(Robust(1), "the client refuses a name that cannot be",
        "A name that is cut to fit is another name. An empty one means nobody: "
        "the kernel chooses names only for bind.",
        Handout(3, {2, 13}, "man 7 unix"));
  for (const std::string& name : ImpossibleNames()) {
    Part(absl::StrCat("a name of ", name.size(), " bytes"));
    Start("client", {Flag(name)}).Refuses({name, "ENAMETOOLONG"});
  }
  Part("an empty name");
  Start("client", {"--name="}).Refuses({"EINVAL"});
}

TEST_F(Client, ClientNamesTheError) {
  About(Core(2), "a client that finds nobody says so",
        "Nobody has the name: ECONNREFUSED. A status of 0 would mean that all "
        "was sent. The line names the call that failed, connect, and NAME as "
        "it was given: a raw name is cut off at its first NUL.",
        Handout(3, {12, 13}, "man 2 connect"));
  Part("a name that nobody has");
  Start("client", {Flag(name_)}).Refuses({"connect", name_, "ECONNREFUSED"});
  Part("such a name with a NUL inside");
  const std::string name = name_ + '\0' + RandomText(6);
  Start("client", {Flag(name)})
      .Refuses({"connect", Shown(name), "ECONNREFUSED"});
}

TEST_F(Client, ClientTakesNoFileForAName) {
  About(Core(1), "a file of that name is not the abstract name",
        "A server at the path lab and one at the abstract name lab are two. "
        "Where nobody has the abstract one, the client says so.",
        Handout(3, {1}, "man 7 unix, man 2 connect"));
  // The program runs in that folder.
  for (const std::string& file : {name_, "@" + name_}) {
    Part(absl::StrCat("a socket file called ", file));
    Host(scratch().File(file));
    Start("client", {Flag(name_)}).Refuses({"connect", name_, "ECONNREFUSED"});
  }
}

TEST_F(Client, ClientSendsFourRecords) {
  About(
      Core(3), "the client sends four whole records, padded with zeros",
      "What goes out is 1024 bytes a record, whatever the length of the text: "
      "the text first, zeros behind it. A buffer that was not cleared sends "
      "whatever was in memory. All four go over one connection.",
      Handout(3, {11}, "lab 01, step 7; man 2 send"));
  Host(Address(name_));
  for (size_t length :
       {size_t{20}, kRecordSize, kRecordSize - 1, size_t{1}, size_t{0}}) {
    Part(absl::StrCat("a TEXT of ", length, " bytes"));
    const std::string text = RandomText(length);
    Process client = Start("client", {Flag(name_), "--message=" + text});
    ExpectFourRecords(&client, text);
    Because(
        "The client prints nothing, neither on stdout nor on stderr, if all "
        "goes well.",
        Handout(3, {11}, ""));
    client.Exits(0, "");
    client.Expect(client.err().empty(), "nothing on stderr", client.err());
    BecauseOfTheWhole();
  }
  Part("without --message");
  Because("Without --message TEXT is `Message from client`.",
          Handout(3, {11}, "lab 01, step 7"));
  Process client = Start("client", {Flag(name_)});
  ExpectFourRecords(&client, "Message from client");
}

TEST_F(Client, ClientSendsTextAsItIs) {
  About(Core(1), "the client sends the bytes of TEXT as they are",
        "TEXT is 0 to 1024 bytes, not characters, and no format: a % or a "
        "backslash is a byte like any other, and an @ is one here.",
        Handout(3, {11}, "man 3 printf, man 3 memcpy"));
  std::string every;
  for (int byte = 1; byte < 256; ++byte) every.push_back(char(byte));
  Host(Address(name_));
  for (const std::string& text :
       {std::string("100%% %d %s %n"), std::string("\\n \\t \\0 \\\\ \"'"),
        std::string(" spaces "), std::string("two\nlines\r\n"),
        std::string("a@name"), every}) {
    Part(absl::StrCat("TEXT is ", harness::Escaped(text, 30)));
    Process client = Start("client", {Flag(name_), "--message=" + text});
    ExpectFourRecords(&client, text);
  }
}

TEST_F(Client, ClientTouchesNoFile) {
  About(Core(1), "the client makes no file",
        "A client needs no name of its own: connect works without bind. A "
        "socket that is bound to a path leaves a file.",
        Handout(3, {11}, "man 2 connect, man 2 bind"));
  Host(Address(name_));
  Process client = Start("client", {Flag(name_)});
  Accept().ReceiveAll();
  client.Exits(0, "");
  const std::vector<std::string> files = scratch().Entries();
  client.Expect(files.empty(), "the folder is empty, as it was",
                absl::StrCat("there is ", files.empty() ? "" : files[0]));
}

TEST_F(Client, ClientWaitsForItsTurn) {
  About(Robust(1), "the client waits while the server's queue is full",
        "connect waits until there is room in the queue of the server. On a "
        "descriptor that does not block it fails instead, with EAGAIN, "
        "although the server is only busy.",
        Handout(3, {11}, "man 2 connect, man 2 listen"));
  Host(Address(name_), /*backlog=*/0);
  Peer earlier = Connect(Address(name_), "another client");
  Step("and waits there: the queue of the server is full");
  const std::string text = RandomText(20);
  Process client = Start("client", {Flag(name_), "--message=" + text});
  client.Expect(client.FallsAsleep(), "client sleeps until there is room",
                "it uses the processor all the time");
  Accept().Close();
  Step("the server took the other client from its queue");
  ExpectFourRecords(&client, text);

  Part("a long time");
  Because(
      "The contract has no time limit: the server may be busy for an hour. A "
      "client that gives up loses its records.",
      Handout(3, {11}, "man 2 connect"));
  const std::string name = NameOfLength(40);
  Host(Address(name), /*backlog=*/0);
  Peer before = Connect(Address(name), "another client");
  Step("and waits there: the queue of the server is full");
  Process patient = StartOutOfTime("client", {Flag(name)});
  patient.FallsAsleep();
  Accept().Close();
  Step("the server took the other client from its queue");
  Accept().Receive(1);
}

TEST_F(Client, ClientOutlivesServer) {
  About(Robust(2), "a server that leaves does not kill the client",
        "Writing to a connection whose other end is closed raises SIGPIPE, "
        "which ends the program without a word. send with MSG_NOSIGNAL, or "
        "ignoring the signal, makes it the error EPIPE, which you can report, "
        "once, with exit status 1.",
        Handout(3, {12, 13}, "lab 01, step 7; man 2 send"));
  Host(Address(name_));
  Process client = StartStoppedAfter({"connect"}, "client", {Flag(name_)});
  Accept().Close();
  client.Continue();
  client.Refuses({"EPIPE"});
}

TEST_F(Client, ClientWhateverHappens) {
  About(Robust(2), "the client does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        Handout(3, {14}, "man 7 signal, man 2 send"));
  Sweep("client", [&](const Starter& start) {
    Host(Address(name_));
    // What fills a record is for other checks.
    const std::string text = RandomText(kRecordSize);
    Process client = start({Flag(name_), "--message=" + text}, "/dev/null");
    ExpectFourRecords(&client, text);
  });
}

}  // namespace
