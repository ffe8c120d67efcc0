// Work that mostly waits, done by several copies of this process at the same
// time. Each copy has its own children, folder and memory, so that no piece of
// work can disturb another, and what kills one copy costs only its own work.
#ifndef TESTS_SUPPORT_SIDE_BY_SIDE_H_
#define TESTS_SUPPORT_SIDE_BY_SIDE_H_

#include <functional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace harness {

class ScratchDir;

using Say = std::function<void(absl::string_view bytes)>;

// How one piece of work came out.
struct Done {
  bool whole = false;  // Whether `work` returned.
  std::string said;    // All that it said until then.
  std::string ending;  // If not whole: "killed by SIGKILL", "time is up".
};

// How many copies run at the same time, unless the caller says otherwise: most
// of them wait, most of the time.
int UsualCopies();

// Calls `work(i, folder, say)` for each i below `count`, each in a copy of this
// process that fork(2) made, at most `copies` at the same time and each with an
// empty folder of its own, and `done(i, ...)` here, in order of i. What a copy
// gives to `say` reaches us even if the copy dies. A copy that
// has not returned by `deadline` is killed; no new one begins after it. What is
// left of a copy (processes, files) is removed. Returns early, the rest "not
// begun", once `*stop` is set (by a signal handler); null: never.
void SideBySide(
    int count, int copies, absl::Time deadline,
    absl::FunctionRef<void(int index, ScratchDir* folder, const Say& say)> work,
    absl::FunctionRef<void(int index, const Done& outcome)> done,
    const volatile int* stop = nullptr);

}  // namespace harness

#endif  // TESTS_SUPPORT_SIDE_BY_SIDE_H_
