// Why a program uses the processor without end.
#ifndef TESTS_SUPPORT_LOOP_H_
#define TESTS_SUPPORT_LOOP_H_

#include <sys/types.h>

#include <string>

namespace harness {

struct LoopReport {
  // Nothing that it did while we looked has moved a byte, or made anything, and
  // it did not sleep. One that reads byte by byte is in no loop.
  bool is_loop = false;
  // What it does, for people, after the name of the program: "calls read on
  // descriptor 4 (a pipe) again and again, and gets 0 each time: the end of
  // file". Empty when there was nothing to see.
  std::string words;
};

// Looks at the system calls of `pid`, a descendant that runs, for a moment: 64
// calls, or 100 ms of processor time. It goes on as if nothing had happened.
LoopReport DescribeLoop(pid_t pid);

}  // namespace harness

#endif  // TESTS_SUPPORT_LOOP_H_
