#include "lib/fd_passing.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/socket_options.h"
#include "lib/testing.h"

namespace ipc {
namespace {

const absl::string_view kTag = "T";

UniqueFd NewFile() { return UniqueFd(memfd_create("", MFD_CLOEXEC)); }

off_t Offset(int fd) { return lseek(fd, 0, SEEK_CUR); }

// Descriptors of as many different files.
class FileSet {
 public:
  explicit FileSet(size_t count) {
    for (size_t i = 0; i < count; ++i) files_.push_back(NewFile());
    for (const UniqueFd& file : files_) numbers_.push_back(file.get());
  }
  operator absl::Span<const int>() const { return numbers_; }

  // That `fds` are the same open file descriptions in the same order: an offset
  // set on one side is seen on the other. All are close-on-exec.
  void ExpectSame(const FdList& fds) const {
    ASSERT_EQ(fds.size(), numbers_.size());
    for (size_t i = 0; i < fds.size(); ++i) {
      EXPECT_EQ(lseek(numbers_[i], 100 + i, SEEK_SET), off_t(100 + i));
    }
    for (size_t i = 0; i < fds.size(); ++i) {
      EXPECT_EQ(Offset(fds[i].get()), off_t(100 + i)) << i;
      EXPECT_NE(fds[i].get(), numbers_[i]);
      EXPECT_TRUE(IsCloseOnExec(fds[i].get())) << i;
      EXPECT_TRUE(IsOpen(numbers_[i])) << "the sender's own was closed";
    }
  }

 private:
  std::vector<UniqueFd> files_;
  std::vector<int> numbers_;
};

class FdPassing : public IpcTest, public ::testing::WithParamInterface<int> {
 protected:
  FdPassing() { std::tie(ours_, theirs_) = SocketPair(GetParam()).value(); }

