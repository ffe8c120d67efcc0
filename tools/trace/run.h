// Runs a command under strace.
#ifndef TOOLS_TRACE_RUN_H_
#define TOOLS_TRACE_RUN_H_

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace trace {

struct RunOptions {
  std::vector<std::string> command;  // Not empty.
  std::string output;                // What strace writes goes to this file.
  bool silent = false;               // Its standard output goes nowhere.
  int shown_bytes = 256;             // Of each string.
  absl::Duration limit = absl::Seconds(60);
};

struct RunResult {
  std::string error;     // One line; "" if the command was run.
  bool stopped = false;  // It was killed when its time was up.
  absl::Duration took;
};

// The command's standard output goes to standard error, or nowhere. It returns
// when the command and all that it started have ended; after `limit` they are
// killed.
RunResult Run(const RunOptions& options);

}  // namespace trace

#endif  // TOOLS_TRACE_RUN_H_
