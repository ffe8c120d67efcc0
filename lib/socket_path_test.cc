#include "lib/socket_path.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <list>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/testing.h"
#include "lib/wait.h"

namespace ipc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SocketPathTest : public IpcTest {
 protected:
  mode_t Mode() const {
    struct stat file = {};
    EXPECT_EQ(lstat(Path().c_str(), &file), 0);
    return file.st_mode;
  }

  void MakeStale() const { Bound(SOCK_STREAM, Address()); }

  // A client gets through to `listener` by its path.
  void ExpectServes(int listener) const {
    EXPECT_THAT(Connect(Address()), IsOk());
    ASSERT_THAT(WaitReadable(listener, absl::InfinitePast()), IsOk());
    EXPECT_THAT(Accept(listener), IsOk());
  }

  void ExpectRefused() const {
    const auto server = ListenAtPath(Path());
    EXPECT_THAT(server, FailsWith(EADDRINUSE));
    EXPECT_EQ(server.status().message(),
              "bind " + Path() + ": Address already in use (EADDRINUSE)");
    EXPECT_THAT(RemoveStaleSocket(Path()), FailsWith(EADDRINUSE));
  }
};

TEST_F(SocketPathTest, ListensAtThePath) {
  const auto server = ListenAtPath(Path());
  ASSERT_THAT(server, IsOk());
  EXPECT_EQ(server->path.path(), Path());
  EXPECT_TRUE(IsCloseOnExec(server->listener.get()));
  ExpectServes(server->listener.get());
}

