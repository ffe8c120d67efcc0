#include "tests/support/tracee.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "lib/unique_fd.h"

namespace harness {
namespace {

// What is known of each kind of processor: where Linux keeps the arguments and
// the result of a system call (see syscall(2)), and the breakpoint.
#if defined(__x86_64__)
using RegisterSet = user_regs_struct;
constexpr unsigned char kBreakpoint[] = {0xcc};  // int3
constexpr uint64_t kBehindBreakpoint = 1;        // Where it leaves the thread.

auto* Argument(RegisterSet* set, int index) {
  decltype(&set->rdi) places[] = {&set->rdi, &set->rsi, &set->rdx,
                                  &set->r10, &set->r8,  &set->r9};
  return places[index];
}
auto* Result(RegisterSet* set) { return &set->rax; }
auto* ProgramCounter(RegisterSet* set) { return &set->rip; }
#elif defined(__aarch64__)
using RegisterSet = user_regs_struct;  // As user_pt_regs.
constexpr unsigned char kBreakpoint[] = {0x00, 0x00, 0x20, 0xd4};  // brk #0
constexpr uint64_t kBehindBreakpoint = 0;

auto* Argument(RegisterSet* set, int index) { return &set->regs[index]; }
auto* Result(RegisterSet* set) { return &set->regs[0]; }
auto* ProgramCounter(RegisterSet* set) { return &set->pc; }
#else
#error "The tracer knows the registers of x86-64 and of 64-bit ARM."
#endif

bool Load(pid_t thread, RegisterSet* set) {
  iovec place = {set, sizeof(*set)};
  return ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &place) == 0;
}

bool Store(pid_t thread, RegisterSet* set) {
  iovec place = {set, sizeof(*set)};
  return ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &place) == 0;
}

bool SetCallNumber(pid_t thread, int number) {
#if defined(__aarch64__)
  iovec place = {&number, sizeof(number)};
  return ptrace(PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &place) == 0;
#else
  RegisterSet set;
  if (!Load(thread, &set)) return false;
  set.orig_rax = static_cast<decltype(set.orig_rax)>(number);
  return Store(thread, &set);
#endif
}

// As ptrace(2) wants an address of another process, and a word.
void* Pointer(uint64_t value) {
  return reinterpret_cast<void*>(value);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

std::optional<CallState> GetCall(pid_t thread) {
  __ptrace_syscall_info info = {};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0) {
    return std::nullopt;
  }
  CallState call = {};
  call.stack_pointer = info.stack_pointer;
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    call.entry = true;
    call.number = static_cast<long>(info.entry.nr);
    std::copy(std::begin(info.entry.args), std::end(info.entry.args),
              call.arguments);
  } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    call.result = info.exit.rval;
  } else {
    return std::nullopt;
  }
  return call;
}

bool SkipCall(pid_t thread) { return SetCallNumber(thread, -1); }

bool SetArgument(pid_t thread, int index, uint64_t value) {
  RegisterSet set;
  if (!Load(thread, &set)) return false;
  *Argument(&set, index) = value;
  return Store(thread, &set);
}

bool SetResult(pid_t thread, int64_t result) {
  RegisterSet set;
  if (!Load(thread, &set)) return false;
  *Result(&set) = static_cast<uint64_t>(result);
  return Store(thread, &set);
}

bool ReadMemory(pid_t thread, uint64_t address, void* to, size_t size) {
  // By words, as process_vm_readv(2) is not permitted everywhere.
  char* next = static_cast<char*>(to);
  while (size > 0) {
    const uint64_t skip = address % sizeof(long);
    errno = 0;
    const long word =
        ptrace(PTRACE_PEEKDATA, thread, Pointer(address - skip), nullptr);
    if (errno != 0) return false;
    const size_t count = std::min<size_t>(size, sizeof(word) - skip);
    memcpy(next, reinterpret_cast<const char*>(&word) + skip, count);
    next += count;
    address += count;
    size -= count;
  }
  return true;
}

std::string ReadString(pid_t thread, uint64_t address) {
  std::string text;
  char byte;
  while (text.size() < 255 && ReadMemory(thread, address, &byte, 1) && byte) {
    text.push_back(byte);
    ++address;
  }
  return text;
}

bool WriteWord(pid_t thread, uint64_t address, uint64_t word) {
  return ptrace(PTRACE_POKEDATA, thread, Pointer(address), Pointer(word)) == 0;
}

bool EntryBreakpoint::Plant(pid_t thread) {
  const ipc::UniqueFd file(open(absl::StrCat("/proc/", thread, "/auxv").c_str(),
                                O_RDONLY | O_CLOEXEC));
  Elf64_auxv_t entry;
  address_ = 0;
  while (read(file.get(), &entry, sizeof(entry)) == sizeof(entry)) {
    if (entry.a_type == AT_ENTRY) address_ = entry.a_un.a_val;
  }
  const uint64_t skip = address_ % sizeof(word_);
  if (address_ == 0 || skip + sizeof(kBreakpoint) > sizeof(word_) ||
      !ReadMemory(thread, address_ - skip, &word_, sizeof(word_))) {
    return false;
  }
  uint64_t changed = word_;
  memcpy(reinterpret_cast<char*>(&changed) + skip, kBreakpoint,
         sizeof(kBreakpoint));
  return WriteWord(thread, address_ - skip, changed);
}

bool EntryBreakpoint::Hit(pid_t thread) const {
  RegisterSet set;
  return Load(thread, &set) &&
         *ProgramCounter(&set) == address_ + kBehindBreakpoint;
}

void EntryBreakpoint::Remove(pid_t thread) {
  WriteWord(thread, address_ - address_ % sizeof(word_), word_);
  RegisterSet set;
  if (Hit(thread) && Load(thread, &set)) {
    *ProgramCounter(&set) = address_;
    Store(thread, &set);
  }
}

}  // namespace harness
