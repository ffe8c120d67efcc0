#include "tests/support/story.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace harness {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Escaped ---------------------------------------------------------------------

TEST(Escaped, ShowsWhatCannotBePrinted) {
  EXPECT_EQ(Escaped(""), "\"\"");
  EXPECT_EQ(Escaped("plain text"), "\"plain text\"");
  EXPECT_EQ(Escaped("a\n\"\\\t"), R"("a\n\"\\\t")");
  EXPECT_EQ(Escaped(std::string("\0\x1b[2J\xff", 6)), R"("\x00\x1b[2J\xff")");
}

TEST(Escaped, IsCutWithANote) {
  EXPECT_EQ(Escaped("12345", 5), "\"12345\"");
  EXPECT_EQ(Escaped("123456", 5), "\"12345\" and 1 byte more");
}

TEST(Count, IsInTheSingularOrThePlural) {
  EXPECT_EQ(Count(0, "byte"), "no bytes");
  EXPECT_EQ(Count(1, "byte"), "1 byte");
  EXPECT_EQ(Count(2, "byte"), "2 bytes");
}

// Difference ------------------------------------------------------------------

TEST(Difference, IsEmptyForEqualTexts) {
  EXPECT_EQ(Difference("", ""), "");
  EXPECT_EQ(Difference("a\nb\n", "a\nb\n"), "");
}

TEST(Difference, InTheFirstLine) {
  EXPECT_EQ(Difference("hello\n", "hallo\n"),
            "should be:  \"hello\\n\"\n"
            "is:         \"hallo\\n\"\n"
            "              ^\n"
            "(line 1, byte 2)");
}

TEST(Difference, InALaterLine) {
  EXPECT_EQ(Difference("one\ntwo\nthree\n", "one\ntwo\nthrow\n"),
            "should be:  \"three\\n\"\n"
            "is:         \"throw\\n\"\n"
            "                ^\n"
            "(line 3, byte 4)");
}

TEST(Difference, MissingTail) {
  EXPECT_EQ(Difference("one\ntwo\n", "one\n"),
            "should be:  \"two\\n\"\n"
            "is:         (nothing more)\n"
            "             ^\n"
            "(line 2, byte 1)");
  EXPECT_EQ(Difference("one\n", "on"),
            "should be:  \"one\\n\"\n"
            "is:         \"on\"\n"
            "               ^\n"
            "(line 1, byte 3)");
}

TEST(Difference, ExtraTail) {
  EXPECT_EQ(Difference("one\n", "one\ntwo\n"),
            "should be:  (nothing more)\n"
            "is:         \"two\\n\"\n"
            "             ^\n"
            "(line 2, byte 1)");
  EXPECT_EQ(Difference("one", "one!"),
            "should be:  \"one\"\n"
            "is:         \"one!\"\n"
            "                ^\n"
            "(line 1, byte 4)");
}

// The characters of both lines above the caret.
void ExpectCaretAt(const std::string& difference, char expected, char seen) {
  const std::vector<std::string> lines = absl::StrSplit(difference, '\n');
  const size_t column = lines[2].find('^');
  ASSERT_LT(column, std::min(lines[0].size(), lines[1].size())) << difference;
  EXPECT_EQ(lines[0][column], expected) << difference;
  EXPECT_EQ(lines[1][column], seen) << difference;
}

TEST(Difference, CaretIsUnderTheDifferenceHoweverFarItIs) {
  for (size_t at : {0, 1, 39, 40, 41, 59, 60, 61, 100, 1000}) {
    const std::string before(at, 'x'), after(100, 'y');
    ExpectCaretAt(Difference(before + "A" + after, before + "B" + after), 'A',
                  'B');
    ExpectCaretAt(Difference("\n" + before + "A", "\n" + before + "B"), 'A',
                  'B');
  }
}

TEST(Difference, CaretIsUnderTheDifferenceBehindWhatIsEscaped) {
  ExpectCaretAt(Difference("a\tb\x01zA", "a\tb\x01zB"), 'A', 'B');
  const std::string zeros(30, '\0');
  ExpectCaretAt(Difference(zeros + "X", zeros + "Y"), 'X', 'Y');
}

// Story -----------------------------------------------------------------------

Story SomeStory() {
  Story story;
  story.Begin("a title", "the reason", Handout(3, {4}, "man 2 read"));
  story.Step("did one thing");
  story.Step("did another");
  return story;
}

TEST(Story, TellsEverythingInOrderAndAligned) {
  Story story = SomeStory();
  EXPECT_FALSE(story.failed());
  story.Fail("this", "that");
  story.Remark("stderr", "server wrote:\nouch");
  EXPECT_TRUE(story.failed());
  EXPECT_EQ(story.title(), "a title");
  EXPECT_EQ(story.Tell(),
            "    step 1    did one thing\n"
            "    step 2    did another\n"
            "    expected  this\n"
            "    seen      that\n"
            "    stderr    server wrote:\n"
            "              ouch\n"
            "    why       the reason\n"
            "    read      handout, step 3 (promise 4); man 2 read\n");
}

TEST(Story, AnExpectationMayHaveAReasonOfItsOwn) {
  Story story = SomeStory();
  story.Because("another reason", Handout(7, {1, 2, 5}, "man 2 write"));
  EXPECT_EQ(story.place().step, 3);
  story.Fail("this", "that");
  EXPECT_EQ(story.place().step, 7);
  story.BecauseOfTheWhole();  // Too late for the failure.
  EXPECT_THAT(story.Tell(),
              HasSubstr("    why       another reason\n"
                        "    read      handout, step 7 (promises 1, 2 and 5); "
                        "man 2 write\n"));

  Story back = SomeStory();
  back.Because("another reason");
  back.BecauseOfTheWhole();
  back.Fail("this", "that");
  EXPECT_THAT(back.Tell(), HasSubstr("    why       the reason\n"));
}

TEST(Story, APartTellsItsOwnSteps) {
  Story story = SomeStory();
  story.Part("an empty record");
  story.Step("did it again");
  story.Fail("this", "that");
  story.Part("never begun");
  EXPECT_THAT(story.Tell(), StartsWith("    part      an empty record\n"
                                       "    step 1    did it again\n"
                                       "    expected  this\n"));
}

TEST(Story, AReasonFoundAfterTheFailureReplacesTheOther) {
  Story story = SomeStory();
  story.Fail("this", "that");
  story.Explain("it has not been flushed");
  story.ReadAlso("man 3 fflush");
  EXPECT_THAT(story.Tell(),
              HasSubstr("    why       it has not been flushed\n"));
  EXPECT_THAT(story.Tell(), Not(HasSubstr("the reason")));
  EXPECT_THAT(story.Tell(), HasSubstr("man 2 read; man 3 fflush\n"));
}

TEST(Story, OnlyTheFirstFailureCounts) {
  Story story = SomeStory();
  story.Fail("first", "seen first");
  story.Fail("second", "seen second");
  EXPECT_THAT(story.Tell(), HasSubstr("first"));
  EXPECT_THAT(story.Tell(), Not(HasSubstr("second")));
}

TEST(Story, TenStepsStayAligned) {
  Story story;
  for (int i = 1; i <= 10; ++i) story.Step("did it");
  EXPECT_THAT(story.Tell(), HasSubstr("    step 9    did it\n"
                                      "    step 10   did it\n"));
}

TEST(Story, WordsAreWrappedAt80Columns) {
  std::string words;
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&words, i ? " " : "", std::string(1 + i % 9, 'w'));
  }
  Story story;
  story.Begin("title", words, Handout(1, {}, ""));
  story.Fail("expected", "seen");
  std::string joined;
  int lines = 0;
  for (absl::string_view line : absl::StrSplit(story.Tell(), '\n')) {
    EXPECT_LE(line.size(), 80u);
    EXPECT_FALSE(absl::EndsWith(line, " ")) << line;
    if (line.find("ww") == line.npos) continue;
    absl::StrAppend(&joined, joined.empty() ? "" : " ", line.substr(14));
    ++lines;
  }
  EXPECT_EQ(joined, words) << "nothing is lost";
  EXPECT_EQ(lines, 10) << "and no line is broken too early";
}

