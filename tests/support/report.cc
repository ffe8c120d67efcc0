#include "tests/support/report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace harness {
namespace {

std::string Points(const Result& result) {
  return absl::StrFormat("%s, %d point%s",
                         result.kind == Kind::kCore ? "core" : "robust",
                         result.points, result.points == 1 ? "" : "s");
}

struct Tally {
  int points = 0;
  int possible = 0;
};

}  // namespace

std::string ResultLine(const Result& result) {
  const char* verdict = !result.skipped.empty() ? "skip"
                        : result.passed         ? "ok"
                                                : "FAIL";
  std::string line =
      absl::StrFormat("%-4s  %s: %s\n", verdict, result.check, result.title);
  if (!result.skipped.empty()) {
    absl::StrAppend(&line, "      not run: ", result.skipped, "\n");
  }
  for (const std::string& note : result.notes) {
    absl::StrAppend(&line, "      note: ", note, "\n");
  }
  return line;
}

std::string Summary(const std::string& lab,
                    const std::vector<Result>& results) {
  std::string out;
  int passed = 0, failed = 0, skipped = 0;
  Tally core, robust;
  for (const Result& result : results) {
    Tally& tally = result.kind == Kind::kCore ? core : robust;
    if (!result.skipped.empty()) {
      ++skipped;
      continue;
    }
    tally.possible += result.points;
    if (result.passed) {
      ++passed;
      tally.points += result.points;
    } else if (++failed == 1) {
      absl::StrAppend(&out, "\n", result.check, ": ", result.title, " (",
                      Points(result), ")\n\n", result.story);
    }
  }
  absl::StrAppendFormat(&out, "\n%s: %d of %d checks passed", lab, passed,
                        passed + failed);
  if (skipped) absl::StrAppendFormat(&out, ", %d not run", skipped);
  absl::StrAppendFormat(&out, "; core %d of %d points, robust %d of %d\n",
                        core.points, core.possible, robust.points,
                        robust.possible);
  return out;
}

}  // namespace harness
