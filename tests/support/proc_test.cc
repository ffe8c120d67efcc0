#include "tests/support/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/misbehave.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/sock_diag.h"

namespace harness {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class ProcTest : public HarnessTest {
 protected:
  // A socket of `type`, bound to `name` in sun_path; its inode in `inode`.
  static ipc::UniqueFd Bound(int type, const std::string& name,
                             uint64_t* inode) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof(address.sun_path));
    ipc::UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                   offsetof(sockaddr_un, sun_path) + name.size()),
              0);
    struct stat status;
    fstat(fd.get(), &status);
    *inode = status.st_ino;
    return fd;
  }

  // What the kernel's list says of socket `inode`.
  static std::vector<UnixSocket> Listed(uint64_t inode) {
    std::vector<UnixSocket> found;
    for (const UnixSocket& socket : UnixSockets()) {
      if (socket.inode == inode) found.push_back(socket);
    }
    return found;
  }

  static Activity Observe(const Child& child) {
    std::vector<pid_t> pids = Descendants(child.pid());
    pids.push_back(child.pid());
    return ObserveActivity(pids);
  }
};

// Sockets ---------------------------------------------------------------------

TEST_F(ProcTest, UnixSocketsAreListedByPathTypeAndState) {
  const ScratchDir scratch;
  const std::string path = scratch.File("a b");
  uint64_t inode;
  const ipc::UniqueFd fd = Bound(SOCK_STREAM, path, &inode);
  ASSERT_THAT(Listed(inode), SizeIs(1));
  EXPECT_EQ(Listed(inode)[0].path, path);
  EXPECT_EQ(Listed(inode)[0].type, SOCK_STREAM);
  EXPECT_FALSE(Listed(inode)[0].listening);
  listen(fd.get(), 1);
  EXPECT_TRUE(Listed(inode)[0].listening);

  const ipc::UniqueFd datagram =
      Bound(SOCK_DGRAM, scratch.File("datagram"), &inode);
  EXPECT_EQ(Listed(inode)[0].type, SOCK_DGRAM);
  EXPECT_FALSE(Listed(inode)[0].listening);
}

TEST_F(ProcTest, AbstractNamesStartWithAnAt) {
  const std::string name = absl::StrCat("proc_test ", getpid());
  uint64_t inode;
  const ipc::UniqueFd fd =
      Bound(SOCK_STREAM, std::string(1, '\0') + name, &inode);
  ASSERT_THAT(Listed(inode), SizeIs(1));
  EXPECT_EQ(Listed(inode)[0].path, "@" + name);
  listen(fd.get(), 1);
  EXPECT_TRUE(ListensAt(getpid(), "@" + name));
}

TEST_F(ProcTest, SocketWithoutANameHasNoPath) {
  const ipc::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct stat status;
  fstat(fd.get(), &status);
  ASSERT_THAT(Listed(status.st_ino), SizeIs(1));
  EXPECT_EQ(Listed(status.st_ino)[0].path, "");
}

TEST_F(ProcTest, ListensAtIsTrueForTheOwnersTreeOnly) {
  const ScratchDir scratch;
  const std::string path = scratch.File("socket");
  auto child = Spawn({"fork", "listen=" + path, "hang", ".", "wait"});
  auto stranger = Spawn({"hang"});
  EXPECT_TRUE(Await([&] { return ListensAt(child->pid(), path); }));
  EXPECT_TRUE(ListensAt(getpid(), path)) << "an ancestor";
  EXPECT_FALSE(ListensAt(stranger->pid(), path));
  EXPECT_FALSE(ListensAt(child->pid(), path + "x"));
}

TEST_F(ProcTest, ListensAtIsNotFooledByAnotherSocketOfTheSameName) {
  // The first one's file is gone, not its name, so there are two of them.
  const ScratchDir scratch;
  const std::string path = scratch.File("socket");
  uint64_t inode;
  const ipc::UniqueFd ours = Bound(SOCK_STREAM, path, &inode);
  unlink(path.c_str());
  auto child = Spawn({"listen=" + path, "hang"});
  ASSERT_TRUE(Await([&] { return ListensAt(child->pid(), path); }));
  auto stranger = Spawn({"hang"});
  EXPECT_FALSE(ListensAt(stranger->pid(), path));
  child.reset();
  EXPECT_FALSE(ListensAt(getpid(), path)) << "bound is not listening";
}

