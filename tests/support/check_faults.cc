// The part of Check that has system calls interrupted, cut short, and fail.
#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/errno_status.h"
#include "tests/support/check.h"
#include "tests/support/side_by_side.h"
#include "tests/support/sweep.h"
#include "tests/support/tracer.h"

namespace harness {
namespace {

// Behind "started server": what is in store for it.
std::string Announce(const Fault& fault) {
  const std::string calls = absl::StrJoin(fault.calls, " or ");
  if (fault.kind == Fault::kHold) {
    return absl::StrCat(", to be stopped right after ", calls);
  }
  if (fault.kind == Fault::kTimeOut) {
    return ", whose own time limits, if it has any, pass at once";
  }
  if (fault.occurrence == 0) {
    return absl::StrCat(", whose calls are ", fault.Words(),
                        ", again and again");
  }
  return absl::StrCat(", whose ", Ordinal(fault.occurrence), " ", calls, " is ",
                      fault.Words());
}

// Why a fault may come at any time, and what is to be done then.
const char* Reason(Fault::Kind kind) {
  switch (kind) {
    case Fault::kInterrupt:
      return "A signal that has a handler may come while a call waits. The "
             "call "
             "then returns -1 and errno is EINTR. Nothing has failed: call it "
             "again, with the same arguments.";
    case Fault::kCutTo:
    case Fault::kCutHalf:
      return "On a stream, a call that reads or writes may move fewer bytes "
             "than it was asked for, and returns how many it moved. Count "
             "them, and call it again for the rest.";
    default:
      return "Any call may fail. A program that goes on as if it had not does "
             "something else than it says. Look at what each call returns; "
             "say on one line of stderr which call failed and why, give back "
             "what you hold, and end with status 1.";
  }
}

}  // namespace

Process Check::StartWithFaults(const std::vector<Fault>& faults,
                               const std::string& program,
                               const std::vector<std::string>& args,
                               const std::string& input, mode_t umask) {
  if (over()) return Process(this, nullptr);
  if (!CanTrace().ok()) {
    Skip(CanTrace().message());
    return Process(this, nullptr);
  }
  auto tracer = Tracer::Start(faults);
  if (!tracer.ok()) {
    Fail("the checker can trace the program", tracer.status().message());
    return Process(this, nullptr);
  }
  ChildOptions options = Options(program, args, input);
  options.gate = (*tracer)->gate();
  options.umask = umask;
  std::string step = Started(program, args);
  for (const Fault& fault : faults) step += Announce(fault);
  const Process process = Run(options, step);
  (*tracer)->CloseGate();
  if (process.pid() > 0) {
    tracings_[children_.back()] = {faults, std::move(*tracer)};
  }
  return process;
}

// All that wait, but connect: what its retry gives depends on the moment.
const Fault::Calls kInterrupted = {"accept",  "accept4", "read",      "readv",
                                   "recv",    "recvmsg", "write",     "writev",
                                   "send",    "sendmsg", "poll",      "select",
                                   "waitpid", "waitid",  "epoll_wait"};

Process Check::StartInterrupted(const std::string& program,
                                const std::vector<std::string>& args) {
  return StartWithFault(Fault::Interrupt(kInterrupted, 0), program, args,
                        /*input=*/"");
}

Process Check::StartStoppedAfter(const std::vector<std::string>& calls,
                                 const std::string& program,
                                 const std::vector<std::string>& args,
                                 mode_t umask) {
  std::vector<Fault> faults;
  faults.reserve(calls.size());
  for (const std::string& call : calls) {
    faults.push_back(Fault::Hold({call}, 1));
  }
  return StartWithFaults(faults, program, args, "/dev/null", umask);
}

Process Check::StartFailingOnce(const std::vector<std::string>& calls,
                                int error, const std::string& program,
                                const std::vector<std::string>& args) {
  return StartWithFault(Fault::Fail(calls, 1, error), program, args);
}

void Check::RemarkFaults() {
  for (const auto& [child, tracing] : tracings_) {
    for (size_t i = 0; i < tracing.faults.size(); ++i) {
      const Fault& fault = tracing.faults[i];
      const auto call = tracing.tracer->Suffered(i);
      if (!call || fault.kind == Fault::kHold ||
          fault.kind == Fault::kTimeOut || fault.occurrence == 0) {
        continue;
      }
      story_.Remark("fault", Tell(child->name(), fault, *call));
    }
  }
}

// Sweep -----------------------------------------------------------------------

void Check::BeginCase(ScratchDir* folder) {
  scratch_ = folder;
  Renew();
  SetUp();
}

std::vector<TracedCall> Check::PlayCase(
    const std::string& program, const std::vector<Fault>& faults,
    absl::FunctionRef<void(const Starter& start)> scenario,
    const SweepOptions& options) {
  Child* swept = nullptr;
  lenient_ = !faults.empty() && faults[0].kind == Fault::kFail;
  scenario([&](const std::vector<std::string>& args, const std::string& input) {
    if (swept) {
      return Run(Options(program, args, input), Started(program, args));
    }
    const size_t before = children_.size();
    const Process process = StartWithFaults(faults, program, args, input);
    if (children_.size() > before) swept = children_.back();
    return process;
  });
  if (!swept) {
    lenient_ = false;
    Fail("the checker starts the program", "it does not");
    return {};
  }
  // Unless it has coped with the error, it must have told it.
  if (std::exchange(lenient_, false) && differs_) {
    Process(this, swept)
        .Refuses({ipc::ErrnoName(faults[0].error)}, options.status);
  }
  return tracings_[swept].tracer->Calls();
}

void Check::Sweep(const std::string& program,
                  absl::FunctionRef<void(const Starter& start)> scenario,
                  const SweepOptions& options) {
  if (over()) return;
  if (!CanTrace().ok()) return Skip(CanTrace().message());
  const int copies = UsualCopies();
  volatile int stop = 0;
  // How one case came out; what it said beside that.
  const auto take_in = [&](const Done& outcome) {
    absl::string_view said = outcome.said;
    Result result;
    if (over() || !result_.not_judged.empty()) return said;
    if (!outcome.whole || !Parse(&said, &result)) {
      result_.not_judged =
          absl::StrCat("a case of it did not get to its end: ", outcome.ending);
    } else if (!result.skipped.empty()) {
      Skip(result.skipped);
    } else if (!result.passed) {
      failed_case_ = result.story;
    }
    if (over() || !result_.not_judged.empty()) stop = 1;
    return said;
  };

  std::vector<TracedCall> calls;
  SideBySide(
      1, 1, EndOfRun(),
      [&](int, ScratchDir* folder, const Say& say) {
        BeginCase(folder);
        const std::vector<TracedCall> seen =
            PlayCase(program, {}, scenario, options);
        Finish();
        say(Serialize(result_));
        say({reinterpret_cast<const char*>(seen.data()),
             seen.size() * sizeof(TracedCall)});
      },
      [&](int, const Done& outcome) {
        const absl::string_view said = take_in(outcome);
        calls.resize(said.size() / sizeof(TracedCall));
        memcpy(calls.data(), said.data(), calls.size() * sizeof(TracedCall));
      });
  if (stop) return;

  const std::vector<Fault> plan = PlanSweep(calls, options);
  SideBySide(
      static_cast<int>(plan.size()), copies, EndOfRun(),
      [&](int index, ScratchDir* folder, const Say& say) {
        BeginCase(folder);
        Because(Reason(plan[index].kind));
        PlayCase(program, {plan[index]}, scenario, options);
        Finish();
        say(Serialize(result_));
      },
      [&](int, const Done& outcome) { take_in(outcome); }, &stop);
}

}  // namespace harness
