// The verdict on a lab's programs: a line for each check, the story of the
// failure that helps most, points.
#ifndef TESTS_SUPPORT_REPORT_H_
#define TESTS_SUPPORT_REPORT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace harness {

enum class Kind {
  kCore,    // What the lab is about.
  kRobust,  // What makes a program fit for the world outside.
};

struct Result {
  std::string check;
  std::string title;
  std::string program;  // Which one it judges; empty: all of the lab together.
  Kind kind = Kind::kCore;
  int points = 0;
  bool passed = false;
  std::string skipped;     // Why this machine cannot run it; empty if it can.
  std::string not_judged;  // Why there is no verdict; empty if there is one.
  int step = 0;            // Of the handout, where the failure belongs.
  std::string story;       // Of its failure.
  std::vector<std::string> notes;

  bool failed() const {
    return !passed && skipped.empty() && not_judged.empty();
  }
};

// One line for a check, and below it what it wants to say.
std::string ResultLine(const Result& result);

// The failures, in the order in which they help: by the step of the handout,
// then by the order of the checks.
std::vector<const Result*> FailuresByStep(const std::vector<Result>& results);

// A line for each program of the lab: how many of its checks pass, and the
// first step of the handout that a failure belongs to.
std::string Progress(const std::vector<Result>& results);

// The first of these stories in full, or every one, then the progress,
// the counts and points.
// `lab` is the name of the lab.
std::string Summary(const std::string& lab, const std::vector<Result>& results,
                    bool every_story = false);

// The same as a file for Bazel and for whatever reads JUnit's XML, with the
// points as properties.
std::string Xml(const std::string& lab, const std::vector<Result>& results);

// A result as bytes, for a pipe. Parse takes one off the front of `bytes`;
// false if there is no whole one.
std::string Serialize(const Result& result);
bool Parse(absl::string_view* bytes, Result* result);

}  // namespace harness

#endif  // TESTS_SUPPORT_REPORT_H_
