#include "lib/socket.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket_options.h"
#include "lib/testing.h"

namespace ipc {
namespace {

// That nothing leaks when a call fails is checked by IpcTest after each test.
class SocketTest : public IpcTest {};

char ReadByte(int fd) {
  char byte = 0;
  EXPECT_EQ(read(fd, &byte, 1), 1);
  return byte;
}

TEST_F(SocketTest, EveryDescriptorIsCloseOnExec) {
  const auto listener = Listen(Address());
  const auto client = Connect(Address());
  const auto server = Accept(listener->get());
  const auto pair = SocketPair();
  for (int fd : {listener->get(), client->get(), server->get(),
                 pair->first.get(), pair->second.get()}) {
    EXPECT_TRUE(IsCloseOnExec(fd)) << fd;
  }
}

TEST_F(SocketTest, AcceptTakesClientsInTheOrderOfArrival) {
  const auto listener = Listen(Address());
  const auto first = Connect(Address());
  const auto second = Connect(Address());
  ASSERT_EQ(write(second->get(), "2", 1), 1);
  ASSERT_EQ(write(first->get(), "1", 1), 1);
  EXPECT_EQ(ReadByte(Accept(listener->get())->get()), '1');
  EXPECT_EQ(ReadByte(Accept(listener->get())->get()), '2');
}

TEST_F(SocketTest, OneClientMoreThanTheBacklogCanWait) {
  const auto listener = Listen(Address(), 1);
  const auto first = Connect(Address());
  const auto second = Connect(Address());
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  const UniqueFd third(
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  EXPECT_EQ(connect(third.get(), Address().data(), Address().size()), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(SocketTest, ListenWhereAnotherListensIsEaddrinuse) {
  const auto listener = Listen(Address());
  EXPECT_THAT(Listen(Address()), FailsWith(EADDRINUSE));
}

TEST_F(SocketTest, ListenWhereADeadSocketsFileStandsIsEaddrinuse) {
  ASSERT_THAT(Listen(Address()), IsOk());
  EXPECT_THAT(Listen(Address()), FailsWith(EADDRINUSE));
}

TEST_F(SocketTest, ListenInAMissingFolderIsEnoent) {
  const auto listener = Listen(Address("missing/socket"));
  EXPECT_THAT(listener, FailsWith(ENOENT));
  EXPECT_EQ(listener.status().message(),
            "bind " + Path("missing/socket") +
                ": No such file or directory (ENOENT)");
}

TEST_F(SocketTest, ListenBelowAFileIsEnotdir) {
  const UniqueFd file = Bound(SOCK_STREAM, Address());
  EXPECT_THAT(Listen(Address("socket/below")), FailsWith(ENOTDIR));
}

TEST_F(SocketTest, ListenInAFolderThatIsNotWritableIsEacces) {
  ASSERT_EQ(mkdir(Path("closed").c_str(), 0500), 0);
  Child ordinary([&] {
    DropCapabilities();
    EXPECT_THAT(Listen(Address("closed/socket")), FailsWith(EACCES));
  });
  EXPECT_EQ(ordinary.Wait(), 0);
}

TEST_F(SocketTest, ListenToNoAddressIsAnError) {
  EXPECT_THAT(Listen(SocketAddress()), FailsWith(EAFNOSUPPORT));
  EXPECT_THAT(Connect(SocketAddress()), FailsWith(EAFNOSUPPORT));
}

TEST_F(SocketTest, AcceptFromASocketThatDoesNotListenIsEinval) {
  const UniqueFd bound = Bound(SOCK_STREAM, Address());
  EXPECT_THAT(Accept(bound.get()), FailsWith(EINVAL));
}

TEST_F(SocketTest, AcceptFromNoSocketIsEnotsock) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_THAT(Accept(null.get()), FailsWith(ENOTSOCK));
}

TEST_F(SocketTest, AcceptFromNoDescriptorIsEbadf) {
  EXPECT_THAT(Accept(-1), FailsWith(EBADF));
  EXPECT_THAT(Accept(UnusedFd()), FailsWith(EBADF));
}

TEST_F(SocketTest, AcceptFromANonBlockingListenerWithoutClientsIsEagain) {
  const auto listener = Listen(Address());
  MakeNonBlocking(listener->get());
  EXPECT_THAT(Accept(listener->get()), FailsWith(EAGAIN));
}

TEST_F(SocketTest, ConnectToNothingIsEnoent) {
  const auto client = Connect(Address());
  EXPECT_THAT(client, FailsWith(ENOENT));
  EXPECT_EQ(client.status().message(),
            "connect " + Path() + ": No such file or directory (ENOENT)");
}

TEST_F(SocketTest, ConnectToADeadSocketsFileIsEconnrefused) {
  Bound(SOCK_STREAM, Address());
  EXPECT_THAT(Connect(Address()), FailsWith(ECONNREFUSED));
}

TEST_F(SocketTest, ConnectToASocketThatDoesNotListenIsEconnrefused) {
  const UniqueFd bound = Bound(SOCK_STREAM, Address());
  EXPECT_THAT(Connect(Address()), FailsWith(ECONNREFUSED));
}

TEST_F(SocketTest, ConnectToADatagramSocketIsEprototype) {
  const UniqueFd datagram = Bound(SOCK_DGRAM, Address());
  EXPECT_THAT(Connect(Address()), FailsWith(EPROTOTYPE));
}

TEST_F(SocketTest, ConnectNeedsWritePermissionOnTheFile) {
  const auto listener = Listen(Address());
  Child ordinary([&] {
    DropCapabilities();
    EXPECT_EQ(chmod(Path().c_str(), 0444), 0);
    EXPECT_THAT(Connect(Address()), FailsWith(EACCES));
    EXPECT_EQ(chmod(Path().c_str(), 0222), 0);
    EXPECT_THAT(Connect(Address()), IsOk());
  });
  EXPECT_EQ(ordinary.Wait(), 0);
}

TEST_F(SocketTest, WithoutFreeDescriptorsEverythingIsEmfile) {
  Child limited([&] {
    const auto listener = Listen(Address());
    const auto before = OpenFds();
    LimitFreeFds(0);
    const auto other = Listen(Address("other"));
    const auto client = Connect(Address());
    const auto pair = SocketPair();
    AllowMoreFds();
    EXPECT_THAT(other, FailsWith(EMFILE));
    EXPECT_THAT(client, FailsWith(EMFILE));
    EXPECT_THAT(pair, FailsWith(EMFILE));
    EXPECT_EQ(OpenFds(), before);
  });
  EXPECT_EQ(limited.Wait(), 0);
}

TEST_F(SocketTest, ClientKeepsWaitingWhenAcceptHasNoFreeDescriptor) {
  Child limited([&] {
    const auto listener = Listen(Address());
    const auto client = Connect(Address());
    EXPECT_EQ(write(client->get(), "x", 1), 1);
    LimitFreeFds(0);
    const auto server = Accept(listener->get());
    AllowMoreFds();
    EXPECT_THAT(server, FailsWith(EMFILE));
    EXPECT_EQ(ReadByte(Accept(listener->get())->get()), 'x');
  });
  EXPECT_EQ(limited.Wait(), 0);
}

TEST_F(SocketTest, AcceptGoesOnAfterSignals) {
  const auto listener = Listen(Address());
  SignalStorm storm;
  const auto late_client = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_accept4);
    EXPECT_THAT(Connect(Address()), IsOk());
  });
  EXPECT_THAT(Accept(listener->get()), IsOk());
}

TEST_F(SocketTest, ConnectGoesOnAfterSignals) {
  const auto listener = Listen(Address(), 0);
  const auto in_the_queue = Connect(Address());
  SignalStorm storm;
  const auto busy_server = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_connect);
    EXPECT_THAT(Accept(listener->get()), IsOk());
  });
  EXPECT_THAT(Connect(Address()), IsOk());
}

