#include "tests/support/scratch_dir.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace harness {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(ScratchDir, IsPrivateEmptyAndNobodyElses) {
  const ScratchDir one, another;
  EXPECT_NE(one.path(), another.path());
  EXPECT_THAT(one.Entries(), IsEmpty());
  EXPECT_EQ(fs::status(one.path()).permissions(), fs::perms::owner_all);
}

TEST(ScratchDir, PathLeavesRoomForASocket) {
  const ScratchDir scratch;
  EXPECT_THAT(scratch.path(), StartsWith("/tmp/lab"));
  EXPECT_LE(scratch.path().size(), 20u);
  EXPECT_EQ(scratch.File("socket"), scratch.path() + "/socket");
}

TEST(ScratchDir, EntriesAreSorted) {
  const ScratchDir scratch;
  for (const char* name : {"b", "a", ".c"}) std::ofstream(scratch.File(name));
  EXPECT_THAT(scratch.Entries(), ElementsAre(".c", "a", "b"));
}

TEST(ScratchDir, GoesWithAllThatIsInIt) {
  std::string path;
  {
    const ScratchDir scratch;
    path = scratch.path();
    fs::create_directories(scratch.File("a/b/c"));
    std::ofstream(scratch.File("a/b/c/file")) << "text";
    fs::create_symlink("nowhere", scratch.File("dangling"));
    mkfifo(scratch.File("fifo").c_str(), 0600);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(ScratchDir, GoesWithFoldersThatNobodyMayEnter) {
  std::string path;
  {
    const ScratchDir scratch;
    path = scratch.path();
    fs::create_directories(scratch.File("a/b/c"));
    std::ofstream(scratch.File("a/b/c/file")) << "text";
    for (const char* folder : {"a/b/c", "a/b", "a", "."}) {
      ASSERT_EQ(chmod(scratch.File(folder).c_str(), 0), 0);
    }
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(ScratchDir, DoesNotFollowALinkOutOfIt) {
  const ScratchDir precious;
  std::ofstream(precious.File("file")) << "text";
  fs::create_directory(precious.File("locked"));
  chmod(precious.File("locked").c_str(), 0);
  {
    const ScratchDir scratch;
    fs::create_directory_symlink(precious.path(), scratch.File("link"));
    fs::create_directory_symlink(precious.File("locked"),
                                 scratch.File("link_to_locked"));
    fs::create_directories(scratch.File("needs/opening"));
    chmod(scratch.File("needs").c_str(), 0);
  }
  {
    const ScratchDir replaced;  // By a link.
    fs::remove(replaced.path());
    fs::create_directory_symlink(precious.path(), replaced.path());
  }
  EXPECT_THAT(precious.Entries(), ElementsAre("file", "locked"));
  EXPECT_EQ(fs::status(precious.File("locked")).permissions(), fs::perms::none);
}

TEST(ScratchDir, MayBeGoneBefore) {
  const ScratchDir scratch;
  fs::remove(scratch.path());
  EXPECT_THAT(scratch.Entries(), IsEmpty());
}

}  // namespace
}  // namespace harness
