#include "lib/stream_io.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <string>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/testing.h"

namespace ipc {
namespace {

using ::testing::HasSubstr;

class StreamIo : public IpcTest {
 protected:
  StreamIo() { std::tie(ours_, theirs_) = SocketPair().value(); }

  // What the peer does is done by bare system calls.
  void PeerSends(absl::string_view text) {
    EXPECT_EQ(send(theirs_.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
  }

  UniqueFd ours_;
  UniqueFd theirs_;
};

int UnreadBytes(int fd) {
  int count = -1;
  EXPECT_EQ(ioctl(fd, FIONREAD, &count), 0);
  return count;
}

TEST_F(StreamIo, ReadSomeReturnsWhatIsThere) {
  PeerSends("abc");
  char buffer[10] = {};
  EXPECT_EQ(ReadSome(ours_.get(), absl::MakeSpan(buffer)).value(), 3u);
  EXPECT_STREQ(buffer, "abc");
}

TEST_F(StreamIo, ReadSomeLeavesWhatDoesNotFit) {
  PeerSends("abcdef");
  std::string buffer(4, 0);
  EXPECT_EQ(ReadSome(ours_.get(), absl::MakeSpan(buffer)).value(), 4u);
  EXPECT_EQ(buffer, "abcd");
  EXPECT_EQ(UnreadBytes(ours_.get()), 2);
}

TEST_F(StreamIo, ReadSomeReturnsZeroAtTheEndAndNotBefore) {
  PeerSends("a");
  theirs_.reset();
  std::string buffer(4, 0);
  EXPECT_EQ(ReadSome(ours_.get(), absl::MakeSpan(buffer)).value(), 1u);
  EXPECT_EQ(ReadSome(ours_.get(), absl::MakeSpan(buffer)).value(), 0u);
}

TEST_F(StreamIo, ReadSomeFromAnEmptyNonBlockingSocketIsEagain) {
  MakeNonBlocking(ours_.get());
  std::string buffer(4, 0);
  EXPECT_THAT(ReadSome(ours_.get(), absl::MakeSpan(buffer)), FailsWith(EAGAIN));
}

TEST_F(StreamIo, ReadSomeGoesOnAfterSignals) {
  SignalStorm storm;
  const auto late_peer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_recvfrom);
    PeerSends("abc");
  });
  std::string buffer(4, 0);
  EXPECT_EQ(ReadSome(ours_.get(), absl::MakeSpan(buffer)).value(), 3u);
}

TEST_F(StreamIo, ReadExactJoinsPiecesOfOneByte) {
  const std::string sent = "one byte at a time";
  const auto peer = std::async(std::launch::async, [&] {
    for (char byte : sent) {
      PeerSends(absl::string_view(&byte, 1));
      while (UnreadBytes(ours_.get()) > 0) sched_yield();
    }
  });
  std::string got(sent.size(), 0);
  EXPECT_EQ(ReadExact(ours_.get(), absl::MakeSpan(got)).value(), true);
  EXPECT_EQ(got, sent);
}

TEST_F(StreamIo, ReadExactLeavesTheNextRecordAlone) {
  PeerSends("firstsecond");
  std::string got(5, 0);
  EXPECT_EQ(ReadExact(ours_.get(), absl::MakeSpan(got)).value(), true);
  EXPECT_EQ(got, "first");
  EXPECT_EQ(UnreadBytes(ours_.get()), 6);
}

TEST_F(StreamIo, ReadExactOfNothingDoesNotTouchTheSocket) {
  EXPECT_EQ(ReadExact(ours_.get(), {}).value(), true);
}

TEST_F(StreamIo, EndBeforeTheFirstByteIsFalse) {
  theirs_.reset();
  std::string got(5, 0);
  EXPECT_EQ(ReadExact(ours_.get(), absl::MakeSpan(got)).value(), false);
}

TEST_F(StreamIo, EndAfterTheFirstByteIsOutOfRangeAndTellsTheCounts) {
  PeerSends("abc");
  theirs_.reset();
  std::string got(5, 0);
  const auto result = ReadExact(ours_.get(), absl::MakeSpan(got));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(StatusErrno(result.status()), 0);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("3 of 5 bytes"));
}

TEST_F(StreamIo, WritingNothingSucceedsEvenWithoutAPeer) {
  theirs_.reset();
  EXPECT_THAT(WriteAll(ours_.get(), {}), IsOk());
}

TEST_F(StreamIo, WriteToAClosedPeerIsEpipeAndRaisesNoSignal) {
  theirs_.reset();
  const auto restore_sigpipe = [] {
    signal(SIGPIPE, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
  };
  Child careless([&] {
    restore_sigpipe();
    EXPECT_EQ(write(ours_.get(), "x", 1), -1);
  });
  EXPECT_EQ(careless.Wait(), -SIGPIPE);
  Child careful([&] {
    restore_sigpipe();
    EXPECT_THAT(WriteAll(ours_.get(), std::string("x")), FailsWith(EPIPE));
    EXPECT_THAT(
        WriteAll(ours_.get(), std::string("x"), absl::Now() + absl::Hours(1)),
        FailsWith(EPIPE));
  });
  EXPECT_EQ(careful.Wait(), 0);
}

TEST_F(StreamIo, PeerThatClosesWithBytesUnreadIsEpipeToAWriter) {
  ASSERT_THAT(WriteAll(ours_.get(), std::string("unread")), IsOk());
  theirs_.reset();
  EXPECT_THAT(WriteAll(ours_.get(), std::string("x")), FailsWith(EPIPE));
}

TEST_F(StreamIo, PeerThatClosesWithBytesUnreadIsEconnresetToAReader) {
  std::string buffer(1, 0);
  ASSERT_THAT(WriteAll(ours_.get(), std::string("unread")), IsOk());
  theirs_.reset();
  EXPECT_THAT(ReadSome(ours_.get(), absl::MakeSpan(buffer)),
              FailsWith(ECONNRESET));

  std::tie(ours_, theirs_) = SocketPair().value();
  ASSERT_THAT(WriteAll(ours_.get(), std::string("unread")), IsOk());
  theirs_.reset();
  EXPECT_THAT(ReadExact(ours_.get(), absl::MakeSpan(buffer)),
              FailsWith(ECONNRESET));
}

TEST_F(StreamIo, UnconnectedSocketIsEinvalToReadAndEnotconnToWrite) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::string buffer(1, 0);
  EXPECT_THAT(ReadSome(fd.get(), absl::MakeSpan(buffer)), FailsWith(EINVAL));
  EXPECT_THAT(ReadExact(fd.get(), absl::MakeSpan(buffer)), FailsWith(EINVAL));
  EXPECT_THAT(WriteAll(fd.get(), buffer), FailsWith(ENOTCONN));
}

