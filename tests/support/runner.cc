#include "tests/support/runner.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/support/check.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/tracer.h"

namespace harness {
namespace {

volatile sig_atomic_t stop = 0;

// Beside the programs, in the runfiles.
constexpr char kOtherUidPath[] = "tests/support/libother_uid.so";

Result NotJudged(const Test& test, const std::string& why) {
  Result result;
  result.check = test.name;
  result.not_judged = why;
  return result;
}

// What became of a check whose copy of the checker came out as `outcome`.
Result Understand(const Test& test, const Done& outcome) {
  Result result = NotJudged(test, "the checker did not get to its beginning");
  absl::string_view said = outcome.said;
  while (Parse(&said, &result)) {
  }
  if (!outcome.whole) {
    result.passed = false;
    if (result.not_judged.empty()) {
      result.not_judged = "the checker did not get to its end";
    }
    absl::StrAppend(&result.not_judged, ": ", outcome.ending);
  }
  return result;
}

// Behind the walls: runs all, says each.
void RunAll(const std::vector<Test>& tests, int copies, const Say& say) {
  // Before any program could have a hand in it, to skip a check.
  Check::CanStrace();
  (void)CanTrace();
  SideBySide(
      static_cast<int>(tests.size()), copies, Check::EndOfRun(),
      [&](int index, ScratchDir* folder, const Say& say_of_copy) {
        Check::SetFolder(folder);
        Check::SetReporter(
            [&](const Result& result) { say_of_copy(Serialize(result)); });
        GTEST_FLAG_SET(filter, tests[index].filter);
        if (RUN_ALL_TESTS() != 0) return;  // Said already.
      },
      [&](int index, const Done& outcome) {
        say(Serialize(Understand(tests[index], outcome)));
      },
      &stop);
}

// Where the programs are, for the checks.
void FindPrograms(
    const std::vector<std::pair<std::string, std::string>>& programs,
    const Walls& walls) {
  for (size_t i = 0; i < programs.size(); ++i) {
    const auto& [name, path] = programs[i];
    Check::SetProgram(name, walls.up
                                ? absl::StrCat(kKitFolder, "/", i, "/",
                                               path.substr(path.rfind('/') + 1))
                                : path);
  }
}

}  // namespace

std::vector<Result> RunChecks(const std::vector<Test>& tests,
                              const RunOptions& options,
                              absl::FunctionRef<void(const Walls&)> begun) {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop = 1; };
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sigaction(signal, &action, nullptr);
  }
  auto programs = options.programs;
  if (access(kOtherUidPath, R_OK) == 0) {
    programs.emplace_back(Check::kOtherUid, kOtherUidPath);
  }
  std::vector<std::string> files;
  for (const auto& program : programs) files.push_back(program.second);
  Check::EndOfRun();

  std::vector<Result> results;
  const auto tell = [&](const Result& result) {
    results.push_back(result);
    // Flushed, so that a checker that is killed has still said what it knew.
    fputs(ResultLine(result).c_str(), stdout);
    fflush(stdout);
  };
  std::string heard;
  const Inside inside = RunBehindWalls(
      options.walls, files, Check::EndOfRun() + absl::Seconds(5), &stop,
      [&](const Walls& walls, const Say& say) {
        FindPrograms(programs, walls);
        Check::Confine(options.walls, walls.up);
        RunAll(tests, options.copies, say);
      },
      begun,
      [&](absl::string_view bytes) {
        heard.append(bytes.data(), bytes.size());
        absl::string_view rest = heard;
        for (Result result; Parse(&rest, &result);) tell(result);
        heard.erase(0, heard.size() - rest.size());
      });
  while (results.size() < tests.size()) {
    tell(NotJudged(tests[results.size()],
                   absl::StrCat("the checker was ended first: ",
                                stop ? "by a signal" : inside.ending)));
  }
  return results;
}

std::string Describe(const Walls& walls) {
  if (walls.up) return "behind walls";
  return absl::StrCat(
      "without walls",
      walls.missing.empty() ? "" : absl::StrCat(": ", walls.missing), ", as ",
      getuid() == 0 ? "root" : absl::StrCat("user ", getuid()));
}

}  // namespace harness
