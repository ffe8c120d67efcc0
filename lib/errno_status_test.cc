#include "lib/errno_status.h"

#include <cerrno>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ipc {
namespace {

TEST(ErrnoStatus, MessageIsOperationObjectTextAndName) {
  EXPECT_EQ(ErrnoStatus("connect", "/tmp/x", ECONNREFUSED).message(),
            "connect /tmp/x: Connection refused (ECONNREFUSED)");
}

TEST(ErrnoStatus, EmptyObjectLeavesNoGapInTheMessage) {
  EXPECT_EQ(ErrnoStatus("accept", "", EMFILE).message(),
            "accept: Too many open files (EMFILE)");
}

TEST(ErrnoStatus, UsesErrnoUnlessToldOtherwise) {
  errno = ENOENT;
  const absl::Status status = ErrnoStatus("stat", "x");
  EXPECT_EQ(StatusErrno(status), ENOENT);
  EXPECT_EQ(status.message(), "stat x: No such file or directory (ENOENT)");
}

TEST(ErrnoStatus, KeepsEveryErrno) {
  for (int error = 1; error < 134; ++error) {
    const absl::Status status = ErrnoStatus("op", "object", error);
    EXPECT_FALSE(status.ok()) << error;
    EXPECT_EQ(StatusErrno(status), error);
  }
}

TEST(ErrnoStatus, TellsApartWhatAbseilFoldsIntoUnavailable) {
  std::set<int> kept;
  for (int error : {EAGAIN, ECONNREFUSED, ECONNRESET, EINTR}) {
    const absl::Status status = ErrnoStatus("op", "", error);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    kept.insert(StatusErrno(status));
  }
  EXPECT_THAT(kept, ::testing::UnorderedElementsAre(EAGAIN, ECONNREFUSED,
                                                    ECONNRESET, EINTR));
}

TEST(ErrnoStatus, CopyKeepsErrno) {
  const absl::Status original = ErrnoStatus("op", "", EPIPE);
  const absl::Status copy = original;
  EXPECT_EQ(StatusErrno(copy), EPIPE);
  EXPECT_EQ(copy, original);
}

TEST(ErrnoStatus, NumberWithoutANameIsKeptAndShown) {
  const absl::Status status = ErrnoStatus("op", "object", 4711);
  EXPECT_EQ(StatusErrno(status), 4711);
  EXPECT_EQ(status.message(), "op object: Unknown error (errno 4711)");
}

TEST(ErrnoStatus, OkAndForeignStatusesHaveNoErrno) {
  errno = EPIPE;
  EXPECT_EQ(StatusErrno(absl::OkStatus()), 0);
  EXPECT_EQ(StatusErrno(absl::UnavailableError("busy")), 0);
  EXPECT_EQ(StatusErrno(absl::ErrnoToStatus(ENOENT, "stat")), 0);
}

TEST(ErrnoName, IsTheConstantsName) {
  EXPECT_EQ(ErrnoName(ECONNREFUSED), "ECONNREFUSED");
  EXPECT_EQ(ErrnoName(ETIMEDOUT), "ETIMEDOUT");
  EXPECT_EQ(ErrnoName(4711), "errno 4711");
}

}  // namespace
}  // namespace ipc
