// A lab that does not exist, whose checks check_test.cc has judge programs that
// misbehave. What is asked of the program: with --socket=PATH to listen there,
// to serve one client, to print "served" and to end; with --echo=PATH to send
// one datagram back; with --bad to refuse.
#include <string>

#include "gtest/gtest.h"
#include "lib/socket_address.h"
#include "tests/support/check.h"

namespace {

using harness::Core;
using harness::Peer;
using harness::Process;
using harness::Robust;

class Sample : public harness::Check {};

TEST_F(Sample, Serves) {
  About(Core(3), "the program serves a client", "Because.", "man 2 accept");
  Process program = Start("program", {"--socket=" + SocketPath()});
  program.ListensAt(SocketPath());
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

TEST_F(Sample, Refuses) {
  About(Robust(1), "the program refuses", "Because.", "man 3 exit");
  Start("program", {"--bad"}).Refuses({"--bad", "no"}, 2);
}

TEST_F(Sample, ForAnotherMachine) {
  About(Core(4), "something else", "Because.", "nowhere");
  Skip("no such machine");
  Start("program", {"--none"}).Exits(0);
}

}  // namespace
