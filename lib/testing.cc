#include "lib/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

// glibc had no name for this field before 2.38.
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#ifdef LIB_COVERAGE  // By tools/coverage.sh.
extern "C" void __gcov_dump();
#else
static void __gcov_dump() {}
#endif

namespace ipc {
namespace {

constexpr int kHangSeconds = 30;
constexpr int kStormSignal = SIGUSR1;
std::atomic<int> g_storm_signals;

void CountStormSignal(int) { ++g_storm_signals; }

}  // namespace

IpcTest::IpcTest() : open_before_(OpenFds()) {
  alarm(kHangSeconds);
  char folder[] = "/tmp/ipc_XXXXXX";
  EXPECT_NE(mkdtemp(folder), nullptr) << ErrnoName(errno);
  folder_ = folder;
}

IpcTest::~IpcTest() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
  EXPECT_FALSE(error) << error.message();
  EXPECT_EQ(OpenFds(), open_before_) << "a descriptor was left open";
  alarm(0);
}

std::string IpcTest::Path(absl::string_view name) const {
  return absl::StrCat(folder_, "/", name);
}

SocketAddress IpcTest::Address(absl::string_view name) const {
  return SocketAddress::UnixPath(Path(name)).value();
}

std::set<std::string> IpcTest::Files() const {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    files.insert(entry.path().filename());
  }
  return files;
}

std::map<int, std::string> OpenFds() {
  std::map<int, std::string> fds;
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) abort();
  while (const dirent* entry = readdir(folder)) {
    int fd;
    if (!absl::SimpleAtoi(entry->d_name, &fd) || fd == dirfd(folder)) continue;
    char target[256];
    const ssize_t length =
        readlinkat(dirfd(folder), entry->d_name, target, sizeof(target));
    fds[fd] = std::string(target, length < 0 ? 0 : length);
  }
  closedir(folder);
  return fds;
}

int UnusedFd() {
  const int fd = dup(STDIN_FILENO);
  close(fd);
  return fd;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

bool IsCloseOnExec(int fd) { return fcntl(fd, F_GETFD) == FD_CLOEXEC; }

void MakeNonBlocking(int fd) {
  EXPECT_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

void LimitFreeFds(int count) {
  const auto open_fds = OpenFds();
  rlim_t number = 0;
  while (count > 0) count -= open_fds.count(static_cast<int>(number++)) == 0;
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = number;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void AllowMoreFds() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

std::string SocketTypeName(const ::testing::TestParamInfo<int>& type) {
  return type.param == SOCK_STREAM  ? "Stream"
         : type.param == SOCK_DGRAM ? "Datagram"
                                    : "Seqpacket";
}

std::string Pattern(size_t size) {
  std::string pattern(size, 0);
  uint32_t state = 1;
  for (char& byte : pattern) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return pattern;
}

std::string ReadInPieces(int fd) {
  std::string bytes;
  char piece[1000];
  ssize_t count;
  while ((count = recv(fd, piece, sizeof(piece), 0)) > 0) {
    bytes.append(piece, count);
  }
  return bytes;
}

void WriteInPieces(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(
        fd, bytes.data(), std::min<size_t>(bytes.size(), 1000), MSG_NOSIGNAL);
    if (count < 0) return;
    bytes.remove_prefix(count);
  }
}

UniqueFd Bound(int type, const SocketAddress& address) {
  UniqueFd fd(socket(address.family(), type | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(fd.get(), address.data(), address.size()), 0)
      << ErrnoName(errno);
  return fd;
}

Child::Child(const std::function<void()>& body) {
  fflush(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ != 0) {
    EXPECT_GT(pid_, 0) << ErrnoName(errno);
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(EXIT_FAILURE);
  body();
  fflush(nullptr);
  __gcov_dump();  // As exit would, which _exit does not.
  _exit(::testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS);
}

Child::~Child() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  Wait();
}

int Child::Wait() {
  int status;
  pid_t reaped;
  do {
    reaped = waitpid(pid_, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  EXPECT_EQ(reaped, pid_) << ErrnoName(errno);
  pid_ = 0;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  EXPECT_EQ(syscall(SYS_capset, &header, none), 0) << ErrnoName(errno);
}

SignalStorm::SignalStorm()
    : thread_(gettid()), signals_before_(g_storm_signals) {
  struct sigaction action = {};
  action.sa_handler = CountStormSignal;
  sigaction(kStormSignal, &action, &old_action_);

  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kStormSignal;
  event.sigev_notify_thread_id = thread_;
  EXPECT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer_), 0);
  const timespec period = absl::ToTimespec(absl::Microseconds(100));
  const itimerspec schedule = {period, period};
  EXPECT_EQ(timer_settime(timer_, 0, &schedule, nullptr), 0);
}

SignalStorm::~SignalStorm() {
  // A signal that is still pending is handled when timer_delete returns.
  timer_delete(timer_);
  sigaction(kStormSignal, &old_action_, nullptr);
}

int SignalStorm::signals() const { return g_storm_signals - signals_before_; }

void SignalStorm::AwaitInterrupted(long number) const {
  const std::string file =
      absl::StrCat("/proc/self/task/", thread_, "/syscall");
  const absl::Time deadline = absl::Now() + absl::Seconds(kHangSeconds / 2);
  int before = 0;
  bool blocked = false;
  // Once it was seen blocked, the second signal from then on surely hit it.
  while (!blocked || signals() < before + 2) {
    if (absl::Now() > deadline) {
      ADD_FAILURE() << "not interrupted in system call " << number;
      return;
    }
    if (!blocked) {
      long current = -1;  // While the thread runs, the file says "running".
      before = signals();
      std::ifstream(file) >> current;
      blocked = current == number;
    }
    sched_yield();
  }
}

}  // namespace ipc
