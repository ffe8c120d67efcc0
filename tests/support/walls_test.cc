#include "tests/support/walls.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "tests/support/child.h"
#include "tests/support/proc.h"
#include "tests/support/scratch_dir.h"

namespace harness {
namespace {

using ::testing::HasSubstr;

using SayIt = std::function<void(absl::string_view)>;

struct Outcome {
  Inside inside;
  Walls walls;
  std::string heard;
};

Outcome RunAs(bool wanted, const std::function<void(const SayIt& say)>& act,
              const std::vector<std::string>& files = {},
              absl::Duration patience = absl::Seconds(30),
              const volatile int* stop = nullptr) {
  Outcome outcome;
  outcome.inside = RunBehindWalls(
      wanted, files, absl::Now() + patience, stop,
      [&](const Walls&, const SayIt& say) { act(say); },
      [&](const Walls& walls) { outcome.walls = walls; },
      [&](absl::string_view bytes) {
        outcome.heard.append(bytes.data(), bytes.size());
      });
  return outcome;
}

// What `act` says behind walls; a test is skipped where there can be none.
#define SAID_BEHIND_WALLS(variable, ...)             \
  const Outcome variable = RunAs(true, __VA_ARGS__); \
  if (!variable.walls.up) GTEST_SKIP() << variable.walls.missing

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(Walls, WhatIsSaidIsHeard) {
  for (bool wanted : {true, false}) {
    const std::string much(300000, 'm');
    const Outcome outcome = RunAs(wanted, [&](const SayIt& say) {
      say("first ");
      say(much);
    });
    EXPECT_TRUE(outcome.inside.whole) << outcome.inside.ending;
    EXPECT_EQ(outcome.heard, "first " + much);
  }
}

TEST(Walls, ProcessesAreItsOwn) {
  SAID_BEHIND_WALLS(outcome, [](const SayIt& say) {
    say(absl::StrCat(getpid(), " ", getppid(), " ",
                     access("/proc/2", F_OK) == 0 ? "others" : "alone"));
  });
  EXPECT_EQ(outcome.heard, "1 0 alone");
}

TEST(Walls, UserIsOrdinary) {
  SAID_BEHIND_WALLS(outcome, [](const SayIt& say) {
    say(geteuid() == 0 ? "root\n" : "ordinary\n");
    say(Content("/proc/self/status"));
  });
  EXPECT_THAT(outcome.heard, HasSubstr("ordinary\n"));
  EXPECT_THAT(outcome.heard, HasSubstr("CapEff:\t0000000000000000\n"));
  EXPECT_THAT(outcome.heard, HasSubstr("CapBnd:\t0000000000000000\n"));
}

TEST(Walls, FilesOfTheMachineCannotBeWritten) {
  const ScratchDir folder;
  std::ofstream(folder.File("kept")) << "kept";
  const std::string canary = folder.File("kept");
  SAID_BEHIND_WALLS(outcome, [&](const SayIt& say) {
    for (const std::string& path :
         {std::string("/new"), std::string("/usr/new"), std::string("/etc/new"),
          std::string("new"), std::string("/var/tmp/new")}) {
      const int fd = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
      if (fd >= 0) say(path + " was made\n");
    }
    if (unlink(canary.c_str()) == 0) say("the canary is gone\n");
    std::ofstream("/tmp/mine") << "mine";
    say(Content("/tmp/mine"));
  });
  EXPECT_EQ(outcome.heard, "mine");
  EXPECT_EQ(Content(canary), "kept");
  EXPECT_NE(access("/tmp/mine", F_OK), 0);
}

TEST(Walls, WhatItNeedsIsThereAndReadOnly) {
  const ScratchDir folder;
  std::ofstream(folder.File("program")) << "a program";
  SAID_BEHIND_WALLS(
      outcome,
      [&](const SayIt& say) {
        const std::string path = absl::StrCat(kKitFolder, "/0/program");
        say(Content(path));
        say(access(path.c_str(), X_OK) == 0 ? " runs" : "");
        say(unlink(path.c_str()) < 0 && errno == EROFS ? " for ever" : "");
      },
      {folder.File("program")});
  EXPECT_EQ(outcome.heard, "a program runs for ever");
}

TEST(Walls, NetworkIsALoopbackDevice) {
  SAID_BEHIND_WALLS(outcome, [](const SayIt& say) {
    const struct if_nameindex* names = if_nameindex();
    for (; names->if_index != 0; ++names) say(names->if_name);
    auto listener = ipc::Listen(*ipc::SocketAddress::Ip("127.0.0.1", 0));
    const auto address = ipc::LocalAddress(listener->get());
    say(ipc::Connect(*address).ok() ? " works" : " is down");
  });
  EXPECT_EQ(outcome.heard, "lo works");
}

TEST(Walls, NothingIsLeftOfOneThatIsKilled) {
  for (bool wanted : {true, false}) {
    const Outcome outcome = RunAs(wanted, [](const SayIt& say) {
      if (fork() == 0) {
        setsid();
        prctl(PR_SET_NAME, "left-behind");
        while (true) pause();
      }
      say("said");
      kill(getpid(), SIGKILL);  // Itself: the first process does not hear it.
      _exit(9);
    });
    EXPECT_FALSE(outcome.inside.whole);
    EXPECT_EQ(outcome.heard, "said");
    EXPECT_TRUE(Children(getpid()).empty());
  }
}

TEST(Walls, TimeEnds) {
  const Outcome outcome = RunAs(
      true,
      [](const SayIt& say) {
        say("said");
        while (true) pause();
      },
      {}, absl::Milliseconds(100));
  EXPECT_FALSE(outcome.inside.whole);
  EXPECT_EQ(outcome.inside.ending, "time is up");
  EXPECT_EQ(outcome.heard, "said");
}

// As on a machine that permits no user namespaces.
TEST(Walls, WithoutNamespacesItRunsAllTheSame) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) _exit(3);
    const Outcome outcome = RunAs(true, [](const SayIt& say) { say("said"); });
    const bool right = outcome.heard == "said" && outcome.inside.whole &&
                       !outcome.walls.up &&
                       absl::StrContains(outcome.walls.missing, "EPERM");
    _exit(right ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0) << DescribeWaitStatus(status);
}

}  // namespace
}  // namespace harness
