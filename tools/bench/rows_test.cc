#include "tools/bench/rows.h"

#include "gtest/gtest.h"

namespace bench {
namespace {

// A row compares what arrived with what was sent, and ends the program when
// anything goes wrong.
TEST(RowsTest, EachImplementationCanDoItsRows) {
  for (const Implementation& implementation : Implementations()) {
    for (const Row& row : Rows()) {
      SCOPED_TRACE(testing::Message()
                   << implementation.name << " " << row.name);
      void (*const run)(int count) = implementation.*row.run;
      if (!run) continue;
      run(1);
      run(20);
    }
  }
}

TEST(RowsTest, OursAndRawLeaveNothingOut) {
  for (const Row& row : Rows()) {
    EXPECT_NE(kRaw.*row.run, nullptr) << row.name;
    EXPECT_NE(kOurs.*row.run, nullptr) << row.name;
  }
}

}  // namespace
}  // namespace bench
