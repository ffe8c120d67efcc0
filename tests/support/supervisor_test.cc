#include "tests/support/supervisor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/unique_fd.h"
#include "tests/support/misbehave.h"
#include "tests/support/proc.h"
#include "tests/support/scratch_dir.h"

namespace harness {

// For GoogleTest's messages.
inline void PrintTo(Waited waited, std::ostream* out) {
  const char* names[] = {"kMet",   "kEnded", "kBlocked",
                         "kSpins", "kBroke", "kDeadline"};
  *out << names[static_cast<int>(waited)];
}

namespace {

using ::testing::MatchesRegex;

bool Never() { return false; }

class SupervisorTest : public HarnessTest {
 protected:
  Child* StartWith(const ChildOptions& options) {
    auto child = supervisor_.Spawn(options);
    EXPECT_TRUE(child.ok()) << child.status();
    return *child;
  }
  Child* Start(std::vector<std::string> actions) {
    return StartWith(Misbehave(std::move(actions)));
  }

  Supervisor supervisor_{absl::Now() + kPatience};
};

// kMet, kEnded ----------------------------------------------------------------

TEST_F(SupervisorTest, ConditionIsMet) {
  Child* child = Start({"out=hello", "hang"});
  EXPECT_EQ(supervisor_.WaitUntil([&] { return child->out() == "hello"; }),
            Waited::kMet);
}

TEST_F(SupervisorTest, ConditionIsMetByLastWords) {
  for (int i = 0; i < 50; ++i) {
    Child* child = Start({"out=hello", "exit=1"});
    ASSERT_EQ(supervisor_.WaitUntil([&] { return child->out() == "hello"; }),
              Waited::kMet);
  }
}

TEST_F(SupervisorTest, ConditionIsMetByAWatchedDescriptor) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const ipc::UniqueFd watched(fds[0]), other(fds[1]);
  std::thread writer([&] { (void)!write(other.get(), "x", 1); });
  char byte = 0;
  EXPECT_EQ(
      supervisor_.WaitUntil(
          [&] { return recv(watched.get(), &byte, 1, MSG_DONTWAIT) == 1; },
          {watched.get(), POLLIN, 0}),
      Waited::kMet);
  writer.join();
}

TEST_F(SupervisorTest, AllEnded) {
  Child* first = Start({"exit=3"});
  Child* second = Start({"raise=9"});
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kEnded);
  EXPECT_EQ(first->Ending(), "exit status 3");
  EXPECT_EQ(second->Ending(), "killed by SIGKILL");
}

TEST_F(SupervisorTest, OneOfTwoEndedIsNotAll) {
  Child* first = Start({"exit=3"});
  Start({"hang"});
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBlocked);
  EXPECT_TRUE(first->ended());
}

TEST_F(SupervisorTest, EndedThoughItsStdoutIsHeldElsewhere) {
  Child* child = Start({"hang"});
  const ipc::UniqueFd held(
      open(absl::StrCat("/proc/", child->pid(), "/fd/1").c_str(),
           O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(held.valid());
  child->Signal(SIGTERM);
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kEnded);
}

// It ends just before the first look at who is blocked, and has not been waited
// for yet: no thread of it is there.
TEST_F(SupervisorTest, EndedAMomentAgo) {
  Child* child = Start({"poll=150", "exit=3"});
  const auto ends = [&] {
    siginfo_t info;
    if (!child->ended()) waitid(P_PID, child->pid(), &info, WEXITED | WNOWAIT);
    return false;
  };
  EXPECT_EQ(supervisor_.WaitUntil(ends), Waited::kEnded);
}

// kBlocked --------------------------------------------------------------------

struct Blocking {
  std::vector<std::string> actions;
  const char* description;
};

class Blocked : public SupervisorTest,
                public testing::WithParamInterface<Blocking> {};

TEST_P(Blocked, IsToldQuickly) {
  Start(GetParam().actions);
  const absl::Time start = absl::Now();
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBlocked);
  EXPECT_LT(absl::Now() - start, kPatience / 3);
  EXPECT_THAT(supervisor_.detail(), MatchesRegex(GetParam().description));
}

