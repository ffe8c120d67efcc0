// What the helper of a Tracer does.
#ifndef TESTS_SUPPORT_TRACER_LOOP_H_
#define TESTS_SUPPORT_TRACER_LOOP_H_

#include <vector>

#include "tests/support/tracer.h"

namespace harness {

// Traces the program that reports at `gate`, and writes its calls to `log`.
// Returns when there is nothing more to do; the program goes on then, if it is
// still there.
void TraceProgram(const std::vector<Fault>& faults, int gate, int log,
                  Tracer::Shared* shared);

}  // namespace harness

#endif  // TESTS_SUPPORT_TRACER_LOOP_H_
