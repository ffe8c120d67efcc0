#include "lib/datagram.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <future>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/fd_passing.h"
#include "lib/socket.h"
#include "lib/socket_options.h"
#include "lib/testing.h"

namespace ipc {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

struct Datagram {
  std::string data;
  SocketAddress from;
};

// The next datagram, of which a failure makes an empty one.
Datagram Receive(int fd) {
  std::string data(1000, 'G');
  const auto got = ReceiveFrom(fd, absl::MakeSpan(data));
  EXPECT_THAT(got, IsOk());
  if (!got.ok()) return {};
  data.resize(got->size);
  return {data, got->from};
}

// A literal taken as a span would count its NUL.
absl::Status SendText(int fd, absl::string_view text, const SocketAddress& to) {
  return SendTo(fd, text, to);
}

void Send(int fd, absl::string_view text, const SocketAddress& to) {
  EXPECT_THAT(SendText(fd, text, to), IsOk());
}

void ConnectTo(int fd, const SocketAddress& address) {
  EXPECT_EQ(connect(fd, address.data(), address.size()), 0) << ErrnoName(errno);
}

class DatagramTest : public IpcTest {
 protected:
  // An abstract name that no other test has.
  SocketAddress AbstractAddress(absl::string_view name) const {
    return SocketAddress::Abstract(Path(name)).value();
  }

  void FillQueue() {
    MakeNonBlocking(sender_.get());
    absl::Status sent;
    while (sent.ok()) sent = SendText(sender_.get(), "x", address_);
    EXPECT_THAT(sent, FailsWith(EAGAIN));
  }

