#include "lib/scatter_gather.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
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

// `text` in parts of the given sizes, which must add up to its size.
std::vector<iovec> Cut(std::string* text, const std::vector<size_t>& sizes) {
  std::vector<iovec> parts;
  char* at = &(*text)[0];
  for (size_t size : sizes) {
    parts.push_back({at, size});
    at += size;
  }
  EXPECT_EQ(at, text->data() + text->size());
  return parts;
}

// Different sizes, empty ones among them, that add up to `total`.
std::vector<size_t> UnevenSizes(size_t total) {
  std::vector<size_t> sizes;
  for (size_t step = 0; total > 0; ++step) {
    sizes.push_back(std::min(total, step % 3 == 0 ? 0 : step * step % 9973));
    total -= sizes.back();
  }
  return sizes;
}

class ScatterGather : public IpcTest {
 protected:
  explicit ScatterGather(int type = SOCK_STREAM) {
    std::tie(ours_, theirs_) = SocketPair(type).value();
  }

  absl::Status Write(std::string text, const std::vector<size_t>& sizes) {
    std::vector<iovec> parts = Cut(&text, sizes);
    return WriteAllParts(ours_.get(), absl::MakeSpan(parts));
  }
  // Into `text`, which has the size to read.
  absl::StatusOr<bool> Read(std::string* text,
                            const std::vector<size_t>& sizes) {
    std::vector<iovec> parts = Cut(text, sizes);
    return ReadExactParts(ours_.get(), absl::MakeSpan(parts));
  }
  void PeerSends(absl::string_view text) {
    EXPECT_EQ(send(theirs_.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
  }
  // What one recv(2) returns.
  std::string PeerReceives() {
    std::string text(100000, 0);
    const ssize_t count =
        recv(theirs_.get(), &text[0], text.size(), MSG_DONTWAIT);
    return text.substr(0, std::max<ssize_t>(count, 0));
  }

  UniqueFd ours_;
  UniqueFd theirs_;
};

const std::vector<std::vector<size_t>> kWaysToCutTen = {
    {10},         {4, 6},
    {1, 2, 3, 4}, {0, 10},
    {10, 0},      {0, 0, 5, 0, 0, 5, 0, 0},
    {9, 1, 0},    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};

TEST_F(ScatterGather, PartsGoOutInOrder) {
  for (const auto& sizes : kWaysToCutTen) {
    EXPECT_THAT(Write("0123456789", sizes), IsOk());
    EXPECT_EQ(PeerReceives(), "0123456789");
  }
}

TEST_F(ScatterGather, PartsAreFilledInOrderAndNoByteMoreIsRead) {
  for (const auto& sizes : kWaysToCutTen) {
    PeerSends("0123456789X");
    std::string got(10, 0);
    EXPECT_EQ(Read(&got, sizes).value(), true);
    EXPECT_EQ(got, "0123456789");
    std::string next(1, 0);
    EXPECT_EQ(Read(&next, {1}).value(), true);
    EXPECT_EQ(next, "X");
  }
}

TEST_F(ScatterGather, NothingToDoDoesNotTouchTheSocket) {
  EXPECT_THAT(WriteAllParts(-1, {}), IsOk());
  EXPECT_EQ(ReadExactParts(-1, {}).value(), true);
  iovec empty[3] = {};
  EXPECT_THAT(WriteAllParts(-1, absl::MakeSpan(empty)), IsOk());
  EXPECT_EQ(ReadExactParts(-1, absl::MakeSpan(empty)).value(), true);
}

TEST_F(ScatterGather, MorePartsThanOneCallTakes) {
  for (size_t count : {1023, 1024, 1025, 2048, 2049, 3000}) {
    const std::string text = Pattern(count);
    EXPECT_THAT(Write(text, std::vector<size_t>(count, 1)), IsOk());
    EXPECT_TRUE(PeerReceives() == text) << count;
    PeerSends(text);
    std::string got(count, 0);
    EXPECT_EQ(Read(&got, std::vector<size_t>(count, 1)).value(), true);
    EXPECT_TRUE(got == text) << count;
  }
}

TEST_F(ScatterGather, MoreEmptyPartsThanOneCallTakes) {
  std::vector<size_t> sizes(3000, 0);
  sizes.push_back(3);
  EXPECT_THAT(Write("abc", sizes), IsOk());
  EXPECT_EQ(PeerReceives(), "abc");
  PeerSends("abc");
  std::string got(3, 0);
  EXPECT_EQ(Read(&got, sizes).value(), true);
  EXPECT_EQ(got, "abc");

  sizes.insert(sizes.begin(), 2);
  EXPECT_THAT(Write("abcde", sizes), IsOk());
  EXPECT_EQ(PeerReceives(), "abcde");
}

// Each call makes, or takes, one message.
class ScatterGatherInMessages : public ScatterGather {
 protected:
  ScatterGatherInMessages() : ScatterGather(SOCK_SEQPACKET) {}
};

TEST_F(ScatterGatherInMessages, FrameIsOneSystemCall) {
  EXPECT_THAT(Write("0123456789", {4, 0, 5, 1}), IsOk());
  EXPECT_EQ(PeerReceives(), "0123456789");
  PeerSends("0123456789");
  std::string got(10, 0);
  EXPECT_EQ(Read(&got, {4, 0, 5, 1}).value(), true);
  EXPECT_EQ(got, "0123456789");
}

TEST_F(ScatterGatherInMessages, OneCallTakesAsManyPartsAsTheKernelDoes) {
  EXPECT_THAT(Write(Pattern(2500), std::vector<size_t>(2500, 1)), IsOk());
  EXPECT_EQ(PeerReceives().size(), 1024u);
  EXPECT_EQ(PeerReceives().size(), 1024u);
  EXPECT_EQ(PeerReceives().size(), 452u);
}

TEST_F(ScatterGather, EndBeforeTheFirstByteIsFalse) {
  theirs_.reset();
  std::string got(5, 0);
  EXPECT_EQ(Read(&got, {2, 3}).value(), false);
}

TEST_F(ScatterGather, EndAfterTheFirstByteIsOutOfRange) {
  PeerSends("abc");
  theirs_.reset();
  std::string got(6, 0);
  const auto result = Read(&got, {1, 1, 3, 1});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(StatusErrno(result.status()), 0);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("after 3 bytes, 2 parts not filled"));
}

TEST_F(ScatterGather, EndBetweenTwoPartsIsOutOfRange) {
  PeerSends("abc");
  theirs_.reset();
  std::string got(6, 0);
  EXPECT_EQ(Read(&got, {3, 3}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(ScatterGather, ClosedPeerIsEpipeAndRaisesNoSignal) {
  theirs_.reset();
  Child child([&] {
    signal(SIGPIPE, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    EXPECT_THAT(Write("abc", {1, 2}), FailsWith(EPIPE));
  });
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(ScatterGather, PeerThatClosesWithBytesUnreadIsEconnresetToAReader) {
  ASSERT_THAT(Write("unread", {6}), IsOk());
  theirs_.reset();
  std::string got(2, 0);
  EXPECT_THAT(Read(&got, {1, 1}), FailsWith(ECONNRESET));
}

TEST_F(ScatterGather, NoSocketIsEbadfOrEnotsock) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]), writer(pipe_fds[1]);
  char byte = 0;
  const auto one_part = [&] { return std::vector<iovec>{{&byte, 1}}; };
  auto parts = one_part();
  EXPECT_THAT(WriteAllParts(UnusedFd(), absl::MakeSpan(parts)),
              FailsWith(EBADF));
  EXPECT_THAT(WriteAllParts(writer.get(), absl::MakeSpan(parts)),
              FailsWith(ENOTSOCK));
  EXPECT_THAT(ReadExactParts(UnusedFd(), absl::MakeSpan(parts)),
              FailsWith(EBADF));
  EXPECT_THAT(ReadExactParts(reader.get(), absl::MakeSpan(parts)),
              FailsWith(ENOTSOCK));
}

TEST_F(ScatterGather, DescriptorsThatNobodyAskedForAreDropped) {
  const int fds[] = {ours_.get(), theirs_.get()};
  ASSERT_THAT(SendFds(theirs_.get(), absl::string_view("abc"), fds), IsOk());
  const auto before = OpenFds();
  std::string got(3, 0);
  EXPECT_EQ(Read(&got, {1, 2}).value(), true);
  EXPECT_EQ(got, "abc");
  EXPECT_EQ(OpenFds(), before);
}

// Two ways to wait; the caller is to see no difference.
struct Mode {
  const char* name;
  bool non_blocking;
  // Where the thread is while it waits.
  long read_call;
  long write_call;
};

class ScatterGatherInMode : public ScatterGather,
                            public ::testing::WithParamInterface<Mode> {
 protected:
  ScatterGatherInMode() {
    if (GetParam().non_blocking) MakeNonBlocking(ours_.get());
    // As small as the kernel allows, so that a write needs many rounds.
    EXPECT_THAT(SetSocketOption(ours_.get(), SOL_SOCKET, SO_SNDBUF, 1), IsOk());
  }
};

INSTANTIATE_TEST_SUITE_P(
    , ScatterGatherInMode,
    ::testing::Values(Mode{"Blocking", false, SYS_recvmsg, SYS_sendmsg},
                      Mode{"NonBlocking", true, SYS_ppoll, SYS_ppoll}),
    [](const auto& info) { return info.param.name; });

TEST_P(ScatterGatherInMode, SlowReaderGetsEveryByteThroughSignals) {
  const std::string sent = Pattern(3 << 20);
  SignalStorm storm;
  auto slow_reader = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(GetParam().write_call);
    return ReadInPieces(theirs_.get());
  });
  EXPECT_THAT(Write(sent, UnevenSizes(sent.size())), IsOk());
  ours_.reset();
  const std::string got = slow_reader.get();
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_TRUE(got == sent);
}

TEST_P(ScatterGatherInMode, EveryByteOfASlowWriterArrivesThroughSignals) {
  const std::string sent = Pattern(3 << 20);
  std::string got(sent.size(), 0);
  SignalStorm storm;
  const auto slow_writer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(GetParam().read_call);
    WriteInPieces(theirs_.get(), sent);
  });
  EXPECT_EQ(Read(&got, UnevenSizes(got.size())).value(), true);
  EXPECT_TRUE(got == sent);
}

TEST_P(ScatterGatherInMode, PeerThatGoesWhileAWriterWaitsIsEpipeOrEconnreset) {
  SignalStorm storm;
  const auto leaving_peer = std::async(std::launch::async, [&] {
    storm.AwaitInterrupted(GetParam().write_call);
    theirs_.reset();
  });
  EXPECT_THAT(Write(Pattern(1 << 20), {1 << 19, 1 << 19}),
              ::testing::AnyOf(FailsWith(EPIPE), FailsWith(ECONNRESET)));
}

}  // namespace
}  // namespace ipc
