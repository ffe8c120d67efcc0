#include "tests/support/tracer_loop.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/unique_fd.h"
#include "tests/support/tracee.h"

namespace harness {
namespace {

// Set by SIGTERM: somebody else wants to look at the program.
volatile sig_atomic_t let_go = 0;

// Without PTRACE_O_EXITKILL: by our end we let go of all threads at once, even
// of those that sleep, and interrupt none. The program dies with its parent,
// and one that kills us is found out by Tracer::WasKilled.
constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                          PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                          PTRACE_O_TRACEEXEC;

// The kernel's own, for a call that it will make again: see
// include/linux/errno.h there.
bool IsToBeRestarted(int64_t result) {
  return result <= -512 && result >= -516;
}

bool IsSameCall(const CallState& one, const CallState& other) {
  return one.stack_pointer == other.stack_pointer &&
         (other.number == SYS_restart_syscall ||
          (one.number == other.number &&
           std::equal(std::begin(one.arguments), std::end(one.arguments),
                      other.arguments)));
}

pid_t ProcessOf(pid_t thread) {
  char text[1024] = "";
  const ipc::UniqueFd file(open(
      absl::StrCat("/proc/", thread, "/status").c_str(), O_RDONLY | O_CLOEXEC));
  (void)!read(file.get(), text, sizeof(text) - 1);
  const char* line = strstr(text, "\nTgid:");
  return line ? atoi(line + 6) : thread;
}

// What a call was changed into, and must be changed back when it returns: the
// program relies on its registers and its memory.
struct Change {
  int fault;
  bool skipped = false;
  int64_t result = 0;                                // Of one that was skipped.
  int argument = -1;                                 // That was changed,
  uint64_t value = 0;                                // from this.
  std::vector<std::pair<uint64_t, uint64_t>> words;  // Address, value.
  // Its descriptor was made non-blocking: to interrupt a connect while it goes
  // on, or for a socket whose time is up.
  bool connects = false, times_out = false;
};

struct Thread {
  pid_t process;
  enum { kBeforeExec, kLoading, kRunning } stage = kRunning;
  EntryBreakpoint breakpoint;  // While loading.

  CallState entered = {};  // The call that it is in, or was in last.
  int place = -1;          // Of that in the log; -1: it is not there.
  TracedCall traced;       // That, if it is.
  std::optional<Change> change;

  // A call that a signal came upon, which the kernel makes again when the
  // handler has returned.
  struct Suspended {
    CallState entered;
    int place;
    TracedCall traced;
    std::optional<int> fault;
  };
  std::optional<Suspended> suspended;

  // How many calls of a name there have been, for faults again and again.
  std::map<std::string, int> counts;
};

class Loop {
 public:
  Loop(const std::vector<Fault>& faults, int log, Tracer::Shared* shared)
      : faults_(faults),
        fitting_(faults.size()),
        suffered_(faults.size()),
        done_(faults.size()),
        log_(log),
        shared_(shared) {}

  int Seize(pid_t pid) {
    if (ptrace(PTRACE_SEIZE, pid, nullptr, kOptions) < 0) return errno;
    threads_[pid].process = pid;
    threads_[pid].stage = Thread::kBeforeExec;
    return 0;
  }

  void Run() {
    while (true) {
      int status;
      const pid_t thread = waitpid(-1, &status, __WALL);
      if (thread > 0) {
        Handle(thread, status);
      } else if (errno != EINTR) {
        return;  // ECHILD: nobody is left.
      }
      // Our end lets go of those, too, that run or wait.
      if (IsOver()) return;
    }
  }

 private:
  void Handle(pid_t id, int status) {
    shared_->stopped.Remove(id);
    if (!WIFSTOPPED(status)) {
      threads_.erase(id);
      // Should its parent have died before it could tell of this one.
      for (const auto& [child, its_status] : std::exchange(waiting_, {})) {
        Know(child, nullptr);
        Handle(child, its_status);
      }
      return;
    }
    if (threads_.count(id) == 0) {  // Until its parent tells.
      waiting_[id] = status;
      return;
    }
    Thread& thread = threads_[id];
    const int signal = WSTOPSIG(status);
    const int event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
      HandleCall(id, &thread);
      return Resume(id, 0);
    }
    switch (event) {
      case 0:
        if (signal == SIGTRAP && thread.stage == Thread::kLoading &&
            thread.breakpoint.Hit(id)) {
          thread.breakpoint.Remove(id);
          thread.stage = Thread::kRunning;
          return Resume(id, 0);
        }
        return Resume(id, signal);
      case PTRACE_EVENT_FORK:
      case PTRACE_EVENT_VFORK:
      case PTRACE_EVENT_CLONE: {
        unsigned long child = 0;
        ptrace(PTRACE_GETEVENTMSG, id, nullptr, &child);
        Announce(static_cast<pid_t>(child), thread);
        return Resume(id, 0);
      }
      case PTRACE_EVENT_EXEC:
        HandleExec(id);
        return Resume(id, 0);
      case PTRACE_EVENT_STOP:
        if (signal == SIGTRAP) return Resume(id, 0);
        // Stopped by a signal: it stays so until SIGCONT comes.
        shared_->stopped.Add(id);
        ptrace(PTRACE_LISTEN, id, nullptr, nullptr);
        return;
      default:
        return Resume(id, 0);
    }
  }