TEST_F(ProcTest, ReceivesAtIsTrueForDatagramSocketsOnly) {
  const ScratchDir scratch;
  const std::string path = scratch.File("socket");
  auto child = Spawn({"echo=" + path, "hang"});
  auto stranger = Spawn({"hang"});
  EXPECT_TRUE(Await([&] { return ReceivesAt(child->pid(), path); }));
  EXPECT_FALSE(ReceivesAt(stranger->pid(), path));
  EXPECT_FALSE(ReceivesAt(child->pid(), path + "x"));
  uint64_t inode;
  const ipc::UniqueFd stream =
      Bound(SOCK_STREAM, scratch.File("stream"), &inode);
  EXPECT_FALSE(ReceivesAt(getpid(), scratch.File("stream")));
}

// Descriptors -----------------------------------------------------------------

TEST_F(ProcTest, TcpSocketsAreListedByNamesAndWhatIsUnread) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    auto listener = ipc::Listen(*ipc::SocketAddress::Ip(host, 0));
    if (!listener.ok()) continue;  // No IPv6 here.
    const auto name = ipc::LocalAddress(listener->get());
    EXPECT_THAT(TcpListeners(getpid()),
                Contains(::testing::Property(&ipc::SocketAddress::ToString,
                                             name->ToString())));
    const auto client = ipc::Connect(*name);
    const auto client_name = ipc::LocalAddress(client->get());
    const auto accepted = ipc::Accept(listener->get());
    EXPECT_EQ(send(client->get(), "12345", 5, MSG_NOSIGNAL), 5);
    EXPECT_TRUE(Await(
        [&] { return UnreadBytes(*name, *client_name).value_or(5) == 5; }));
    EXPECT_EQ(UnreadBytes(*client_name, *name).value_or(0), 0);
    EXPECT_EQ(UnreadBytes(*name, *name).value_or(0), 0);
    EXPECT_TRUE(Await([&] {
      const auto sockets = TcpSockets();
      return std::any_of(
          sockets.begin(), sockets.end(), [&](const IpSocket& socket) {
            return !socket.listening && socket.unread == 5 &&
                   socket.local.ToString() == name->ToString() &&
                   socket.remote.ToString() == client_name->ToString();
          });
    }));
  }
}

TEST_F(ProcTest, UdpSocketsAreListedByNamesAndWhatIsUnread) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const auto any = ipc::SocketAddress::Ip(host, 0);
    const auto receiver = ipc::Bind(*any, SOCK_DGRAM);
    const auto sender = ipc::Bind(*any, SOCK_DGRAM);
    if (!receiver.ok() || !sender.ok()) continue;  // No IPv6 here.
    const auto name = ipc::LocalAddress(receiver->get());
    const auto sender_name = ipc::LocalAddress(sender->get());
    const auto listed = [](const ipc::SocketAddress& address) {
      return Contains(::testing::Property(&ipc::SocketAddress::ToString,
                                          address.ToString()));
    };
    EXPECT_THAT(UdpNames(getpid()), AllOf(listed(*name), listed(*sender_name)));
    ASSERT_EQ(connect(sender->get(), name->data(), name->size()), 0);
    EXPECT_THAT(UdpNames(getpid()),
                AllOf(listed(*name), Not(listed(*sender_name))));
    const auto unread = [&] {
      for (const IpSocket& socket : UdpSockets()) {
        if (socket.local.ToString() == name->ToString()) return socket.unread;
      }
      return SIZE_MAX;
    };
    EXPECT_EQ(unread(), 0u);
    EXPECT_EQ(send(sender->get(), "12345", 5, 0), 5);
    EXPECT_GE(unread(), 5u);
    char buffer[5];
    EXPECT_EQ(recv(receiver->get(), buffer, sizeof(buffer), 0), 5);
    EXPECT_EQ(unread(), 0u);
  }
}

TEST_F(ProcTest, DescriptorsTellTargetAndCloseOnExec) {
  auto child = Spawn({"leak", "cloexec", "listen", "hang"});
  ASSERT_TRUE(Await([&] { return Descriptors(child->pid()).size() == 6; }));
  const std::vector<Descriptor> open = Descriptors(child->pid());
  for (size_t i = 0; i < open.size(); ++i) {
    EXPECT_EQ(open[i].number, static_cast<int>(i));
    EXPECT_EQ(open[i].close_on_exec, i == 4) << i;
  }
  EXPECT_EQ(open[3].target, "/dev/null");
  EXPECT_THAT(open[5].target, MatchesRegex("socket:.[0-9]+."));
}

