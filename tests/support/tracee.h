// A thread that is stopped for its tracer: its registers, its memory, and the
// system call that it is in. See ptrace(2).
#ifndef TESTS_SUPPORT_TRACEE_H_
#define TESTS_SUPPORT_TRACEE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace harness {

// What a thread is about to ask the kernel for, or has just been answered.
struct CallState {
  bool entry;              // False: the kernel has answered.
  long number = -1;        // At the entry.
  uint64_t arguments[6];   // At the entry.
  int64_t result = 0;      // After it: what the call gives, or -errno.
  uint64_t stack_pointer;  // Two equal ones: perhaps the same call.
};
// Nothing when `thread` is in no system-call stop, or gone.
std::optional<CallState> GetCall(pid_t thread);

// At the entry: the call will not be made. Its result is set after it.
bool SkipCall(pid_t thread);
bool SetArgument(pid_t thread, int index, uint64_t value);
// After the call.
bool SetResult(pid_t thread, int64_t result);

// Whether all `size` bytes at `address` could be read.
bool ReadMemory(pid_t thread, uint64_t address, void* to, size_t size);
template <typename T>
std::optional<T> ReadValue(pid_t thread, uint64_t address) {
  T value;
  if (!ReadMemory(thread, address, &value, sizeof(value))) return std::nullopt;
  return value;
}
// The string at `address`, up to 255 bytes of it.
std::string ReadString(pid_t thread, uint64_t address);
// Writes also where the thread itself may not.
bool WriteWord(pid_t thread, uint64_t address, uint64_t word);

// A breakpoint where the program's own code begins: in the code of the loader,
// until then, there is nothing to be seen.
class EntryBreakpoint {
 public:
  // Just after exec. False if it cannot be.
  bool Plant(pid_t thread);
  // Whether the thread, stopped by SIGTRAP, has run into it.
  bool Hit(pid_t thread) const;
  // Takes it away, and has the thread go on there.
  void Remove(pid_t thread);

 private:
  uint64_t address_ = 0;
  uint64_t word_ = 0;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_TRACEE_H_
