#include "tests/support/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "lib/unique_fd.h"
#include "tests/support/helper.h"
#include "tests/support/proc.h"
#include "tests/support/system_calls.h"
#include "tests/support/traced_call.h"
#include "tests/support/tracee.h"

namespace harness {
namespace {

constexpr size_t kMostCalls = 64;
constexpr absl::Duration kMostProcessorTime = absl::Milliseconds(100);
// One that sleeps is given up soon; one that runs may have to share the
// processor with many.
constexpr absl::Duration kAsleep = absl::Milliseconds(200);
constexpr absl::Duration kPatience = absl::Seconds(5);

std::string Name(DescriptorKind kind, int fd) {
  return kind == DescriptorKind::kNone
             ? absl::StrCat("descriptor ", fd)
             : absl::StrCat("descriptor ", fd, " (", Describe(kind), ")");
}

// "descriptor 5 (a pipe) is readable"
std::string Readiness(pid_t pid, int fd, uint32_t events) {
  const char* how = events & POLLNVAL               ? " is not open"
                    : events & POLLERR              ? " has an error"
                    : events & POLLHUP              ? " has hung up"
                    : events & (POLLIN | POLLRDHUP) ? " is readable"
                    : events & POLLOUT              ? " is writable"
                    : events & POLLPRI              ? " has urgent data"
                                                    : " is ready";
  return Name(KindOf(pid, pid, fd), fd) + how;
}

// Which descriptor an epoll instance means by `data`; -1 if it is not to be
// told.
int EpollTarget(pid_t pid, int epoll, uint64_t data) {
  std::ifstream info(absl::StrCat("/proc/", pid, "/fdinfo/", epoll));
  for (std::string line; std::getline(info, line);) {
    int fd;
    unsigned events;
    unsigned long long its_data;
    if (sscanf(line.c_str(), "tfd: %d events: %x data: %llx", &fd, &events,
               &its_data) == 3 &&
        its_data == data) {
      return fd;
    }
  }
  return -1;
}

// What a call that has returned says is ready.
std::string WhatIsReady(pid_t pid, pid_t thread, const CallState& entry) {
  const uint64_t* args = entry.arguments;
  switch (entry.number) {
#ifdef SYS_poll
    case SYS_poll:
#endif
    case SYS_ppoll:
      for (uint64_t i = 0; i < std::min<uint64_t>(args[1], 1024); ++i) {
        const auto one =
            ReadValue<pollfd>(thread, args[0] + i * sizeof(pollfd));
        if (one && one->revents) return Readiness(pid, one->fd, one->revents);
      }
      break;
#ifdef SYS_select
    case SYS_select:
#endif
    case SYS_pselect6:
      for (const auto& [set, event] : {std::make_pair(args[1], POLLIN),
                                       std::make_pair(args[2], POLLOUT)}) {
        const auto ready = set ? ReadValue<fd_set>(thread, set) : std::nullopt;
        for (int fd = 0; ready && fd < FD_SETSIZE; ++fd) {
          if (FD_ISSET(fd, &*ready)) return Readiness(pid, fd, event);
        }
      }
      break;
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
    case SYS_epoll_pwait: {
      const auto event = ReadValue<epoll_event>(thread, args[1]);
      if (!event) break;
      const int fd =
          EpollTarget(pid, static_cast<int>(args[0]), event->data.u64);
      if (fd >= 0) return Readiness(pid, fd, event->events);
      break;
    }
    default:
      break;
  }
  return "a descriptor is ready";
}

// What was seen of a process.
class Sample {
 public:
  explicit Sample(pid_t pid) : pid_(pid) {}

  size_t size() const { return size_; }

  void Add(pid_t thread, const CallState& entry, int64_t result) {
    ++size_;
    const SystemCall* call = FindSystemCall(entry.number);
    std::string words;
    if (!call) {
      words = absl::StrCat("system call ", entry.number);
    } else {
      moved_ |= (result > 0 && (call->effect == Effect::kReads ||
                                call->effect == Effect::kWrites ||
                                call->number == SYS_wait4)) ||
                (result >= 0 && call->effect == Effect::kMakes);
      words = call->name;
      if (call->descriptor >= 0 && call->effect != Effect::kWaits) {
        const int fd = static_cast<int>(entry.arguments[call->descriptor]);
        absl::StrAppend(&words, " on ", Name(KindOf(pid_, thread, fd), fd));
      }
    }
    const std::string outcome = Outcome(thread, call, entry, result);
    const auto known =
        std::find(calls_.begin(), calls_.end(), std::make_pair(words, outcome));
    if (known == calls_.end()) calls_.emplace_back(words, outcome);
  }

  LoopReport Report(bool used_processor) const {
    LoopReport report;
    report.is_loop = used_processor && !moved_ && !slept_;
    if (calls_.empty()) {
      if (used_processor) report.words = "computes and makes no system call";
    } else if (calls_.size() == 1) {
      report.words = absl::StrCat("calls ", calls_[0].first, " again and again",
                                  calls_[0].second);
    } else {
      constexpr size_t kShown = 4;
      std::vector<std::string> shown;
      for (const auto& [call, outcome] : calls_) {
        if (shown.size() == kShown) {
          shown.emplace_back("...");
          break;
        }
        shown.push_back(call + outcome);
      }
      report.words = absl::StrCat("does the same again and again: ",
                                  absl::StrJoin(shown, "; "));
    }
    return report;
  }