TEST_F(ProcTest, WhoHasEndedHasNothing) {
  auto child = Spawn({"exit=0"});
  EXPECT_TRUE(Await([&] { return !IsAlive(child->pid()); })) << "a zombie";
  ASSERT_TRUE(Await([&] { return Descriptors(child->pid()).empty(); }));
  ASSERT_TRUE(Await([&] { return child->ended(); }, {child.get()}));
  EXPECT_THAT(Descriptors(child->pid()), IsEmpty());
  EXPECT_THAT(Descendants(child->pid()), IsEmpty());
  EXPECT_EQ(CommandName(child->pid()), "");
  EXPECT_EQ(ResidentMemory(child->pid()), 0u);
  EXPECT_FALSE(ListensAt(child->pid(), "x"));
  EXPECT_FALSE(IsAlive(child->pid()));
}

TEST_F(ProcTest, WhoHidesItsDescriptorsHasASuspiciousOne) {
  if (geteuid() == 0) GTEST_SKIP() << "nobody can hide from root";
  auto child = Spawn({"undumpable", "name=hidden", "hang"});
  ASSERT_TRUE(AwaitNamed("hidden"));
  EXPECT_THAT(Descriptors(child->pid()),
              Contains(AllOf(Field(&Descriptor::number, INT_MAX),
                             Field(&Descriptor::close_on_exec, false),
                             Field(&Descriptor::target, HasSubstr("hidden")))));
}

// Processes -------------------------------------------------------------------

TEST_F(ProcTest, DescendantsAreChildrenAndTheirChildren) {
  auto child =
      Spawn({"fork", "fork", "name=grandchild", "hang", ".", "name=child",
             "hang", ".", "fork", "name=another", "hang", ".", "hang"});
  ASSERT_TRUE(AwaitNamed("grandchild"));
  ASSERT_TRUE(AwaitNamed("child"));
  ASSERT_TRUE(AwaitNamed("another"));
  std::vector<std::string> names;
  for (pid_t pid : Descendants(child->pid())) names.push_back(CommandName(pid));
  EXPECT_THAT(names, UnorderedElementsAre("child", "grandchild", "another"));
  EXPECT_THAT(Descendants(getpid()), SizeIs(4));
}

TEST_F(ProcTest, DescendantsOfASubreaperIncludeOrphans) {
  auto child = Spawn(
      {"fork", "setsid", "fork", "name=orphan", "hang", ".", ".", "hang"});
  ASSERT_TRUE(AwaitNamed("orphan"));
  ASSERT_TRUE(Await([&] { return Descendants(child->pid()).size() == 1; }));
  EXPECT_EQ(CommandName(Descendants(child->pid())[0]), "misbehave")
      << "the zombie between us";
  EXPECT_THAT(Descendants(getpid()), SizeIs(3));
}

TEST_F(ProcTest, ChildrenOfEveryThreadAreDescendants) {
  auto child =
      Spawn({"thread", "fork", "name=of-a-thread", "hang", ".", "hang"});
  ASSERT_TRUE(AwaitNamed("of-a-thread"));
  EXPECT_THAT(Descendants(child->pid()), SizeIs(1));
}

TEST_F(ProcTest, CommandNameMayBeAnything) {
  auto child = Spawn({"name=a) Z (b 1 2", "hang"});
  ASSERT_TRUE(AwaitNamed("a) Z (b 1 2"));
  EXPECT_TRUE(IsAlive(child->pid()));
  EXPECT_TRUE(Await([&] {
    return Observe(*child).description == "a) Z (b 1 2 waits in pause";
  }));
}

TEST_F(ProcTest, RunningThreadsAreThoseThatDoNotSleep) {
  auto child = Spawn({"thread", "out=spinning", "spin"});
  ASSERT_TRUE(Await([&] { return child->out() == "spinning"; }, {child.get()}));
  EXPECT_TRUE(Await([&] { return RunningThreads(child->pid()) == 1; }))
      << "the other one waits for it";
  auto idle = Spawn({"hang"});
  EXPECT_TRUE(Await([&] { return RunningThreads(idle->pid()) == 0; }));
}

TEST_F(ProcTest, StoppedIsWhoGotSigstop) {
  const auto child = Spawn({"hang"});
  EXPECT_FALSE(IsStopped(child->pid()));
  child->Signal(SIGSTOP);
  EXPECT_TRUE(Await([&] { return IsStopped(child->pid()); }));
  child->Signal(SIGCONT);
  EXPECT_TRUE(Await([&] { return !IsStopped(child->pid()); }));
}

