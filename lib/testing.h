// What the tests of several library targets share.
//
// Nothing here sleeps: a test waits for the condition that it needs.
#ifndef LIB_TESTING_H_
#define LIB_TESTING_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <csignal>
#include <ctime>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/errno_status.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"

namespace ipc {

// Gives each test an empty folder of its own. Fails a test that leaves a
// descriptor open, and ends one that hangs.
class IpcTest : public ::testing::Test {
 protected:
  // Before and after the members of any derived class.
  IpcTest();
  ~IpcTest() override;

  // A file in the test's folder, short enough for sun_path: TEST_TMPDIR is not.
  std::string Path(absl::string_view name = "socket") const;
  SocketAddress Address(absl::string_view name = "socket") const;
  // The names of what the folder holds.
  std::set<std::string> Files() const;

 private:
  std::string folder_;
  std::map<int, std::string> open_before_;
};

// This process's open descriptors and what they refer to.
std::map<int, std::string> OpenFds();

// A number that is no open descriptor.
int UnusedFd();

bool IsOpen(int fd);
bool IsCloseOnExec(int fd);
void MakeNonBlocking(int fd);

// Leaves this process `count` numbers for new descriptors; the next function
// lifts the limit. Expectations have to wait until then: UBSan opens a pipe to
// look at an object.
void LimitFreeFds(int count);
void AllowMoreFds();

// "Stream" for SOCK_STREAM: for the names of parameterised tests.
std::string SocketTypeName(const ::testing::TestParamInfo<int>& type);

// Bytes of which no stretch equals another, so that a lost, repeated or
// misplaced piece shows.
std::string Pattern(size_t size);

// By bare system calls, 1000 bytes at most in each: all that comes from a
// socket, up to its end; all of `bytes`, unless the other end goes.
std::string ReadInPieces(int fd);
void WriteInPieces(int fd, absl::string_view bytes);

// A socket of `type` bound to `address` with nothing but system calls. Once it
// is closed, its file is stale.
UniqueFd Bound(int type, const SocketAddress& address);

// A forked child that runs `body`. It is killed and reaped at the latest when
// the object goes, and dies with the test in any case.
class Child {
 public:
  explicit Child(const std::function<void()>& body);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  // 0 when `body` returned and no expectation in it failed. Otherwise its exit
  // status; minus the signal that killed it.
  int Wait();

 private:
  pid_t pid_;
};

// Makes root subject to file permissions, for the rest of this process.
void DropCapabilities();

// Interrupts the thread that constructs it every 100 microseconds, with a
// handler without SA_RESTART.
class SignalStorm {
 public:
  SignalStorm();
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;
  ~SignalStorm();

  // Called by another thread: returns when the storm has interrupted system
  // call `number` (SYS_accept4, ...), in which its thread is blocked.
  void AwaitInterrupted(long number) const;

  // How many signals it has sent so far.
  int signals() const;

 private:
  pid_t thread_;
  int signals_before_;
  timer_t timer_;
  struct sigaction old_action_;
};

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

// Matchers for absl::Status and absl::StatusOr.
MATCHER(IsOk, "") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).ok();
}
MATCHER_P(FailsWith, error, "fails with " + ErrnoName(error)) {
  *result_listener << StatusOf(arg);
  return StatusErrno(StatusOf(arg)) == error;
}

}  // namespace ipc

#endif  // LIB_TESTING_H_
