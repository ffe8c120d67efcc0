#include "tests/support/tracer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "tests/support/tracer_loop.h"

namespace harness {
namespace {

// Above the standard streams: a helper keeps it.
ipc::UniqueFd Raised(int fd) {
  const ipc::UniqueFd owner(fd);
  return ipc::UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

constexpr absl::Duration kPatience = absl::Seconds(10);

Fault Make(Fault::Kind kind, Fault::Calls calls, int occurrence) {
  Fault fault;
  fault.kind = kind;
  fault.calls = std::move(calls);
  fault.occurrence = occurrence;
  return fault;
}

}  // namespace

Fault Fault::Interrupt(Calls calls, int occurrence) {
  return Make(kInterrupt, std::move(calls), occurrence);
}

Fault Fault::CutTo(Calls calls, int occurrence, size_t bytes) {
  Fault fault = Make(kCutTo, std::move(calls), occurrence);
  fault.bytes = bytes;
  return fault;
}

Fault Fault::CutHalf(Calls calls, int occurrence) {
  return Make(kCutHalf, std::move(calls), occurrence);
}

Fault Fault::Fail(Calls calls, int occurrence, int error) {
  Fault fault = Make(kFail, std::move(calls), occurrence);
  fault.error = error;
  return fault;
}

Fault Fault::Hold(Calls calls, int occurrence) {
  return Make(kHold, std::move(calls), occurrence);
}

Fault Fault::TimeOut() {
  Fault fault = Make(kTimeOut, {}, 1);
  fault.times = 300;
  return fault;
}

bool Fault::Fits(const TracedCall& call) const {
  const auto is_it = [&](const std::string& one) {
    return one == call.name || one == call.call->other_name ||
           (one == call.call->name && call.name != kMakesThread);
  };
  if (!calls.empty() && std::none_of(calls.begin(), calls.end(), is_it)) {
    return false;
  }
  if (!on.empty() && on.count(call.kind) == 0) return false;
  if (call.output && !output) return false;
  switch (kind) {
    case kInterrupt:
      return call.may_be_interrupted;
    case kCutTo:
      return call.may_be_cut && call.size > bytes;
    case kCutHalf:
      return call.may_be_cut;
    case kTimeOut:
      return call.time_limit.kind != TimeLimit::kNone;
    case kNone:
    case kFail:
    case kHold:
      break;
  }
  return true;
}

std::string Fault::Words() const {
  switch (kind) {
    case kInterrupt:
      return "interrupted by a signal (EINTR)";
    case kCutTo:
      return absl::StrCat("cut short to ", bytes,
                          bytes == 1 ? " byte" : " bytes");
    case kCutHalf:
      return "cut short to half of its bytes";
    case kFail:
      return absl::StrCat("made to fail with ", ipc::ErrnoName(error));
    case kHold:
      return "the last one before the program was stopped";
    case kTimeOut:
      return "out of time at once";
    case kNone:
      break;
  }
  return "left alone";
}

absl::StatusOr<std::unique_ptr<Tracer>> Tracer::Start(
    std::vector<Fault> faults) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    return ipc::ErrnoStatus("socketpair", "");
  }
  std::unique_ptr<Tracer> tracer(new Tracer);
  tracer->faults_ = std::move(faults);
  tracer->gate_ = Raised(ends[0]);
  const ipc::UniqueFd inside = Raised(ends[1]);
  tracer->log_ = Raised(memfd_create("calls", MFD_CLOEXEC));
  if (!tracer->log_.valid()) return ipc::ErrnoStatus("memfd_create", "");
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ipc::ErrnoStatus("mmap", "");
  tracer->shared_ = new (memory) Shared();
  tracer->helper_ =
      StartHelper("tracer", {inside.get(), tracer->log_.get()},
                  &tracer->shared_->stopped, [&] {
                    TraceProgram(tracer->faults_, inside.get(),
                                 tracer->log_.get(), tracer->shared_);
                  });
  if (tracer->helper_ < 0) return ipc::ErrnoStatus("fork", "");
  return tracer;
}

Tracer::~Tracer() {
  if (helper_ > 0) {
    gate_.reset();
    EndHelper(helper_, !LetGo());
  }
  if (shared_) munmap(shared_, sizeof(*shared_));
}

std::vector<TracedCall> Tracer::Calls() const {
  std::vector<TracedCall> calls;
  TracedCall call;
  while (pread(log_.get(), &call, sizeof(call),
               static_cast<off_t>(calls.size() * sizeof(call))) ==
         sizeof(call)) {
    calls.push_back(call);
  }
  return calls;
}

std::optional<TracedCall> Tracer::Suffered(size_t fault) const {
  for (const TracedCall& call : Calls()) {
    if (call.fault == static_cast<int>(fault) && call.returned) return call;
  }
  return std::nullopt;
}

bool Tracer::Ended() const {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(helper_), &info,
                WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
         info.si_pid != 0;
}

bool Tracer::WasKilled() const { return Ended() && !shared_->done; }

bool Tracer::LetGo() {
  const absl::Time deadline = absl::Now() + absl::Seconds(1);
  // Again and again: the first one may come just before it waits.
  while (!Ended()) {
    if (absl::Now() > deadline) return false;
    kill(helper_, SIGTERM);
    poll(nullptr, 0, 1);
  }
  return true;
}

// Has /bin/cat read /dev/null in vain: the whole machinery is needed for that.
absl::Status TryToTrace() {
  Fault fault = Fault::Fail({"read"}, 1, EIO);
  auto tracer = Tracer::Start({fault});
  if (!tracer.ok()) return tracer.status();
  ChildOptions options;
  options.name = "cat";
  options.program = "/bin/cat";
  options.gate = (*tracer)->gate();
  const auto child = Child::Spawn(options);
  (*tracer)->CloseGate();
  if (!child.ok()) {
    return absl::UnavailableError(absl::StrCat("ptrace is not permitted here: ",
                                               child.status().message()));
  }
  const absl::Time deadline = absl::Now() + kPatience;
  for ((*child)->Pump(); !(*child)->ended() && absl::Now() < deadline;
       (*child)->Pump()) {
    std::vector<pollfd> entries;
    (*child)->AddPollEntries(&entries);
    poll(entries.data(), entries.size(), 10);
  }
  if ((*tracer)->Suffered(0) && (*child)->ended() &&
      WIFEXITED((*child)->wait_status()) &&
      WEXITSTATUS((*child)->wait_status()) == 1) {
    return absl::OkStatus();
  }
  return absl::UnavailableError("ptrace does not work here");
}

const absl::Status& CanTrace() {
  static const auto& status = *new absl::Status(TryToTrace());
  return status;
}

}  // namespace harness
