#include "tests/support/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/errno_status.h"
#include "tests/support/confinement.h"
#include "tests/support/proc.h"

namespace harness {
namespace {

// `fd`, or a copy of it that is not in the place of a standard stream: we may
// have been started without one of them.
ipc::UniqueFd AboveStandard(ipc::UniqueFd fd) {
  if (!fd.valid() || fd.get() > STDERR_FILENO) return fd;
  return ipc::UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

absl::StatusOr<std::pair<ipc::UniqueFd, ipc::UniqueFd>> Pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) return ipc::ErrnoStatus("pipe", "");
  ipc::UniqueFd from(fds[0]), to(fds[1]);
  return std::make_pair(AboveStandard(std::move(from)),
                        AboveStandard(std::move(to)));
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// What is between fork and exec. Only async-signal-safe calls, on what was
// prepared before; returns errno when something fails.
struct ChildSide {
  const ChildOptions& options;
  const char* program;
  char* const* argv;
  char* const* environment;
  pid_t parent;
  int in, out, err;

  int Run() const {
    if (setsid() < 0) return errno;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return errno;
    if (getppid() != parent) return ESRCH;  // It died before the promise.
    // The harness may look, and its helpers, where Yama keeps out all others.
    prctl(PR_SET_PTRACER, parent, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return errno;
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) return errno;
    if (options.closed >= 0) close(options.closed);
    CloseOnExecFrom(3);
    ResetSignals();
    umask(options.umask);
    if (chdir(options.folder.c_str()) < 0) return errno;
    if (!SetLimits()) return errno;
    if (options.gate >= 0 && !AwaitTracer()) return errno;
    if (options.confinement) {
      if (const int error = options.confinement->Enter()) return error;
    }
    execve(program, argv, environment);
    return errno;
  }

