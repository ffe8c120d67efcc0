// Where in a lab's handout a check, or one expectation in it, belongs.
#ifndef TESTS_SUPPORT_PLACE_H_
#define TESTS_SUPPORT_PLACE_H_

#include <climits>
#include <string>
#include <utility>
#include <vector>

namespace harness {

struct Place {
  // The step of a check that judges everything at once, such as the transcript.
  // It is told last: a check with a step of its own names the mistake better.
  static constexpr int kWhole = INT_MAX;

  int step = 0;               // Of the handout: where the fact is taught.
  std::vector<int> promises;  // Of the contract, by their numbers.
  std::string manual;         // "man 2 read, man 7 unix".

  // "handout, step 6 (promises 3 and 4); man 2 read, man 7 unix".
  std::string ToString() const;
};

// Step `step` of the handout, where the `promises` of the contract are kept.
inline Place Handout(int step, std::vector<int> promises, std::string manual) {
  return {step, std::move(promises), std::move(manual)};
}
// All steps.
inline Place WholeHandout(std::vector<int> promises, std::string manual = "") {
  return {Place::kWhole, std::move(promises), std::move(manual)};
}

}  // namespace harness

#endif  // TESTS_SUPPORT_PLACE_H_
