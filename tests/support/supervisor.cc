#include "tests/support/supervisor.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/proc.h"

namespace harness {
namespace {

// /proc tells no one when it changes, so conditions are asked again: soon at
// first, less often later.
constexpr int kFirstPauseMs = 1;
constexpr int kLongestPauseMs = 16;

// How long nothing may happen before a wait is called hopeless. Neither load
// nor a slow machine matters: a process that waits its turn counts as running.
constexpr absl::Duration kQuietBeforeLook = absl::Milliseconds(60);
constexpr absl::Duration kQuietBeforeVerdict = absl::Milliseconds(200);

std::vector<pid_t> ProcessesOf(const Child& child) {
  if (child.ended()) return {};
  std::vector<pid_t> pids = Descendants(child.pid());
  pids.push_back(child.pid());
  return pids;
}

size_t MemoryOf(const Child& child) {
  size_t sum = 0;
  for (pid_t pid : ProcessesOf(child)) sum += ResidentMemory(pid);
  return sum;
}

}  // namespace

absl::StatusOr<Child*> Supervisor::Spawn(const ChildOptions& options) {
  absl::StatusOr<std::unique_ptr<Child>> child = Child::Spawn(options);
  if (!child.ok()) return child.status();
  children_.push_back(std::move(*child));
  return children_.back().get();
}

Waited Supervisor::WaitUntil(absl::FunctionRef<bool()> condition,
                             pollfd watched) {
  int pause_ms = kFirstPauseMs;
  absl::Time quiet_since = absl::Now();
  std::string fingerprint;
  absl::Time same_since;
  while (true) {
    // In this order: a child that has ended wrote all it had to write before.
    const bool all_ended = AllEnded();
    for (const auto& child : children_) child->Pump();
    if (condition()) return Waited::kMet;
    if (BreaksLimit()) return Waited::kBroke;
    const absl::Time now = absl::Now();
    const bool quiet = now - quiet_since >= kQuietBeforeLook;
    // What the dead have sent over a network may still be on its way.
    if (all_ended && (quiet || watched.fd < 0)) return Waited::kEnded;
    if (now >= deadline_) return Waited::kDeadline;

    if (quiet) {
      Activity activity = ObserveActivity(Descendants(getpid()));
      if (!activity.blocked || activity.fingerprint != fingerprint) {
        fingerprint = activity.blocked ? activity.fingerprint : "";
        same_since = now;
      } else if (now - same_since >= kQuietBeforeVerdict) {
        detail_ = activity.description;
        return Waited::kBlocked;
      }
    }

    std::vector<pollfd> entries = {watched};
    for (const auto& child : children_) child->AddPollEntries(&entries);
    if (poll(entries.data(), entries.size(), pause_ms) > 0) {
      quiet_since = absl::Now();
      pause_ms = kFirstPauseMs;
    } else {
      pause_ms = std::min(2 * pause_ms, kLongestPauseMs);
    }
  }
}

bool Supervisor::AllEnded() const {
  return std::all_of(children_.begin(), children_.end(),
                     [](const auto& child) { return child->closed(); });
}

bool Supervisor::BreaksLimit() {
  for (const auto& child : children_) {
    if (child->flooded()) {
      detail_ = absl::StrCat(child->name(), " wrote more than ",
                             child->limits().output, " bytes of output");
    } else if (ProcessesOf(*child).size() > child->limits().processes) {
      detail_ = absl::StrCat(child->name(), " made more than ",
                             child->limits().processes, " processes");
    } else if (MemoryOf(*child) > child->limits().memory) {
      detail_ = absl::StrCat(child->name(), " used more than ",
                             child->limits().memory >> 20, " MiB of memory");
    } else {
      continue;
    }
    kill(-child->pid(), SIGKILL);
    return true;
  }
  return false;
}

}  // namespace harness
