#include "lib/credentials.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "lib/datagram.h"
#include "lib/fd_passing.h"
#include "lib/socket.h"
#include "lib/testing.h"

namespace ipc {
namespace {

const absl::string_view kData = "data";
constexpr uid_t kOrdinaryId = 1000;

Credentials Own() { return {getpid(), getuid(), getgid()}; }

void ExpectEqual(const Credentials& got, const Credentials& expected) {
  EXPECT_EQ(got.pid, expected.pid);
  EXPECT_EQ(got.uid, expected.uid);
  EXPECT_EQ(got.gid, expected.gid);
}

// An id other than `own` that this user namespace knows, if there is one; the
// kernel refuses others as no ids at all. `map` is a file as in
// user_namespaces(7).
absl::optional<unsigned> ForeignId(const std::string& map, unsigned own) {
  std::ifstream lines(map);
  for (unsigned first, outside, count; lines >> first >> outside >> count;) {
    if (first != own) return first;
    if (count > 1) return first + 1;
  }
  return absl::nullopt;
}

void SendText(int fd, absl::string_view text) {
  EXPECT_EQ(send(fd, text.data(), text.size(), 0),
            static_cast<ssize_t>(text.size()));
}

class CredentialsTest : public IpcTest {
 protected:
  CredentialsTest() { std::tie(ours_, theirs_) = SocketPair().value(); }

  struct Received {
    std::string data;
    absl::optional<Credentials> sender;
  };
  // A failure makes an empty one. Must leave no descriptor open.
  static Received Receive(int fd) {
    const auto before = OpenFds();
    std::string data(100, 0);
    const auto got = ReceiveWithCredentials(fd, absl::MakeSpan(data));
    EXPECT_EQ(OpenFds(), before);
    EXPECT_THAT(got, IsOk());
    if (!got.ok()) return {};
    data.resize(got->size);
    return {data, got->sender};
  }
  // That the next bytes at `fd` are `text`, from `sender`.
  static void ExpectFrom(int fd, const Credentials& sender,
                         absl::string_view text = kData) {
    const Received got = Receive(fd);
    EXPECT_EQ(got.data, text);
    ASSERT_TRUE(got.sender);
    ExpectEqual(*got.sender, sender);
  }

