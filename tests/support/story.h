// A failure told as a story: what was done, step by step, what was expected
// then, what was seen instead, why that happens, and where to read on.
#ifndef TESTS_SUPPORT_STORY_H_
#define TESTS_SUPPORT_STORY_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/place.h"

namespace harness {

class Story {
 public:
  // What the check is about; `why` and `place` are for the day when it fails.
  void Begin(absl::string_view title, absl::string_view why, Place place);

  // From here on a failure has this reason and place instead.
  void Because(absl::string_view why, Place place);
  void Because(absl::string_view why);
  // From here on it has those of Begin again.
  void BecauseOfTheWhole();

  // A new part of the check begins: a failure in it tells its own steps only.
  void Part(absl::string_view title);

  // The next thing that was done: "started server --socket=/tmp/x".
  void Step(absl::string_view step) { steps_.emplace_back(step); }

  // What went wrong at the last step. Only the first failure counts: the rest
  // follows from it.
  void Fail(absl::string_view expected, absl::string_view seen);

  // A reason that was found out after the failure, and fits better.
  void Explain(absl::string_view why) { failure_why_ = std::string(why); }
  // The same, and a place that fits better.
  void Explain(absl::string_view why, Place place) {
    Explain(why);
    failure_place_ = std::move(place);
  }

  // More to know beside a failure, like what the program wrote on stderr.
  void Remark(absl::string_view label, absl::string_view text);

  // Where to read on, beside what Begin said.
  void ReadAlso(absl::string_view where);

  bool failed() const { return !expected_.empty(); }
  const std::string& title() const { return title_; }
  // Of the failure, or of the check when it has not failed.
  const Place& place() const { return failed() ? failure_place_ : place_; }

  // The whole story, indented by four columns and at most 80 wide where the
  // words allow it. What is not printable ASCII is shown in C's escapes.
  std::string Tell() const;

 private:
  std::string title_, why_, part_, read_also_;
  Place place_;
  std::string current_why_, failure_why_;
  Place current_place_, failure_place_;
  std::vector<std::string> steps_;
  std::string expected_, seen_;
  std::vector<std::pair<std::string, std::string>> remarks_;
};

// "1 byte", "2 bytes", "no bytes": `noun` is in the singular.
std::string Count(size_t count, absl::string_view noun);

// `bytes` in C's escapes, so that nothing in it can act on a terminal; cut at
// `limit` bytes with a note of how many more there are.
std::string Escaped(absl::string_view bytes, size_t limit = 100);

// The first place where `seen` leaves `expected`, as three lines: each side's
// line there, escaped and cut to fit, and a caret under the first difference.
// `seen` may go on beyond `expected`. Empty when they are equal.
std::string Difference(absl::string_view expected, absl::string_view seen);

}  // namespace harness

#endif  // TESTS_SUPPORT_STORY_H_
