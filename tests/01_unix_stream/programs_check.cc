// What both programs of lab 01 promise alike.
#include <gtest/gtest.h>
#include <sys/un.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/01_unix_stream/unix_stream.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

TEST_F(UnixStream, Transcript) {
  About(
      Core(4), "server and client print the documented transcript",
      "The server must make a socket, bind it to the path, listen, accept the "
      "client and print each record that it reads; the client must connect and "
      "send four records. Here both are yours, the server and the client.",
      WholeHandout({1, 2, 7}));
  Process server = StartServer();
  Process client = Start("client", {SocketFlag()});
  client.Exits(0, "");
  const std::string line = Line("Message from client");
  server.Exits(0, kHeader + line + line + line + line);
}

TEST_F(UnixStream, PathOf107Bytes) {
  About(Core(2), "a path of 107 bytes is used as it is",
        "sun_path has 108 bytes: 107 and the NUL that ends them. strncpy with "
        "one less cuts the last letter off. strncpy into an address that was "
        "not zeroed may leave the NUL out, and the name goes on with the bytes "
        "that happen to be there.",
        Handout(2, {10}, "man 7 unix"));
  const std::string path = PathOfLength(sizeof(sockaddr_un::sun_path) - 1);
  Process server = Start("server", {"--socket=" + path});
  server.ListensAt(path);
  Process client = Start("client", {"--socket=" + path});
  client.Exits(0, "");
}

TEST_F(UnixStream, RefusesImpossiblePaths) {
  About(Robust(2), "a path that cannot be is refused in words",
        "A path that is cut to fit is another path. An empty one lets bind "
        "choose an abstract name, and connect looks for one.",
        Handout(2, {8, 10}, "man 7 unix"));
  for (const char* program : {"server", "client"}) {
    for (size_t length : {108, 109, 500}) {
      Part(absl::StrCat("a path of ", length, " bytes"));
      const std::string path = PathOfLength(length);
      Start(program, {"--socket=" + path}).Refuses({path, "ENAMETOOLONG"});
    }
    Part("an empty path");
    Start(program, {"--socket="}).Refuses({"EINVAL"});
  }
  Part("a path in a folder that does not exist");
  Because(
      "bind makes the file, but no folder. The caller wants to know that the "
      "folder is missing.",
      Handout(2, {8}, "man 2 bind"));
  const std::string lost = scratch().File("no/such/folder");
  Process server = Start("server", {"--socket=" + lost});
  server.Refuses({"bind", lost, "ENOENT"});
  BecauseOfTheWhole();
  const std::vector<std::string> files = scratch().Entries();
  server.Expect(files.empty(), "no file was made",
                absl::StrCat("there is ", files.empty() ? "" : files[0]));
}

TEST_F(UnixStream, StaysInItsMemory) {
  About(
      Core(3), "no byte outside its buffers is touched",
      "A record of 1024 bytes need not contain a NUL. %s, std::string(record) "
      "and strlen read on until they find one, beyond the end of the buffer. "
      "Without a sanitizer it often looks right, by luck. %.*s with a length, "
      "or a buffer with a 1025th byte that is 0.",
      WholeHandout({2}, "man 3 printf, Precision"));
  Part("a server that reads full records");
  Process server = StartServer({}, /*sanitized=*/true);
  Peer client = Connect(SocketPath());
  const std::string full = RandomText(kRecordSize);
  std::string output = kHeader;
  for (const std::string& text : {full, RandomText(3), full}) {
    client.Send(Record(text),
                absl::StrCat("a record with ", text.size(), " bytes of text"));
    client.AwaitRead();
    output += Line(text);
  }
  client.Close();
  server.Exits(0, output);

  Part("a client with a TEXT of 1024 bytes");
  Because(
      "A record has exactly 1024 bytes, and the NUL that ends a C string is "
      "one more. strcpy and sprintf write it, memcpy of the length does not.",
      Handout(7, {7}, "man 3 memcpy, man 3 strcpy"));
  const std::string path = scratch().File("client");
  Host(path);
  Process sender = Start("client", {"--socket=" + path, "--message=" + full},
                         /*sanitized=*/true);
  Accept().ReceiveAll();
  sender.Exits(0, "");
}

TEST_F(UnixStream, RefusesBadUsage) {
  About(
      Robust(1), "a wrong call gets one line and status 2",
      "Status 2 says that the call was wrong and nothing was tried, 1 that it "
      "was tried and failed. A message that is cut to fit is not the message.",
      WholeHandout({8}));
  // A program that refuses every call would look right below.
  Process server = StartServer();
  Start("client", {SocketFlag()}).Exits(0, "");
  server.Exits(0);
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--clients=0"},
               {"server", "--clients=many"},
               {"server", "--no-such-flag"},
               {"client", "--no-such-flag"},
               {"client", "--message=" + RandomText(kRecordSize + 1)}};
  for (const auto& [program, flag] : calls) {
    Part(absl::StrCat(program, " ", flag.substr(0, 20)));
    Start(program, {SocketFlag(), flag}).Refuses({}, /*status=*/2);
  }
}

}  // namespace
