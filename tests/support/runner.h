// Runs the checks of a lab: behind walls, side by side, each to a result.
#ifndef TESTS_SUPPORT_RUNNER_H_
#define TESTS_SUPPORT_RUNNER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tests/support/report.h"
#include "tests/support/side_by_side.h"
#include "tests/support/walls.h"

namespace harness {

// A check: GoogleTest's whole name, and its own.
struct Test {
  std::string filter, name;
};

struct RunOptions {
  std::vector<std::pair<std::string, std::string>> programs;  // Name and path.
  int copies = UsualCopies();  // How many checks run at the same time.
  bool walls = true;           // Whether walls are wanted, and confinement.
};

// Runs `tests`, prints a line for each as soon as those before it are told, and
// returns the results, in order. `begun` is called before the first. No judged
// program can reach this process where there are walls: they stand between. A
// check that came to no verdict is not judged, and its result says why. Ends
// early on SIGTERM, SIGINT and SIGHUP.
std::vector<Result> RunChecks(const std::vector<Test>& tests,
                              const RunOptions& options,
                              absl::FunctionRef<void(const Walls&)> begun);

// "behind walls, as user 1000": for whoever wonders why a verdict differs from
// one machine to another.
std::string Describe(const Walls& walls);

}  // namespace harness

#endif  // TESTS_SUPPORT_RUNNER_H_