  void SendTag(absl::Span<const int> fds) {
    EXPECT_THAT(SendFds(theirs_.get(), kTag, fds), IsOk());
  }
  // Receives kTag and what came with it; a failure makes no descriptors.
  FdList ReceiveTag() {
    std::string buffer(kTag.size(), 0);
    auto got = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
    EXPECT_THAT(got, IsOk());
    if (!got.ok()) return {};
    EXPECT_EQ(got->size, kTag.size());
    EXPECT_EQ(buffer, kTag);
    return std::move(got->fds);
  }
  void ExpectNothingWaits() {
    char byte;
    EXPECT_EQ(recv(ours_.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  }
  void MakeSendBufferSmall() {
    EXPECT_THAT(SetSocketOption(theirs_.get(), SOL_SOCKET, SO_SNDBUF, 1),
                IsOk());
  }
  bool is_stream() const { return GetParam() == SOCK_STREAM; }

  UniqueFd ours_;
  UniqueFd theirs_;
};

INSTANTIATE_TEST_SUITE_P(, FdPassing,
                         ::testing::Values(SOCK_STREAM, SOCK_DGRAM,
                                           SOCK_SEQPACKET),
                         SocketTypeName);

TEST_P(FdPassing, SameOpenFilesArriveInOrderAndCloseOnExec) {
  for (size_t count : {size_t{1}, size_t{2}, size_t{4}, size_t{5}, kMaxFds}) {
    const FileSet files(count);
    SendTag(files);
    files.ExpectSame(ReceiveTag());
  }
}

TEST_P(FdPassing, OneMoreThanTheMostIsEinvalAndNothingIsSent) {
  const FileSet file(1);
  const std::vector<int> fds(kMaxFds + 1, absl::Span<const int>(file)[0]);
  const absl::Status sent = SendFds(theirs_.get(), kTag, fds);
  EXPECT_THAT(sent, FailsWith(EINVAL));
  EXPECT_EQ(sent.message(),
            "sendmsg 254 descriptors: Invalid argument (EINVAL)");
  ExpectNothingWaits();
}

TEST_P(FdPassing, DataMayComeAlone) {
  SendTag({});
  EXPECT_TRUE(ReceiveTag().empty());
}

TEST_P(FdPassing, WithoutDataAStreamTakesNoDescriptor) {
  const FileSet file(1);
  std::string buffer(10, 0);
  const absl::Status sent = SendFds(theirs_.get(), {}, file);
  if (is_stream()) {
    EXPECT_THAT(sent, FailsWith(EINVAL));
    EXPECT_EQ(sent.message(),
              "sendmsg control data without data: Invalid argument (EINVAL)");
    ExpectNothingWaits();
    return;
  }
  EXPECT_THAT(sent, IsOk());
  const auto got = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->size, 0u);
  file.ExpectSame(got->fds);
}

TEST_P(FdPassing, NeitherDataNorDescriptorsIsNoError) {
  EXPECT_THAT(SendFds(theirs_.get(), {}, {}), IsOk());
  if (is_stream()) return ExpectNothingWaits();
  std::string buffer(10, 0);
  const auto got = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
  EXPECT_EQ(got->size, 0u);
}

TEST_P(FdPassing, AccessModeStaysAsItWasOpened) {
  const UniqueFd reader(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd writer(open("/dev/null", O_WRONLY | O_CLOEXEC));
  const int fds[] = {reader.get(), writer.get()};
  SendTag(fds);
  const FdList got = ReceiveTag();
  ASSERT_EQ(got.size(), 2u);
  char byte = 0;
  EXPECT_EQ(read(got[0].get(), &byte, 1), 0);
  EXPECT_EQ(write(got[0].get(), &byte, 1), -1);
  EXPECT_EQ(write(got[1].get(), &byte, 1), 1);
  EXPECT_EQ(read(got[1].get(), &byte, 1), -1);
  EXPECT_EQ(fcntl(got[0].get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(got[1].get(), F_GETFL) & O_ACCMODE, O_WRONLY);
}

TEST_P(FdPassing, SameOneTwiceArrivesTwice) {
  const UniqueFd file = NewFile();
  const int fds[] = {file.get(), file.get()};
  SendTag(fds);
  const FdList got = ReceiveTag();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_NE(got[0].get(), got[1].get());
}

TEST_P(FdPassing, SenderMayCloseAtOnce) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const UniqueFd reader(pipe_fds[0]);
  UniqueFd writer(pipe_fds[1]);
  const int fd = writer.get();
  SendTag(absl::MakeSpan(&fd, 1));
  writer.reset();
  FdList got = ReceiveTag();
  ASSERT_EQ(got.size(), 1u);
  char byte = 0;
  EXPECT_EQ(write(got[0].get(), "x", 1), 1);
  EXPECT_EQ(read(reader.get(), &byte, 1), 1);
  got.clear();
  EXPECT_EQ(read(reader.get(), &byte, 1), 0) << "not the last writer";
}

TEST_P(FdPassing, ReachesAnotherProcess) {
  const UniqueFd file = NewFile();
  Child child([&] {
    const FdList got = ReceiveTag();
    EXPECT_EQ(got.size(), 1u);
    EXPECT_EQ(write(got[0].get(), "written by the child", 20), 20);
  });
  const int fd = file.get();
  SendTag(absl::MakeSpan(&fd, 1));
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_EQ(Offset(file.get()), 20);
}

TEST_P(FdPassing, EachArrivesOnceWithTheDataItWasSentWith) {
  const FileSet first(1), second(2);
  SendTag(first);
  SendTag(second);
  SendTag({});
  first.ExpectSame(ReceiveTag());
  second.ExpectSame(ReceiveTag());
  EXPECT_TRUE(ReceiveTag().empty());
  ExpectNothingWaits();
}

TEST_P(FdPassing, WhatTheReceiverDoesNotWantIsClosed) {
  const FileSet files(7);
  SendTag(files);
  const auto before = OpenFds();
  EXPECT_EQ(ReceiveTag().size(), 7u);
  EXPECT_EQ(OpenFds(), before);
}

TEST_P(FdPassing, BadDescriptorIsEbadfAndNothingIsSent) {
  const UniqueFd file = NewFile();
  const int fds[] = {file.get(), UnusedFd()};
  EXPECT_THAT(SendFds(theirs_.get(), kTag, fds), FailsWith(EBADF));
  ExpectNothingWaits();
}

TEST_P(FdPassing, NoSocketIsEbadfOrEnotsock) {
  std::string buffer(1, 0);
  const UniqueFd file = NewFile();
  const int fd = file.get();
  for (absl::Span<const char> data : {absl::Span<const char>(kTag), {}}) {
    EXPECT_THAT(SendFds(UnusedFd(), data, absl::MakeSpan(&fd, 1)),
                FailsWith(EBADF));
    EXPECT_THAT(SendFds(fd, data, absl::MakeSpan(&fd, 1)), FailsWith(ENOTSOCK));
  }
  EXPECT_THAT(ReceiveFds(UnusedFd(), absl::MakeSpan(buffer)), FailsWith(EBADF));
  EXPECT_THAT(ReceiveFds(fd, absl::MakeSpan(buffer)), FailsWith(ENOTSOCK));
}

TEST_P(FdPassing, NothingToReceiveIsEagainToANonBlockingSocket) {
  MakeNonBlocking(ours_.get());
  std::string buffer(1, 0);
  EXPECT_THAT(ReceiveFds(ours_.get(), absl::MakeSpan(buffer)),
              FailsWith(EAGAIN));
}

TEST_P(FdPassing, FullNonBlockingSocketIsEagainAndKeepsTheDescriptors) {
  MakeNonBlocking(theirs_.get());
  absl::Status sent;
  while (sent.ok()) sent = SendFds(theirs_.get(), kTag, {});
  EXPECT_THAT(sent, FailsWith(EAGAIN));
  const FileSet file(1);
  EXPECT_THAT(SendFds(theirs_.get(), kTag, file), FailsWith(EAGAIN));
  std::string buffer(1, 0);
  while (recv(ours_.get(), &buffer[0], 1, MSG_DONTWAIT) == 1) {
  }
  SendTag(file);
  file.ExpectSame(ReceiveTag());
}

TEST_P(FdPassing, MessageLargerThanTheBufferIsEmsgsizeAndLeavesNothingOpen) {
  const FileSet files(3);
  ASSERT_THAT(SendFds(theirs_.get(), absl::string_view("abcdef"), files),
              IsOk());
  const auto before = OpenFds();
  std::string buffer(4, 0);
  const auto got = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
  if (is_stream()) {
    ASSERT_THAT(got, IsOk());
    EXPECT_EQ(buffer, "abcd");
    EXPECT_EQ(got->fds.size(), 3u);
    const auto rest = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
    EXPECT_EQ(rest->size, 2u);
    EXPECT_TRUE(rest->fds.empty());
    return;
  }
  EXPECT_THAT(got, FailsWith(EMSGSIZE));
  EXPECT_EQ(got.status().message(),
            "recvmsg data: Message too long (EMSGSIZE)");
  EXPECT_EQ(OpenFds(), before);
  ExpectNothingWaits();
}

TEST_P(FdPassing, ClosedPeerIsAnErrorAndRaisesNoSignal) {
  ours_.reset();
  const FileSet file(1);
  Child child([&] {
    signal(SIGPIPE, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    EXPECT_THAT(SendFds(theirs_.get(), kTag, file),
                FailsWith(GetParam() == SOCK_DGRAM ? ECONNREFUSED : EPIPE));
  });
  EXPECT_EQ(child.Wait(), 0);
}

TEST_P(FdPassing, PeerThatClosesWithDataUnreadIsEconnreset) {
  if (GetParam() == SOCK_DGRAM) return;  // Datagrams have no end.
  EXPECT_THAT(SendFds(ours_.get(), kTag, {}), IsOk());
  theirs_.reset();
  std::string buffer(1, 0);
  EXPECT_THAT(ReceiveFds(ours_.get(), absl::MakeSpan(buffer)),
              FailsWith(ECONNRESET));
}

TEST_P(FdPassing, ReceiveGoesOnAfterSignals) {
  const FileSet files(2);
  SignalStorm storm;
  const auto late_sender = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_recvmsg);
    SendTag(files);
  });
  files.ExpectSame(ReceiveTag());
}

TEST_P(FdPassing, SendGoesOnAfterSignalsAndSendsOnce) {
  MakeSendBufferSmall();
  int full = 0;
  while (send(theirs_.get(), kTag.data(), 1, MSG_DONTWAIT) == 1) ++full;
  const FileSet files(2);
  SignalStorm storm;
  std::vector<FdList> got;
  auto late_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_sendmsg);
    for (int i = 0; i <= full; ++i) got.push_back(ReceiveTag());
  });
  SendTag(files);
  late_reader.wait();
  files.ExpectSame(got.back());
  for (int i = 0; i < full; ++i) EXPECT_TRUE(got[i].empty());
  ExpectNothingWaits();
}

