#include "tests/support/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/errno_status.h"
#include "lib/unique_fd.h"
#include "tests/support/misbehave.h"
#include "tests/support/proc.h"
#include "tests/support/scratch_dir.h"

namespace harness {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

std::string Read(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

// The value of `key` in /proc/PID/status.
std::string Status(const Child& child, const std::string& key) {
  std::ifstream file(absl::StrCat("/proc/", child.pid(), "/status"));
  std::string name, value;
  while (file >> name && std::getline(file, value)) {
    if (name == key + ":") {
      return std::string(absl::StripAsciiWhitespace(value));
    }
  }
  return "";
}

class ChildTest : public HarnessTest {
 protected:
  // One that has come to rest: right after exec(3), the kernel does not yet
  // show all of it under /proc.
  static std::unique_ptr<Child> SpawnAtRest(ChildOptions options) {
    options.args = {"name=at-rest", "hang"};
    auto child = SpawnWith(options);
    EXPECT_TRUE(AwaitNamed("at-rest"));
    return child;
  }
  static bool AwaitEnd(Child& child) {
    return Await([&] { return child.ended(); }, {&child});
  }
  // The errno that Spawn reports for a program at `path`.
  static int SpawnError(const std::string& path,
                        const std::string& folder = "/") {
    ChildOptions options;
    options.program = path;
    options.name = "program";
    options.folder = folder;
    return ipc::StatusErrno(Child::Spawn(options).status());
  }
};

// Starting --------------------------------------------------------------------

TEST_F(ChildTest, SpawnTellsWhyExecFailed) {
  const ScratchDir scratch;
  const std::string path = scratch.File("program");
  EXPECT_EQ(SpawnError(path), ENOENT);
  std::ofstream(path) << "neither a program nor a script";
  EXPECT_EQ(SpawnError(path), EACCES);
  chmod(path.c_str(), 0700);
  EXPECT_EQ(SpawnError(path), ENOEXEC);
  EXPECT_EQ(SpawnError(scratch.path()), EACCES) << "a folder";
  EXPECT_EQ(SpawnError(kMisbehave, scratch.File("missing")), ENOENT);
  EXPECT_EQ(SpawnError(""), ENOENT);
}

TEST_F(ChildTest, GetsItsNameAndArguments) {
  auto child = Spawn({"name=at-rest", "hang", "a b", ""});
  ASSERT_TRUE(AwaitNamed("at-rest"));
  EXPECT_EQ(Read(absl::StrCat("/proc/", child->pid(), "/cmdline")),
            std::string("misbehave\0name=at-rest\0hang\0a b\0\0", 33));
}

TEST_F(ChildTest, MayLackStdinOrStdout) {
  for (const int closed : {0, 1}) {
    ChildOptions options = Misbehave({});
    options.closed = closed;
    auto child = SpawnAtRest(options);
    std::vector<int> open;
    for (const Descriptor& one : Descriptors(child->pid())) {
      open.push_back(one.number);
    }
    EXPECT_EQ(open, (std::vector<int>{1 - closed, 2}));
  }
}

TEST_F(ChildTest, LeadsASessionOfItsOwn) {
  auto child = SpawnAtRest(Misbehave({}));
  EXPECT_EQ(getpgid(child->pid()), child->pid());
  EXPECT_EQ(getsid(child->pid()), child->pid()) << "it may use our terminal";
}

TEST_F(ChildTest, InheritsNothingButItsThreeStreams) {
  const ipc::UniqueFd leaky(open("/dev/null", O_RDONLY));
  const ipc::UniqueFd high(fcntl(leaky.get(), F_DUPFD, 200));
  auto child = SpawnAtRest(Misbehave({}));
  std::vector<std::string> targets;
  for (const Descriptor& open : Descriptors(child->pid())) {
    targets.push_back(open.target);
  }
  EXPECT_THAT(targets, ElementsAre("/dev/null", StartsWith("pipe:"),
                                   StartsWith("pipe:")));
}

TEST_F(ChildTest, StreamsAreOpenEvenIfOursAreClosed) {
  const pid_t pid = fork();
  if (pid == 0) {
    for (int fd : {0, 1, 2}) close(fd);
    auto child = Child::Spawn(Misbehave({"out=out", "err=err"}));
    _exit(child.ok() && AwaitEnd(**child) && (*child)->wait_status() == 0 &&
                  (*child)->out() == "out" && (*child)->err() == "err"
              ? 0
              : 1);
  }
  int wait_status = 0;
  waitpid(pid, &wait_status, 0);
  EXPECT_EQ(wait_status, 0);
}

TEST_F(ChildTest, EnvironmentIsTheMinimumAndWhatWasAskedFor) {
  setenv("SECRET", "of the parent", 1);
  ChildOptions options = Misbehave({});
  options.environment = {"ASKED=for"};
  options.folder = "/tmp";
  auto child = SpawnAtRest(options);
  const std::string environment =
      Read(absl::StrCat("/proc/", child->pid(), "/environ"));
  EXPECT_THAT(absl::StrSplit(environment, '\0', absl::SkipEmpty()),
              UnorderedElementsAre("PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
                                   "HOME=/tmp", "ASKED=for"));
  unsetenv("SECRET");
}

TEST_F(ChildTest, SignalsAreAtTheirDefaults) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGRTMAX, SIG_IGN);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  auto child = SpawnAtRest(Misbehave({}));
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGRTMAX, SIG_DFL);
  EXPECT_EQ(Status(*child, "SigIgn"), std::string(16, '0'));
  EXPECT_EQ(Status(*child, "SigBlk"), std::string(16, '0'));
}

