#include "lib/socket.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <future>

#include "gtest/gtest.h"
#include "lib/testing.h"

namespace ipc {
namespace {

// That nothing leaks when a call fails is checked by IpcTest after each test.
class SocketTest : public IpcTest {};

// From now on every new descriptor is one too many. Expectations have to wait:
// UBSan opens a pipe to look at an object.
void AllowNoMoreFds() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 0;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void AllowMoreFds() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

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
    AllowNoMoreFds();
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
    AllowNoMoreFds();
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

}  // namespace
}  // namespace ipc
