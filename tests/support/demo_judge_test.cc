// Runs demo_judge on "demos" that are misbehave: it passes on PROGRAM=PATH,
// which looks like an action.
#include <fstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/child.h"
#include "tests/support/misbehave.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/supervisor.h"

namespace harness {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class DemoJudgeTest : public HarnessTest {
 protected:
  // How demo_judge ends; what it says is in out_ and err_.
  std::string Judge(std::vector<std::string> args) {
    ChildOptions options;
    options.program = "tests/support/demo_judge";
    options.name = "demo_judge";
    options.args = std::move(args);
    options.folder = ".";
    Supervisor supervisor(absl::Now() + kPatience);
    auto judge = supervisor.Spawn(options);
    EXPECT_TRUE(judge.ok()) << judge.status();
    supervisor.WaitUntil([&] { return (*judge)->closed(); });
    out_ = (*judge)->out();
    err_ = (*judge)->err();
    return (*judge)->Ending();
  }

  // The file of a transcript that says `text`.
  std::string Transcript(const std::string& text) {
    std::ofstream(scratch_.File("transcript")) << text;
    return scratch_.File("transcript");
  }

  std::string out_, err_;

 private:
  const ScratchDir scratch_;
};

TEST_F(DemoJudgeTest, SameTranscriptPasses) {
  EXPECT_EQ(Judge({kMisbehave, Transcript("hello\n"), "out=hello\n"}),
            "exit status 0");
}

TEST_F(DemoJudgeTest, AnotherTranscriptFailsAndIsShown) {
  EXPECT_EQ(Judge({kMisbehave, Transcript("hello\n"), "out=hallo\n"}),
            "exit status 1");
  EXPECT_THAT(out_, HasSubstr("is:         \"hallo\\n\"\n"));
}

TEST_F(DemoJudgeTest, LongNumbersMayDiffer) {
  EXPECT_EQ(Judge({kMisbehave, Transcript("port 12345"), "out=port 54321"}),
            "exit status 0");
  EXPECT_EQ(Judge({kMisbehave, Transcript("port 1234"), "out=port 4321"}),
            "exit status 1");
}

TEST_F(DemoJudgeTest, NamesThatTheKernelChoseMayDiffer) {
  EXPECT_EQ(
      Judge({kMisbehave, Transcript("from @0f65f\n"), "out=from @12abc\n"}),
      "exit status 0");
  EXPECT_EQ(Judge({kMisbehave, Transcript("from @0f65f\n"), "out=from @me\n"}),
            "exit status 1");
}

TEST_F(DemoJudgeTest, IdsMayDiffer) {
  EXPECT_EQ(
      Judge({kMisbehave, Transcript("pid 7, uid 0"), "out=pid 42, uid 5"}),
      "exit status 0");
  EXPECT_EQ(Judge({kMisbehave, Transcript("pid 7"), "out=pid x"}),
            "exit status 1");
}

TEST_F(DemoJudgeTest, FailingDemoFailsWhateverItShows) {
  EXPECT_EQ(Judge({kMisbehave, Transcript("hi"), "out=hi", "exit=1"}),
            "exit status 1");
  EXPECT_THAT(out_, StartsWith("demo: exit status 1\n"));
}

TEST_F(DemoJudgeTest, HangingDemoFails) {
  EXPECT_EQ(Judge({kMisbehave, Transcript("hi"), "out=hi", "hang"}),
            "exit status 1");
  EXPECT_THAT(out_, StartsWith("demo: still running\n"));
}

TEST_F(DemoJudgeTest, MissingDemoFails) {
  EXPECT_EQ(Judge({"/no/such/demo", Transcript("")}), "exit status 1");
  EXPECT_THAT(err_, HasSubstr("/no/such/demo"));
}

TEST_F(DemoJudgeTest, BadCallIsRefused) {
  EXPECT_EQ(Judge({kMisbehave}), "exit status 2");
  EXPECT_EQ(err_, "usage: demo_judge DEMO TRANSCRIPT PROGRAM=PATH...\n");
}

}  // namespace
}  // namespace harness