TEST_F(ChildTest, RunsInItsFolderUnderItsUmask) {
  const ScratchDir scratch;
  ChildOptions options = Misbehave({});
  options.folder = scratch.path();
  options.umask = 0;
  auto child = SpawnAtRest(options);
  char folder[PATH_MAX] = {};
  EXPECT_GT(readlink(absl::StrCat("/proc/", child->pid(), "/cwd").c_str(),
                     folder, sizeof(folder) - 1),
            0);
  EXPECT_EQ(folder, scratch.path());
  EXPECT_EQ(Status(*child, "Umask"), "0000");
}

TEST_F(ChildTest, GainsNoPrivileges) {
  auto child = SpawnAtRest(Misbehave({}));
  EXPECT_EQ(Status(*child, "NoNewPrivs"), "1");
}

TEST_F(ChildTest, LimitsAreInForce) {
  ChildOptions options = Misbehave({});
  options.limits.address_space = size_t{1} << 45;  // Enough for a sanitizer.
  options.limits.file_size = 4711;
  options.limits.cpu_seconds = 7;
  options.limits.descriptors = 33;
  auto child = SpawnAtRest(options);
  const auto limit = [&](auto resource) {
    rlimit limit = {};
    prlimit(child->pid(), resource, nullptr, &limit);
    EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
    return limit.rlim_max;
  };
  EXPECT_EQ(limit(RLIMIT_CORE), 0u);
  EXPECT_EQ(limit(RLIMIT_AS), options.limits.address_space);
  EXPECT_EQ(limit(RLIMIT_FSIZE), 4711u);
  EXPECT_EQ(limit(RLIMIT_CPU), 7u);
  EXPECT_EQ(limit(RLIMIT_NOFILE), 33u);
}

TEST_F(ChildTest, TooLargeAFileEndsIt) {
  const ScratchDir scratch;
  ChildOptions options = Misbehave({"big-file"});
  options.folder = scratch.path();
  options.limits.file_size = 100'000;
  auto child = SpawnWith(options);
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->Ending(), "killed by SIGXFSZ");
}

