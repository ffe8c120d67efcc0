#include "lib/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <type_traits>
#include <utility>

#include "gtest/gtest.h"
#include "lib/testing.h"

namespace ipc {
namespace {

class UniqueFdTest : public IpcTest {
 protected:
  static int Open() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }
};

static_assert(!std::is_copy_constructible_v<UniqueFd>);
static_assert(!std::is_copy_assignable_v<UniqueFd>);
static_assert(std::is_nothrow_move_constructible_v<UniqueFd>);
static_assert(std::is_nothrow_move_assignable_v<UniqueFd>);
static_assert(!std::is_convertible_v<int, UniqueFd>, "owning is said aloud");

TEST_F(UniqueFdTest, OwnsNothingByDefaultOrWithANegativeNumber) {
  UniqueFd none;
  EXPECT_FALSE(none.valid());
  EXPECT_EQ(none.get(), -1);
  EXPECT_EQ(none.release(), -1);
  EXPECT_FALSE(UniqueFd(-1).valid());
}

TEST_F(UniqueFdTest, ZeroIsADescriptorLikeAnyOther) {
  Child child([] {
    UniqueFd zero(STDIN_FILENO);
    EXPECT_TRUE(zero.valid());
    zero.reset();
    EXPECT_FALSE(IsOpen(STDIN_FILENO));
  });
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(UniqueFdTest, ClosesWhenItGoes) {
  const int number = Open();
  {
    const UniqueFd fd(number);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST_F(UniqueFdTest, ReleaseHandsTheDescriptorToTheCaller) {
  const int number = Open();
  {
    UniqueFd fd(number);
    EXPECT_EQ(fd.release(), number);
    EXPECT_FALSE(fd.valid());
  }
  EXPECT_TRUE(IsOpen(number));
  close(number);
}

TEST_F(UniqueFdTest, ResetClosesTheOldAndOwnsTheNew) {
  const int first = Open();
  const int second = Open();
  UniqueFd fd(first);
  fd.reset(second);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_TRUE(IsOpen(second));
  EXPECT_EQ(fd.get(), second);
  fd.reset();
  EXPECT_FALSE(IsOpen(second));
  EXPECT_FALSE(fd.valid());
}

TEST_F(UniqueFdTest, MoveConstructionTakesOver) {
  const int number = Open();
  UniqueFd from(number);
  const UniqueFd to(std::move(from));
  EXPECT_FALSE(from.valid());
  EXPECT_EQ(to.get(), number);
  EXPECT_TRUE(IsOpen(number));
}

TEST_F(UniqueFdTest, MoveAssignmentTakesOverAndClosesTheOld) {
  const int old = Open();
  const int number = Open();
  UniqueFd from(number);
  UniqueFd to(old);
  to = std::move(from);
  EXPECT_FALSE(IsOpen(old));
  EXPECT_FALSE(from.valid());
  EXPECT_EQ(to.get(), number);
  EXPECT_TRUE(IsOpen(number));
}

TEST_F(UniqueFdTest, MoveToItselfChangesNothing) {
  UniqueFd fd(Open());
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_TRUE(fd.valid());
  EXPECT_TRUE(IsOpen(fd.get()));
}

TEST_F(UniqueFdTest, ClosesExactlyOnce) {
  const int number = Open();
  UniqueFd reused;
  {
    UniqueFd from(number);
    UniqueFd to(std::move(from));
    to.reset();
    // The kernel gives out the lowest free number: somebody else's now.
    reused.reset(Open());
    ASSERT_EQ(reused.get(), number);
    to.reset();
  }
  EXPECT_TRUE(IsOpen(number));
}

TEST_F(UniqueFdTest, ClosingLeavesErrnoAsItWas) {
  const int bad = UnusedFd();
  errno = ENOENT;
  { const UniqueFd fd(bad); }  // close fails with EBADF.
  EXPECT_EQ(errno, ENOENT);
  UniqueFd fd(bad);
  fd.reset();
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace ipc