TEST_P(FdPassing, SendWithoutDataGoesOnAfterSignals) {
  if (is_stream()) return;  // Takes no descriptor without data.
  MakeSendBufferSmall();
  int full = 0;
  while (send(theirs_.get(), kTag.data(), 1, MSG_DONTWAIT) == 1) ++full;
  const FileSet files(2);
  SignalStorm storm;
  auto late_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_sendmsg);
    for (int i = 0; i < full; ++i) EXPECT_TRUE(ReceiveTag().empty());
  });
  EXPECT_THAT(SendFds(theirs_.get(), {}, files), IsOk());
  late_reader.wait();
  MakeNonBlocking(ours_.get());
  const auto got = ReceiveFds(ours_.get(), {});
  ASSERT_THAT(got, IsOk());
  files.ExpectSame(got->fds);
}

TEST_P(FdPassing, EveryNumberOfFreeDescriptorsGivesAllOrNone) {
  const FileSet files(8);
  Child child([&] {
    const auto before = OpenFds();
    std::string buffer(10, 0);
    for (int sent = 1; sent <= 8; ++sent) {
      for (int free = 0; free <= sent + 1; ++free) {
        SendTag(absl::Span<const int>(files).first(sent));
        LimitFreeFds(free);
        auto got = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
        AllowMoreFds();
        if (free < sent) {
          EXPECT_THAT(got, FailsWith(EMSGSIZE)) << free << " of " << sent;
        } else {
          EXPECT_THAT(got, IsOk()) << free << " of " << sent;
          EXPECT_EQ(got->fds.size(), static_cast<size_t>(sent));
          got->fds.clear();
        }
        EXPECT_EQ(OpenFds(), before) << free << " of " << sent;
        ExpectNothingWaits();
      }
    }
  });
  EXPECT_EQ(child.Wait(), 0);
}

