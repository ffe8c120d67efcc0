#include "tests/support/side_by_side.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "lib/errno_status.h"
#include "lib/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/proc.h"
#include "tests/support/scratch_dir.h"

namespace harness {
namespace {

struct Copy {
  pid_t pid = 0;
  ipc::UniqueFd said;   // Our end of the pipe.
  ipc::UniqueFd ended;  // A pidfd.
  std::unique_ptr<ScratchDir> folder;
  Done outcome;
  bool begun = false, over = false;
};

bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(count);
  }
  return true;
}

void Drain(Copy* copy) {
  char buffer[65536];
  ssize_t count;
  while ((count = read(copy->said.get(), buffer, sizeof(buffer))) > 0) {
    copy->outcome.said.append(buffer, count);
  }
}

// Orphans of copies that have ended are our children now.
void KillOrphans(const std::vector<Copy>& copies) {
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  while (absl::Now() < deadline) {
    bool any = false;
    for (pid_t child : Children(getpid())) {
      if (std::any_of(copies.begin(), copies.end(), [&](const Copy& copy) {
            return copy.pid == child && !copy.over;
          })) {
        continue;
      }
      any = true;
      for (pid_t pid : Descendants(child)) kill(pid, SIGKILL);
      kill(child, SIGKILL);
      waitpid(child, nullptr, WNOHANG);
    }
    if (!any) return;
    poll(nullptr, 0, 1);
  }
}

}  // namespace

int UsualCopies() {
  constexpr int kPerProcessor = 4;
  return kPerProcessor *
         std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void SideBySide(
    int count, int copies, absl::Time deadline,
    absl::FunctionRef<void(int index, ScratchDir* folder, const Say& say)> work,
    absl::FunctionRef<void(int index, const Done& outcome)> done,
    const volatile int* stop) {
  BecomeSubreaper();  // So that no orphan of a copy slips away.
  std::vector<Copy> all(count);
  const auto begin = [&](int index) {
    Copy& copy = all[index];
    int ends[2];
    copy.folder = std::make_unique<ScratchDir>();
    copy.begun = true;
    fflush(nullptr);
    const pid_t parent = getpid();
    const bool piped = pipe2(ends, O_CLOEXEC) == 0;
    copy.pid = piped ? fork() : -1;
    if (copy.pid < 0) {
      copy.over = true;
      copy.outcome.ending = std::string(ipc::ErrnoStatus("fork", "").message());
      return;
    }
    if (copy.pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);
      signal(SIGTERM, SIG_DFL);
      BecomeSubreaper();
      work(index, copy.folder.get(), [&](absl::string_view bytes) {
        if (!WriteAll(ends[1], bytes)) _exit(1);
      });
      _exit(0);  // What exit(3) would do is the parent's to do.
    }
    close(ends[1]);
    copy.said.reset(ends[0]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    copy.ended.reset(static_cast<int>(syscall(SYS_pidfd_open, copy.pid, 0)));
  };
  const auto finish = [&](Copy* copy, int status, bool in_time) {
    Drain(copy);
    copy->over = true;
    copy->outcome.whole = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    copy->outcome.ending = in_time ? DescribeWaitStatus(status) : "time is up";
    copy->said.reset();
    copy->ended.reset();
    KillOrphans(all);
    copy->folder.reset();
  };

  int told = 0, begun = 0, running = 0;
  while (told < count) {
    const bool closing = (stop && *stop) || absl::Now() >= deadline;
    while (!closing && begun < count && running < copies) {
      begin(begun);
      running += !all[begun++].over;
    }
    for (Copy& copy : all) {
      if (!copy.begun || copy.over) continue;
      Drain(&copy);
      int status = 0;
      if (closing) kill(copy.pid, SIGKILL);
      if (waitpid(copy.pid, &status, closing ? 0 : WNOHANG) == copy.pid) {
        finish(&copy, status, !closing);
        --running;
      }
    }
    if (closing) {
      for (Copy& copy : all) {
        if (!copy.begun) {
          copy.over = true;
          copy.outcome.ending = "not begun";
        }
      }
    }
    while (told < count && all[told].over) {
      done(told, all[told].outcome);
      ++told;
    }
    if (told == count) break;
    std::vector<pollfd> entries;
    for (const Copy& copy : all) {
      if (!copy.begun || copy.over) continue;
      entries.push_back({copy.said.get(), POLLIN, 0});
      if (copy.ended.valid()) entries.push_back({copy.ended.get(), POLLIN, 0});
    }
    // A pipe that has been closed is news again and again, for a moment only:
    // its copy is about to end. The pause is short for where pidfds are not.
    if (begun == count || running >= copies) {
      poll(entries.data(), entries.size(), 20);
    }
  }
}

}  // namespace harness