TEST_F(StreamIo, PipeIsEnotsock) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]), writer(pipe_fds[1]);
  std::string buffer(1, 0);
  EXPECT_THAT(WriteAll(writer.get(), buffer), FailsWith(ENOTSOCK));
  EXPECT_THAT(ReadSome(reader.get(), absl::MakeSpan(buffer)),
              FailsWith(ENOTSOCK));
  EXPECT_THAT(ReadExact(reader.get(), absl::MakeSpan(buffer)),
              FailsWith(ENOTSOCK));
}

TEST_F(StreamIo, WhatIsThereIsReadEvenWhenTheDeadlineIsPast) {
  PeerSends("abc");
  std::string got(3, 0);
  EXPECT_EQ(
      ReadExact(ours_.get(), absl::MakeSpan(got), absl::InfinitePast()).value(),
      true);
  EXPECT_EQ(got, "abc");
}

TEST_F(StreamIo, DeadlineEndsTheWaitForASilentPeer) {
  PeerSends("abc");
  std::string got(5, 0);
  const absl::Time deadline = absl::Now() + absl::Milliseconds(20);
  EXPECT_THAT(ReadExact(ours_.get(), absl::MakeSpan(got), deadline),
              FailsWith(ETIMEDOUT));
  EXPECT_GE(absl::Now(), deadline - absl::Milliseconds(1));
}

TEST_F(StreamIo, DeadlineEndsTheWaitForAPeerThatNeverReads) {
  const std::string data = Pattern(4 << 20);
  const absl::Time deadline = absl::Now() + absl::Milliseconds(20);
  EXPECT_THAT(WriteAll(ours_.get(), data, deadline), FailsWith(ETIMEDOUT));
  EXPECT_GE(absl::Now(), deadline - absl::Milliseconds(1));
  EXPECT_GT(UnreadBytes(theirs_.get()), 0);
}

// The three ways to wait; the caller is to see no difference.
struct Mode {
  const char* name;
  bool non_blocking;
  absl::Duration patience;
  // Where the thread is while it waits.
  long read_call;
  long write_call;
};

class StreamIoInMode : public StreamIo,
                       public ::testing::WithParamInterface<Mode> {
 protected:
  StreamIoInMode() {
    if (GetParam().non_blocking) MakeNonBlocking(ours_.get());
    // As small as the kernel allows, so that a write needs many rounds.
    const int size = 1;
    EXPECT_EQ(
        setsockopt(ours_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
  }
  const absl::Time deadline_ = absl::Now() + GetParam().patience;
};

INSTANTIATE_TEST_SUITE_P(
    , StreamIoInMode,
    ::testing::Values(Mode{"Blocking", false, absl::InfiniteDuration(),
                           SYS_recvfrom, SYS_sendto},
                      Mode{"NonBlocking", true, absl::InfiniteDuration(),
                           SYS_ppoll, SYS_ppoll},
                      Mode{"BlockingWithDeadline", false, absl::Hours(1),
                           SYS_ppoll, SYS_ppoll},
                      Mode{"NonBlockingWithDeadline", true, absl::Hours(1),
                           SYS_ppoll, SYS_ppoll}),
    [](const auto& info) { return info.param.name; });

TEST_P(StreamIoInMode, WriteAllGetsEveryByteToASlowReaderThroughSignals) {
  const std::string sent = Pattern(3 << 20);
  SignalStorm storm;
  auto slow_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(GetParam().write_call);
    return ReadInPieces(theirs_.get());
  });
  EXPECT_THAT(WriteAll(ours_.get(), sent, deadline_), IsOk());
  ours_.reset();
  const std::string got = slow_reader.get();
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_TRUE(got == sent);
}

TEST_P(StreamIoInMode, ReadExactGetsEveryByteOfASlowWriterThroughSignals) {
  const std::string sent = Pattern(3 << 20);
  std::string got(sent.size(), 0);
  SignalStorm storm;
  const auto slow_writer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(GetParam().read_call);
    WriteInPieces(theirs_.get(), sent);
  });
  EXPECT_THAT(ReadExact(ours_.get(), absl::MakeSpan(got), deadline_), IsOk());
  EXPECT_TRUE(got == sent);
}

TEST_P(StreamIoInMode, PeerThatGoesWhileAWriterWaitsIsEpipeOrEconnreset) {
  SignalStorm storm;
  const auto leaving_peer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(GetParam().write_call);
    theirs_.reset();
  });
  EXPECT_THAT(WriteAll(ours_.get(), Pattern(1 << 20), deadline_),
              ::testing::AnyOf(FailsWith(EPIPE), FailsWith(ECONNRESET)));
}

}  // namespace
}  // namespace ipc
