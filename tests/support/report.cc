#include "tests/support/report.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "tests/support/place.h"

namespace harness {
namespace {

std::string Points(const Result& result) {
  return absl::StrFormat("%s, %d point%s",
                         result.kind == Kind::kCore ? "core" : "robust",
                         result.points, result.points == 1 ? "" : "s");
}

struct Tally {
  int checks = 0, passed = 0, failed = 0, skipped = 0, not_judged = 0;
  // Of each kind.
  int points[2] = {};
  int possible[2] = {};

  explicit Tally(const std::vector<Result>& results) {
    for (const Result& result : results) {
      if (!result.skipped.empty()) {
        ++skipped;
        continue;
      }
      ++checks;
      possible[static_cast<int>(result.kind)] += result.points;
      if (result.passed && result.not_judged.empty())
        points[static_cast<int>(result.kind)] += result.points;
      passed += result.passed;
      failed += result.failed();
      not_judged += !result.not_judged.empty();
    }
  }
};

std::string EscapedXml(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::string Property(absl::string_view name, absl::string_view value) {
  return absl::StrCat("        <property name=\"", name, "\" value=\"",
                      EscapedXml(value), "\"/>\n");
}

// A field as "LENGTH:BYTES".
void Put(absl::string_view bytes, std::string* out) {
  absl::StrAppend(out, bytes.size(), ":", bytes);
}

bool Take(absl::string_view* bytes, std::string* field) {
  const size_t colon = bytes->find(':');
  size_t length;
  if (colon == bytes->npos ||
      !absl::SimpleAtoi(bytes->substr(0, colon), &length) ||
      length > bytes->size() - colon - 1) {
    return false;
  }
  *field = std::string(bytes->substr(colon + 1, length));
  bytes->remove_prefix(colon + 1 + length);
  return true;
}

bool Take(absl::string_view* bytes, int* number) {
  std::string field;
  return Take(bytes, &field) && absl::SimpleAtoi(field, number);
}

}  // namespace

std::string ResultLine(const Result& result) {
  const char* verdict = !result.skipped.empty()      ? "skip"
                        : !result.not_judged.empty() ? "????"
                        : result.passed              ? "ok"
                                                     : "FAIL";
  std::string line =
      absl::StrFormat("%-4s  %s%s%s\n", verdict, result.check,
                      result.title.empty() ? "" : ": ", result.title);
  if (!result.skipped.empty()) {
    absl::StrAppend(&line, "      not run: ", result.skipped, "\n");
  }
  if (!result.not_judged.empty()) {
    absl::StrAppend(&line, "      not judged: ", result.not_judged, "\n");
  }
  for (const std::string& note : result.notes) {
    absl::StrAppend(&line, "      note: ", note, "\n");
  }
  return line;
}

std::vector<const Result*> FailuresByStep(const std::vector<Result>& results) {
  std::vector<const Result*> failures;
  for (const Result& result : results) {
    if (result.failed()) failures.push_back(&result);
  }
  std::stable_sort(
      failures.begin(), failures.end(),
      [](const Result* a, const Result* b) { return a->step < b->step; });
  return failures;
}

std::string Progress(const std::vector<Result>& results) {
  struct Part {
    std::string program;
    int checks = 0, passed = 0, next = Place::kWhole;
  };
  std::vector<Part> parts;
  for (const Result& result : results) {
    if (result.program.empty() || !result.skipped.empty()) continue;
    const auto is_its = [&](const Part& part) {
      return part.program == result.program;
    };
    auto part = std::find_if(parts.begin(), parts.end(), is_its);
    if (part == parts.end()) {
      part = parts.insert(parts.end(), Part{result.program});
    }
    ++part->checks;
    part->passed += result.passed;
    if (result.failed() && result.step > 0) {
      part->next = std::min(part->next, result.step);
    }
  }
  std::string out;
  for (const Part& part : parts) {
    absl::StrAppend(&out, part.program, ": ", part.passed, " of ", part.checks,
                    " checks pass");
    if (part.next != Place::kWhole) {
      absl::StrAppend(&out, "; next: step ", part.next);
    }
    out += '\n';
  }
  return out;
}

std::string Summary(const std::string& lab, const std::vector<Result>& results,
                    bool every_story) {
  std::string out;
  for (const Result* failure : FailuresByStep(results)) {
    absl::StrAppend(&out, "\n", failure->check, ": ", failure->title, " (",
                    Points(*failure), ")\n\n", failure->story);
    if (!every_story) break;
  }
  const Tally tally(results);
  if (tally.failed) {
    const std::string progress = Progress(results);
    if (!progress.empty()) absl::StrAppend(&out, "\n", progress);
  }
  absl::StrAppendFormat(&out, "\n%s: %d of %d checks passed", lab, tally.passed,
                        tally.checks);
  if (tally.not_judged) {
    absl::StrAppendFormat(&out, ", %d not judged", tally.not_judged);
  }
  if (tally.skipped) absl::StrAppendFormat(&out, ", %d not run", tally.skipped);
  absl::StrAppendFormat(&out, "; core %d of %d points, robust %d of %d\n",
                        tally.points[0], tally.possible[0], tally.points[1],
                        tally.possible[1]);
  return out;
}

std::string Xml(const std::string& lab, const std::vector<Result>& results) {
  const Tally tally(results);
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  absl::StrAppendFormat(
      &out,
      "<testsuites name=\"%s\" tests=\"%d\" failures=\"%d\">\n"
      "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" "
      "skipped=\"%d\">\n"
      "    <properties>\n",
      lab, results.size(), tally.failed, lab, results.size(), tally.failed,
      tally.not_judged, tally.skipped);
  absl::StrAppend(
      &out, Property("points", absl::StrCat(tally.points[0] + tally.points[1])),
      Property("points_possible",
               absl::StrCat(tally.possible[0] + tally.possible[1])),
      "    </properties>\n");
  for (const Result& result : results) {
    const bool skipped = !result.skipped.empty();
    absl::StrAppend(
        &out, "    <testcase name=\"", result.check, "\" classname=\"", lab,
        "\">\n      <properties>\n",
        Property("kind", result.kind == Kind::kCore ? "core" : "robust"),
        Property("points",
                 absl::StrCat(skipped || !result.passed ? 0 : result.points)),
        Property("points_possible", absl::StrCat(skipped ? 0 : result.points)),
        Property("program", result.program), "      </properties>\n");
    if (skipped) {
      absl::StrAppend(&out, "      <skipped message=\"",
                      EscapedXml(result.skipped), "\"/>\n");
    } else if (!result.not_judged.empty()) {
      absl::StrAppend(&out, "      <error message=\"not judged: ",
                      EscapedXml(result.not_judged), "\"/>\n");
    } else if (!result.passed) {
      absl::StrAppend(&out, "      <failure message=\"",
                      EscapedXml(result.title), "\">", EscapedXml(result.story),
                      "</failure>\n");
    }
    absl::StrAppend(&out, "    </testcase>\n");
  }
  absl::StrAppend(&out, "  </testsuite>\n</testsuites>\n");
  return out;
}

std::string Serialize(const Result& result) {
  std::string out;
  for (const std::string* field :
       {&result.check, &result.title, &result.program, &result.skipped,
        &result.not_judged, &result.story}) {
    Put(*field, &out);
  }
  for (int number : {static_cast<int>(result.kind), result.points,
                     static_cast<int>(result.passed), result.step,
                     static_cast<int>(result.notes.size())}) {
    Put(absl::StrCat(number), &out);
  }
  for (const std::string& note : result.notes) Put(note, &out);
  return out;
}

bool Parse(absl::string_view* bytes, Result* result) {
  absl::string_view rest = *bytes;
  Result parsed;
  int kind, passed, notes;
  if (!Take(&rest, &parsed.check) || !Take(&rest, &parsed.title) ||
      !Take(&rest, &parsed.program) || !Take(&rest, &parsed.skipped) ||
      !Take(&rest, &parsed.not_judged) || !Take(&rest, &parsed.story) ||
      !Take(&rest, &kind) || !Take(&rest, &parsed.points) ||
      !Take(&rest, &passed) || !Take(&rest, &parsed.step) ||
      !Take(&rest, &notes)) {
    return false;
  }
  parsed.kind = static_cast<Kind>(kind);
  parsed.passed = passed != 0;
  for (int i = 0; i < notes; ++i) {
    parsed.notes.emplace_back();
    if (!Take(&rest, &parsed.notes.back())) return false;
  }
  *result = parsed;
  *bytes = rest;
  return true;
}

}  // namespace harness