  void Resume(pid_t id, int signal) {
    const bool watched = threads_[id].stage == Thread::kRunning;
    ptrace(IsOver()  ? PTRACE_DETACH
           : watched ? PTRACE_SYSCALL
                     : PTRACE_CONT,
           id, nullptr, static_cast<long>(signal));
  }

  // `child` was made by `parent`.
  void Announce(pid_t child, const Thread& parent) {
    Know(child, &parent);
    const auto waiting = waiting_.extract(child);
    if (waiting) Handle(child, waiting.mapped());
  }

  void Know(pid_t id, const Thread* parent) {
    Thread& thread = threads_[id];
    thread.process = ProcessOf(id);
    if (parent) {  // A copy, with whatever was planted.
      thread.stage = parent->stage;
      thread.breakpoint = parent->breakpoint;
    }
  }

  void HandleExec(pid_t id) {
    // The threads beside the one that called exec are no more, and that has the
    // id of the first.
    for (auto it = threads_.begin(); it != threads_.end();) {
      it = it->second.process == id ? threads_.erase(it) : std::next(it);
    }
    Thread& thread = threads_[id];
    thread.process = id;
    thread.stage =
        thread.breakpoint.Plant(id) ? Thread::kLoading : Thread::kRunning;
  }

  void HandleCall(pid_t id, Thread* thread) {
    const std::optional<CallState> state = GetCall(id);
    if (!state) return;
    if (state->entry) {
      HandleEntry(id, thread, *state);
    } else {
      HandleReturn(id, thread, *state);
    }
  }

  void HandleEntry(pid_t id, Thread* thread, const CallState& state) {
    if (thread->suspended && IsSameCall(thread->suspended->entered, state)) {
      const Thread::Suspended last =
          *std::exchange(thread->suspended, std::nullopt);
      thread->entered = last.entered;
      thread->place = last.place;
      thread->traced = last.traced;
      if (last.fault) {
        Inflict(*last.fault, *thread, last.entered, &thread->traced);
      }
      return;
    }
    thread->place = -1;
    thread->entered = state;
    const SystemCall* call = FindSystemCall(state.number);
    if (!call || !IsAskedFor(*call)) return;
    std::optional<TracedCall> traced = Inspect(thread->process, id, state);
    if (!traced) return;
    const std::optional<int> fault = Choose(*traced, thread);
    if (!fault) return;
    if (*fault >= 0) Inflict(*fault, *thread, state, &*traced);
    thread->place = calls_++;
    thread->traced = *traced;
    Log(*thread);
  }

  void HandleReturn(pid_t id, Thread* thread, const CallState& state) {
    if (thread->place < 0) return;
    TracedCall& traced = thread->traced;
    traced.result = state.result;
    if (IsToBeRestarted(state.result)) {
      thread->suspended = {thread->entered, thread->place, traced, {}};
      if (thread->change) thread->suspended->fault = thread->change->fault;
      traced.fault = -1;
      traced.result = -EINTR;
    }
    if (thread->change) Undo(id, &*thread->change, &traced);
    traced.returned = true;
    Log(*thread);
    thread->place = -1;
    thread->change.reset();
    if (traced.fault >= 0 && faults_[traced.fault].occurrence > 0 &&
        ++suffered_[traced.fault] >= faults_[traced.fault].times) {
      done_[traced.fault] = true;
    }
  }

