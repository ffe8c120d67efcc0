// main() of every lab's checker.
//
//   checker --lab=NAME [--mutant=PATCH | --starter=CHECK | --nothing-passes]
//           [--stories=all] [--copies=N] [--no-walls] PROGRAM=PATH...
//
// Judges the programs and exits with 0 if every check passes, 1 if one fails or
// could not be judged. With --mutant, 0 if exactly those checks fail that PATCH
// names in its lines "Caught-by: CHECK"; under a sanitizer, or with "Caught-by:
// ...", those and others. With --starter, 0 if the story told first is CHECK's.
// With --nothing-passes, 0 if no check passes. With --stories=all it tells each
// failure, otherwise the one that helps now.
// GoogleTest's own filter works as well: --gtest_filter=*.CHECK.
//
// Each check runs in a copy of the checker of its own, N of them at the same
// time: most checks mostly wait. With --no-walls the programs are not confined:
// for the harness's own tests, whose programs write where they should not.
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/proc.h"
#include "tests/support/report.h"
#include "tests/support/runner.h"
#include "tests/support/tracer.h"

namespace harness {
namespace {

constexpr int kFailed = 1;
constexpr int kUsageError = 2;

// Whether GoogleTest's filter, "PATTERNS-PATTERNS", selects `name`.
bool Selected(const std::string& name) {
  const std::string filter = GTEST_FLAG_GET(filter);
  const std::vector<std::string> sides =
      absl::StrSplit(filter, absl::MaxSplits('-', 1));
  const auto matches = [&](const std::string& patterns) {
    const std::vector<std::string> all =
        absl::StrSplit(patterns, ':', absl::SkipEmpty());
    return std::any_of(all.begin(), all.end(), [&](const std::string& one) {
      return fnmatch(one.c_str(), name.c_str(), 0) == 0;
    });
  };
  return (sides[0].empty() || matches(sides[0])) &&
         (sides.size() == 1 || !matches(sides[1]));
}

// The checks that GoogleTest's filter selects.
std::vector<Test> SelectedTests() {
  std::vector<Test> tests;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const testing::TestInfo& test = *suite.GetTestInfo(j);
      const std::string name = absl::StrCat(suite.name(), ".", test.name());
      const bool disabled = absl::StartsWith(test.name(), "DISABLED_") &&
                            !GTEST_FLAG_GET(also_run_disabled_tests);
      if (!disabled && Selected(name)) tests.push_back({name, test.name()});
    }
  }
  return tests;
}

std::vector<std::string> NamesIn(const std::string& patch) {
  std::vector<std::string> names;
  std::ifstream file(patch);
  std::string text;
  while (std::getline(file, text)) {
    absl::string_view line = text;
    if (absl::ConsumePrefix(&line, "Caught-by: ")) names.emplace_back(line);
  }
  return names;
}

// What the programs are, where the verdict is not about them but about the
// checks.
struct Judged {
  std::string mutant, starter;
  bool nothing_passes = false;
};

int Verdict(const Judged& judged, const std::vector<Result>& results) {
  const auto& [mutant, starter, nothing_passes] = judged;
  std::vector<std::string> failed, skipped;
  bool all_judged = true;
  for (const Result& result : results) {
    if (!result.skipped.empty()) skipped.push_back(result.check);
    all_judged = all_judged && result.not_judged.empty();
  }
  for (const Result* failure : FailuresByStep(results)) {
    failed.push_back(failure->check);
  }
  if (!mutant.empty()) {
    std::vector<std::string> expected = NamesIn(mutant);
    if (expected.empty()) return kFailed;
    // What cannot be checked on this machine catches nothing.
    for (const std::string& name : skipped) {
      expected.erase(std::remove(expected.begin(), expected.end(), name),
                     expected.end());
    }
    // A race is lost in other checks as well, now and then.
    const auto named = std::remove(expected.begin(), expected.end(), "...");
    bool others_too = named != expected.end();
    expected.erase(named, expected.end());
    std::sort(expected.begin(), expected.end());
    std::sort(failed.begin(), failed.end());
    printf("a mutant to be caught by %s was caught by %s\n",
           expected.empty() ? "none" : absl::StrJoin(expected, ", ").c_str(),
           failed.empty() ? "none" : absl::StrJoin(failed, ", ").c_str());
// With a sanitizer in every program, a mistake with memory shows everywhere.
#if defined(__SANITIZE_ADDRESS__) || defined(LAB_UBSAN)
    others_too = true;
#endif
    const bool right = others_too
                           ? std::includes(failed.begin(), failed.end(),
                                           expected.begin(), expected.end())
                           : failed == expected;
    return right ? 0 : kFailed;
  }
  if (!starter.empty()) {
    printf("a starter to fail first at %s\n", starter.c_str());
    if (!failed.empty()) printf("it failed first at %s\n", failed[0].c_str());
    return failed.empty() || failed[0] != starter ? kFailed : 0;
  }
  if (nothing_passes) {
    int passed = 0;
    for (const Result& result : results) {
      if (!result.passed || !result.skipped.empty()) continue;
      printf("a program that does nothing passes %s\n", result.check.c_str());
      ++passed;
    }
    return passed == 0 ? 0 : kFailed;
  }
  return failed.empty() && all_judged ? 0 : kFailed;
}