TEST_F(SocketTest, SocketPairIsConnectedAndOfTheTypeAskedFor) {
  for (int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    const auto pair = SocketPair(type);
    ASSERT_THAT(pair, IsOk());
    for (int fd : {pair->first.get(), pair->second.get()}) {
      int actual = -1;
      socklen_t length = sizeof(actual);
      EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &actual, &length), 0);
      EXPECT_EQ(actual, type);
      EXPECT_TRUE(IsCloseOnExec(fd));
    }
    EXPECT_EQ(write(pair->first.get(), "a", 1), 1);
    EXPECT_EQ(ReadByte(pair->second.get()), 'a');
    EXPECT_EQ(write(pair->second.get(), "b", 1), 1);
    EXPECT_EQ(ReadByte(pair->first.get()), 'b');
  }
}

TEST_F(SocketTest, SocketPairOfAnUnsupportedTypeIsEsocktnosupport) {
  EXPECT_THAT(SocketPair(SOCK_RDM), FailsWith(ESOCKTNOSUPPORT));
}

class TcpTest : public IpcTest {
 protected:
  // What no other running process listens to, with a port that the kernel
  // chooses.
  static SocketAddress OwnLoopback() {
    const pid_t pid = getpid();
    return SocketAddress::Ip(absl::StrCat("127.", 1 + (pid >> 16) % 254, ".",
                                          (pid >> 8) % 256, ".", pid % 256),
                             0)
        .value();
  }
  // A listener like Listen's, except that other sockets may have its port.
  static UniqueFd ListenToSharedPort(const SocketAddress& address,
                                     int backlog) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_THAT(SetSocketOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1), IsOk());
    EXPECT_EQ(bind(fd.get(), address.data(), address.size()), 0);
    EXPECT_EQ(listen(fd.get(), backlog), 0);
    return fd;
  }
  // The only descriptor that is not in `before`.
  static int NewFd(const std::map<int, std::string>& before) {
    for (const auto& fd : OpenFds()) {
      if (before.count(fd.first) == 0) return fd.first;
    }
    ADD_FAILURE() << "no new descriptor";
    return -1;
  }
};

