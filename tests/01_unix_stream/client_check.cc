// What the client of lab 01 sends, and what it does when that cannot be.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/01_unix_stream/unix_stream.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;

class Client : public UnixStream {
 protected:
  Client() { Judges("client"); }

  // Fails unless `client`, which came to Host, sends four records of `text`.
  void ExpectFourRecords(Process* client, const std::string& text) {
    const std::string received = Accept().ReceiveAll();
    std::string expected;
    for (int i = 0; i < 4; ++i) expected += Record(text);
    client->Expect(received == expected,
                   absl::StrCat("4096 bytes: four times the text of ",
                                text.size(), " bytes and its zeros"),
                   absl::StrCat(received.size(), " bytes\n",
                                harness::Difference(expected, received)));
    client->Exits(0, "");
  }
};

TEST_F(Client, ClientSendsFourRecords) {
  About(
      Core(3), "the client sends four whole records, padded with zeros",
      "What goes out is 1024 bytes a record, whatever the length of the text: "
      "the text first, zeros behind it. A buffer that was not cleared sends "
      "whatever was in memory, passwords included.",
      Handout(7, {7}, "man 2 send"));
  Host(SocketPath());
  for (size_t length : {size_t{20}, kRecordSize, size_t{0}}) {
    Part(absl::StrCat("a TEXT of ", length, " bytes"));
    const std::string text = RandomText(length);
    Process client = Start("client", {SocketFlag(), "--message=" + text});
    ExpectFourRecords(&client, text);
  }
}

TEST_F(Client, ClientSendsTextAsItIs) {
  About(Core(1), "the client sends the bytes of TEXT as they are",
        "TEXT is 0 to 1024 bytes, not characters, and no format: a % or a "
        "backslash is a byte like any other. A letter such as \xc3\xa9 has two "
        "bytes in UTF-8, and memcpy knows how many bytes there are.",
        Handout(7, {7}, "man 3 printf, man 7 utf-8"));
  Host(SocketPath());
  for (const char* text : {"100%% %d %s %n", "\\n \\t \\0 \\\\ \"'",
                           "\xc3\xa4\xe2\x82\xac\xff\x80\x01", " spaces ",
                           "two\nlines\r\n", "-1", "@name"}) {
    Part(absl::StrCat("TEXT is ", harness::Escaped(text)));
    Process client =
        Start("client", {SocketFlag(), absl::StrCat("--message=", text)});
    ExpectFourRecords(&client, text);
  }
  Part("TEXT has 1025 bytes, and 1024 characters");
  Because(
      "A record has room for 1024 bytes. The length of a text is its bytes, as "
      "strlen counts them: a letter may have more than one.",
      Handout(7, {7, 8}, "man 3 strlen, man 7 utf-8"));
  Start("client",
        {SocketFlag(), "--message=" + RandomText(kRecordSize - 1) + "\xc3\xa9"})
      .Refuses({}, /*status=*/2);
}

TEST_F(Client, ClientNamesTheError) {
  About(
      Core(2), "a missing server and a dead one are told apart",
      "ENOENT: there is no such file, so perhaps the path is wrong. "
      "ECONNREFUSED: there is one, but nobody listens, so the server has died. "
      "The user needs to know which of them it is. A status of 0 would mean "
      "that all was sent.",
      Handout(4, {8}, "man 2 connect"));
  Part("a path that does not exist");
  Start("client", {SocketFlag()}).Refuses({"connect", SocketPath(), "ENOENT"});
  Part("a socket file whose server has died");
  LeaveStaleSocket(SocketPath());
  Start("client", {SocketFlag()})
      .Refuses({"connect", SocketPath(), "ECONNREFUSED"});
}

TEST_F(Client, ClientWaitsForItsTurn) {
  About(Robust(1), "the client waits while the server's queue is full",
        "connect waits until there is room in the queue of the server. On a "
        "descriptor that does not block it fails instead, with EAGAIN, "
        "although the server is only busy.",
        Handout(4, {7}, "man 2 connect, man 2 listen"));
  Host(SocketPath(), /*backlog=*/0);
  Peer earlier = Connect(SocketPath(), "another client");
  Step("and waits there: the queue of the server is full");
  const std::string text = RandomText(20);
  Process client =
      StartOutOfTime("client", {SocketFlag(), "--message=" + text});
  client.Expect(client.FallsAsleep(), "client sleeps until there is room",
                "it uses the processor all the time");
  Because(
      "The contract has no time limit: the server may be busy for an hour. A "
      "client that gives up loses its records.",
      Handout(4, {7}, "man 2 connect"));
  Accept().Close();
  Step("the server took the other client from its queue");
  ExpectFourRecords(&client, text);
}

TEST_F(Client, ClientOutlivesServer) {
  About(
      Core(2), "a server that leaves does not kill the client",
      "Writing to a connection whose other end is closed raises SIGPIPE, which "
      "ends the program without a word. send with MSG_NOSIGNAL, or ignoring "
      "the signal, makes it the error EPIPE, which you can report.",
      Handout(7, {8}, "man 2 send, man 7 signal"));
  Host(SocketPath());
  Process client = StartStoppedAfter({"connect"}, "client", {SocketFlag()});
  Accept().Close();
  client.Continue();
  client.Refuses({SocketPath(), "EPIPE"});
}

TEST_F(Client, ClientWhateverHappens) {
  About(Robust(2), "the client does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        Handout(7, {9}, "man 7 signal, man 2 send"));
  Sweep("client", [&](const Starter& start) {
    Host(SocketPath());
    // What fills a record is for other checks.
    const std::string text = RandomText(kRecordSize);
    Process client = start({SocketFlag(), "--message=" + text}, "/dev/null");
    ExpectFourRecords(&client, text);
  });
}

}  // namespace
