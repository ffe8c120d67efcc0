// The checks of lab 09 that judge both programs. Each check states a fact about
// the programs; the mutants beside this file show what each one is there to
// catch.
#include "tests/09_scatter_gather/scatter_gather_check.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/support/check.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

TEST_F(ScatterGather, Transcript) {
  About(Core(3), "framer and deframer print the documented transcript",
        "The deframer must listen, say so and print each frame; the framer "
        "must connect, send each record as a frame and say what it took. They "
        "are your framer and your deframer here, both.",
        WholeHandout({1, 3, 7, 10, 12}));
  Process deframer = StartDeframer();
  const Strings words = Words(3), word = Words(1);
  Process framer =
      Start("framer", Args(SocketPath(), {Record(words), word[0]}));
  framer.Exits(
      0, Sent(1, 3, Body(words).size(), 1) + Sent(2, 1, word[0].size(), 1));
  deframer.Exits(
      0, Listening() + Printed(1, Body(words)) + Printed(2, word[0]) + End(2));
}

TEST_F(ScatterGather, ByThatCall) {
  About(Core(2), "--call says by which call the bytes go",
        "readv and writev are for any descriptor. recvmsg and sendmsg are for "
        "sockets, and have flags, addresses and ancillary data besides: who "
        "needs one of these gathers with them.",
        Handout(9, {5, 13}, "man 2 sendmsg"));
  const auto judge = [&](Process process, absl::string_view call) {
    process.Exits(0);
    if (over()) return;
    const std::vector<SocketCall> calls = SocketCalls(trace());
    process.Expect(Names(calls) == call,
                   absl::StrCat("calls on its connection: ", call),
                   Names(calls));
  };
  for (const char* call : {"readv", "recvmsg"}) {
    Process deframer = TraceDeframer({absl::StrCat("--call=", call)});
    Peer framer = Connect(SocketPath(), "a framer");
    framer.Send(Frame(1, RandomText(20)), "a frame");
    framer.Close();
    judge(deframer, call);
  }
  Host(HostPath());
  for (const char* call : {"writev", "sendmsg"}) {
    Process framer = TraceFramer({absl::StrCat("--call=", call), "a b", "c"});
    Connection().ReceiveAll();
    judge(framer, call);
  }
}

TEST_F(ScatterGather, NoFrames) {
  About(Robust(1), "a connection without frames is a good one",
        "An end of file between two frames is the end that was meant, also "
        "before the first. And a framer that is given no records has none to "
        "send.",
        Handout(6, {3, 12}, ""));
  Process deframer = StartDeframer();
  Connect(SocketPath(), "a framer").Close();
  deframer.Exits(0, Listening() + End(0));

  Host(HostPath());
  Process framer = Start("framer", Args(HostPath(), {}));
  const std::string seen = Connection().ReceiveAll();
  framer.Expect(seen.empty(), "nothing on its connection",
                absl::StrCat(seen.size(), " bytes"));
  framer.Exits(0, "");
}