TEST_F(TcpTest, ListensConnectsAndAccepts) {
  const auto listener = Listen(OwnLoopback());
  ASSERT_THAT(listener, IsOk());
  const auto address = LocalAddress(listener->get());
  EXPECT_GT(address->port(), 0);
  const auto client = Connect(*address);
  ASSERT_THAT(client, IsOk());
  const auto server = Accept(listener->get());
  ASSERT_THAT(server, IsOk());
  for (int fd : {listener->get(), client->get(), server->get()}) {
    EXPECT_TRUE(IsCloseOnExec(fd));
  }
  EXPECT_EQ(PeerAddress(client->get())->ToString(), address->ToString());
  EXPECT_EQ(PeerAddress(server->get())->ToString(),
            LocalAddress(client->get())->ToString());
  ASSERT_EQ(write(client->get(), "x", 1), 1);
  EXPECT_EQ(ReadByte(server->get()), 'x');
}

TEST_F(TcpTest, ListensOverIpv6Too) {
  const auto listener = Listen(SocketAddress::Ip("::1", 0).value());
  if (!listener.ok()) GTEST_SKIP() << listener.status();
  const auto address = LocalAddress(listener->get());
  const auto client = Connect(*address);
  const auto server = Accept(listener->get());
  ASSERT_THAT(server, IsOk());
  EXPECT_EQ(PeerAddress(client->get())->ToString(), address->ToString());
}

TEST_F(TcpTest, PortOfALiveListenerIsEaddrinuse) {
  const auto listener = Listen(OwnLoopback());
  const auto address = LocalAddress(listener->get());
  const auto second = Listen(*address);
  EXPECT_THAT(second, FailsWith(EADDRINUSE));
  EXPECT_THAT(std::string(second.status().message()),
              ::testing::HasSubstr(" " + address->ToString() + ":"));
}