TEST_F(SocketPathTest, FileGoesWithTheServer) {
  {
    const auto server = ListenAtPath(Path());
    EXPECT_THAT(Files(), ElementsAre("socket"));
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SocketPathTest, OneFolderHoldsSeveralServers) {
  const auto first = ListenAtPath(Path("first"));
  const auto second = ListenAtPath(Path("second"));
  EXPECT_THAT(first, IsOk());
  EXPECT_THAT(second, IsOk());
  EXPECT_THAT(Files(), ElementsAre("first", "second"));
}

TEST_F(SocketPathTest, PathMayBeRelative) {
  Child elsewhere([&] {
    std::filesystem::current_path(Path(""));
    {
      const auto server = ListenAtPath("socket");
      ASSERT_THAT(server, IsOk());
      ExpectServes(server->listener.get());
    }
    EXPECT_THAT(Files(), IsEmpty());
  });
  EXPECT_EQ(elsewhere.Wait(), 0);
}

TEST_F(SocketPathTest, OnlyTheOwnerCanConnectWhateverTheUmask) {
  Child careless([&] {
    umask(0);
    const auto server = ListenAtPath(Path());
    EXPECT_EQ(Mode(), S_IFSOCK | mode_t{0600});
    EXPECT_EQ(umask(0), mode_t{0}) << "the umask was changed";
  });
  EXPECT_EQ(careless.Wait(), 0);
}

TEST_F(SocketPathTest, ExplicitModeIsLessenedByTheUmask) {
  Child child([&] {
    umask(027);
    const auto server = ListenAtPath(Path(), SOMAXCONN, 0666);
    EXPECT_EQ(Mode(), S_IFSOCK | mode_t{0640});
    EXPECT_EQ(umask(0), mode_t{027}) << "the umask was changed";
  });
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(SocketPathTest, BacklogIsPassedOn) {
  const auto server = ListenAtPath(Path(), 0);
  const auto waiting = Connect(Address());
  const UniqueFd next(
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  EXPECT_EQ(connect(next.get(), Address().data(), Address().size()), -1);
  EXPECT_EQ(errno, EAGAIN);
}

// What stands at the path.

TEST_F(SocketPathTest, StaleFileIsReplaced) {
  MakeStale();
  const auto server = ListenAtPath(Path());
  ASSERT_THAT(server, IsOk());
  ExpectServes(server->listener.get());
}

TEST_F(SocketPathTest, RemoveStaleSocketRemovesAStaleFile) {
  MakeStale();
  EXPECT_THAT(RemoveStaleSocket(Path()), IsOk());
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SocketPathTest, RemoveStaleSocketIsContentWithNothing) {
  EXPECT_THAT(RemoveStaleSocket(Path()), IsOk());
}

TEST_F(SocketPathTest, LiveServerIsKeptAndNotDisturbed) {
  const auto live = Listen(Address());
  ExpectRefused();
  EXPECT_THAT(WaitReadable(live->get(), absl::InfinitePast()),
              FailsWith(ETIMEDOUT))
      << "the probe stands in its queue";
  ExpectServes(live->get());
}

TEST_F(SocketPathTest, LiveServerWithAFullQueueIsKept) {
  const auto live = Listen(Address(), 0);
  const auto waiting = Connect(Address());
  ExpectRefused();
}

TEST_F(SocketPathTest, SocketThatIsBoundButDoesNotListenIsKept) {
  const UniqueFd bound = Bound(SOCK_STREAM, Address());
  ExpectRefused();
  EXPECT_THAT(Files(), ElementsAre("socket"));
}

TEST_F(SocketPathTest, LiveDatagramSocketIsKeptAndNotDisturbed) {
  const UniqueFd live = Bound(SOCK_DGRAM, Address());
  ExpectRefused();
  EXPECT_THAT(Files(), ElementsAre("socket"));
  EXPECT_THAT(WaitReadable(live.get(), absl::InfinitePast()),
              FailsWith(ETIMEDOUT));
}

TEST_F(SocketPathTest, LiveDatagramSocketWithAPeerOfItsOwnIsKept) {
  const UniqueFd live = Bound(SOCK_DGRAM, Address());
  const UniqueFd peer = Bound(SOCK_DGRAM, Address("peer"));
  ASSERT_EQ(connect(live.get(), Address("peer").data(), Address("peer").size()),
            0);
  ExpectRefused();
  EXPECT_THAT(Files(), ElementsAre("peer", "socket"));
}

TEST_F(SocketPathTest, LiveSequencedSocketIsKept) {
  const UniqueFd live = Bound(SOCK_SEQPACKET, Address());
  ExpectRefused();
  EXPECT_THAT(Files(), ElementsAre("socket"));
}

TEST_F(SocketPathTest, RegularFileIsKept) {
  std::ofstream(Path()) << "precious";
  ExpectRefused();
  std::string content;
  std::ifstream(Path()) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(SocketPathTest, FolderIsKept) {
  ASSERT_EQ(mkdir(Path().c_str(), 0700), 0);
  ExpectRefused();
  EXPECT_TRUE(std::filesystem::is_directory(Path()));
}

TEST_F(SocketPathTest, SymlinkIsKeptWhateverItPointsTo) {
  for (const char* target : {"nowhere", "stale"}) {
    Bound(SOCK_STREAM, Address(target));
    if (target == std::string("nowhere")) unlink(Path(target).c_str());
    ASSERT_EQ(symlink(target, Path().c_str()), 0);
    ExpectRefused();
    EXPECT_EQ(std::filesystem::read_symlink(Path()), target);
    unlink(Path().c_str());
  }
  EXPECT_THAT(Files(), ElementsAre("stale"));
}

// Errors.

TEST_F(SocketPathTest, MissingFolderIsEnoent) {
  const auto server = ListenAtPath(Path("missing/socket"));
  EXPECT_THAT(server, FailsWith(ENOENT));
  EXPECT_EQ(server.status().message(),
            absl::StrCat("open ", Path("missing"),
                         ": No such file or directory (ENOENT)"));
}

TEST_F(SocketPathTest, PathBelowAFileIsEnotdir) {
  std::ofstream{Path("file")};
  EXPECT_THAT(ListenAtPath(Path("file/socket")), FailsWith(ENOTDIR));
  EXPECT_THAT(RemoveStaleSocket(Path("file/socket")), FailsWith(ENOTDIR));
}

TEST_F(SocketPathTest, PathThatIsNoAddressIsRefused) {
  EXPECT_THAT(ListenAtPath(""), FailsWith(EINVAL));
  EXPECT_THAT(ListenAtPath(Path(std::string(108, 'x'))),
              FailsWith(ENAMETOOLONG));
  EXPECT_THAT(RemoveStaleSocket(""), FailsWith(EINVAL));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SocketPathTest, FolderWithoutPermissionIsEacces) {
  Child ordinary([&] {
    DropCapabilities();
    for (mode_t mode : {0500, 0300}) {
      chmod(Path("").c_str(), mode);
      EXPECT_THAT(ListenAtPath(Path()), FailsWith(EACCES)) << mode;
    }
    chmod(Path("").c_str(), 0700);
  });
  EXPECT_EQ(ordinary.Wait(), 0);
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SocketPathTest, FileThatMayNotBeWrittenIsEaccesAndKept) {
  MakeStale();
  ASSERT_EQ(chmod(Path().c_str(), 0), 0);
  Child ordinary([&] {
    DropCapabilities();
    EXPECT_THAT(RemoveStaleSocket(Path()), FailsWith(EACCES));
    EXPECT_THAT(ListenAtPath(Path()), FailsWith(EACCES));
  });
  EXPECT_EQ(ordinary.Wait(), 0);
  EXPECT_THAT(Files(), ElementsAre("socket"));
}

TEST_F(SocketPathTest, WithoutFreeDescriptorsItIsEmfileAndNothingChanges) {
  for (bool stale : {false, true}) {
    if (stale) MakeStale();
    const auto files = Files();
    for (int free_fds : {0, 1}) {
      Child limited([&] {
        rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        const rlimit tight = {static_cast<rlim_t>(UnusedFd() + free_fds),
                              limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &tight);
        const auto server = ListenAtPath(Path());
        setrlimit(RLIMIT_NOFILE, &limit);
        EXPECT_THAT(server, FailsWith(EMFILE)) << free_fds;
      });
      EXPECT_EQ(limited.Wait(), 0);
      EXPECT_EQ(Files(), files);
    }
  }
}

// Who removes the file.

TEST_F(SocketPathTest, AdoptedFileIsRemoved) {
  const auto listener = Listen(Address());
  {
    const auto adopted = SocketPath::Adopt(Path());
    ASSERT_THAT(adopted, IsOk());
    EXPECT_EQ(adopted->path(), Path());
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SocketPathTest, NothingIsNotAdopted) {
  EXPECT_THAT(SocketPath::Adopt(Path()), FailsWith(ENOENT));
}

TEST_F(SocketPathTest, WhatIsNoSocketIsNotAdopted) {
  std::ofstream{Path("file")};
  ASSERT_EQ(symlink("socket", Path("link").c_str()), 0);
  MakeStale();
  EXPECT_THAT(SocketPath::Adopt(Path("file")), FailsWith(ENOTSOCK));
  EXPECT_THAT(SocketPath::Adopt(Path("link")), FailsWith(ENOTSOCK));
  EXPECT_THAT(Files(), ElementsAre("file", "link", "socket"));
}

TEST_F(SocketPathTest, RemoveRemovesOnceAndLeavesErrnoAsItWas) {
  auto server = ListenAtPath(Path());
  errno = EPIPE;
  server->path.Remove();
  EXPECT_EQ(server->path.path(), "");
  EXPECT_THAT(Files(), IsEmpty());
  const auto next = ListenAtPath(Path());
  ASSERT_THAT(next, IsOk());
  errno = EPIPE;
  server->path.Remove();
  EXPECT_EQ(errno, EPIPE);
  EXPECT_THAT(Files(), ElementsAre("socket"));
}

TEST_F(SocketPathTest, RemovingAFileThatIsGoneLeavesErrnoAsItWas) {
  auto server = ListenAtPath(Path());
  ASSERT_EQ(unlink(Path().c_str()), 0);
  errno = EPIPE;
  server->path.Remove();
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(SocketPathTest, AnothersFileOfTheSameNameIsKept) {
  auto server = ListenAtPath(Path());
  ASSERT_EQ(unlink(Path().c_str()), 0);
  // The listener keeps its inode in use, so this file gets another one.
  const auto other = Listen(Address());
  server->path.Remove();
  ExpectServes(other->get());
}

TEST_F(SocketPathTest, MoveTakesTheDutyAlong) {
  auto server = ListenAtPath(Path());
  SocketPath to;
  {
    SocketPath from = std::move(server->path);
    EXPECT_EQ(server->path.path(), "");
    to = std::move(from);
    EXPECT_EQ(from.path(), "");
  }
  EXPECT_THAT(Files(), ElementsAre("socket"));
  SocketPath& same = to;
  to = std::move(same);
  EXPECT_THAT(Files(), ElementsAre("socket"));
  EXPECT_EQ(to.path(), Path());
  to = SocketPath();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SocketPathTest, ForkedChildsCopyRemovesNothing) {
  auto server = ListenAtPath(Path());
  Child child([&] { const PathListener copy = *std::move(server); });
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_THAT(Files(), ElementsAre("socket"));
  ExpectServes(server->listener.get());
}

// Servers that meet.

TEST_F(SocketPathTest, NothingHappensBeforeTheFolderIsLocked) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer holds the storm back during flock";
#endif
  for (const std::string& path : {Path(), std::string("socket")}) {
    Child server([&] {
      std::filesystem::current_path(Path(""));
      MakeStale();
      UniqueFd folder(open(".", O_RDONLY | O_CLOEXEC));
      ASSERT_EQ(flock(folder.get(), LOCK_EX), 0);
      SignalStorm storm;
      // Holds the lock, and replaces the stale file as any server would.
      auto faster_server = std::async(std::launch::async, [&] {
        storm.AwaitInterrupted(SYS_flock);
        EXPECT_EQ(unlink(path.c_str()), 0);
        UniqueFd live = Listen(Address()).value();
        folder.reset();
        return live;
      });
      EXPECT_THAT(ListenAtPath(path), FailsWith(EADDRINUSE));
      ExpectServes(faster_server.get().get());
    });
    EXPECT_EQ(server.Wait(), 0);
    unlink(Path().c_str());
  }
}

TEST_F(SocketPathTest, OfServersThatStartAtOnceExactlyOneGetsAStalePath) {
  constexpr int kRounds = 20;
  constexpr int kServers = 8;
  for (int round = 0; round < kRounds; ++round) {
    MakeStale();
    auto start = SocketPair().value();
    auto reports = SocketPair().value();
    auto end = SocketPair().value();
    std::list<Child> servers;
    for (int i = 0; i < kServers; ++i) {
      servers.emplace_back([&] {
        start.first.reset();
        end.first.reset();
        char byte;
        // Both gates open, for all at once, when the test closes its end.
        EXPECT_EQ(read(start.second.get(), &byte, 1), 0);
        const auto server = ListenAtPath(Path());
        const int error = StatusErrno(server.status());
        EXPECT_EQ(write(reports.second.get(), &error, sizeof(error)),
                  ssize_t{sizeof(error)});
        EXPECT_EQ(read(end.second.get(), &byte, 1), 0);
      });
    }
    start.first.reset();
    int winners = 0;
    for (int i = 0; i < kServers; ++i) {
      int error = -1;
      ASSERT_EQ(read(reports.first.get(), &error, sizeof(error)),
                ssize_t{sizeof(error)});
      if (error == 0) {
        ++winners;
      } else {
        EXPECT_EQ(ErrnoName(error), "EADDRINUSE");
      }
    }
    EXPECT_EQ(winners, 1);
    EXPECT_THAT(Connect(Address()), IsOk());
    end.first.reset();
    for (Child& server : servers) EXPECT_EQ(server.Wait(), 0);
    EXPECT_THAT(Files(), IsEmpty());
  }
}

TEST_F(SocketPathTest, ServerThatEndsLeavesItsSuccessorsFileAlone) {
  constexpr int kTurns = 100;
  std::list<Child> servers;
  for (int i = 0; i < 4; ++i) {
    servers.emplace_back([&] {
      for (int turn = 0; turn < kTurns;) {
        const auto server = ListenAtPath(Path());
        sched_yield();
        if (StatusErrno(server.status()) == EADDRINUSE) continue;
        ASSERT_THAT(server, IsOk());
        ASSERT_NO_FATAL_FAILURE(ExpectServes(server->listener.get()));
        ASSERT_FALSE(HasFailure()) << "in turn " << turn;
        ++turn;
      }
    });
  }
  for (Child& server : servers) EXPECT_EQ(server.Wait(), 0);
}

}  // namespace
}  // namespace ipc