  // Whether the call could be one of those that the faults are about.
  bool IsAskedFor(const SystemCall& call) const {
    return faults_.empty() ||
           std::any_of(faults_.begin(), faults_.end(), [&](const Fault& fault) {
             return fault.calls.empty() ||
                    std::any_of(fault.calls.begin(), fault.calls.end(),
                                [&](const std::string& name) {
                                  return name == call.name ||
                                         name == call.other_name ||
                                         (name == kMakesThread &&
                                          absl::string_view(call.name) ==
                                              kMakesProcess);
                                });
           });
  }

  // Which fault the call is to suffer, -1 for none; nothing if it is not to be
  // noted either.
  std::optional<int> Choose(const TracedCall& traced, Thread* thread) {
    if (faults_.empty()) return -1;
    bool fits = false;
    for (size_t i = 0; i < faults_.size(); ++i) {
      if (done_[i] || !faults_[i].Fits(traced)) continue;
      fits = true;
      const bool again = faults_[i].occurrence == 0;
      const int first = again ? 0 : faults_[i].occurrence - 1;
      const int count =
          again ? thread->counts[traced.name]++ % 3 : fitting_[i]++;
      if (count >= first && count < first + faults_[i].times) {
        return static_cast<int>(i);
      }
    }
    if (fits) return -1;
    return std::nullopt;
  }

  // At the entry of `traced`.
  void Inflict(int index, Thread& thread, const CallState& state,
               TracedCall* traced) {
    const Fault& fault = faults_[index];
    Change change;
    change.fault = index;
    bool ok = true;
    switch (fault.kind) {
      case Fault::kNone:
      case Fault::kHold:
        break;
      case Fault::kInterrupt:
        if (traced->kind == DescriptorKind::kTcp &&
            state.number == SYS_connect) {
          change.connects = ok = SetNonBlocking(*traced, true);
          break;
        }
        LeaveSleepToDo(traced->thread, state);
        change.result = -EINTR;
        ok = change.skipped = SkipCall(traced->thread);
        break;
      case Fault::kFail:
        change.result = -fault.error;
        ok = change.skipped = SkipCall(traced->thread);
        break;
      case Fault::kCutTo:
        ok = Cut(*traced, state, fault.bytes, &change);
        break;
      case Fault::kCutHalf:
        ok = Cut(*traced, state, traced->size / 2, &change);
        break;
      case Fault::kTimeOut:
        ok = EndTimeLimit(*traced, state, &change);
        break;
    }
    if (ok) traced->fault = index;
    thread.change = std::move(change);
  }

  // When `traced` has returned.
  void Undo(pid_t id, Change* change, TracedCall* traced) {
    for (const auto& [address, word] : change->words) {
      WriteWord(id, address, word);
    }
    if (change->argument >= 0) SetArgument(id, change->argument, change->value);
    if (change->connects) {
      SetNonBlocking(*traced, false);
      // It goes on, and is interrupted now. One that was through at once, or
      // has failed, was too quick for a signal.
      change->skipped = traced->result == -EINPROGRESS;
      change->result = -EINTR;
      if (!change->skipped) {
        traced->fault = -1;
        done_[change->fault] = true;
      }
    }
    if (change->times_out) SetNonBlocking(*traced, false);
    if (change->skipped) {
      SetResult(id, change->result);
      traced->result = change->result;
    }
    if (traced->fault >= 0 && faults_[traced->fault].kind == Fault::kHold) {
      // Takes effect before the next instruction of the program.
      syscall(SYS_tgkill, traced->process, id, SIGSTOP);
    }
  }