TEST_F(TcpTest, ServerStartsAgainWhereItsLastRunClosedFirst) {
  UniqueFd listener = Listen(OwnLoopback()).value();
  const SocketAddress address = LocalAddress(listener.get()).value();
  UniqueFd client = Connect(address).value();
  UniqueFd server = Accept(listener.get()).value();
  server.reset();
  char byte;
  EXPECT_EQ(read(client.get(), &byte, 1), 0);
  client.reset();
  listener.reset();
  // What was the server's end keeps the port, though nobody has it open.
  const UniqueFd careless(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(careless.get(), address.data(), address.size()), -1);
  EXPECT_EQ(errno, EADDRINUSE);
  EXPECT_THAT(Listen(address), IsOk());
}

TEST_F(TcpTest, ConnectToAPortWhereNobodyListensIsEconnrefused) {
  const UniqueFd bound = Bound(SOCK_STREAM, OwnLoopback());
  const auto address = LocalAddress(bound.get());
  const auto client = Connect(*address);
  EXPECT_THAT(client, FailsWith(ECONNREFUSED));
  EXPECT_EQ(
      client.status().message(),
      "connect " + address->ToString() + ": Connection refused (ECONNREFUSED)");
}

TEST_F(TcpTest, AcceptGoesOnAfterSignals) {
  const auto listener = Listen(OwnLoopback());
  SignalStorm storm;
  const auto late_client = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_accept4);
    EXPECT_THAT(Connect(*LocalAddress(listener->get())), IsOk());
  });
  EXPECT_THAT(Accept(listener->get()), IsOk());
}

// A listener whose queue is full leaves a client without an answer. The kernel
// would ask again after a second; here somebody else answers at once: a socket
// of the same port, which connects to the client (RFC 793, 3.4, "simultaneous
// connection").
TEST_F(TcpTest, ConnectGoesOnAfterSignals) {
  const UniqueFd listener = ListenToSharedPort(OwnLoopback(), 0);
  const SocketAddress address = LocalAddress(listener.get()).value();
  const auto in_the_queue = Connect(address);
  ASSERT_THAT(in_the_queue, IsOk());
  UniqueFd peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_THAT(SetSocketOption(peer.get(), SOL_SOCKET, SO_REUSEPORT, 1), IsOk());
  ASSERT_EQ(bind(peer.get(), address.data(), address.size()), 0);
  const auto before = OpenFds();
  SignalStorm storm;
  const auto late_answer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_ppoll);
    const auto client = LocalAddress(NewFd(before));
    EXPECT_EQ(connect(peer.get(), client->data(), client->size()), 0)
        << ErrnoName(errno);
  });
  const auto client = Connect(address);
  ASSERT_THAT(client, IsOk());
  late_answer.wait();
  ASSERT_EQ(write(peer.get(), "x", 1), 1);
  EXPECT_EQ(ReadByte(client->get()), 'x');
}

TEST_F(TcpTest, ConnectThatFailsAfterSignalsTellsWhy) {
  const UniqueFd listener = ListenToSharedPort(OwnLoopback(), 0);
  const SocketAddress address = LocalAddress(listener.get()).value();
  const auto in_the_queue = Connect(address);
  ASSERT_THAT(in_the_queue, IsOk());
  const auto before = OpenFds();
  SignalStorm storm;
  const auto end = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_ppoll);
    EXPECT_EQ(shutdown(NewFd(before), SHUT_RDWR), 0);
  });
  const auto client = Connect(address);
  EXPECT_THAT(client, FailsWith(ECONNRESET));
  EXPECT_EQ(client.status().message(),
            "connect " + address.ToString() +
                ": Connection reset by peer (ECONNRESET)");
}

}  // namespace
}  // namespace ipc
