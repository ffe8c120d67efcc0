// A lab that does not exist, whose checks check_test.cc has judge programs that
// misbehave. What is asked of the program: with --socket=PATH to listen there,
// to serve one client, to print "served" and to end; with --echo=PATH to send
// one datagram back; with --bad to refuse.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"

namespace {

using harness::Core;
using harness::Peer;
using harness::Process;
using harness::Robust;

class Sample : public harness::Check {
 protected:
  // Descriptors go along with bytes, and those not asked for are closed.
  void ExpectDescriptorsGoAlong() {
    const std::string path = scratch().File("ours");
    Host(path);
    Peer ours = Connect(path);
    Peer other = Accept();
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const ipc::UniqueFd output(ends[0]);
    ipc::UniqueFd input(ends[1]);
    const std::string bytes = RandomText(10);
    ours.Send(bytes + bytes, "20 bytes and a pipe", {input.get()});
    ours.Send(bytes, "");
    std::vector<ipc::UniqueFd> fds;
    EXPECT_EQ(other.Receive(1, &fds), bytes.substr(0, 1));
    ASSERT_EQ(fds.size(), 1);
    EXPECT_EQ(write(fds[0].get(), "x", 1), 1);
    fds.clear();
    EXPECT_EQ(other.Receive(29, &fds), bytes.substr(1) + bytes + bytes);
    EXPECT_TRUE(fds.empty());
    ours.Send(bytes, "a pipe that nobody takes", {input.get()});
    input.reset();
    EXPECT_EQ(other.Receive(10), bytes);
    char buffer[2];
    EXPECT_EQ(read(output.get(), buffer, 2), 1);
    EXPECT_EQ(read(output.get(), buffer, 2), 0) << "somebody has it open";
    ours.StopReading();
    CloseHost();
    unlink(path.c_str());
  }

  // The name of what listens at port 0 is known, and the ends of a connection
  // to it are each other's.
  void ExpectTcpPeersMeet() {
    Host(*ipc::SocketAddress::Ip("127.0.0.1", 0));
    Peer ours = Connect(HostAddress(), "a client by TCP");
    Peer other = Accept();
    const std::string bytes = RandomText(10);
    ours.Send(bytes, "10 bytes");
    ours.StopWriting();
    EXPECT_EQ(other.ReceiveAll(), bytes);
    other.Close();
    CloseHost();
  }