INSTANTIATE_TEST_SUITE_P(
    Calls, Blocked,
    testing::Values(
        Blocking{{"receive"},
                 "misbehave waits in recv on descriptor 3 .socket:.[0-9]+.."},
        Blocking{{"listen", "accept"},
                 "misbehave waits in accept on descriptor 3 .socket:.*"},
        Blocking{{"listen", "connect"},
                 "misbehave waits in connect on descriptor [0-9]+ .socket:.*"},
        Blocking{{"send"},
                 "misbehave waits in write on descriptor 3 .socket:.*"},
        Blocking{{"poll=-1"}, "misbehave waits in poll"},
        Blocking{{"epoll"},
                 "misbehave waits in epoll_wait on descriptor 3 .anon_inode:"
                 ".eventpoll.."},
        Blocking{{"join"},
                 "misbehave waits in a lock or a thread's end; "
                 "misbehave waits in pause"},
        Blocking{{"hang"}, "misbehave waits in pause"},
        Blocking{{"stop"}, "misbehave is stopped by a signal"},
        Blocking{{"fork", "name=child", "hang", ".", "wait"},
                 "misbehave waits in wait; child waits in pause"}),
    [](const auto& info) {
      std::string name;
      for (char c : info.param.actions.back()) {
        if (isalpha(c)) name += c;
      }
      return name + std::to_string(info.index);
    });

TEST_F(SupervisorTest, WhoWaitsForTheOtherEndOfAFifoIsBlocked) {
  const ScratchDir scratch;
  ChildOptions options = Misbehave({"open-fifo=fifo"});
  options.folder = scratch.path();
  ASSERT_TRUE(supervisor_.Spawn(options).ok());
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBlocked);
  EXPECT_EQ(supervisor_.detail(), "misbehave waits in open");
}

TEST_F(SupervisorTest, ADaemonThatBlocksIsToldToo) {
  Start({"fork", "setsid", "name=daemon", "hang", ".", "exit=0"});
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBlocked);
  EXPECT_EQ(supervisor_.detail(), "daemon waits in pause");
}

// Two threads that keep every processor busy, so that whoever is to run waits.
class Load {
 public:
  ~Load() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Spin() const {
    while (!stop_) {
    }
  }
  std::atomic<bool> stop_{false};
  std::thread threads_[2] = {std::thread(&Load::Spin, this),
                             std::thread(&Load::Spin, this)};
};

TEST_F(SupervisorTest, BlockedIsToldUnderLoad) {
  const Load load;
  Start({"receive"});
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBlocked);
}

// kSpins ----------------------------------------------------------------------

TEST_F(SupervisorTest, LoopThatGetsNowhereIsTold) {
  Start({"spin"});
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kSpins);
  EXPECT_THAT(supervisor_.detail(), MatchesRegex("misbehave computes .*"));
}

TEST_F(SupervisorTest, LoopOfAChildIsTold) {
  Start({"fork", "name=the-child", "spin", ".", "wait"});
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kSpins);
  EXPECT_THAT(supervisor_.detail(), MatchesRegex("the-child computes .*"));
}

// kDeadline: still something may happen ---------------------------------------

class NotBlocked
    : public HarnessTest,
      public testing::WithParamInterface<std::vector<std::string>> {
 protected:
  static void ExpectDeadline() {
    const absl::Time deadline = absl::Now() + absl::Milliseconds(450);
    Supervisor supervisor(deadline);
    ASSERT_TRUE(supervisor.Spawn(Misbehave(GetParam())).ok());
    EXPECT_EQ(supervisor.WaitUntil(Never), Waited::kDeadline)
        << supervisor.detail();
    EXPECT_GE(absl::Now(), deadline);
  }
};

TEST_P(NotBlocked, IsWaitedFor) { ExpectDeadline(); }

TEST_P(NotBlocked, IsWaitedForTillTheLastMomentAtMost) {
  const absl::Time deadline = absl::Now() + absl::Milliseconds(450);
  const absl::Time last = deadline + absl::Milliseconds(100);
  Supervisor supervisor(deadline, last);
  ASSERT_TRUE(supervisor.Spawn(Misbehave(GetParam())).ok());
  EXPECT_EQ(supervisor.WaitUntil(Never), Waited::kDeadline)
      << supervisor.detail();
  EXPECT_GE(absl::Now(), deadline);
}

TEST_P(NotBlocked, IsWaitedForUnderLoad) {
  const Load load;
  ExpectDeadline();
}

using Actions = std::vector<std::string>;
INSTANTIATE_TEST_SUITE_P(
    Calls, NotBlocked,
    testing::Values(Actions{"nap"}, Actions{"poll=3600000"}, Actions{"timerfd"},
                    Actions{"alarm", "hang"}, Actions{"signalfd"},
                    Actions{"timer", "hang"}, Actions{"receive=3600"},
                    Actions{"fork", "nap", ".", "wait"}, Actions{"ping-pong"}),
    [](const auto& info) {
      std::string name;
      for (const std::string& action : info.param) {
        for (char c : action) {
          if (isalpha(c)) name += c;
        }
      }
      return name;
    });