 private:
  std::string Outcome(pid_t thread, const SystemCall* call,
                      const CallState& entry, int64_t result) {
    if (result < 0) {
      return absl::StrCat(", and gets ",
                          ipc::ErrnoName(static_cast<int>(-result)),
                          " each time");
    }
    if (!call) return "";
    switch (call->effect) {
      case Effect::kReads:
        return result == 0 ? ", and gets 0 each time: the end of file" : "";
      case Effect::kWrites:
        return result == 0 ? ", and gets 0 each time" : "";
      case Effect::kWaits:
        if (call->number == SYS_wait4 || call->number == SYS_waitid) return "";
        if (result > 0) {
          return absl::StrCat(", which says each time that ",
                              WhatIsReady(pid_, thread, entry));
        }
        slept_ |= Timed(thread, entry);
        return ", which says each time that nothing is ready";
      default:
        return "";
    }
  }

  // Whether a call that came to nothing may have waited before that.
  bool Timed(pid_t thread, const CallState& entry) {
    const auto traced = Inspect(pid_, thread, entry);
    return traced && traced->may_be_interrupted;
  }

  const pid_t pid_;
  size_t size_ = 0;
  bool moved_ = false, slept_ = false;
  std::vector<std::pair<std::string, std::string>> calls_;  // And outcome.
};

// Has the tracer of ours that may be there leave `pid` to us.
bool FreeFromTracer(pid_t pid) {
  const absl::Time deadline = absl::Now() + absl::Seconds(1);
  pid_t tracer;
  while ((tracer = TracerOf(pid)) != 0) {
    if (!IsHelper(tracer) || absl::Now() > deadline) return false;
    kill(tracer, SIGTERM);
    poll(nullptr, 0, 1);
  }
  return true;
}

// In the helper, since it waits for any of the threads. Its end lets go of
// them, wherever they are then.
LoopReport Look(pid_t pid) {
  Sample sample(pid);
  std::map<pid_t, CallState> entered;
  const absl::Duration start = ProcessorTime(pid);
  absl::Time now = absl::Now(), ran = now;
  const absl::Time deadline = now + kPatience;
  while (sample.size() < kMostCalls &&
         now < std::min(deadline, ran + kAsleep)) {
    now = absl::Now();
    if (ProcessorTime(pid) - start > kMostProcessorTime) break;
    // Those that run: to interrupt one that sleeps might be seen.
    for (pid_t thread : RunningThreadIds(pid)) {
      ran = now;
      if (entered.count(thread) > 0) continue;
      if (ptrace(PTRACE_SEIZE, thread, nullptr, PTRACE_O_TRACESYSGOOD) < 0) {
        return {};
      }
      ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
      entered[thread].number = -1;
    }
    int status;
    pid_t thread;
    while ((thread = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
      if (!WIFSTOPPED(status)) continue;
      const int signal = WSTOPSIG(status);
      CallState& entry = entered[thread];
      if (signal == (SIGTRAP | 0x80)) {
        const std::optional<CallState> state = GetCall(thread);
        if (state && state->entry) {
          entry = *state;
        } else if (state && entry.number >= 0) {
          sample.Add(thread, entry, state->result);
        }
      }
      if (status >> 16 == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        ptrace(PTRACE_LISTEN, thread, nullptr, nullptr);
      } else if (sample.size() < kMostCalls) {
        const bool deliver = status >> 16 == 0 && !(signal & 0x80);
        ptrace(PTRACE_SYSCALL, thread, nullptr,
               static_cast<long>(deliver ? signal : 0));
      }
    }
    if (thread < 0 && !entered.empty()) break;  // It has ended.
    sched_yield();
  }
  return sample.Report(sample.size() >= kMostCalls ||
                       ProcessorTime(pid) - start > kMostProcessorTime);
}

}  // namespace

LoopReport DescribeLoop(pid_t pid) {
  if (!FreeFromTracer(pid)) return {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return {};
  const ipc::UniqueFd from(ends[0]);
  ipc::UniqueFd to(fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  close(ends[1]);
  const pid_t helper = StartHelper("looker", {to.get()}, nullptr, [&] {
    const LoopReport report = Look(pid);
    const std::string text = (report.is_loop ? "1" : "0") + report.words;
    (void)!write(to.get(), text.data(), text.size());
  });
  if (helper < 0) return {};
  to.reset();
  char text[4096];
  ssize_t size;
  do {
    size = read(from.get(), text, sizeof(text));
  } while (size < 0 && errno == EINTR);
  EndHelper(helper, false);
  if (size <= 0) return {};
  return {text[0] == '1', std::string(text + 1, size - 1)};
}

}  // namespace harness