  UniqueFd ours_;
  UniqueFd theirs_;
};

TEST_F(CredentialsTest, BothEndsOfAConnectionKnowWhoMadeTheOther) {
  const auto listener = Listen(Address());
  UniqueFd client;
  Child child([&] {
    // The parent's ids are those that connected, whoever holds it.
    client = Connect(Address()).value();
    EXPECT_EQ(PeerCredentials(client.get())->pid, getppid());
    SendText(client.get(), "x");
    char byte;
    EXPECT_EQ(read(client.get(), &byte, 1), 0);
  });
  const UniqueFd server = Accept(listener->get()).value();
  char byte;
  ASSERT_EQ(read(server.get(), &byte, 1), 1);
  const auto peer = PeerCredentials(server.get());
  ASSERT_THAT(peer, IsOk());
  EXPECT_NE(peer->pid, getpid());
  EXPECT_GT(peer->pid, 0);
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_EQ(peer->gid, getegid());
  shutdown(server.get(), SHUT_WR);
  EXPECT_EQ(child.Wait(), 0);
  // Gone, and still told.
  EXPECT_EQ(PeerCredentials(server.get())->pid, peer->pid);
}

TEST_F(CredentialsTest, SocketPairHasItsMakerOnBothEnds) {
  for (int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    const auto pair = SocketPair(type);
    for (int fd : {pair->first.get(), pair->second.get()}) {
      const auto peer = PeerCredentials(fd);
      ASSERT_THAT(peer, IsOk());
      ExpectEqual(*peer, {getpid(), geteuid(), getegid()});
    }
  }
}

TEST_F(CredentialsTest, PeerIsWhoConnectedEvenInAForkedChild) {
  const auto listener = Listen(Address());
  const auto client = Connect(Address());
  const auto server = Accept(listener->get());
  const pid_t parent = getpid();
  Child child([&] {
    SendText(client->get(), "x");
    EXPECT_EQ(PeerCredentials(client->get())->pid, parent);
    EXPECT_EQ(PeerCredentials(server->get())->pid, parent);
  });
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_EQ(PeerCredentials(server->get())->pid, parent);
}

TEST_F(CredentialsTest, WithoutAPeerThereIsEnotconn) {
  const UniqueFd stream(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(PeerCredentials(stream.get()), FailsWith(ENOTCONN));

  const UniqueFd receiver = Bind(Address(), SOCK_DGRAM).value();
  const UniqueFd sender(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(PeerCredentials(sender.get()), FailsWith(ENOTCONN));
  ASSERT_EQ(connect(sender.get(), Address().data(), Address().size()), 0);
  EXPECT_THAT(PeerCredentials(sender.get()), FailsWith(ENOTCONN));

  const auto listener = Listen(SocketAddress::Ip("127.0.0.1", 0).value());
  const auto client = Connect(*LocalAddress(listener->get()));
  EXPECT_THAT(PeerCredentials(client->get()), FailsWith(ENOTCONN));
}

TEST_F(CredentialsTest, NoSocketIsEbadfOrEnotsock) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  std::string buffer(1, 0);
  EXPECT_THAT(PeerCredentials(UnusedFd()), FailsWith(EBADF));
  EXPECT_THAT(PeerCredentials(null.get()), FailsWith(ENOTSOCK));
  EXPECT_THAT(AcceptCredentials(UnusedFd()), FailsWith(EBADF));
  EXPECT_THAT(AcceptCredentials(null.get()), FailsWith(ENOTSOCK));
  EXPECT_THAT(ReceiveWithCredentials(null.get(), absl::MakeSpan(buffer)),
              FailsWith(ENOTSOCK));
  EXPECT_THAT(SendWithCredentials(null.get(), kData, Own()),
              FailsWith(ENOTSOCK));
}

TEST_F(CredentialsTest, OverTcpTheyAreEopnotsupp) {
  const UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(AcceptCredentials(tcp.get()), FailsWith(EOPNOTSUPP));
}

TEST_F(CredentialsTest, AcceptedSocketInheritsThemFromItsListener) {
  const auto listener = Listen(Address());
  ASSERT_THAT(AcceptCredentials(listener->get()), IsOk());
  const auto client = Connect(Address());
  SendText(client->get(), kData);  // Before anybody accepts.
  const auto server = Accept(listener->get());
  ExpectFrom(server->get(), Own());
}

TEST_F(CredentialsTest, WhatWasSentBeforeHasNoSender) {
  SendText(theirs_.get(), "early");
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  SendText(theirs_.get(), "late");
  const Received early = Receive(ours_.get());
  EXPECT_EQ(early.data, "early");
  EXPECT_FALSE(early.sender);
  ExpectFrom(ours_.get(), Own(), "late");
}

TEST_F(CredentialsTest, WithoutAskingThereIsNoSender) {
  SendText(theirs_.get(), kData);
  EXPECT_FALSE(Receive(ours_.get()).sender);
}

TEST_F(CredentialsTest, EndOfAStreamHasNoSender) {
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  SendText(theirs_.get(), kData);
  theirs_.reset();
  ExpectFrom(ours_.get(), Own());
  const Received end = Receive(ours_.get());
  EXPECT_EQ(end.data, "");
  EXPECT_FALSE(end.sender);
}

TEST_F(CredentialsTest, EmptyMessageHasASenderAndTheEndHasNone) {
  std::tie(ours_, theirs_) = SocketPair(SOCK_SEQPACKET).value();
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  SendText(theirs_.get(), "");
  theirs_.reset();
  ExpectFrom(ours_.get(), Own(), "");
  EXPECT_FALSE(Receive(ours_.get()).sender);
}

TEST_F(CredentialsTest, ChildThatWritesOnItsParentsConnectionIsTheSender) {
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const UniqueFd reader(pipe_fds[0]), writer(pipe_fds[1]);
  SendText(theirs_.get(), "parent");
  Child child([&] {
    const pid_t own = getpid();
    EXPECT_EQ(write(writer.get(), &own, sizeof(own)), ssize_t{sizeof(own)});
    SendText(theirs_.get(), "child");
  });
  EXPECT_EQ(child.Wait(), 0);
  SendText(theirs_.get(), "parent");
  pid_t child_pid = 0;
  ASSERT_EQ(read(reader.get(), &child_pid, sizeof(child_pid)),
            ssize_t{sizeof(child_pid)});
  // All of it is there: what separates it is who wrote it.
  ExpectFrom(ours_.get(), Own(), "parent");
  ExpectFrom(ours_.get(), {child_pid, getuid(), getgid()}, "child");
  ExpectFrom(ours_.get(), Own(), "parent");
  EXPECT_EQ(PeerCredentials(ours_.get())->pid, getpid());
}

TEST_F(CredentialsTest, BytesOfOneWriterAreMergedAsInAnyStream) {
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  SendText(theirs_.get(), "one");
  SendText(theirs_.get(), "two");
  ExpectFrom(ours_.get(), Own(), "onetwo");
}

TEST_F(CredentialsTest, SenderIsRealAndPeerIsEffectiveIds) {
  const auto listener = Listen(Address());
  ASSERT_THAT(AcceptCredentials(listener->get()), IsOk());
  constexpr int kNoSuchIds = 77;
  Child child([&] {
    if (setresgid(kOrdinaryId, getgid(), getgid()) < 0 ||
        setresuid(kOrdinaryId, getuid(), getuid()) < 0) {
      _exit(kNoSuchIds);
    }
    const auto client = Connect(Address());
    SendText(client->get(), kData);
  });
  const int status = child.Wait();
  if (status == kNoSuchIds) GTEST_SKIP() << "may not become another user";
  ASSERT_EQ(status, 0);
  const auto server = Accept(listener->get());
  const auto peer = PeerCredentials(server->get());
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_EQ(peer->gid, getegid());
  const auto sender = Receive(server->get()).sender;
  ASSERT_TRUE(sender);
  EXPECT_EQ(sender->pid, peer->pid);
  EXPECT_EQ(sender->uid, kOrdinaryId);
  EXPECT_EQ(sender->gid, kOrdinaryId);
}

TEST_F(CredentialsTest, OwnIdsMayBeClaimed) {
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  Child ordinary([&] {
    DropCapabilities();
    EXPECT_THAT(SendWithCredentials(theirs_.get(), kData, Own()), IsOk());
    ExpectFrom(ours_.get(), Own());
  });
  EXPECT_EQ(ordinary.Wait(), 0);
}

TEST_F(CredentialsTest, ClaimSentBeforeAnybodyAskedIsKept) {
  ASSERT_THAT(SendWithCredentials(theirs_.get(), kData, Own()), IsOk());
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  ExpectFrom(ours_.get(), Own());
}

TEST_F(CredentialsTest, OthersIdsAreEpermToOrdinaryUsersAndNothingIsSent) {
  Child ordinary([&] {
    // The ids of a real user, where this process may become one.
    (void)!setgroups(0, nullptr);
    if (setresgid(kOrdinaryId, kOrdinaryId, kOrdinaryId) == 0) {
      (void)!setresuid(kOrdinaryId, kOrdinaryId, kOrdinaryId);
    }
    DropCapabilities();
    std::vector<Credentials> lies(2, Own());
    lies[0].pid = getppid();
    lies[1].pid = 1 << 23;  // Beyond what /proc/sys/kernel/pid_max may be.
    if (const auto uid = ForeignId("/proc/self/uid_map", getuid())) {
      lies.push_back({getpid(), *uid, getgid()});
    }
    if (const auto gid = ForeignId("/proc/self/gid_map", getgid())) {
      lies.push_back({getpid(), getuid(), *gid});
    }
    for (const Credentials& lie : lies) {
      EXPECT_THAT(SendWithCredentials(theirs_.get(), kData, lie),
                  FailsWith(EPERM))
          << lie.pid << " " << lie.uid << " " << lie.gid;
    }
    char byte;
    EXPECT_EQ(recv(ours_.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  });
  EXPECT_EQ(ordinary.Wait(), 0);
}

TEST_F(CredentialsTest, PidThatDoesNotExistIsEsrchToRoot) {
  const absl::Status lie =
      SendWithCredentials(theirs_.get(), kData, {1 << 23, getuid(), getgid()});
  if (StatusErrno(lie) == EPERM) GTEST_SKIP() << "not root";
  EXPECT_THAT(lie, FailsWith(ESRCH));
}

TEST_F(CredentialsTest, ClaimWithoutDataIsEinvalOnAStream) {
  EXPECT_THAT(SendWithCredentials(theirs_.get(), {}, Own()), FailsWith(EINVAL));
}

TEST_F(CredentialsTest, DescriptorsThatNobodyAskedForAreClosed) {
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  const std::vector<int> fds(kMaxFds, ours_.get());
  ASSERT_THAT(SendFds(theirs_.get(), kData, fds), IsOk());
  ExpectFrom(ours_.get(), Own());
}

TEST_F(CredentialsTest, NothingToReceiveIsEagainToANonBlockingSocket) {
  MakeNonBlocking(ours_.get());
  std::string buffer(1, 0);
  EXPECT_THAT(ReceiveWithCredentials(ours_.get(), absl::MakeSpan(buffer)),
              FailsWith(EAGAIN));
}

TEST_F(CredentialsTest, ClosedPeerIsEpipe) {
  ours_.reset();
  EXPECT_THAT(SendWithCredentials(theirs_.get(), kData, Own()),
              FailsWith(EPIPE));
}

TEST_F(CredentialsTest, ReceiveGoesOnAfterSignals) {
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  SignalStorm storm;
  const auto late_sender = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_recvmsg);
    SendText(theirs_.get(), kData);
  });
  ExpectFrom(ours_.get(), Own());
}

TEST_F(CredentialsTest, ClaimGoesWithEveryByteThroughSignals) {
  ASSERT_THAT(AcceptCredentials(ours_.get()), IsOk());
  // Root may be anybody; others' claim is what the kernel says anyway.
  Credentials claim = {1, getuid(), getgid()};
  if (!SendWithCredentials(theirs_.get(), kData, claim).ok()) {
    claim = Own();
    SendText(theirs_.get(), kData);
  }
  ExpectFrom(ours_.get(), claim);
  const std::string data = Pattern(1 << 20);
  std::string got;
  SignalStorm storm;
  auto late_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_sendmsg);
    std::string piece(10000, 0);
    while (true) {
      const auto received =
          ReceiveWithCredentials(ours_.get(), absl::MakeSpan(piece));
      EXPECT_THAT(received, IsOk());
      if (!received.ok() || received->size == 0) return;
      EXPECT_EQ(received->sender->pid, claim.pid);
      got.append(piece, 0, received->size);
    }
  });
  EXPECT_THAT(SendWithCredentials(theirs_.get(), data, claim), IsOk());
  theirs_.reset();
  late_reader.wait();
  EXPECT_TRUE(got == data);
}

}  // namespace
}  // namespace ipc
