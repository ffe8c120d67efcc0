#include "tests/support/side_by_side.h"

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/support/child.h"
#include "tests/support/proc.h"
#include "tests/support/scratch_dir.h"

namespace harness {
namespace {

absl::Time InTime() { return absl::Now() + absl::Seconds(30); }

// What came of `count` pieces of work.
std::vector<Done> RunAll(
    int count, int copies,
    absl::FunctionRef<void(int, ScratchDir*, const Say&)> work,
    absl::Time deadline = InTime()) {
  std::vector<Done> all;
  SideBySide(count, copies, deadline, work, [&](int index, const Done& done) {
    EXPECT_EQ(index, static_cast<int>(all.size()));
    all.push_back(done);
  });
  EXPECT_TRUE(Children(getpid()).empty());
  return all;
}

TEST(SideBySide, ToldInOrderWhateverTheOrderOfTheirEnds) {
  for (int copies : {1, 2, 20}) {
    const std::vector<Done> all =
        RunAll(20, copies, [](int index, ScratchDir*, const Say& say) {
          say(std::string(10000 * (20 - index),
                          static_cast<char>('a' + index)));
        });
    ASSERT_EQ(all.size(), 20);
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(all[i].whole);
      EXPECT_EQ(all[i].said,
                std::string(10000 * (20 - i), static_cast<char>('a' + i)));
    }
  }
}

TEST(SideBySide, ReallyAtTheSameTime) {
  // Each waits for the other.
  ScratchDir shared;
  const auto exists = [&](int index) {
    return access(shared.File(absl::StrCat(index)).c_str(), F_OK) == 0;
  };
  const std::vector<Done> all =
      RunAll(2, 2, [&](int index, ScratchDir*, const Say& say) {
        std::ofstream(shared.File(absl::StrCat(index))) << "here";
        while (!exists(1 - index)) {
        }
        say("met");
      });
  EXPECT_EQ(all[0].said, "met");
  EXPECT_EQ(all[1].said, "met");
}

TEST(SideBySide, OneThatIsKilledCostsItselfOnly) {
  const std::vector<Done> all =
      RunAll(3, 3, [](int index, ScratchDir*, const Say& say) {
        say("said");
        if (index == 1) raise(SIGKILL);
      });
  EXPECT_EQ(all[0].said, "said");
  EXPECT_FALSE(all[1].whole);
  EXPECT_EQ(all[1].ending, "killed by SIGKILL");
  EXPECT_EQ(all[1].said, "said") << "what was said before is not lost";
  EXPECT_EQ(all[2].said, "said");
}

TEST(SideBySide, NothingIsLeftOfOneThatIsKilled) {
  ScratchDir shared;
  const std::string note = shared.File("note");
  const std::vector<Done> all =
      RunAll(1, 1, [&](int, ScratchDir* folder, const Say&) {
        std::ofstream(folder->File("file")) << "content";
        const pid_t child = fork();
        if (child == 0) {
          setsid();
          while (true) pause();
        }
        std::ofstream(note) << folder->path() << " " << child;
        raise(SIGKILL);
      });
  EXPECT_FALSE(all[0].whole);
  std::string path;
  pid_t child;
  std::ifstream(note) >> path >> child;
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  EXPECT_FALSE(IsAlive(child));
}

TEST(SideBySide, OneThatDoesNotReturnIsKilledInTheEnd) {
  const std::vector<Done> all = RunAll(
      3, 2,
      [](int index, ScratchDir*, const Say&) {
        while (index < 2) pause();
      },
      absl::Now() + absl::Milliseconds(50));
  EXPECT_EQ(all[0].ending, "time is up");
  EXPECT_EQ(all[1].ending, "time is up");
  EXPECT_EQ(all[2].ending, "not begun");
}

}  // namespace
}  // namespace harness
