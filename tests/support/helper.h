// Processes of the harness's own, beside the programs that are judged. They
// count as nobody's: Descendants leaves them out, and wait(2) for any child
// does not see them.
#ifndef TESTS_SUPPORT_HELPER_H_
#define TESTS_SUPPORT_HELPER_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"

namespace harness {

// The threads that a tracer leaves stopped, as they were stopped by a signal;
// /proc shows no difference to one that goes on in a moment. In memory that is
// shared with the tracer.
struct StoppedThreads {
  std::array<std::atomic<pid_t>, 512> ids;

  void Add(pid_t thread);
  void Remove(pid_t thread);
  bool Contain(pid_t thread) const;
};

// Runs `run` in a process called `name`, with no descriptor but `keep`, all of
// which are above 2, and /dev/null as the standard streams. The process dies
// with this one. Its pid; -1 and errno if there can be none.
pid_t StartHelper(const char* name, const std::vector<int>& keep,
                  const StoppedThreads* stopped, absl::FunctionRef<void()> run);

// Waits for the end of the helper `pid`, after killing it if `kill_it`. See
// wait(2) for the status that it returns.
int EndHelper(pid_t pid, bool kill_it);

// Whether `pid` is such a process.
bool IsHelper(pid_t pid);

// Whether a helper leaves `thread` stopped.
bool IsLeftStopped(pid_t thread);

}  // namespace harness

#endif  // TESTS_SUPPORT_HELPER_H_
