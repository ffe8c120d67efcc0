// What both programs of lab 05 do, together or alike.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/unique_fd.h"
#include "tests/05_fd_passing/fd_passing.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::UniqueFd;

TEST_F(FdPassing, Transcript) {
  About(Core(4), "opener and reader print the documented transcript",
        "The opener must listen, take a request, open the files and pass their "
        "descriptors; the reader must ask, take them and print what it reads "
        "from them. They are your opener and your reader here, both.",
        WholeHandout({1, 2, 3, 4, 7}));
  const std::string one = WriteFile(InRoot("one"), RandomText(20));
  const std::string two = WriteFile(InRoot("two"), RandomText(30));
  Process opener = StartOpener();
  Process reader = Start("reader", {"--socket=" + SocketPath(), "one", "two"});
  reader.Exits(0, one + two);
  opener.Exits(0,
               "reader 1: passed 2 of 2 files\n"
               "reader 1: file 1 is at byte 20\n"
               "reader 1: file 2 is at byte 30\n");
}

TEST_F(FdPassing, StaysInItsMemory) {
  About(Core(2), "no byte outside its buffers is touched",
        "The peer decides how many descriptors come, and with which bytes. "
        "Copy as many as you have room for, and no more.",
        WholeHandout({5, 9}, "man 3 cmsg"));
  const Pipe pipe = PipeWith("");
  const std::string text = RandomText(20);
  const UniqueFd file = EndOfPipeWith(text);
  auto [reader, host] = StartReader(Names(1), /*sanitized=*/true);
  host.Receive(Request({}).size());
  const std::string answer = AnswerBytes({0});
  host.Send(answer.substr(0, 1), "a byte of an answer, with a descriptor",
            {file.get()});
  Step("each byte after it came with more descriptors");
  for (char byte : answer.substr(1)) {
    host.AwaitRead();
    host.Send(std::string(1, byte), "", Many(pipe));
  }
  reader.Exits(0, text);
  CloseHost();
  unlink(SocketPath().c_str());

  Process opener = StartOpener({}, /*sanitized=*/true);
  Peer peer = Connect(SocketPath(), "a reader");
  const Wish wish = {'r', std::string(kNameSize, 'x')};
  peer.Send(Request({wish, wish, wish, wish}),
            "four names without an end, and descriptors", Many(pipe));
  ReceiveAnswer(&peer);
  peer.Close();
  opener.Exits(0, "reader 1: passed 0 of 4 files\n");
}

TEST_F(FdPassing, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried, 1 that "
        "it was tried and failed.",
        Handout(1, {11}, ""));
  const std::string flag = "--socket=" + SocketPath();
  // A good call, which fails for want of an opener.
  Start("reader", {flag, "file"}).Refuses({"connect", "ENOENT"});
  Start("opener", {flag, "--readers=0"}).Refuses({}, /*status=*/2);
  Start("opener", {flag, "--no-such-flag"}).Refuses({}, /*status=*/2);
  Start("reader", {flag, "--no-such-flag"}).Refuses({}, /*status=*/2);
  Start("reader", {flag}).Refuses({}, /*status=*/2);
}

}  // namespace