  const SocketAddress address_ = Address("receiver");
  const UniqueFd receiver_ = Bind(address_, SOCK_DGRAM).value();
  const UniqueFd sender_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST_F(DatagramTest, BoundSocketIsCloseOnExecAndHasItsName) {
  EXPECT_TRUE(IsCloseOnExec(receiver_.get()));
  EXPECT_EQ(LocalAddress(receiver_.get())->path(), Path("receiver"));
  EXPECT_EQ(GetSocketOption(receiver_.get(), SOL_SOCKET, SO_TYPE).value(),
            SOCK_DGRAM);
}

TEST_F(DatagramTest, BindFailsAsListenDoes) {
  const auto again = Bind(address_, SOCK_DGRAM);
  EXPECT_THAT(again, FailsWith(EADDRINUSE));
  EXPECT_THAT(std::string(again.status().message()),
              HasSubstr("bind " + Path("receiver")));
  EXPECT_THAT(Bind(Address("missing/socket"), SOCK_DGRAM), FailsWith(ENOENT));
  EXPECT_THAT(Bind(SocketAddress(), SOCK_DGRAM), FailsWith(EAFNOSUPPORT));
}

TEST_F(DatagramTest, EachReceiveReturnsWhatOneSendWrote) {
  Send(sender_.get(), "first", address_);
  Send(sender_.get(), "2", address_);
  Send(sender_.get(), absl::string_view("a\0b", 3), address_);
  EXPECT_EQ(Receive(receiver_.get()).data, "first");
  EXPECT_EQ(Receive(receiver_.get()).data, "2");
  EXPECT_EQ(Receive(receiver_.get()).data, std::string("a\0b", 3));
}

TEST_F(DatagramTest, NoBytesAreADatagramToo) {
  Send(sender_.get(), "", address_);
  Send(sender_.get(), "after", address_);
  EXPECT_EQ(Receive(receiver_.get()).data, "");
  EXPECT_EQ(Receive(receiver_.get()).data, "after");
}

TEST_F(DatagramTest, BufferOfTheExactSizeIsEnough) {
  Send(sender_.get(), "12345", address_);
  std::string buffer(5, 0);
  EXPECT_EQ(ReceiveFrom(receiver_.get(), absl::MakeSpan(buffer))->size, 5u);
  EXPECT_EQ(buffer, "12345");
}

TEST_F(DatagramTest, TooLargeOneIsEmsgsizeTellsItsSizeAndIsLost) {
  Send(sender_.get(), std::string(777, 'x'), address_);
  Send(sender_.get(), "next", address_);
  std::string buffer(776, 0);
  const auto got = ReceiveFrom(receiver_.get(), absl::MakeSpan(buffer));
  EXPECT_THAT(got, FailsWith(EMSGSIZE));
  EXPECT_EQ(got.status().message(),
            "recvfrom datagram of 777 bytes into 776: Message too long "
            "(EMSGSIZE)");
  EXPECT_EQ(Receive(receiver_.get()).data, "next");
}

TEST_F(DatagramTest, UnboundSenderHasNoNameAndCannotBeAnswered) {
  Send(sender_.get(), "x", address_);
  const Datagram got = Receive(receiver_.get());
  EXPECT_FALSE(got.from.named());
  EXPECT_THAT(SendText(receiver_.get(), "reply", got.from),
              FailsWith(ENOTCONN));
}

TEST_F(DatagramTest, EverySenderWithANameCanBeAnswered) {
  for (const SocketAddress& name : {Address("sender"), AbstractAddress("s"),
                                    AbstractAddress(std::string("\0long\0", 6)),
                                    SocketAddress::UnixUnnamed()}) {
    const UniqueFd sender = Bind(name, SOCK_DGRAM).value();
    Send(sender.get(), "ping", address_);
    const Datagram got = Receive(receiver_.get());
    EXPECT_EQ(got.data, "ping");
    EXPECT_TRUE(got.from.named());
    EXPECT_EQ(got.from.ToString(), LocalAddress(sender.get())->ToString());
    Send(receiver_.get(), "pong", got.from);
    EXPECT_EQ(Receive(sender.get()).data, "pong");
  }
}

TEST_F(DatagramTest, KernelChoosesFiveHexDigitsForAnUnnamedAddress) {
  const UniqueFd sender =
      Bind(SocketAddress::UnixUnnamed(), SOCK_DGRAM).value();
  Send(sender.get(), "x", address_);
  const Datagram got = Receive(receiver_.get());
  EXPECT_THAT(std::string(got.from.abstract_name()),
              MatchesRegex("[0-9a-f]{5}"));
}

TEST_F(DatagramTest, LongNameAfterAShortOneIsWhole) {
  const UniqueFd short_named =
      Bind(SocketAddress::UnixUnnamed(), SOCK_DGRAM).value();
  const SocketAddress long_name =
      Address(std::string(107 - Path("").size(), 'x'));
  const UniqueFd long_named = Bind(long_name, SOCK_DGRAM).value();
  Send(sender_.get(), "", address_);
  Send(short_named.get(), "", address_);
  Send(long_named.get(), "", address_);
  Send(sender_.get(), "", address_);
  EXPECT_FALSE(Receive(receiver_.get()).from.named());
  EXPECT_EQ(Receive(receiver_.get()).from.abstract_name().size(), 5u);
  EXPECT_EQ(Receive(receiver_.get()).from.path(), long_name.path());
  EXPECT_FALSE(Receive(receiver_.get()).from.named());
}

TEST_F(DatagramTest, SendToNobodyIsEnoentOrEconnrefused) {
  const absl::Status missing = SendText(sender_.get(), "x", Address("missing"));
  EXPECT_THAT(missing, FailsWith(ENOENT));
  EXPECT_EQ(missing.message(), "sendto " + Path("missing") +
                                   ": No such file or directory (ENOENT)");
  Bound(SOCK_DGRAM, Address("dead"));
  EXPECT_THAT(SendText(sender_.get(), "x", Address("dead")),
              FailsWith(ECONNREFUSED));
  EXPECT_THAT(SendText(sender_.get(), "x", AbstractAddress("missing")),
              FailsWith(ECONNREFUSED));
}

TEST_F(DatagramTest, SendToAStreamSocketIsEprototype) {
  const auto listener = Listen(Address("stream"));
  EXPECT_THAT(SendText(sender_.get(), "x", Address("stream")),
              FailsWith(EPROTOTYPE));
}

TEST_F(DatagramTest, SendToASocketConnectedToSomebodyElseIsEperm) {
  const UniqueFd other = Bind(Address("other"), SOCK_DGRAM).value();
  ConnectTo(receiver_.get(), Address("other"));
  EXPECT_THAT(SendText(sender_.get(), "x", address_), FailsWith(EPERM));
  EXPECT_THAT(SendText(other.get(), "x", address_), IsOk());
}

TEST_F(DatagramTest, SendNeedsWritePermissionOnTheFile) {
  Child ordinary([&] {
    DropCapabilities();
    EXPECT_EQ(chmod(Path("receiver").c_str(), 0444), 0);
    EXPECT_THAT(SendText(sender_.get(), "x", address_), FailsWith(EACCES));
    EXPECT_EQ(chmod(Path("receiver").c_str(), 0222), 0);
    EXPECT_THAT(SendText(sender_.get(), "x", address_), IsOk());
  });
  EXPECT_EQ(ordinary.Wait(), 0);
}

TEST_F(DatagramTest, MoreThanTheSendBufferHoldsIsEmsgsize) {
  ASSERT_THAT(SetSocketOption(sender_.get(), SOL_SOCKET, SO_SNDBUF, 5000),
              IsOk());
  const std::string data(10000, 'x');
  EXPECT_THAT(SendTo(sender_.get(), data, address_), FailsWith(EMSGSIZE));
  Send(sender_.get(), data.substr(0, 1000), address_);
  EXPECT_EQ(Receive(receiver_.get()).data.size(), 1000u);
}

TEST_F(DatagramTest, FullQueueIsEagainToANonBlockingSenderUntilOneIsRead) {
  FillQueue();
  EXPECT_EQ(Receive(receiver_.get()).data, "x");
  EXPECT_THAT(SendText(sender_.get(), "y", address_), IsOk());
  EXPECT_THAT(SendText(sender_.get(), "z", address_), FailsWith(EAGAIN));
}

TEST_F(DatagramTest, EmptyQueueIsEagainToANonBlockingReceiver) {
  MakeNonBlocking(receiver_.get());
  std::string buffer(1, 0);
  EXPECT_THAT(ReceiveFrom(receiver_.get(), absl::MakeSpan(buffer)),
              FailsWith(EAGAIN));
}

TEST_F(DatagramTest, NoDescriptorIsEbadfAndNoSocketEnotsock) {
  std::string buffer(1, 0);
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]), writer(pipe_fds[1]);
  EXPECT_THAT(SendText(UnusedFd(), "x", address_), FailsWith(EBADF));
  EXPECT_THAT(SendText(writer.get(), "x", address_), FailsWith(ENOTSOCK));
  EXPECT_THAT(ReceiveFrom(UnusedFd(), absl::MakeSpan(buffer)),
              FailsWith(EBADF));
  EXPECT_THAT(ReceiveFrom(reader.get(), absl::MakeSpan(buffer)),
              FailsWith(ENOTSOCK));
}