TEST_P(FdPassing, MoreInFlightThanTheLimitIsEtoomanyrefs) {
  const FileSet files(8);
  Child ordinary([&] {
    DropCapabilities();
    const auto before = OpenFds();
    LimitFreeFds(1);
    // What others with our uid have in flight counts too, so how many messages
    // go out is not known, but no more than fit.
    int messages = 0;
    absl::Status sent;
    while (sent.ok() && messages < 1000) {
      sent = SendFds(theirs_.get(), kTag, files);
      messages += sent.ok();
    }
    AllowMoreFds();
    EXPECT_THAT(sent, FailsWith(ETOOMANYREFS));
    EXPECT_LE(messages, before.rbegin()->first / 8 + 1);
    for (int i = 0; i < messages; ++i) files.ExpectSame(ReceiveTag());
    ExpectNothingWaits();
    EXPECT_EQ(OpenFds(), before);
  });
  EXPECT_EQ(ordinary.Wait(), 0);
}

class FdStream : public IpcTest {
 protected:
  FdStream() { std::tie(ours_, theirs_) = SocketPair().value(); }
  UniqueFd ours_;
  UniqueFd theirs_;
};

TEST_F(FdStream, EndHasNoBytesAndNoDescriptors) {
  theirs_.reset();
  std::string buffer(1, 0);
  const auto got = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->size, 0u);
  EXPECT_TRUE(got->fds.empty());
}

