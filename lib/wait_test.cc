#include "lib/wait.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <future>
#include <string>
#include <tuple>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/testing.h"

namespace ipc {
namespace {

class WaitTest : public IpcTest {
 protected:
  WaitTest() { std::tie(ours_, theirs_) = SocketPair().value(); }

  void FillOurs() {
    const std::string piece(4096, 'x');
    ssize_t count;
    do {
      count = send(ours_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    } while (count > 0);
    EXPECT_EQ(errno, EAGAIN);
  }

  UniqueFd ours_;
  UniqueFd theirs_;
};

constexpr absl::Time kPast = absl::InfinitePast();
constexpr absl::Time kForever = absl::InfiniteFuture();

// absl::Now and the kernel's timers run on different clocks.
constexpr absl::Duration kClockError = absl::Milliseconds(1);

TEST_F(WaitTest, NothingToReadIsEtimedoutAtOnceWhenTheDeadlineIsPast) {
  EXPECT_THAT(WaitReadable(ours_.get(), kPast), FailsWith(ETIMEDOUT));
  EXPECT_THAT(WaitReadable(ours_.get(), absl::Now() - absl::Seconds(1)),
              FailsWith(ETIMEDOUT));
}

TEST_F(WaitTest, ReadableByDataEvenWhenTheDeadlineIsPast) {
  ASSERT_EQ(write(theirs_.get(), "x", 1), 1);
  EXPECT_THAT(WaitReadable(ours_.get(), kPast), IsOk());
  EXPECT_THAT(WaitReadable(ours_.get(), kForever), IsOk());
}

TEST_F(WaitTest, ReadableByEndOfStream) {
  shutdown(theirs_.get(), SHUT_WR);
  EXPECT_THAT(WaitReadable(ours_.get(), kPast), IsOk());
  theirs_.reset();
  EXPECT_THAT(WaitReadable(ours_.get(), kPast), IsOk());
}

TEST_F(WaitTest, ReadableByAnErrorToFetch) {
  ASSERT_EQ(write(ours_.get(), "x", 1), 1);
  theirs_.reset();  // With a byte unread: ECONNRESET.
  EXPECT_THAT(WaitReadable(ours_.get(), kPast), IsOk());
  char byte;
  EXPECT_EQ(read(ours_.get(), &byte, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(WaitTest, ListenerIsReadableWhileAClientWaits) {
  const auto listener = Listen(Address());
  EXPECT_THAT(WaitReadable(listener->get(), kPast), FailsWith(ETIMEDOUT));
  const auto client = Connect(Address());
  EXPECT_THAT(WaitReadable(listener->get(), kPast), IsOk());
  ASSERT_THAT(Accept(listener->get()), IsOk());
  EXPECT_THAT(WaitReadable(listener->get(), kPast), FailsWith(ETIMEDOUT));
}

TEST_F(WaitTest, WritableWhileThereIsRoom) {
  EXPECT_THAT(WaitWritable(ours_.get(), kPast), IsOk());
  FillOurs();
  EXPECT_THAT(WaitWritable(ours_.get(), kPast), FailsWith(ETIMEDOUT));
  char buffer[4096];
  while (recv(theirs_.get(), buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
  }
  EXPECT_THAT(WaitWritable(ours_.get(), kPast), IsOk());
}

TEST_F(WaitTest, FullSocketIsWritableWhenThePeerIsGone) {
  FillOurs();
  theirs_.reset();
  EXPECT_THAT(WaitWritable(ours_.get(), kPast), IsOk());
}

TEST_F(WaitTest, ReadingAndWritingAreDifferentQuestions) {
  EXPECT_THAT(WaitWritable(ours_.get(), kPast), IsOk());
  EXPECT_THAT(WaitReadable(ours_.get(), kPast), FailsWith(ETIMEDOUT));
  FillOurs();
  ASSERT_EQ(write(theirs_.get(), "x", 1), 1);
  EXPECT_THAT(WaitWritable(ours_.get(), kPast), FailsWith(ETIMEDOUT));
  EXPECT_THAT(WaitReadable(ours_.get(), kPast), IsOk());
}

TEST_F(WaitTest, SignalsNeitherEndNorProlongTheWait) {
  const absl::Time deadline = absl::Now() + absl::Milliseconds(200);
  SignalStorm storm;
  // A wait that starts anew with each signal would never end.
  EXPECT_THAT(WaitReadable(ours_.get(), deadline), FailsWith(ETIMEDOUT));
  EXPECT_GE(absl::Now(), deadline - kClockError);
  EXPECT_GT(storm.signals(), 0);
}

TEST_F(WaitTest, WaitsForDataThroughSignals) {
  SignalStorm storm;
  const auto late_writer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_ppoll);
    EXPECT_EQ(write(theirs_.get(), "x", 1), 1);
  });
  EXPECT_THAT(WaitReadable(ours_.get(), kForever), IsOk());
}

TEST_F(WaitTest, WaitsForRoomThroughSignals) {
  FillOurs();
  SignalStorm storm;
  const auto late_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(SYS_ppoll);
    char buffer[4096];
    while (recv(theirs_.get(), buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
    }
  });
  EXPECT_THAT(WaitWritable(ours_.get(), absl::Now() + absl::Hours(24)), IsOk());
}

TEST_F(WaitTest, NoDescriptorIsEbadf) {
  for (int fd : {-1, UnusedFd()}) {
    EXPECT_THAT(WaitReadable(fd, kPast), FailsWith(EBADF));
    EXPECT_THAT(WaitWritable(fd, kPast), FailsWith(EBADF));
  }
}

}  // namespace
}  // namespace ipc
