#include "tests/support/sweep.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace harness {
namespace {

bool Matches(const CallError& error, const TracedCall& call) {
  Fault fault = Fault::Fail({error.call}, 1, error.error);
  fault.on = error.on;
  return fault.Fits(call);
}

}  // namespace

std::vector<CallError> UsualErrors() {
  const std::set<DescriptorKind> unix_sockets = {
      DescriptorKind::kUnixStream, DescriptorKind::kUnixDatagram,
      DescriptorKind::kUnixSeqpacket};
  const std::set<DescriptorKind> streams = {DescriptorKind::kUnixStream,
                                            DescriptorKind::kTcp};
  std::vector<CallError> errors = {
      {"connect", EACCES, unix_sockets},
      {"connect", ENETUNREACH, {}},
      {"bind", EACCES, {}},
      {"listen", EADDRINUSE, {}},
  };
  for (const char* maker :
       {"socketpair", "pipe", "open", "dup", "dup2", "accept", "epoll_create",
        "eventfd", "signalfd", "timerfd_create", "memfd_create"}) {
    errors.push_back({maker, EMFILE, {}});
  }
  for (const char* mover : {"read", "readv", "recv", "recvmsg", "write",
                            "writev", "send", "sendmsg", "sendfile"}) {
    errors.push_back({mover, ECONNRESET, streams});
    errors.push_back(
        {mover, EIO, {DescriptorKind::kPipe, DescriptorKind::kFile}});
    errors.push_back({mover, ENOBUFS, {}});
  }
  return errors;
}

constexpr int kMostTimes = 4;

std::vector<Fault> PlanSweep(const std::vector<TracedCall>& calls,
                             const SweepOptions& options) {
  std::vector<Fault> plan;
  // Which of the calls that fit the fault `calls[index]` is.
  const auto add = [&](size_t index, Fault fault) {
    if (!fault.Fits(calls[index])) return;
    fault.occurrence =
        1 + static_cast<int>(std::count_if(
                calls.begin(), calls.begin() + static_cast<ptrdiff_t>(index),
                [&](const TracedCall& call) { return fault.Fits(call); }));
    if (fault.occurrence <= kMostTimes) plan.push_back(std::move(fault));
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    const TracedCall& call = calls[i];
    const Fault::Calls name = {call.name};
    const auto& interrupted = options.interrupted;
    if (options.interrupt &&
        (interrupted.empty() ||
         std::count(interrupted.begin(), interrupted.end(), call.name) > 0)) {
      add(i, Fault::Interrupt(name, 1));
    }
    if (options.cut) {
      add(i, Fault::CutTo(name, 1, 1));
      if (call.size > 3) add(i, Fault::CutHalf(name, 1));
    }
    // A call that failed anyway tells nothing.
    const auto error =
        std::find_if(options.errors.begin(), options.errors.end(),
                     [&](const CallError& one) { return Matches(one, call); });
    if (error != options.errors.end() && call.result >= 0) {
      add(i, Fault::Fail(name, 1, error->error));
    }
  }
  return plan;
}

std::string Ordinal(int number) {
  const int tens = number / 10 % 10, ones = number % 10;
  return absl::StrCat(number, tens == 1   ? "th"
                              : ones == 1 ? "st"
                              : ones == 2 ? "nd"
                              : ones == 3 ? "rd"
                                          : "th");
}

std::string Tell(const std::string& program, const Fault& fault,
                 const TracedCall& call) {
  const std::string descriptor = call.Descriptor();
  return absl::StrCat(
      "the ", Ordinal(fault.occurrence), " ", call.name, " of ", program,
      descriptor.empty() ? "" : absl::StrCat(", on ", descriptor, ","), " was ",
      fault.Words());
}

}  // namespace harness