TEST_F(FdStream, DataBeforeTheDescriptorsMayComeWithThemDataAfterDoesNot) {
  const FileSet file(1);
  ASSERT_THAT(SendFds(theirs_.get(), absl::string_view("aaa"), {}), IsOk());
  ASSERT_THAT(SendFds(theirs_.get(), absl::string_view("bbb"), file), IsOk());
  ASSERT_THAT(SendFds(theirs_.get(), absl::string_view("ccc"), {}), IsOk());
  std::string buffer(100, 0);
  const auto first = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
  EXPECT_EQ(buffer.substr(0, first->size), "aaabbb");
  file.ExpectSame(first->fds);
  const auto second = ReceiveFds(ours_.get(), absl::MakeSpan(buffer));
  EXPECT_EQ(buffer.substr(0, second->size), "ccc");
  EXPECT_TRUE(second->fds.empty());
}

TEST_F(FdStream, SlowReaderGetsEveryByteAndEachDescriptorOnceThroughSignals) {
  // As small as the kernel allows, so that the send needs many rounds.
  ASSERT_THAT(SetSocketOption(theirs_.get(), SOL_SOCKET, SO_SNDBUF, 1), IsOk());
  const std::string sent = Pattern(1 << 20);
  const FileSet files(2);
  std::string got;
  FdList fds;
  SignalStorm storm;
  auto slow_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_sendmsg);
    std::string piece(1000, 0);
    while (true) {
      auto received = ReceiveFds(ours_.get(), absl::MakeSpan(piece));
      EXPECT_THAT(received, IsOk());
      if (!received.ok() || received->size == 0) return;
      EXPECT_TRUE(got.empty() || received->fds.empty()) << got.size();
      got.append(piece, 0, received->size);
      for (UniqueFd& fd : received->fds) fds.push_back(std::move(fd));
    }
  });
  EXPECT_THAT(SendFds(theirs_.get(), sent, files), IsOk());
  theirs_.reset();
  slow_reader.wait();
  EXPECT_TRUE(got == sent) << got.size();
  files.ExpectSame(fds);
}

TEST_F(FdStream, NonBlockingSendThatHasBegunIsFinished) {
  MakeNonBlocking(theirs_.get());
  const std::string sent = Pattern(1 << 20);
  const FileSet files(2);
  SignalStorm storm;
  std::string got(sent.size(), 0);
  auto late_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_ppoll);
    auto first = ReceiveFds(ours_.get(), absl::MakeSpan(got));
    files.ExpectSame(first->fds);
    for (size_t size = first->size; size < got.size();) {
      const ssize_t count =
          recv(ours_.get(), &got[size], got.size() - size, MSG_WAITALL);
      if (count <= 0) break;
      size += count;
    }
  });
  EXPECT_THAT(SendFds(theirs_.get(), sent, files), IsOk());
  theirs_.reset();
  late_reader.wait();
  EXPECT_TRUE(got == sent);
}

TEST_F(FdStream, PeerThatGoesWhileASenderWaitsIsEpipeOrEconnreset) {
  const FileSet file(1);
  SignalStorm storm;
  const auto leaving_peer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_sendmsg);
    ours_.reset();
  });
  EXPECT_THAT(SendFds(theirs_.get(), Pattern(1 << 20), file),
              ::testing::AnyOf(FailsWith(EPIPE), FailsWith(ECONNRESET)));
}

TEST_F(FdStream, UnconnectedIsEnotconnToSendAndEinvalToReceive) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::string buffer(1, 0);
  EXPECT_THAT(SendFds(fd.get(), kTag, {}), FailsWith(ENOTCONN));
  EXPECT_THAT(ReceiveFds(fd.get(), absl::MakeSpan(buffer)), FailsWith(EINVAL));
}

}  // namespace
}  // namespace ipc
