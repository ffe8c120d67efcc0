#include "tests/support/supervisor.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/loop.h"
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

// How much of the processor may be used while nothing happens before it is
// looked at: no judged program computes for long. Where the look shows nothing,
// the verdict needs more.
constexpr absl::Duration kBusyBeforeLook = absl::Milliseconds(100);
constexpr absl::Duration kBusyBeforeVerdict = absl::Seconds(2);

absl::Duration ProcessorTimeOf(const std::vector<pid_t>& pids) {
  absl::Duration all;
  for (pid_t pid : pids) all += ProcessorTime(pid);
  return all;
}

std::vector<pid_t> ProcessesOf(const Child& child) {
  if (child.ended()) return {};
  std::vector<pid_t> pids = Descendants(child.pid());
  pids.push_back(child.pid());
  return pids;
}

bool AnybodyAlive() {
  const std::vector<pid_t> pids = Descendants(getpid());
  return std::any_of(pids.begin(), pids.end(), IsAlive);
}

}  // namespace

Supervisor::Supervisor(absl::Time deadline, absl::Time last)
    : deadline_(deadline),
      last_(std::max(deadline, last)),
      waited_before_(WaitForProcessor(getpid())) {}

bool Supervisor::TimeIsUp(absl::Time now) const {
  if (now < deadline_) return false;
  absl::Duration waited = WaitForProcessor(getpid()) - waited_before_;
  for (pid_t pid : Descendants(getpid())) waited += WaitForProcessor(pid);
  return now >= std::min(deadline_ + waited, last_);
}

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
  // At the last look, if all were blocked. Of processes that have ended since
  // they were pumped it is empty: no reason to call them blocked at once.
  std::optional<std::string> fingerprint;
  absl::Time same_since;
  // The processor time of all, when something last happened, and at the next
  // look; negative: not known yet.
  absl::Duration used_at_first = -absl::InfiniteDuration(), look_at;
  while (true) {
    // In this order: a child that has ended wrote all it had to write before.
    const bool all_ended = AllEnded();
    for (const auto& child : children_) child->Pump();
    if (condition()) {
      // Its output up to this moment, too: all may sleep after a last line.
      for (const auto& child : children_) child->Pump();
      return Waited::kMet;
    }
    if (BreaksLimit()) return Waited::kBroke;
    const absl::Time now = absl::Now();
    const bool quiet = now - quiet_since >= kQuietBeforeLook;
    // What the dead have sent over a network may still be on its way.
    if (all_ended && (quiet || watched.fd < 0) && !AnybodyAlive()) {
      return Waited::kEnded;
    }
    if (TimeIsUp(now)) return Waited::kDeadline;

    if (quiet) {
      const std::vector<pid_t> pids = Descendants(getpid());
      // Nobody is left, though somebody else may still hold their stdout.
      if (pids.empty()) return Waited::kEnded;
      const absl::Duration used = ProcessorTimeOf(pids);
      if (used_at_first < absl::ZeroDuration() || used < used_at_first) {
        used_at_first = used;
        look_at = used + kBusyBeforeLook;
      } else if (used >= look_at) {
        if (AnySpins(pids)) return Waited::kSpins;
        if (used - used_at_first >= kBusyBeforeVerdict) {
          detail_ =
              "it uses the processor all the time, and nothing comes of it";
          return Waited::kSpins;
        }
        look_at = used + kBusyBeforeLook;
      }
      Activity activity = ObserveActivity(pids);
      if (!activity.blocked || activity.fingerprint != fingerprint) {
        fingerprint.reset();
        if (activity.blocked) fingerprint = activity.fingerprint;
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
      fingerprint.reset();  // The kernel may move bytes while all sleep.
      used_at_first = -absl::InfiniteDuration();
      pause_ms = kFirstPauseMs;
    } else {
      pause_ms = std::min(2 * pause_ms, kLongestPauseMs);
    }
  }
}

void Supervisor::AwaitNobody() {
  WaitUntil([] { return !AnybodyAlive(); });
}

bool Supervisor::AllEnded() const {
  return std::all_of(children_.begin(), children_.end(),
                     [](const auto& child) { return child->closed(); });
}

bool Supervisor::AnySpins(const std::vector<pid_t>& pids) {
  for (pid_t pid : pids) {
    if (RunningThreads(pid) == 0) continue;
    const LoopReport report = DescribeLoop(pid);
    if (!report.is_loop) continue;
    detail_ = absl::StrCat(CommandName(pid), " ", report.words);
    return true;
  }
  return false;
}

bool Supervisor::BreaksLimit() {
  const std::vector<pid_t> all = Descendants(getpid());
  std::set<pid_t> orphans(all.begin(), all.end());
  for (const auto& child : children_) {
    const std::vector<pid_t> pids = ProcessesOf(*child);
    for (pid_t pid : pids) orphans.erase(pid);
    if (child->flooded()) {
      detail_ = absl::StrCat(child->name(), " wrote more than ",
                             child->limits().output, " bytes of output");
    } else if (!BreaksLimit(child->name(), pids, child->limits())) {
      continue;
    }
    if (!child->ended()) kill(-child->pid(), SIGKILL);
    return true;
  }
  // Daemons, by the limits of one child: nobody knows whose they are.
  const std::vector<pid_t> daemons(orphans.begin(), orphans.end());
  if (daemons.empty() || children_.empty() ||
      !BreaksLimit(CommandName(daemons[0]), daemons,
                   children_.front()->limits())) {
    return false;
  }
  for (pid_t pid : daemons) kill(pid, SIGKILL);
  return true;
}

bool Supervisor::BreaksLimit(const std::string& name,
                             const std::vector<pid_t>& pids,
                             const Limits& limits) {
  size_t memory = NamelessFiles(pids);
  for (pid_t pid : pids) memory += ResidentMemory(pid);
  if (pids.size() > limits.processes) {
    detail_ =
        absl::StrCat(name, " made more than ", limits.processes, " processes");
  } else if (memory > limits.memory) {
    detail_ = absl::StrCat(name, " used more than ", limits.memory >> 20,
                           " MiB of memory");
  } else {
    return false;
  }
  return true;
}

}  // namespace harness
