// What both programs of lab 04 promise alike.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/04_abstract_namespace/abstract_namespace.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

TEST_F(AbstractNamespace, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server must bind a stream socket to the abstract name, listen, "
        "print the name, accept the client and print each record; the client "
        "must connect to the same name and send four records. Here both are "
        "yours, the server and the client.",
        WholeHandout({3, 4, 6, 11}));
  Process server = StartServer(name_);
  Process client = Start("client", {Flag(name_)});
  client.Exits(0, "");
  const std::string line = Line(1, "Message from client");
  server.Exits(0, Listening(name_) + line + line + line + line);
}

TEST_F(AbstractNamespace, StaysInItsMemory) {
  About(
      Core(2), "no byte outside its buffers is touched",
      "A name of 107 bytes fills sun_path to the last, and no NUL ends it: %s "
      "reads on. The same goes for a record of 1024 bytes of text. %.*s with a "
      "length does not.",
      WholeHandout({4, 6}, "man 3 printf, Precision"));
  Part("a server with a name of 107 bytes that reads full records");
  const std::string name = NameOfLength(kMaxName);
  Process server = StartServer(name, {}, /*sanitized=*/true);
  Peer peer = Connect(Address(name), "a client");
  std::string output = Listening(name);
  const std::string full = RandomText(kRecordSize);
  for (const std::string& text : {full, RandomText(3), full}) {
    peer.Send(Record(text),
              absl::StrCat("a record with ", text.size(), " bytes of text"));
    peer.AwaitRead();
    output += Line(1, text);
  }
  peer.Close();
  server.Exits(0, output);

  Part("a client with a name of 107 bytes and a TEXT of 1024");
  Because(
      "A record has exactly 1024 bytes, and sun_path 108. The NUL that ends a "
      "C string is one more. strcpy and sprintf write it, memcpy of the length "
      "does not.",
      Handout(3, {2, 11}, "man 3 memcpy, man 3 strcpy"));
  const std::string hosted = NameOfLength(kMaxName);
  Host(Address(hosted));
  Process client = Start("client", {Flag(hosted), "--message=" + full},
                         /*sanitized=*/true);
  Accept().ReceiveAll();
  client.Exits(0, "");
}

TEST_F(AbstractNamespace, RefusesBadUsage) {
  About(
      Robust(1), "a wrong call gets one line and status 2",
      "Status 2 says that the call was wrong and nothing was tried, 1 that it "
      "was tried and failed. A message that is cut to fit is not the message.",
      WholeHandout({12}));
  // A program that refuses every call would look right below.
  Process server = StartServer(name_);
  Start("client", {Flag(name_)}).Exits(0, "");
  server.Exits(0);
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--clients=0"},
               {"server", "--clients=-1"},
               {"server", "--clients=many"},
               {"server", "--clients=2x"},
               {"server", "--no-such-flag"},
               {"server", "argument"},
               {"client", "argument"},
               {"client", "--no-such-flag"},
               {"client", "--message=" + RandomText(kRecordSize + 1)},
               {"client", "--message=" + RandomText(70000)}};
  for (const auto& [program, flag] : calls) {
    Part(absl::StrCat(program, " ", flag.substr(0, 20)));
    Start(program, {Flag(name_), flag}).Refuses({}, /*status=*/2);
  }
}

}  // namespace