  static bool SetNonBlocking(const TracedCall& traced, bool on) {
    const ipc::UniqueFd copy = CopyDescriptor(traced.process, traced.fd);
    const int flags = fcntl(copy.get(), F_GETFL);
    return flags >= 0 &&
           fcntl(copy.get(), F_SETFL,
                 on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0;
  }

  // One that is interrupted tells how long it would have slept on: all the
  // time, here.
  static void LeaveSleepToDo(pid_t id, const CallState& state) {
    int from = 0;
    if (state.number == SYS_clock_nanosleep) {
      from = 2;
      if (state.arguments[1] & TIMER_ABSTIME) return;
    } else if (state.number != SYS_nanosleep) {
      return;
    }
    const uint64_t to = state.arguments[from + 1];
    const auto time =
        ReadValue<std::array<uint64_t, 2>>(id, state.arguments[from]);
    if (to == 0 || !time) return;
    WriteWord(id, to, (*time)[0]);
    WriteWord(id, to + sizeof(uint64_t), (*time)[1]);
  }

  static bool ChangeArgument(const TracedCall& traced, const CallState& state,
                             int index, uint64_t value, Change* change) {
    change->argument = index;
    change->value = state.arguments[index];
    return SetArgument(traced.thread, index, value);
  }
  static bool ChangeWord(const TracedCall& traced, uint64_t address,
                         uint64_t value, Change* change) {
    const auto old = ReadValue<uint64_t>(traced.thread, address);
    if (!old || !WriteWord(traced.thread, address, value)) return false;
    change->words.emplace_back(address, *old);
    return true;
  }

  // The call looks once, and waits no more than that.
  static bool EndTimeLimit(const TracedCall& traced, const CallState& state,
                           Change* change) {
    const TimeLimit& limit = traced.time_limit;
    switch (limit.kind) {
      case TimeLimit::kNone:
        break;
      case TimeLimit::kArgument:
        return ChangeArgument(traced, state, limit.argument, 0, change);
      case TimeLimit::kTime:
        return ChangeWord(traced, limit.address, 0, change) &&
               ChangeWord(traced, limit.address + sizeof(uint64_t), 0, change);
      case TimeLimit::kOfTheSocket:
        return change->times_out = SetNonBlocking(traced, true);
    }
    return false;
  }

  static bool Cut(const TracedCall& traced, const CallState& state,
                  uint64_t size, Change* change) {
    const pid_t id = traced.thread;
    const auto set_argument = [&](int index, uint64_t value) {
      return ChangeArgument(traced, state, index, value, change);
    };
    const auto set_word = [&](uint64_t address, uint64_t value) {
      return ChangeWord(traced, address, value, change);
    };
    uint64_t vector = state.arguments[1];
    uint64_t message = 0;
    switch (traced.call->amount) {
      case Amount::kNone:
        return false;
      case Amount::kBytes:
      case Amount::kMessages:
        return set_argument(traced.call->amount_argument, size);
      case Amount::kVector:
        break;
      case Amount::kMessage: {
        message = state.arguments[1];
        const auto header = ReadValue<msghdr>(id, message);
        if (!header) return false;
        vector = reinterpret_cast<uint64_t>(header->msg_iov);
        break;
      }
    }
    // The part in which it ends is cut, and is the last one.
    for (uint64_t parts = 1;; ++parts, vector += sizeof(iovec)) {
      const auto part = ReadValue<iovec>(id, vector);
      if (!part) return false;
      if (part->iov_len < size) {
        size -= part->iov_len;
        continue;
      }
      if (!set_word(vector + offsetof(iovec, iov_len), size)) return false;
      return message == 0
                 ? set_argument(2, parts)
                 : set_word(message + offsetof(msghdr, msg_iovlen), parts);
    }
  }

  bool IsOver() const { return (AllSuffered() || let_go) && !HasChanged(); }

  bool AllSuffered() const {
    return !faults_.empty() && std::all_of(done_.begin(), done_.end(),
                                           [](bool one) { return one; });
  }

  // Whether anything of the program is other than it left it.
  bool HasChanged() const {
    return std::any_of(threads_.begin(), threads_.end(), [](const auto& one) {
      return one.second.change || one.second.stage != Thread::kRunning;
    });
  }

  void Log(const Thread& thread) const {
    (void)!pwrite(log_, &thread.traced, sizeof(thread.traced),
                  static_cast<off_t>(thread.place * sizeof(thread.traced)));
  }

  const std::vector<Fault>& faults_;
  // By fault: how many calls fitted, and how many suffered it.
  std::vector<int> fitting_, suffered_;
  std::vector<bool> done_;
  const int log_;
  Tracer::Shared* const shared_;
  std::map<pid_t, Thread> threads_;
  // Who is stopped, and how, and their parents have not told of them.
  std::map<pid_t, int> waiting_;
  int calls_ = 0;
};

}  // namespace

void TraceProgram(const std::vector<Fault>& faults, int gate, int log,
                  Tracer::Shared* shared) {
  struct sigaction action = {};
  action.sa_handler = [](int) { let_go = 1; };  // No SA_RESTART.
  sigaction(SIGTERM, &action, nullptr);
  Loop loop(faults, log, shared);
  pid_t pid;
  if (read(gate, &pid, sizeof(pid)) == sizeof(pid)) {
    const int error = loop.Seize(pid);
    if (send(gate, &error, sizeof(error), MSG_NOSIGNAL) < 0 || error != 0) {
      return;
    }
    close(gate);
    loop.Run();
  }
  shared->done = true;
}

}  // namespace harness