TEST_F(ChildTest, TooMuchMemoryAtOnceIsRefused) {
  if (kAddressSpace == 0) GTEST_SKIP() << "a sanitizer takes more than any";
  ChildOptions options = Misbehave({"allocate=2000"});
  options.limits.address_space = size_t{1} << 30;
  auto child = SpawnWith(options);
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->err(), "mmap: Cannot allocate memory\n");
}

TEST_F(ChildTest, DiesWhenItsParentIsKilled) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const ipc::UniqueFd from(fds[0]);
  ipc::UniqueFd to(fds[1]);
  const pid_t parent = fork();
  if (parent == 0) {
    auto child = Child::Spawn(Misbehave({"ignore=15", "hang"}));
    const pid_t pid = child.ok() ? (*child)->pid() : 0;
    (void)!write(to.get(), &pid, sizeof(pid));
    while (true) pause();
  }
  to.reset();
  pid_t pid = 0;
  ASSERT_EQ(read(from.get(), &pid, sizeof(pid)), ssize_t{sizeof(pid)});
  ASSERT_GT(pid, 0);
  kill(parent, SIGKILL);
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  int wait_status = 0;  // An orphan, and so ours to wait for.
  ASSERT_EQ(waitpid(pid, &wait_status, 0), pid);
  EXPECT_EQ(DescribeWaitStatus(wait_status), "killed by SIGKILL");
}

// Output ----------------------------------------------------------------------

TEST_F(ChildTest, IsFedWhatItHasRoomFor) {
  ChildOptions options = Misbehave({"cat"});
  options.input = "";
  auto child = SpawnWith(options);
  const std::string text(200000, 'x');
  absl::string_view bytes = text;
  EXPECT_TRUE(Await([&] { return child->Feed(&bytes) && bytes.empty(); },
                    {child.get()}));
  EXPECT_TRUE(Await([&] { return child->InputWaits() == 0; }, {child.get()}));
  child->EndInput();
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->out(), text);
}

TEST_F(ChildTest, FeedingOneThatHasEndedFails) {
  ChildOptions options = Misbehave({"exit=0"});
  options.input = "";
  auto child = SpawnWith(options);
  ASSERT_TRUE(AwaitEnd(*child));
  absl::string_view bytes = "x";
  EXPECT_FALSE(child->Feed(&bytes));
}

TEST_F(ChildTest, ReadsTheFileThatIsItsInput) {
  const ScratchDir scratch;
  std::ofstream(scratch.File("input")) << "from a file";
  ChildOptions options = Misbehave({"cat"});
  options.input = scratch.File("input");
  auto child = SpawnWith(options);
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->out(), "from a file");
  options.input = scratch.File("missing");
  EXPECT_EQ(ipc::StatusErrno(Child::Spawn(options).status()), ENOENT);
}

TEST_F(ChildTest, OutputThatIsHeldStaysInThePipe) {
  ChildOptions options = Misbehave({"flood=10000"});
  options.output_room = 4096;
  auto child = SpawnWith(options);
  child->HoldOutput(true);
  ASSERT_TRUE(Await([&] { return child->OutputWaits() > 0; }, {child.get()}));
  EXPECT_EQ(child->out(), "");
  EXPECT_FALSE(child->ended()) << "there is no room for all of it";
  child->HoldOutput(false);
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->out().size(), 10000u);
}

TEST_F(ChildTest, OutputThatIsClosedRaisesSigpipe) {
  ChildOptions options = Misbehave({"cat"});
  options.input = "";
  auto child = SpawnWith(options);
  child->CloseOutput();
  absl::string_view bytes = "x";
  EXPECT_TRUE(child->Feed(&bytes));
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->Ending(), "killed by SIGPIPE");
}