TEST_F(ProcTest, ResidentMemoryGrowsByWhatIsTouched) {
  auto child = Spawn({"allocate=50", "name=done", "hang"});
  ASSERT_TRUE(AwaitNamed("done"));
  EXPECT_GE(ResidentMemory(child->pid()), size_t{50} << 20);
  EXPECT_LT(ResidentMemory(child->pid()), size_t{70} << 20);
}

// Activity --------------------------------------------------------------------

TEST_F(ProcTest, ABlockedProcessStaysAsItIs) {
  auto child = Spawn({"receive"});
  ASSERT_TRUE(Await([&] { return Observe(*child).blocked; }));
  const Activity first = Observe(*child), second = Observe(*child);
  EXPECT_EQ(first.fingerprint, second.fingerprint);
  EXPECT_THAT(first.description,
              StartsWith("misbehave waits in recv on descriptor 3 (socket:["));
}

TEST_F(ProcTest, SocketIsToldWithItsName) {
  auto child = Spawn({"listen=", "accept"});
  ASSERT_TRUE(Await([&] { return Observe(*child).blocked; }));
  EXPECT_THAT(
      Observe(*child).description,
      ContainsRegex("^misbehave waits in accept on descriptor 3 "
                    "\\(socket:\\[[0-9]+\\] listening at @[0-9a-f]+\\)$"));
}

TEST_F(ProcTest, FingerprintChangesWhenAProcessHasRun) {
  auto child = Spawn({"hang"});
  ASSERT_TRUE(Await([&] { return Observe(*child).blocked; }));
  const std::string before = Observe(*child).fingerprint;
  child->Signal(SIGSTOP);
  child->Signal(SIGCONT);
  EXPECT_TRUE(Await([&] {
    const Activity now = Observe(*child);
    return now.blocked && now.fingerprint != before;
  }));
}

TEST_F(ProcTest, OneThreadThatRunsIsEnough) {
  auto child = Spawn({"thread", "out=spinning", "spin"});
  ASSERT_TRUE(Await([&] { return child->out() == "spinning"; }, {child.get()}));
  for (int i = 0; i < 100; ++i) ASSERT_FALSE(Observe(*child).blocked);
}

TEST_F(ProcTest, ZombiesDoNothing) {
  auto child = Spawn({"fork", "name=zombie", ".", "name=parent", "hang"});
  ASSERT_TRUE(AwaitNamed("parent"));
  ASSERT_TRUE(Await([&] { return Observe(*child).blocked; }));
  EXPECT_EQ(Observe(*child).description, "parent waits in pause");
}

TEST_F(ProcTest, AProcessThatSleepsOftenWakesOften) {
  auto naps = Spawn({"ping-pong"}), hangs = Spawn({"hang"});
  ASSERT_TRUE(Await([&] { return Observe(*hangs).blocked; }));
  const int64_t before = Wakes(hangs->pid());
  EXPECT_TRUE(Await([&] { return Wakes(naps->pid()) > before + 20; }));
  EXPECT_EQ(Wakes(hangs->pid()), before);
  EXPECT_EQ(Wakes(-1), 0);
}

// Two that would compute all the time, and one processor.
TEST_F(ProcTest, AProcessWaitsForAProcessor) {
  if (access("/proc/self/schedstat", R_OK) < 0) {
    GTEST_SKIP() << "this kernel does not count it";
  }
  cpu_set_t any, one;
  sched_getaffinity(0, sizeof(any), &any);
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
  auto child = Spawn({"spin"}), other = Spawn({"spin"});
  sched_setaffinity(0, sizeof(any), &any);
  EXPECT_TRUE(Await([&] {
    return WaitForProcessor(child->pid()) > absl::Milliseconds(20) &&
           WaitForProcessor(other->pid()) > absl::Milliseconds(20);
  }));
  auto idle = Spawn({"hang"});
  EXPECT_EQ(WaitForProcessor(-1), absl::ZeroDuration());
  EXPECT_LT(WaitForProcessor(idle->pid()), WaitForProcessor(child->pid()));
}

TEST_F(ProcTest, NobodyIsBlockedAndHasNothingToSay) {
  EXPECT_TRUE(ObserveActivity({}).blocked);
  EXPECT_EQ(ObserveActivity({}).description, "");
}

}  // namespace
}  // namespace harness