  // Of a program that receives 9 bytes.
  void SweepOf(const std::string& action) {
    About(Core(1), "the program receives", "Because.", "man 2 recv");
    harness::SweepOptions options;
    options.errors = {{"recv", EIO, {}}};
    Sweep(
        "program",
        [&](const Starter& start) {
          Process program =
              start({"stream", "fill=9", action, "say=done"}, "/dev/null");
          program.Exits(0, "done 0\n");
        },
        options);
  }
};

TEST_F(Sample, Serves) {
  About(Core(3), "the program serves a client", "Because.", "man 2 accept");
  ExpectDescriptorsGoAlong();
  Process program = Start("program", {"--socket=" + SocketPath()});
  program.ListensAt(SocketPath());
  ExpectTcpPeersMeet();
  Peer client = Connect(SocketPath());
  client.Send(RandomText(10), "10 bytes");
  client.AwaitRead();
  client.Close();
  program.Exits(0, "served\n");
}

TEST_F(Sample, KeepsFewDescriptors) {
  About(Core(2), "the program has one socket", "Because.", "man 2 close");
  Process program = Start("program", {"--socket=" + SocketPath()});
  program.ListensAt(SocketPath());
  Peer client = Connect(SocketPath());
  client.Send(RandomText(10), "10 bytes");
  client.AwaitRead();
  program.ComesDownTo(2, "open sockets",
                      [&] { return CountSockets(program.pid()); });
}

TEST_F(Sample, Echoes) {
  About(Core(1), "the program echoes", "Because.", "man 2 sendto");
  Process program = Start("program", {"--echo=" + SocketPath()});
  program.ReceivesAt(SocketPath());
  harness::DatagramPeer client =
      OpenDatagram(ipc::SocketAddress::UnixUnnamed(), "a client");
  const std::string bytes = RandomText(10) + std::string(1, '\0');
  client.SendTo(SocketPath(), bytes, "11 bytes");
  client.Receives(bytes, "them", SocketPath());
  client.Close();
  program.Exits(0, "");
}

TEST_F(Sample, DISABLED_NeedsWhatIsNotWritten) {
  About(Core(1), "the program serves", "Because.",
        harness::Handout(2, {1}, "man 2 accept"));
  Process program = Start("program", {"--socket=" + SocketPath()});
  program.Exits(0, "served\n");
}

TEST_F(Sample, DISABLED_EchoesOnUdp) {
  About(Core(1), "the program echoes", "Because.", "man 7 udp");
  Process program = Start("program", {"--echo=udp"});
  const ipc::SocketAddress name = program.ReceivesOnUdp();
  harness::DatagramPeer client =
      OpenDatagram(*ipc::SocketAddress::Ip("127.0.0.1", 0), "a client");
  const std::string bytes = RandomText(10);
  client.SendTo(name, bytes, "10 bytes");
  ipc::SocketAddress from;
  const std::string received = client.Receive("them", &from);
  program.Expect(received == bytes && from.ToString() == name.ToString(),
                 "them, from " + name.ToString(),
                 received + ", from " + from.ToString());
  program.Exits(0, "");
}

TEST_F(Sample, Refuses) {
  About(Robust(1), "the program refuses", "Because.", "man 3 exit");
  Start("program", {"--bad", "two words", ""}).Refuses({"--bad", "no"}, 2);
}

// Not among the others, as nobody passes all of them.
TEST_F(Sample, DISABLED_TakesAllIn) {
  About(Core(1), "the program reads without end", "Because.", "man 2 recv");
  Process program = Start("program", {"--socket=" + SocketPath()});
  program.ListensAt(SocketPath());
  Peer client = Connect(SocketPath());
  const std::string bytes = RandomText(1 << 20);
  const size_t taken = client.SendUntilStuck(bytes, "much");
  program.Expect(taken == bytes.size(), "all is taken in",
                 taken > 0 ? "some is" : "nothing is");
  client.Close();
  program.Exits(0);
}

// ptrace and strace are not everywhere.
TEST_F(Sample, DISABLED_Held) {
  About(Core(1), "the program is held", "Because.", "man 2 ptrace");
  StartStoppedAfter({"socket"}, "program", {"--socket=" + SocketPath()})
      .Exits(0);
}

TEST_F(Sample, DISABLED_Traced) {
  About(Core(1), "the program is traced", "Because.", "man 1 strace");
  const std::string path = scratch().File("trace");
  Process program = StartTraced("program", {"--bad"}, path, {"-ewrite"});
  program.Exits(2);
  std::ifstream file(path);
  const std::string trace((std::istreambuf_iterator<char>(file)), {});
  program.Expect(over() || trace.find("program: --bad: no") != trace.npos,
                 "its write in the trace", trace);
}

// These judge tracee_program.cc.
TEST_F(Sample, DISABLED_SweepOfDemand) { SweepOf("demand=9"); }
TEST_F(Sample, DISABLED_SweepOfDemandAtOnce) { SweepOf("demand-at-once=9"); }
TEST_F(Sample, DISABLED_SweepOfDemandBlindly) { SweepOf("demand-blindly=9"); }
TEST_F(Sample, DISABLED_SweepOfFailure) { SweepOf("exit=4"); }

TEST_F(Sample, ForAnotherMachine) {
  About(Core(4), "something else", "Because.", "nowhere");
  Skip("no such machine");
  Start("program", {"--none"}).Exits(0);
}

}  // namespace