TEST_F(DatagramTest, ReceiveGoesOnAfterSignals) {
  const UniqueFd named = Bind(Address("sender"), SOCK_DGRAM).value();
  SignalStorm storm;
  const auto late_sender = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_recvfrom);
    Send(named.get(), "late", address_);
  });
  const Datagram got = Receive(receiver_.get());
  EXPECT_EQ(got.data, "late");
  EXPECT_EQ(got.from.path(), Path("sender"));
}

TEST_F(DatagramTest, SendGoesOnAfterSignalsAndSendsOnce) {
  FillQueue();
  const UniqueFd patient(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SignalStorm storm;
  const auto late_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_sendto);
    EXPECT_EQ(Receive(receiver_.get()).data, "x");
  });
  Send(patient.get(), "patient", address_);
  late_reader.wait();
  MakeNonBlocking(receiver_.get());
  std::string buffer(100, 0);
  int arrived = 0;
  for (auto got = ReceiveFrom(receiver_.get(), absl::MakeSpan(buffer));
       got.ok(); got = ReceiveFrom(receiver_.get(), absl::MakeSpan(buffer))) {
    arrived += got->size == 7;
  }
  EXPECT_EQ(arrived, 1);
}

TEST_F(DatagramTest, DescriptorsThatNobodyAskedForAreDropped) {
  ConnectTo(sender_.get(), address_);
  const int fds[] = {receiver_.get(), sender_.get()};
  ASSERT_THAT(SendFds(sender_.get(), absl::string_view("x"), fds), IsOk());
  const auto before = OpenFds();
  EXPECT_EQ(Receive(receiver_.get()).data, "x");
  EXPECT_EQ(OpenFds(), before);
}

