// The children of one check, and the one place where a check waits.
#ifndef TESTS_SUPPORT_SUPERVISOR_H_
#define TESTS_SUPPORT_SUPERVISOR_H_

#include <poll.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/child.h"

namespace harness {

// How a wait came out.
enum class Waited {
  kMet,       // The condition holds.
  kEnded,     // Every child has ended, and who was left, so it never will.
  kBlocked,   // Every child waits for somebody else, for ever.
  kSpins,     // A process goes round in a loop that gets it nowhere.
  kBroke,     // A child or its daemons broke a limit and were killed.
  kDeadline,  // Time is up.
};

class Supervisor {
 public:
  // All waits together end at `deadline`: later on a busy machine, by the time
  // for which this process and the children's waited for a processor, but at
  // `last` at the latest.
  explicit Supervisor(absl::Time deadline,
                      absl::Time last = absl::InfinitePast());

  // As Child::Spawn; the child lives as long as the supervisor.
  absl::StatusOr<Child*> Spawn(const ChildOptions& options);

  // Waits until `condition` holds, taking in what the children write all the
  // while, so that none of them is ever held up by a full pipe. `condition` is
  // asked again after every event and at short intervals, and must not block.
  // `watched`, where given, is a descriptor whose events are news as well.
  Waited WaitUntil(absl::FunctionRef<bool()> condition,
                   pollfd watched = {-1, 0, 0});

  // Waits until no process of the children is left, or those that are do not
  // mean to go: who was killed takes a moment to die.
  void AwaitNobody();

  // After kBlocked: which process waits for what. After kSpins: which process
  // makes which calls. After kBroke: which limit.
  const std::string& detail() const { return detail_; }

  absl::Time deadline() const { return deadline_; }

 private:
  bool AllEnded() const;
  // Whether one of `pids` spins; detail_ says how.
  bool AnySpins(const std::vector<pid_t>& pids);
  bool BreaksLimit();
  // The same for `pids`, which `name` made; detail_ says which limit.
  bool BreaksLimit(const std::string& name, const std::vector<pid_t>& pids,
                   const Limits& limits);

  bool TimeIsUp(absl::Time now) const;

  const absl::Time deadline_;
  const absl::Time last_;
  const absl::Duration waited_before_;
  std::vector<std::unique_ptr<Child>> children_;
  std::string detail_;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_SUPERVISOR_H_
