// Two traces beside each other.
#ifndef TOOLS_TRACE_AGAINST_H_
#define TOOLS_TRACE_AGAINST_H_

#include <string>

#include "tools/trace/trace.h"

namespace trace {

// The calls of each process of the two runs, side by side, up to the first
// where they part and a few more. Numbers that differ from run to run (pids,
// ports, random names) count as equal.
std::string DrawAgainst(const Trace& one, const Trace& two, int width = 100);

}  // namespace trace

#endif  // TOOLS_TRACE_AGAINST_H_
