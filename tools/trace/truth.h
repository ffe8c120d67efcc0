// What a random program did, as it wrote it down itself, in memory that it
// shares with its children: no call of it shows in a trace. trace_test compares
// the two.
#ifndef TOOLS_TRACE_TRUTH_H_
#define TOOLS_TRACE_TRUTH_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace trace {

// Calls are known by the thread and how many of the kind it had made before.
struct TruthRecord {
  enum Kind : int32_t {
    kPut,      // Call `nth` that writes put bytes of value `id`.
    kTake,     // Call `nth` that reads got `size` bytes of value `id` ...
    kEnd,      // ... or returned 0, from the socket `inode`.
    kConnect,  // Connect `nth` made the connection `id`.
    kAccept,   // Accept `nth` took the connection `id`.
    kPass,     // Put `id` had the descriptor `fd` with it ...
    kPassed,   // ... and take `nth`, of put `id`, got it as `fd`.
    kKill,     // Kill `nth` sent the signal `id`.
    kSignal,   // The signal `id` came, as the nth.
    kTaken,    // All that take `nth` got has been noted.
    kClose,    // Close or shutdown `nth` of the socket `inode`.
  };
  Kind kind;
  pid_t tid;
  int32_t nth, id, size, fd, at;
  uint64_t inode, peer;
  // Moments before and after the call, in the order in which all threads asked.
  uint32_t before, after;
  std::atomic<int32_t> complete;
};

struct Truth {
  static constexpr int kMost = 20000;
  static constexpr int kMostIds = 250;  // A byte has to hold it.
  std::atomic<int32_t> count, ids, signals;
  std::atomic<uint32_t> moment;
  TruthRecord records[kMost];
};

}  // namespace trace

#endif  // TOOLS_TRACE_TRUTH_H_
