#include "tests/support/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

namespace harness {
namespace {

std::map<pid_t, const StoppedThreads*>& Helpers() {
  static auto& helpers = *new std::map<pid_t, const StoppedThreads*>;
  return helpers;
}

void CloseRange(unsigned first, unsigned last) {
  if (first > last) return;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
#endif
  const long most = sysconf(_SC_OPEN_MAX);
  for (unsigned fd = first; fd <= last && fd < most; ++fd) {
    close(static_cast<int>(fd));
  }
}

void KeepOnly(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned first = 0;
  for (int fd : keep) {
    CloseRange(first, fd - 1);
    first = fd + 1;
  }
  CloseRange(first, ~0U);
  // The lowest free numbers are 0, 1 and 2.
  for (int i = 0; i < 3; ++i) (void)!open("/dev/null", O_RDWR);
}

}  // namespace

void StoppedThreads::Add(pid_t thread) {
  if (Contain(thread)) return;
  for (auto& id : ids) {
    pid_t free = 0;
    if (id.compare_exchange_strong(free, thread)) return;
  }
}

void StoppedThreads::Remove(pid_t thread) {
  for (auto& id : ids) {
    if (id == thread) id = 0;
  }
}

bool StoppedThreads::Contain(pid_t thread) const {
  return std::any_of(ids.begin(), ids.end(),
                     [&](const auto& id) { return id == thread; });
}

pid_t StartHelper(const char* name, const std::vector<int>& keep,
                  const StoppedThreads* stopped,
                  absl::FunctionRef<void()> run) {
  const pid_t parent = getpid();
  // A fork, but for the signal that would tell us of its end: without one, it
  // takes __WCLONE or __WALL to wait for it.
  const auto pid = static_cast<pid_t>(syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    prctl(PR_SET_NAME, name);
    KeepOnly(keep);
    run();
    _exit(0);
  }
  if (pid > 0) Helpers()[pid] = stopped;
  return pid;
}

int EndHelper(pid_t pid, bool kill_it) {
  if (kill_it) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) {
  }
  Helpers().erase(pid);
  return status;
}

bool IsHelper(pid_t pid) { return Helpers().count(pid) > 0; }

bool IsLeftStopped(pid_t thread) {
  return std::any_of(Helpers().begin(), Helpers().end(),
                     [&](const auto& helper) {
                       return helper.second && helper.second->Contain(thread);
                     });
}

}  // namespace harness