TEST_F(SupervisorTest, WhoIsWokenNowAndThenIsNotBlocked) {
  const ScratchDir scratch;
  sockaddr_un address = {AF_UNIX, ""};
  scratch.File("socket").copy(address.sun_path, sizeof(address.sun_path));
  Supervisor supervisor(absl::Now() + absl::Seconds(1));
  const auto child = supervisor.Spawn(Misbehave(
      {std::string("listen=") + address.sun_path, "accept", "drain"}));
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE(
      Await([&] { return ListensAt((*child)->pid(), address.sun_path); }));
  const ipc::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof(address)),
            0);
  // Whenever somebody looks it is blocked, but it has read something since.
  EXPECT_EQ(supervisor.WaitUntil([&] {
    EXPECT_EQ(send(fd.get(), "x", 1, MSG_NOSIGNAL), 1);
    return false;
  }),
            Waited::kDeadline)
      << supervisor.detail();
}

TEST_F(SupervisorTest, WaitsShareOneDeadline) {
  const absl::Time deadline = absl::Now() + absl::Milliseconds(300);
  Supervisor supervisor(deadline);
  ASSERT_TRUE(supervisor.Spawn(Misbehave({"nap"})).ok());
  EXPECT_EQ(supervisor.WaitUntil(Never), Waited::kDeadline);
  const absl::Time again = absl::Now();
  EXPECT_EQ(supervisor.WaitUntil(Never), Waited::kDeadline);
  EXPECT_LT(absl::Now() - again, absl::Milliseconds(300));
  EXPECT_EQ(supervisor.WaitUntil([] { return true; }), Waited::kMet);
}

// kBroke ----------------------------------------------------------------------

TEST_F(SupervisorTest, FloodIsStopped) {
  for (const char* action : {"flood", "flood-err"}) {
    Supervisor supervisor(absl::Now() + kPatience);
    auto child = supervisor.Spawn(Misbehave({action}));
    ASSERT_TRUE(child.ok());
    EXPECT_EQ(supervisor.WaitUntil(Never), Waited::kBroke);
    EXPECT_EQ(supervisor.detail(),
              "misbehave wrote more than 1048576 bytes of output");
    EXPECT_TRUE(
        Await([&] { return (*child)->ended(); }, std::vector<Child*>{*child}));
  }
}

TEST_F(SupervisorTest, TooManyProcessesAreStopped) {
  ChildOptions options = Misbehave({"fork", "bomb=60", "hang", ".", "hang"});
  options.limits.processes = 20;
  StartWith(options);
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBroke);
  EXPECT_EQ(supervisor_.detail(), "misbehave made more than 20 processes");
}

TEST_F(SupervisorTest, OrphansCountAsWell) {
  ChildOptions options = Misbehave({"fork", "bomb=60", "hang", ".", "exit=0"});
  options.limits.processes = 20;
  StartWith(options);
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBroke);
  EXPECT_EQ(supervisor_.detail(), "misbehave made more than 20 processes");
}

TEST_F(SupervisorTest, TooMuchMemoryIsStopped) {
  for (const auto& [how, orphan] :
       {std::make_pair("allocate=40", false),
        std::make_pair("allocate=40", true), std::make_pair("memfds=40", false),
        std::make_pair("memfds=40", true)}) {
    Supervisor supervisor(absl::Now() + kPatience);
    ChildOptions options = Misbehave({how, "hang"});
    if (orphan) options.args.insert(options.args.begin(), {"fork", "fork"});
    options.limits.memory = size_t{32} << 20;
    ASSERT_TRUE(supervisor.Spawn(options).ok());
    if (orphan) {
      ASSERT_TRUE(supervisor.Spawn(Misbehave({"hang"})).ok());
    }
    EXPECT_EQ(supervisor.WaitUntil(Never), Waited::kBroke);
    EXPECT_EQ(supervisor.detail(), "misbehave used more than 32 MiB of memory");
    KillDescendants(absl::Now() + kPatience);
  }
}

TEST_F(SupervisorTest, WhatStaysWithinTheLimitsIsLeftAlone) {
  ChildOptions options = Misbehave({"flood=1000", "allocate=5", "bomb=10"});
  options.limits.output = 1000;
  options.limits.processes = 12;
  StartWith(options);
  EXPECT_EQ(supervisor_.WaitUntil(Never), Waited::kBlocked)
      << supervisor_.detail();
}

}  // namespace
}  // namespace harness
