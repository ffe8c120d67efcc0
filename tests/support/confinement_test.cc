#include "tests/support/confinement.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/support/scratch_dir.h"

namespace harness {
namespace {

// What a call returns, as an errno.
int ErrnoOf(long result) { return result < 0 ? errno : 0; }

int Open(const std::string& path, int flags) {
  return ErrnoOf(open(path.c_str(), flags, 0600));
}

class ConfinementTest : public testing::Test {
 protected:
  ConfinementTest() {
    options_.writable = {folder_.path()};
    options_.protected_pids = {getpid()};
  }

  // What `act` returns in a process that is confined.
  int Confined(const std::function<int()>& act) {
    const Confinement confinement(options_);
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (confinement.Enter() != 0) _exit(200);
      _exit(act());
    }
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "killed by " << WTERMSIG(status);
    return WEXITSTATUS(status);
  }

  void NeedLandlock() {
    if (!MissingConfinement().empty()) GTEST_SKIP() << MissingConfinement();
  }

  const ScratchDir folder_, other_;
  ConfinementOptions options_;
};

// Files -----------------------------------------------------------------------

TEST_F(ConfinementTest, WritesInItsFoldersOnly) {
  NeedLandlock();
  const std::string mine = folder_.File("file"), theirs = other_.File("file");
  EXPECT_EQ(Confined([&] { return Open(mine, O_CREAT | O_WRONLY); }), 0);
  EXPECT_EQ(Confined([&] { return ErrnoOf(unlink(mine.c_str())); }), 0);
  EXPECT_EQ(Confined([&] { return Open(theirs, O_CREAT | O_WRONLY); }), EACCES);
  std::ofstream(theirs) << "kept";
  EXPECT_EQ(Confined([&] { return ErrnoOf(unlink(theirs.c_str())); }), EACCES);
  EXPECT_EQ(Confined([&] { return Open(theirs, O_WRONLY | O_TRUNC); }), EACCES);
  EXPECT_EQ(
      Confined([&] { return ErrnoOf(rename(theirs.c_str(), mine.c_str())); }),
      EACCES);
}

TEST_F(ConfinementTest, ReadsWhatItNeedsOnly) {
  NeedLandlock();
  const std::string theirs = other_.File("answers");
  std::ofstream(theirs) << "the reference";
  EXPECT_EQ(Confined([&] { return Open(theirs, O_RDONLY); }), EACCES);
  EXPECT_EQ(Confined([&] { return Open("/", O_RDONLY); }), 0);
  EXPECT_EQ(Confined([&] { return Open("/usr/bin/env", O_RDONLY); }), 0);
  EXPECT_EQ(Confined([&] { return Open("/proc/self/maps", O_RDONLY); }), 0);
  EXPECT_EQ(Confined([&] { return Open("/dev/null", O_RDWR); }), 0);
  EXPECT_EQ(Confined([&] { return Open("/dev/full", O_WRONLY); }), 0);
  options_.readable = {theirs};
  EXPECT_EQ(Confined([&] { return Open(theirs, O_RDONLY); }), 0);
  EXPECT_EQ(Confined([&] { return Open(theirs, O_WRONLY); }), EACCES);
}

// Signals ---------------------------------------------------------------------

TEST_F(ConfinementTest, NoSignalReachesTheProtected) {
  const pid_t checker = getpid();
  EXPECT_EQ(Confined([&] { return ErrnoOf(kill(checker, SIGKILL)); }), EPERM);
  EXPECT_EQ(Confined([&] { return ErrnoOf(kill(-1, SIGKILL)); }), EPERM);
  EXPECT_EQ(Confined([&] {
              return ErrnoOf(syscall(SYS_tgkill, checker, checker, SIGKILL));
            }),
            EPERM);
  EXPECT_EQ(Confined([&] { return ErrnoOf(kill(checker, 0)); }), 0)
      << "whether it is there may be asked";
}

TEST_F(ConfinementTest, NoSignalReachesOthersWhereLandlockCanKeepIt) {
  if (!SignalsCanBeKept()) GTEST_SKIP() << "Landlock does so from 6.12 on";
  options_.protected_pids = {};
  options_.signals_own_only = true;
  const pid_t other = fork();
  if (other == 0) {
    while (true) pause();
  }
  const int error = Confined([&] { return ErrnoOf(kill(other, SIGTERM)); });
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  EXPECT_EQ(error, EPERM);
}

TEST_F(ConfinementTest, ItsOwnProcessesGetSignals) {
  EXPECT_EQ(Confined([] {
              const pid_t child = fork();
              if (child == 0) {
                while (true) pause();
              }
              const int error = ErrnoOf(kill(child, SIGTERM));
              waitpid(child, nullptr, 0);
              return error;
            }),
            0);
  EXPECT_EQ(Confined([] {
              signal(SIGUSR1, SIG_IGN);
              return ErrnoOf(raise(SIGUSR1));
            }),
            0);
}

// Calls -----------------------------------------------------------------------

TEST_F(ConfinementTest, CallsThatNoLabNeedsAreRefused) {
  EXPECT_EQ(Confined([] { return ErrnoOf(unshare(CLONE_NEWUSER)); }), EPERM);
  EXPECT_EQ(Confined([] {
              return ErrnoOf(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD,
                                     nullptr, nullptr, nullptr, nullptr));
            }),
            EPERM);
  EXPECT_EQ(Confined([&] {
              return ErrnoOf(
                  mount("none", folder_.path().c_str(), "tmpfs", 0, nullptr));
            }),
            EPERM);
  const auto trace = [] {
    return ErrnoOf(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  };
  EXPECT_EQ(Confined(trace), EPERM);
  EXPECT_EQ(Confined([] { return ErrnoOf(ioctl(0, TIOCSTI, "x")); }), EPERM);
  options_.traces = true;
  EXPECT_EQ(Confined(trace), 0);
}

TEST_F(ConfinementTest, ThreadsAndProcessesCanBeMade) {
  EXPECT_EQ(Confined([] {
              int seen = 0;
              std::thread([&] { seen = 7; }).join();
              return seen;
            }),
            7);
}

}  // namespace
}  // namespace harness