// The file where Bazel wants the results, whole or not at all.
void WriteXml(const std::string& path, const std::string& xml) {
  if (path.empty()) return;
  const std::string unfinished = path + ".unfinished";
  std::ofstream file(unfinished);
  file << xml;
  file.close();
  if (!file || rename(unfinished.c_str(), path.c_str()) < 0) {
    fprintf(stderr, "checker: write %s: %s\n", path.c_str(), strerror(errno));
    exit(kUsageError);
  }
}

int Main(int argc, char** argv) {
  const char* xml = getenv("XML_OUTPUT_FILE");
  const std::string xml_path = xml ? xml : "";
  // What GoogleTest would write in each copy; behind the walls it cannot.
  GTEST_FLAG_SET(output, "");
  unsetenv("TEST_PREMATURE_EXIT_FILE");
  testing::InitGoogleTest(&argc, argv);
  // Each copy would make and remove this same file, where GoogleTest looks for
  // it.
  unsetenv("TEST_PREMATURE_EXIT_FILE");
  std::string lab;
  bool every_story = false;
  Judged judged;
  RunOptions options;
  for (int i = 1; i < argc; ++i) {
    absl::string_view arg = argv[i];
    if (absl::ConsumePrefix(&arg, "--lab=")) {
      lab = std::string(arg);
    } else if (absl::ConsumePrefix(&arg, "--mutant=")) {
      judged.mutant = std::string(arg);
    } else if (absl::ConsumePrefix(&arg, "--starter=")) {
      judged.starter = std::string(arg);
    } else if (arg == "--stories=all") {
      every_story = true;
    } else if (arg == "--nothing-passes") {
      judged.nothing_passes = true;
    } else if (arg == "--no-walls") {
      options.walls = false;
    } else if (absl::ConsumePrefix(&arg, "--copies=")) {
      if (!absl::SimpleAtoi(arg, &options.copies) || options.copies < 1) {
        fprintf(stderr, "checker: %s: must be a number, 1 or more\n", argv[i]);
        return kUsageError;
      }
    } else {
      const std::pair<std::string, std::string> program =
          absl::StrSplit(arg, absl::MaxSplits('=', 1));
      if (access(program.second.c_str(), X_OK) < 0) {
        fprintf(stderr, "checker: %s: must be PROGRAM=PATH\n", argv[i]);
        return kUsageError;
      }
      options.programs.push_back(program);
    }
  }
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  const std::vector<Test> tests = SelectedTests();
  if (tests.empty()) {
    fprintf(stderr, "checker: no check was run: see --gtest_list_tests\n");
    return kUsageError;
  }

  testing::TestEventListeners& listeners =
      testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  const std::vector<Result> results =
      RunChecks(tests, options, [&](const Walls& walls) {
        printf("%s: judging (%s)\n", lab.c_str(), Describe(walls).c_str());
        fflush(stdout);
      });
  fputs(Summary(lab, results, every_story).c_str(), stdout);
  WriteXml(xml_path, Xml(lab, results));
  return Verdict(judged, results);
}

}  // namespace
}  // namespace harness

int main(int argc, char** argv) { return harness::Main(argc, argv); }
