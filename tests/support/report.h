// The verdict on a lab's programs: a line for each check, the story of the
// first failure, points.
#ifndef TESTS_SUPPORT_REPORT_H_
#define TESTS_SUPPORT_REPORT_H_

#include <string>
#include <vector>

namespace harness {

enum class Kind {
  kCore,    // What the lab is about.
  kRobust,  // What makes a program fit for the world outside.
};

struct Result {
  std::string check;
  std::string title;
  Kind kind = Kind::kCore;
  int points = 0;
  bool passed = false;
  std::string skipped;  // Why it was not run; empty if it was.
  std::string story;    // Of its failure.
  std::vector<std::string> notes;
};

// One line for a check, and below it what it wants to say.
std::string ResultLine(const Result& result);

// The story of the first failure in full and the titles of the others, then the
// counts and points. `lab` is the name of the lab.
std::string Summary(const std::string& lab, const std::vector<Result>& results);

}  // namespace harness

#endif  // TESTS_SUPPORT_REPORT_H_
