#include "tests/support/report.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace harness {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Result Passed(int points, Kind kind = Kind::kCore) {
  Result result;
  result.check = "Passes";
  result.title = "this is so";
  result.kind = kind;
  result.points = points;
  result.passed = true;
  return result;
}

Result Failed(const std::string& name, int points, Kind kind = Kind::kCore) {
  Result result = Passed(points, kind);
  result.check = name;
  result.passed = false;
  result.story = "    seen      the story of " + name + "\n";
  return result;
}

Result Skipped(int points) {
  Result result = Passed(points);
  result.skipped = "no strace";
  return result;
}

TEST(ResultLine, SaysHowItCameOut) {
  EXPECT_EQ(ResultLine(Passed(1)), "ok    Passes: this is so\n");
  EXPECT_EQ(ResultLine(Failed("Fails", 1)), "FAIL  Fails: this is so\n");
  EXPECT_EQ(ResultLine(Skipped(1)),
            "skip  Passes: this is so\n"
            "      not run: no strace\n");
}

TEST(ResultLine, HasItsNotesBelow) {
  Result result = Passed(1);
  result.notes = {"one thing", "another"};
  EXPECT_EQ(ResultLine(result),
            "ok    Passes: this is so\n"
            "      note: one thing\n"
            "      note: another\n");
}

TEST(Summary, CountsChecksAndPointsCoreAndRobustApart) {
  EXPECT_EQ(Summary("lab", {Passed(3), Passed(1, Kind::kRobust)}),
            "\nlab: 2 of 2 checks passed; core 3 of 3 points, robust 1 of 1\n");
  EXPECT_THAT(Summary("lab", {Passed(3), Failed("A", 2), Failed("B", 5),
                              Failed("C", 7, Kind::kRobust),
                              Passed(11, Kind::kRobust)}),
              HasSubstr("\nlab: 2 of 5 checks passed; core 3 of 10 points, "
                        "robust 11 of 18\n"));
}

TEST(Summary, WhatWasNotRunCountsNeitherWay) {
  EXPECT_EQ(
      Summary("lab", {Passed(3), Skipped(4)}),
      "\nlab: 1 of 1 checks passed, 1 not run; core 3 of 3 points, robust "
      "0 of 0\n");
}

TEST(Summary, TellsTheFirstFailureOnly) {
  const std::string summary = Summary(
      "lab",
      {Passed(3), Failed("First", 1, Kind::kRobust), Failed("Second", 2)});
  EXPECT_THAT(summary, HasSubstr("\nFirst: this is so (robust, 1 point)\n\n"
                                 "    seen      the story of First\n"));
  EXPECT_THAT(summary, Not(HasSubstr("the story of Second")));
}

TEST(Summary, OfNothingIsNothing) {
  EXPECT_EQ(Summary("lab", {}),
            "\nlab: 0 of 0 checks passed; core 0 of 0 points, robust 0 of 0\n");
}

}  // namespace
}  // namespace harness
