// Judges programs that do harm or cheat, one after another, in the place of all
// of lab 01's programs: none gets a point, the verdict comes in time, and the
// canaries are as they were.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/confinement.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/supervisor.h"
#include "tests/support/walls.h"

namespace harness {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHostile[] = "tests/hostile/hostile";
constexpr char kChecker[] = "tests/01_unix_stream/checker";
// On a busy machine too.
constexpr absl::Duration kPatience = absl::Seconds(90);

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The lines of what /proc/sysvipc/shm lists.
size_t SharedSegments() {
  const std::string list = Content("/proc/sysvipc/shm");
  return std::count(list.begin(), list.end(), '\n');
}

std::vector<std::string> Deeds() {
  std::vector<std::string> deeds;
  FILE* list = popen(kHostile, "r");
  char line[256];
  while (list && fgets(line, sizeof(line), list)) {
    deeds.emplace_back(line, strcspn(line, "\n"));
  }
  if (list) pclose(list);
  return deeds;
}

// As a machine that permits no user namespaces.
void ForbidUserNamespaces() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

// Whether this machine permits namespaces.
bool WallsStand() {
  static const bool stand = [] {
    bool up = false;
    RunBehindWalls(
        true, {}, absl::Now() + kPatience, nullptr,
        [](const Walls&, const auto&) {},
        [&](const Walls& walls) { up = walls.up; }, [](absl::string_view) {});
    return up;
  }();
  return stand;
}

// Whether Landlock keeps files and processes without them. These programs are
// run nowhere else: they would do what they try.
bool ConfinementStands() {
  return MissingConfinement().empty() && SignalsCanBeKept();
}

// What only namespaces can keep: sockets of others, and shared memory.
bool NeedsNamespaces(const std::string& deed) {
  return deed == "connect_to_all" || deed == "shared_memory";
}

class HostileTest : public testing::TestWithParam<std::string> {
 protected:
  HostileTest() {
    WallsStand();  // First: asking ends the children that there are.
    std::ofstream(canary_) << "alive";
    listener_ = std::move(
        *ipc::Listen(*ipc::SocketAddress::UnixPath(canaries_.File("service"))));
    fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    process_ = fork();
    if (process_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (true) pause();
    }
    segments_ = SharedSegments();
  }
  ~HostileTest() override {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }

  // What the checker says of a program that does `deed`.
  std::string Judge(const std::string& deed, std::string* ending) {
    const std::string program = programs_.File(deed);
    std::ofstream(program, std::ios::binary) << Content(kHostile);
    chmod(program.c_str(), 0755);
    ChildOptions options;
    options.program = kChecker;
    options.name = "checker";
    char runfiles[4096];
    options.folder = getcwd(runfiles, sizeof(runfiles));
    options.args = {"--lab=01_unix_stream"};
    for (const char* name :
         {"server", "client", "server_asan", "client_asan"}) {
      options.args.push_back(absl::StrCat(name, "=", program));
    }
    options.environment = {"XML_OUTPUT_FILE=" + programs_.File("test.xml")};
    options.limits = Limits();
    options.limits.address_space = 0;
    options.limits.memory = size_t{4} << 30;
    options.limits.processes = 5000;
    options.limits.output = size_t{8} << 20;
    Supervisor supervisor(absl::Now() + kPatience);
    auto checker = supervisor.Spawn(options);
    EXPECT_TRUE(checker.ok()) << checker.status();
    // What the programs do that it judges is for it to see.
    while (supervisor.WaitUntil([&] { return (*checker)->closed(); }) ==
           Waited::kSpins) {
    }
    *ending = (*checker)->Ending();
    return (*checker)->out();
  }

  void ExpectNothingGained(const std::string& deed) {
    std::string ending;
    const std::string said = Judge(deed, &ending);
    EXPECT_EQ(ending, "exit status 1") << said;
    EXPECT_THAT(said, HasSubstr("; core 0 of ")) << said;
    EXPECT_THAT(said, HasSubstr(" points, robust 0 of "));
    EXPECT_THAT(said, Not(HasSubstr("\nok ")));
    EXPECT_THAT(said, Not(HasSubstr("\x1b")));
    const std::string xml = Content(programs_.File("test.xml"));
    EXPECT_THAT(xml, HasSubstr("<property name=\"points\" value=\"0\"/>"));
    EXPECT_THAT(xml, Not(HasSubstr("planted")));
  }

  void ExpectCanariesAlive() {
    EXPECT_EQ(Content(canary_), "alive");
    EXPECT_EQ(kill(process_, 0), 0);
    EXPECT_EQ(waitpid(process_, nullptr, WNOHANG), 0) << "the process ended";
    EXPECT_LT(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK), 0)
        << "the service was reached";
    EXPECT_EQ(SharedSegments(), segments_);
    for (const char* planted : {"/etc/planted", "/usr/bin/planted", "/planted",
                                "/root/planted", "/tmp/planted"}) {
      EXPECT_NE(access(planted, F_OK), 0) << planted;
    }
    EXPECT_NE(access("planted", F_OK), 0);
  }

  const ScratchDir programs_, canaries_;
  const std::string canary_ = canaries_.File("canary");
  ipc::UniqueFd listener_;
  pid_t process_;
  size_t segments_;
};

TEST_P(HostileTest, GainsNothingAndHarmsNobody) {
  if (!WallsStand() && (!ConfinementStands() || NeedsNamespaces(GetParam()))) {
    GTEST_SKIP() << "neither namespaces nor Landlock keep it from harm here";
  }
  ExpectNothingGained(GetParam());
  ExpectCanariesAlive();
}

// Landlock and seccomp alone.
TEST_P(HostileTest, GainsNothingWithoutNamespaces) {
  if (!ConfinementStands() || NeedsNamespaces(GetParam())) {
    GTEST_SKIP() << "Landlock does not keep it from harm here";
  }
  const pid_t pid = fork();
  if (pid == 0) {
    ForbidUserNamespaces();
    BecomeSubreaper();
    ExpectNothingGained(GetParam());
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(DescribeWaitStatus(status), "exit status 0");
  ExpectCanariesAlive();
}

INSTANTIATE_TEST_SUITE_P(Deeds, HostileTest, testing::ValuesIn(Deeds()),
                         [](const auto& info) { return info.param; });

TEST(HostilePrograms, AreMany) { EXPECT_GE(Deeds().size(), 40U); }

}  // namespace
}  // namespace harness
