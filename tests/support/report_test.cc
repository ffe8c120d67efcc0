#include "tests/support/report.h"

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/place.h"

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

TEST(Summary, TellsTheFailureOfTheLowestStepFirst) {
  Result whole = Failed("Whole", 1);
  whole.step = Place::kWhole;
  Result late = Failed("Late", 1), early = Failed("Early", 1);
  late.step = 7;
  early.step = 2;
  const std::string summary = Summary("lab", {whole, late, early});
  EXPECT_THAT(summary, HasSubstr("the story of Early"));
  EXPECT_THAT(summary, Not(HasSubstr("the story of Late")));
  EXPECT_THAT(Summary("lab", {whole, late}), HasSubstr("the story of Late"));
  EXPECT_THAT(Summary("lab", {whole}), HasSubstr("the story of Whole"));
}

TEST(Progress, IsToldForEachProgramByStep) {
  Result passed = Passed(1), late = Failed("Late", 1), whole = late;
  passed.program = late.program = "server";
  late.step = 7;
  whole.program = "client";
  whole.step = Place::kWhole;
  Result early = late;
  early.step = 3;
  EXPECT_EQ(Progress({late, passed, whole, early, Passed(2), Skipped(1)}),
            "server: 1 of 3 checks pass; next: step 3\n"
            "client: 0 of 1 checks pass\n");
  EXPECT_THAT(Summary("lab", {late, passed}),
              HasSubstr("\nserver: 1 of 2 checks pass; next: step 7\n\nlab: "));
  EXPECT_THAT(Summary("lab", {passed}), Not(HasSubstr("checks pass;")));
}

TEST(Summary, WhatWasNotJudgedHasNotFailed) {
  Result result = Passed(3);
  result.passed = false;
  result.not_judged = "time is up";
  EXPECT_EQ(ResultLine(result),
            "????  Passes: this is so\n"
            "      not judged: time is up\n");
  EXPECT_EQ(Summary("lab", {result, Passed(1)}),
            "\nlab: 1 of 2 checks passed, 1 not judged; core 1 of 4 points, "
            "robust 0 of 0\n");
}

TEST(Xml, HasThePointsOfEachCheckAndInAll) {
  Result failed = Failed("Fails", 2);
  failed.program = "server";
  failed.story = "<\"a & b\">";
  const std::string xml =
      Xml("lab", {Passed(3, Kind::kRobust), failed, Skipped(4)});
  EXPECT_THAT(xml, HasSubstr("tests=\"3\" failures=\"1\""));
  EXPECT_THAT(xml, HasSubstr("<property name=\"points\" value=\"3\"/>\n"
                             "        <property name=\"points_possible\" "
                             "value=\"5\"/>"));
  EXPECT_THAT(xml, HasSubstr("<property name=\"program\" value=\"server\"/>"));
  EXPECT_THAT(xml, HasSubstr("&lt;&quot;a &amp; b&quot;&gt;</failure>"));
  EXPECT_THAT(xml, HasSubstr("<skipped message=\"no strace\"/>"));
}

TEST(Serialize, IsParsedBack) {
  Result result = Failed("Fails", 2, Kind::kRobust);
  result.program = "server";
  result.step = 4;
  result.notes = {"one", "", std::string("\0 12:x", 6)};
  const std::string bytes = Serialize(result);
  const std::string twice = bytes + bytes;
  absl::string_view rest = twice;
  Result back;
  ASSERT_TRUE(Parse(&rest, &back));
  EXPECT_EQ(rest, bytes);
  EXPECT_EQ(Serialize(back), bytes);
  EXPECT_EQ(back.notes, result.notes);
  EXPECT_EQ(back.kind, Kind::kRobust);
  for (size_t size = 0; size < bytes.size(); ++size) {
    rest = absl::string_view(bytes).substr(0, size);
    EXPECT_FALSE(Parse(&rest, &back)) << size;
    EXPECT_EQ(rest.size(), size);
  }
}

TEST(Summary, OfNothingIsNothing) {
  EXPECT_EQ(Summary("lab", {}),
            "\nlab: 0 of 0 checks passed; core 0 of 0 points, robust 0 of 0\n");
}

}  // namespace
}  // namespace harness