TEST_F(ChildTest, TakesInBothStreamsCompletely) {
  constexpr size_t kSize = 3'000'000;
  ChildOptions options =
      Misbehave({absl::StrCat("flood=", kSize), "out=end",
                 absl::StrCat("flood-err=", kSize), "err=END"});
  options.limits.output = kSize + 3;
  auto child = SpawnWith(options);
  ASSERT_TRUE(Await([&] { return child->closed(); }, {child.get()}));
  EXPECT_TRUE(child->out() == std::string(kSize, 'x') + "end");
  EXPECT_TRUE(child->err() == std::string(kSize, 'x') + "END");
  EXPECT_FALSE(child->flooded());
}

TEST_F(ChildTest, KeepsNoMoreThanTheLimitAndDoesNotHoldItUp) {
  for (const char* stream : {"flood", "flood-err"}) {
    ChildOptions options = Misbehave({absl::StrCat(stream, "=5000000")});
    options.limits.output = 100'001;
    auto child = SpawnWith(options);
    ASSERT_TRUE(Await([&] { return child->closed(); }, {child.get()}));
    EXPECT_EQ(child->Ending(), "exit status 0");
    EXPECT_TRUE(child->flooded());
    EXPECT_EQ(child->out().size() + child->err().size(), 100'001u);
    EXPECT_LE(child->out().capacity() + child->err().capacity(), 400'000u);
  }
}

TEST_F(ChildTest, ExactlyTheLimitIsNoFlood) {
  ChildOptions options = Misbehave({"flood=100000"});
  options.limits.output = 100'000;
  auto child = SpawnWith(options);
  ASSERT_TRUE(Await([&] { return child->closed(); }, {child.get()}));
  EXPECT_FALSE(child->flooded());
  EXPECT_EQ(child->out().size(), 100'000u);
}

TEST_F(ChildTest, PumpDoesNotBlockOnAnEndlessFlood) {
  auto child = Spawn({"flood"});
  EXPECT_TRUE(Await([&] { return child->flooded(); }, {child.get()}));
}

TEST_F(ChildTest, LastWordsAreNeverLost) {
  for (int i = 0; i < 300; ++i) {
    auto child = Spawn({"out=last", "err=words", "exit=3"});
    ASSERT_TRUE(AwaitEnd(*child));
    ASSERT_EQ(child->out(), "last");
    ASSERT_EQ(child->err(), "words");
    ASSERT_EQ(child->Ending(), "exit status 3");
  }
}

TEST_F(ChildTest, IsNotClosedWhileAnotherHoldsItsStreams) {
  auto child = Spawn({"fork", "setsid", "name=holder", "hang", ".", "exit=0"});
  ASSERT_TRUE(AwaitEnd(*child));
  child->Pump();
  EXPECT_FALSE(child->closed());
  KillDescendants(absl::Now() + kPatience);
  child->Pump();
  EXPECT_TRUE(child->closed());
}

// Ending ----------------------------------------------------------------------

TEST_F(ChildTest, EndingTellsHowItEnded) {
  const struct {
    std::vector<std::string> actions;
    const char* ending;
  } cases[] = {{{"exit=0"}, "exit status 0"},
               {{"exit=255"}, "exit status 255"},
               {{"raise=6"}, "killed by SIGABRT"},
               {{"raise=9"}, "killed by SIGKILL"},
               {{"raise=40"}, "killed by SIG40"}};
  for (const auto& [actions, ending] : cases) {
    auto child = Spawn(actions);
    ASSERT_TRUE(AwaitEnd(*child));
    EXPECT_EQ(child->Ending(), ending);
  }
  auto child = Spawn({"hang"});
  child->Pump();
  EXPECT_FALSE(child->ended());
  EXPECT_EQ(child->Ending(), "still running");
}

// The shell that started us may have had SIGCHLD ignored.
TEST_F(ChildTest, EndingIsToldWhereSigchldWasIgnored) {
  signal(SIGCHLD, SIG_IGN);
  BecomeSubreaper();
  auto child = Spawn({"exit=3"});
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->Ending(), "exit status 3");
}

TEST_F(ChildTest, SignalReachesIt) {
  auto child = Spawn({"hang"});
  child->Signal(SIGTERM);
  ASSERT_TRUE(AwaitEnd(*child));
  EXPECT_EQ(child->Ending(), "killed by SIGTERM");
}

TEST_F(ChildTest, DestructorKillsTheWholeGroup) {
  auto child = Spawn({"fork", "ignore=15", "name=member", "hang", ".", "stop"});
  ASSERT_TRUE(AwaitNamed("member"));
  const std::vector<pid_t> members = Descendants(child->pid());
  ASSERT_THAT(members, SizeIs(1));
  child.reset();
  int wait_status = 0;
  ASSERT_EQ(waitpid(members[0], &wait_status, 0), members[0]);
  EXPECT_EQ(DescribeWaitStatus(wait_status), "killed by SIGKILL");
}

// KillDescendants -------------------------------------------------------------

class Leftover : public ChildTest {
 protected:
  // Kills what `actions` leave, `count` processes that call themselves
  // "leftover", and returns the names that KillDescendants tells.
  std::vector<std::string> Kill(std::vector<std::string> actions,
                                size_t count = 1) {
    auto child = Spawn(actions);
    EXPECT_TRUE(AwaitNamed("leftover", count));
    const auto names = KillDescendants(absl::Now() + kPatience);
    EXPECT_THAT(Descendants(getpid()), IsEmpty());
    EXPECT_TRUE(waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD);
    return names;
  }
};

TEST_F(Leftover, DaemonIsKilledAndNamed) {
  EXPECT_THAT(
      Kill({"fork", "setsid", "fork", "name=leftover", "hang", ".", "."}),
      Contains(AllOf(StartsWith("leftover (pid "), HasSubstr(")"))));
}

TEST_F(Leftover, WhoIgnoresSignalsIsKilled) {
  EXPECT_THAT(Kill({"ignore=15", "ignore=2", "ignore=1", "setsid",
                    "name=leftover", "hang"}),
              ElementsAre(StartsWith("leftover")));
}

TEST_F(Leftover, StoppedIsKilled) {
  EXPECT_THAT(Kill({"fork", "setsid", "name=leftover", "stop", ".", "stop"}),
              Contains(StartsWith("leftover")));
}

TEST_F(Leftover, OrphansOfASubreaperAreKilled) {
  EXPECT_THAT(Kill({"subreaper", "fork", "fork", "setsid", "name=leftover",
                    "hang", ".", ".", "hang"}),
              Contains(StartsWith("leftover")));
}

TEST_F(Leftover, BombIsKilledAndNamedInPart) {
  EXPECT_THAT(Kill({"name=leftover", "bomb=150", "hang"}, 150),
              AllOf(SizeIs(10), Each(StartsWith("leftover (pid "))));
}

TEST_F(Leftover, ZombieIsReapedButNotNamed) {
  auto child = Spawn({"exit=0"});
  auto parent = Spawn({"fork", ".", "name=leftover", "hang"});
  ASSERT_TRUE(AwaitNamed("leftover"));
  ASSERT_TRUE(Await([&] {
    const std::vector<pid_t> pids = Descendants(getpid());
    return std::count_if(pids.begin(), pids.end(), IsAlive) == 1;
  }));
  EXPECT_THAT(KillDescendants(absl::Now() + kPatience),
              ElementsAre(StartsWith("leftover (pid ")));
}

TEST_F(Leftover, NobodyIsNamedWhenNobodyIsThere) {
  EXPECT_THAT(KillDescendants(absl::Now() + kPatience), IsEmpty());
}

TEST_F(Leftover, ChildThatWasReapedElsewhereIsLeftInPeace) {
  auto child = Spawn({"hang"});
  KillDescendants(absl::Now() + kPatience);
  child->Pump();
  EXPECT_EQ(child->Ending(), "still running") << "nobody knows how it ended";
  child.reset();  // Does not wait for what will never come.
}

}  // namespace
}  // namespace harness