  // Until it is there. This copy of the harness is closed to others, even to
  // the tracer, but for a moment.
  bool AwaitTracer() const {
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const pid_t pid = getpid();
    int error = EPIPE;
    if (send(options.gate, &pid, sizeof(pid), MSG_NOSIGNAL) == sizeof(pid)) {
      while (read(options.gate, &error, sizeof(error)) < 0 && errno == EINTR) {
      }
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    errno = error;
    return error == 0;
  }

  static void CloseOnExecFrom(int first) {
#ifdef SYS_close_range
    constexpr unsigned kCloexec = 1 << 2;  // CLOSE_RANGE_CLOEXEC, Linux 5.11
    if (syscall(SYS_close_range, first, ~0U, kCloexec) == 0) return;
#endif
    for (int fd = first; fd < 4096; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }

  static void ResetSignals() {
    // The system call itself, since sigaction(3) refuses the two signals that
    // glibc keeps for threads. All zeros: SIG_DFL, no flags.
    constexpr char kDefault[64] = {};
    constexpr size_t kMaskSize = 8;
    for (int signal = 1; signal < NSIG; ++signal) {
      syscall(SYS_rt_sigaction, signal, kDefault, nullptr, kMaskSize);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  bool SetLimits() const {
    const auto set = [](auto resource, rlim_t value) {
      rlimit limit;
      if (getrlimit(resource, &limit) < 0) return false;
      limit.rlim_max = std::min(limit.rlim_max, value);
      limit.rlim_cur = limit.rlim_max;
      return setrlimit(resource, &limit) == 0;
    };
    const Limits& limits = options.limits;
    return set(RLIMIT_CORE, 0) && set(RLIMIT_FSIZE, limits.file_size) &&
           set(RLIMIT_CPU, limits.cpu_seconds) &&
           set(RLIMIT_NOFILE, limits.descriptors) &&
           (limits.address_space == 0 || set(RLIMIT_AS, limits.address_space));
  }
};

void KillAndReap(pid_t pid) {
  // Unless it was reaped elsewhere: the number may be somebody else's by now.
  siginfo_t info;
  if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return;
  kill(-pid, SIGKILL);  // The group, in one go: forking does not outrun this.
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Child>> Child::Spawn(
    const ChildOptions& options) {
  auto out = Pipe();
  if (!out.ok()) return out.status();
  if (options.output_room > 0) {
    fcntl(out->first.get(), F_SETPIPE_SZ, options.output_room);
  }
  if (options.full_disk) {
    out->second =
        AboveStandard(ipc::UniqueFd(open("/dev/full", O_WRONLY | O_CLOEXEC)));
    if (!out->second.valid()) return ipc::ErrnoStatus("open", "/dev/full");
  }
  auto err = Pipe();
  if (!err.ok()) return err.status();
  auto failure = Pipe();
  if (!failure.ok()) return failure.status();
  ipc::UniqueFd in, feed;
  if (options.input.empty()) {
    auto pipe = Pipe();
    if (!pipe.ok()) return pipe.status();
    std::tie(in, feed) = std::move(*pipe);
    fcntl(feed.get(), F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);  // Who does not read on is no reason to die.
  } else {
    in = AboveStandard(
        ipc::UniqueFd(open(options.input.c_str(), O_RDONLY | O_CLOEXEC)));
    if (!in.valid()) return ipc::ErrnoStatus("open", options.input);
  }

  // The new process may not use the working directory we have now.
  char absolute[PATH_MAX];
  if (!realpath(options.program.c_str(), absolute)) {
    return ipc::ErrnoStatus("exec", options.program);
  }
  std::vector<std::string> args = {options.name};
  args.insert(args.end(), options.args.begin(), options.args.end());
  std::vector<std::string> environment = {
      "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + options.folder};
  environment.insert(environment.end(), options.environment.begin(),
                     options.environment.end());
  const std::vector<char*> argv = Pointers(args);
  const std::vector<char*> envp = Pointers(environment);
  const ChildSide side = {options,           absolute,         argv.data(),
                          envp.data(),       getpid(),         in.get(),
                          out->second.get(), err->second.get()};

  std::unique_ptr<Child> child(new Child);
  child->name_ = options.name;
  child->limits_ = options.limits;
  child->pid_ = fork();
  if (child->pid_ < 0) return ipc::ErrnoStatus("fork", "");
  if (child->pid_ == 0) {
    const int error = side.Run();
    (void)!write(failure->second.get(), &error, sizeof(error));
    _exit(127);
  }
  child->pidfd_.reset(
      static_cast<int>(syscall(SYS_pidfd_open, child->pid_, 0)));
  failure->second.reset();
  int error = 0;
  ssize_t count;
  do {  // End of file: exec closed the other end, so it worked.
    count = read(failure->first.get(), &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  if (count != 0) return ipc::ErrnoStatus("exec", options.program, error);

  child->in_ = std::move(feed);
  child->out_.pipe = std::move(out->first);
  child->err_.pipe = std::move(err->first);
  for (const Stream* stream : {&child->out_, &child->err_}) {
    fcntl(stream->pipe.get(), F_SETFL, O_NONBLOCK);
  }
  return child;
}

Child::~Child() {
  if (pid_ > 0 && !ended_) KillAndReap(pid_);
}

void Child::Stream::Read(size_t limit) {
  char buffer[65536];
  while (pipe.valid() && !held) {
    const ssize_t count = read(pipe.get(), buffer, sizeof(buffer));
    if (count > 0) {
      const size_t room = limit - content.size();
      flooded |= static_cast<size_t>(count) > room;
      content.append(buffer, std::min<size_t>(count, room));
      if (flooded) return;  // Let the others have their turn.
    } else if (count == 0) {
      pipe.reset();
    } else if (errno != EINTR) {
      return;
    }
  }
}

void Child::Pump() {
  // First its end, then what it wrote: nothing comes after that.
  if (!ended_ && waitpid(pid_, &wait_status_, WNOHANG) == pid_) {
    ended_ = true;
    pidfd_.reset();
  }
  out_.Read(limits_.output);
  err_.Read(limits_.output);
}

bool Child::Feed(absl::string_view* bytes) {
  while (!bytes->empty()) {
    const ssize_t count = write(in_.get(), bytes->data(), bytes->size());
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    bytes->remove_prefix(count);
  }
  return true;
}

int Child::InputWaits() const {
  int count = 0;
  return ioctl(in_.get(), FIONREAD, &count) == 0 ? count : 0;
}

int Child::OutputWaits() const {
  int count = 0;
  return ioctl(out_.pipe.get(), FIONREAD, &count) == 0 ? count : 0;
}

void Child::AddPollEntries(std::vector<pollfd>* entries) const {
  for (const ipc::UniqueFd* fd : {&pidfd_, &out_.pipe, &err_.pipe}) {
    if (!fd->valid() || (fd == &out_.pipe && out_.held)) continue;
    entries->push_back({fd->get(), POLLIN, 0});
  }
}

std::string Child::Ending() const {
  return ended_ ? DescribeWaitStatus(wait_status_) : "still running";
}

void Child::Signal(int signal) const {
  if (!ended_) kill(pid_, signal);
}

void BecomeSubreaper() {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // Ignored since the shell that started us, it would keep all ends from
  // wait(2).
  signal(SIGCHLD, SIG_DFL);
}

std::vector<std::string> KillDescendants(absl::Time deadline) {
  std::map<pid_t, std::string> killed;
  // One kill may free another from its parent, and a fork bomb may put new ones
  // in the place of those we saw, so again until wait(2) knows of none: a list
  // in /proc may miss who moves while it is read. Stopping all before killing
  // any leaves nobody to fork.
  do {
    const std::vector<pid_t> pids = Descendants(getpid());
    for (pid_t pid : pids) kill(pid, SIGSTOP);
    for (pid_t pid : pids) {
      if (IsAlive(pid) && killed.size() < 10) {
        killed.emplace(pid, CommandName(pid));  // At first sight.
      }
      kill(pid, SIGKILL);
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  } while (waitpid(-1, nullptr, WNOHANG) >= 0 && absl::Now() < deadline);
  std::vector<std::string> names;
  for (const auto& [pid, name] : killed) {
    names.push_back(absl::StrCat(name, " (pid ", pid, ")"));
  }
  return names;
}

std::string DescribeWaitStatus(int wait_status) {
  if (WIFEXITED(wait_status)) {
    return absl::StrCat("exit status ", WEXITSTATUS(wait_status));
  }
  const int signal = WTERMSIG(wait_status);
  const char* name = sigabbrev_np(signal);
  return absl::StrCat("killed by SIG", name ? name : absl::StrCat(signal));
}

}  // namespace harness
