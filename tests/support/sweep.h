// A sweep: a program's normal run, once more for each system call that it
// makes, with this one call interrupted, cut short, or failing. See
// Check::Sweep.
#ifndef TESTS_SUPPORT_SWEEP_H_
#define TESTS_SUPPORT_SWEEP_H_

#include <set>
#include <string>
#include <vector>

#include "tests/support/tracer.h"

namespace harness {

// That a call may fail with an error, on descriptors of these kinds; empty: on
// any, and without.
struct CallError {
  std::string call;
  int error;
  std::set<DescriptorKind> on;
};

// One error for each call that a program should not go on without.
std::vector<CallError> UsualErrors();

struct SweepOptions {
  bool interrupt = true;  // EINTR.
  // In these calls; empty: in all that wait. Of a program that has no handlers
  // not each contract asks that it expects EINTR elsewhere, and stdio gives up
  // a write that is interrupted.
  std::vector<std::string> interrupted = {"read", "readv", "recv", "recvmsg"};
  bool cut = true;                                // To 1 byte, and to half.
  std::vector<CallError> errors = UsualErrors();  // The first that fits.
  int status = 1;  // With which it ends after an error.
};

// The faults that a program which made `calls` could have suffered, in the
// order of the calls: all of one call one after another. A call that is made
// again and again suffers its first times only: a loop is the same each time.
std::vector<Fault> PlanSweep(const std::vector<TracedCall>& calls,
                             const SweepOptions& options);

// "2nd"
std::string Ordinal(int number);

// "the 2nd recv of server, on descriptor 4 (a UNIX stream socket), was
// interrupted by a signal (EINTR)".
std::string Tell(const std::string& program, const Fault& fault,
                 const TracedCall& call);

}  // namespace harness

#endif  // TESTS_SUPPORT_SWEEP_H_