class Udp : public IpcTest {
 protected:
  static UniqueFd BindToFreePort() {
    return Bind(SocketAddress::Ip("127.0.0.1", 0).value(), SOCK_DGRAM).value();
  }

  const UniqueFd receiver_ = BindToFreePort();
  const UniqueFd sender_ = BindToFreePort();
  const SocketAddress address_ = LocalAddress(receiver_.get()).value();
};

TEST_F(Udp, SenderHasTheNameOfItsSocketAndCanBeAnswered) {
  Send(sender_.get(), "ping", address_);
  const Datagram got = Receive(receiver_.get());
  EXPECT_EQ(got.data, "ping");
  EXPECT_TRUE(got.from.named());
  EXPECT_EQ(got.from.ToString(),
            absl::StrCat("127.0.0.1:", LocalAddress(sender_.get())->port()));
  Send(receiver_.get(), "pong", got.from);
  EXPECT_EQ(Receive(sender_.get()).data, "pong");
}

TEST_F(Udp, NoBytesAreADatagramToo) {
  Send(sender_.get(), "", address_);
  Send(sender_.get(), "after", address_);
  EXPECT_EQ(Receive(receiver_.get()).data, "");
  EXPECT_EQ(Receive(receiver_.get()).data, "after");
}

TEST_F(Udp, TooLargeOneIsEmsgsizeTellsItsSizeAndIsLost) {
  Send(sender_.get(), std::string(10, 'x'), address_);
  Send(sender_.get(), "next", address_);
  std::string buffer(4, 0);
  const auto got = ReceiveFrom(receiver_.get(), absl::MakeSpan(buffer));
  EXPECT_THAT(got, FailsWith(EMSGSIZE));
  EXPECT_THAT(std::string(got.status().message()),
              HasSubstr("datagram of 10 bytes into 4:"));
  EXPECT_EQ(Receive(receiver_.get()).data, "next");
}

TEST_F(Udp, MoreThanOneDatagramHoldsIsEmsgsize) {
  EXPECT_THAT(SendTo(sender_.get(), std::string(65508, 'x'), address_),
              FailsWith(EMSGSIZE));
}

TEST_F(Udp, ConnectedSendToNobodyIsEconnrefusedToTheNextReceive) {
  // Connected to itself, the receiver is nobody to all others, and keeps the
  // port from being given to somebody.
  ConnectTo(receiver_.get(), address_);
  ConnectTo(sender_.get(), address_);
  Send(sender_.get(), "x", address_);
  std::string buffer(10, 0);
  EXPECT_THAT(ReceiveFrom(sender_.get(), absl::MakeSpan(buffer)),
              FailsWith(ECONNREFUSED));
}

TEST_F(Udp, ReceiveGoesOnAfterSignals) {
  SignalStorm storm;
  const auto late_sender = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_recvfrom);
    Send(sender_.get(), "late", address_);
  });
  EXPECT_EQ(Receive(receiver_.get()).data, "late");
}

}  // namespace
}  // namespace ipc
