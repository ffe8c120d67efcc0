// main() of every lab's checker.
//
//   checker --lab=NAME [--mutant=PATCH | --starter=CHECK] PROGRAM=PATH...
//
// Judges the programs and exits with 0 if every check passes, 1 if one fails.
// With --mutant, 0 if exactly those checks fail that PATCH names in its lines
// "Caught-by: CHECK"; under a sanitizer, or with "Caught-by: ...", those
// and others. With --starter, 0 if CHECK is the first to fail. GoogleTest's own
// flags work as well: --gtest_filter=*.CHECK.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/support/check.h"
#include "tests/support/child.h"
#include "tests/support/proc.h"
#include "tests/support/report.h"

namespace harness {
namespace {

constexpr int kFailed = 1;
constexpr int kUsageError = 2;

class ShowResults : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    // Flushed, so that a checker that is killed has still said what it knew.
    fputs(ResultLine(Check::Results().back()).c_str(), stdout);
    fflush(stdout);
  }
};

// Which walls stand around the programs, for whoever wonders why a result
// differs from one machine to the other.
std::string DescribeIsolation() {
  std::ifstream devices("/proc/net/dev");
  std::string line;
  int others = -2;  // Two lines of headings.
  while (std::getline(devices, line)) {
    if (line.find(" lo:") == line.npos) ++others;
  }
  return absl::StrCat(
      CommandName(1) == "linux-sandbox" ? "own processes" : "shared processes",
      ", ", others == 0 ? "own network" : "shared network", ", ",
      getuid() == 0 ? "as root" : absl::StrCat("as user ", getuid()));
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

int Verdict(const std::string& mutant, const std::string& starter,
            int googletest_says) {
  std::vector<std::string> failed, skipped;
  for (const Result& result : Check::Results()) {
    if (!result.skipped.empty()) {
      skipped.push_back(result.check);
    } else if (!result.passed) {
      failed.push_back(result.check);
    }
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
    return failed.empty() || failed[0] != starter ? kFailed : 0;
  }
  return googletest_says == 0 ? 0 : kFailed;
}

int Main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string lab, mutant, starter;
  for (int i = 1; i < argc; ++i) {
    absl::string_view arg = argv[i];
    if (absl::ConsumePrefix(&arg, "--lab=")) {
      lab = std::string(arg);
    } else if (absl::ConsumePrefix(&arg, "--mutant=")) {
      mutant = std::string(arg);
    } else if (absl::ConsumePrefix(&arg, "--starter=")) {
      starter = std::string(arg);
    } else {
      const std::pair<std::string, std::string> program =
          absl::StrSplit(arg, absl::MaxSplits('=', 1));
      if (access(program.second.c_str(), X_OK) < 0) {
        fprintf(stderr, "checker: %s: must be PROGRAM=PATH\n", argv[i]);
        return kUsageError;
      }
      Check::SetProgram(program.first, program.second);
    }
  }

  BecomeSubreaper();
  testing::TestEventListeners& listeners =
      testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new ShowResults);
  printf("%s: judging (%s)\n", lab.c_str(), DescribeIsolation().c_str());
  const int googletest_says = RUN_ALL_TESTS();
  if (Check::Results().empty()) {
    fprintf(stderr, "checker: no check was run: see --gtest_list_tests\n");
    return kUsageError;
  }
  fputs(Summary(lab, Check::Results()).c_str(), stdout);
  return Verdict(mutant, starter, googletest_says);
}

}  // namespace
}  // namespace harness

int main(int argc, char** argv) { return harness::Main(argc, argv); }
