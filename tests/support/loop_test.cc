// What a program that runs in circles is said to do.
#include "tests/support/loop.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/misbehave.h"
#include "tests/support/tracer.h"

namespace harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class LoopTest : public HarnessTest {
 protected:
  void SetUp() override {
    if (!CanTrace().ok()) GTEST_SKIP() << CanTrace();
  }

  // What is seen of a program that does `actions`, when it runs. It goes on
  // then.
  LoopReport Look(std::vector<std::string> actions) {
    ChildOptions options;
    options.program = "tests/support/tracee_program";
    options.name = "program";
    options.args = std::move(actions);
    child_ = SpawnWith(options);
    // A check looks when it has used the processor for a while.
    if (absl::StartsWith(options.args.back(), "spin")) {
      EXPECT_TRUE(Await([&] {
        return ProcessorTime(child_->pid()) > absl::Milliseconds(30);
      }));
    }
    LoopReport report = DescribeLoop(child_->pid());
    child_->Pump();
    EXPECT_FALSE(child_->ended());
    return report;
  }

  std::unique_ptr<Child> child_;
};

TEST_F(LoopTest, EndOfFileWithoutEnd) {
  const LoopReport report = Look({"pipe", "end", "spin=read"});
  EXPECT_TRUE(report.is_loop);
  EXPECT_EQ(report.words,
            "calls read on descriptor 3 (a pipe) again and again, and gets 0 "
            "each time: the end of file");
  EXPECT_EQ(RunningThreads(child_->pid()), 1) << "it goes on";
}

TEST_F(LoopTest, ErrorWithoutEnd) {
  const LoopReport report = Look({"spin=bad"});
  EXPECT_TRUE(report.is_loop);
  EXPECT_EQ(report.words,
            "calls read on descriptor 999 again and again, and gets EBADF each "
            "time");
}

TEST_F(LoopTest, ReadyAndLeftAlone) {
  const LoopReport poll = Look({"stream", "spin=poll"});
  EXPECT_TRUE(poll.is_loop);
  EXPECT_EQ(poll.words,
            "calls poll again and again, which says each time that descriptor "
            "4 (a UNIX stream socket) is writable");
  const LoopReport epoll = Look({"stream", "spin=epoll"});
  EXPECT_TRUE(epoll.is_loop);
  EXPECT_EQ(epoll.words,
            "calls epoll_wait again and again, which says each time that "
            "descriptor 4 (a UNIX stream socket) is writable");
}

TEST_F(LoopTest, Computing) {
  const LoopReport report = Look({"spin"});
  EXPECT_TRUE(report.is_loop);
  EXPECT_EQ(report.words, "computes and makes no system call");
}

TEST_F(LoopTest, InAnyThread) {
  const LoopReport report = Look({"thread", "pipe", "end", "spin=read"});
  EXPECT_TRUE(report.is_loop);
  EXPECT_THAT(report.words, HasSubstr("read on descriptor 3"));
}

TEST_F(LoopTest, ByteByByteIsNoLoop) {
  const LoopReport report = Look({"stream", "spin=bytes"});
  EXPECT_FALSE(report.is_loop);
  EXPECT_THAT(report.words,
              AllOf(HasSubstr("write on descriptor 4"), HasSubstr("read on")));
}

TEST_F(LoopTest, SleepingIsNoLoop) {
  EXPECT_FALSE(Look({"pipe", "read=1"}).is_loop);
}

}  // namespace
}  // namespace harness