TEST(Story, ALineMayHaveExactly80Columns) {
  const std::string word(60, 'w');
  Story story;
  story.Fail(word + " 12345", word + " 123456");
  EXPECT_THAT(story.Tell(), HasSubstr("expected  " + word + " 12345\n"));
  EXPECT_THAT(story.Tell(),
              HasSubstr("seen      " + word + "\n              123456\n"));
}

TEST(Story, AWordThatFitsNowhereStaysWhole) {
  const std::string path(200, 'p');
  Story story;
  story.Fail("short " + path + " short", "seen");
  EXPECT_THAT(story.Tell(), HasSubstr("expected  short\n              " + path +
                                      "\n              short\n"));
}

TEST(Story, ACaretStaysUnderItsColumn) {
  Story story;
  story.Fail("x", Difference("hello\n", "hallo\n"));
  EXPECT_THAT(story.Tell(), HasSubstr("    seen      should be:  \"hello\\n\"\n"
                                      "              is:         \"hallo\\n\"\n"
                                      "                            ^\n"));
}

TEST(Story, NothingInItActsOnATerminal) {
  Story story;
  story.Fail("x", "\x1b[2J\r\x7f\xc2\x9b\t");
  story.Remark("stderr", "a\x1b]0;title\x07\nok    Check: fake");
  const std::string told = story.Tell();
  EXPECT_THAT(told, HasSubstr(R"(\x1b[2J\r\x7f\xc2\x9b\t)"));
  EXPECT_THAT(told, HasSubstr(R"(a\x1b]0;title\x07)"));
  EXPECT_THAT(told, HasSubstr("\n              ok    Check: fake"))
      << "indented, unlike a line of the report";
}

}  // namespace
}  // namespace harness