TEST_F(ScatterGather, Interrupted) {
  About(Robust(2), "what a signal interrupts is done again",
        "A signal that is handled ends a call that waits, which returns -1 "
        "with EINTR: nothing was moved, nothing is wrong. Call it again. (Here "
        "strace makes calls fail so.) One that has moved a part returns that, "
        "with MSG_WAITALL too.",
        Handout(9, {22}, "man 7 signal"));
  const Strings bodies = {RandomText(9), "b", RandomText(3), "d", "e"};
  for (const char* name : {"readv", "recvmsg"}) {
    const std::string path = scratch().File(name);
    Process deframer = StartInterrupted(
        "deframer", Args(path, {absl::StrCat("--call=", name)}));
    Listens(deframer, path);
    Peer framer = Connect(path, "a framer");
    std::string output = absl::StrCat("listening on ", path, "\n");
    for (size_t i = 1; i <= bodies.size(); ++i) {
      framer.Send(Frame(static_cast<uint32_t>(i), bodies[i - 1]), "a frame");
      framer.AwaitRead();
      output += Printed(static_cast<int>(i), bodies[i - 1]);
    }
    framer.Close();
    deframer.Exits(0, output + End(static_cast<int>(bodies.size())));
  }
  for (const char* name : {"readv", "recvmsg"}) {
    const std::string path = scratch().File(absl::StrCat(name, "_stopped"));
    Process deframer = StartDeframerAt(path, {absl::StrCat("--call=", name)});
    Peer framer = Connect(path, "a framer");
    const std::string body = RandomText(200), frame = Frame(1, body);
    size_t sent = 0;
    for (const size_t cut : {size_t{3}, size_t{100}}) {
      framer.Send(frame.substr(sent, cut - sent),
                  absl::StrCat("a frame up to byte ", cut));
      framer.AwaitRead();
      sent = cut;
      deframer.Stop();
      deframer.Continue();
    }
    framer.Send(frame.substr(sent), "the rest");
    framer.Close();
    deframer.Exits(
        0, absl::StrCat("listening on ", path, "\n", Printed(1, body), End(1)));
  }
  for (const char* name : {"writev", "sendmsg"}) {
    const std::string path = scratch().File(name);
    Host(path);
    Strings args = {absl::StrCat("--call=", name)};
    args.insert(args.end(), bodies.begin(), bodies.end());
    Process framer = StartInterrupted("framer", Args(path, args));
    SentBodies(framer, Connection().ReceiveAll(), bodies);
    std::string output;
    for (size_t i = 1; i <= bodies.size(); ++i) {
      output += Sent(static_cast<int>(i), 1, bodies[i - 1].size(), 1);
    }
    framer.Exits(0, output);
  }
}

TEST_F(ScatterGather, StaysInItsMemory) {
  About(Core(2), "no byte outside the buffers and the arrays is touched",
        "An array of elements has an end, which is where the loop over a short "
        "count stops; a body of 65536 bytes leaves no room for a NUL.",
        WholeHandout({6, 14}, ""));
  Process deframer = StartDeframer({}, /*sanitized=*/true);
  Peer framer = Connect(SocketPath(), "a framer");
  const std::string body = RandomText(kMostBytes);
  const std::string stream = Frame(1, body) + Frame(2, "") + Frame(3, body);
  framer.Send(stream.substr(0, 50000), "50000 bytes of a frame");
  framer.AwaitRead();
  framer.Send(stream.substr(50000), "the rest, and two more");
  framer.Close();
  deframer.Exits(0);

  Host(HostPath());
  const std::string word = RandomText(60000);
  const Strings words = Words(2 * kMostParts - 1, 4);
  Process sender = Start("framer", Args(HostPath(), {Record(words), "x", word}),
                         /*sanitized=*/true);
  SentBodies(sender, Connection().ReceiveAll(), {Body(words), "x", word});
  sender.Exits(0);
}

TEST_F(ScatterGather, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Who asks for something that is not there is told so, not served with "
        "something else.",
        Handout(9, {21, 23}, ""));
  // What is right is done, so a refusal has a reason.
  Host(HostPath());
  Process sends = Start("framer", Args(HostPath(), {"--call=sendmsg", "x"}));
  Connection().ReceiveAll();
  sends.Exits(0);
  StartDeframer({"--call=recvmsg"});
  for (const char* call : {"readv", "", "write", "writevx", "WRITEV", "send",
                           "sendmsgx", "SENDMSG"}) {
    Start("framer", Args(SocketPath(), {absl::StrCat("--call=", call), "x"}))
        .Refuses({}, 2);
  }
  for (const char* call : {"writev", "", "read", "readvx", "READV", "recv",
                           "recvmsgx", "RECVMSG"}) {
    Start("deframer", Args(SocketPath(), {absl::StrCat("--call=", call)}))
        .Refuses({}, 2);
  }
  Start("deframer", Args(SocketPath(), {"--no-such-flag"})).Refuses({}, 2);
  Start("deframer", Args(SocketPath(), {"argument"})).Refuses({}, 2);
}

}  // namespace
