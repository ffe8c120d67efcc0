#include "tools/trace/run.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/unique_fd.h"
#include "tests/support/proc.h"
#include "tools/trace/calls.h"

namespace trace {
namespace {

// Where the shell would find the program; "" if nowhere.
std::string Find(const std::string& program) {
  if (absl::StrContains(program, '/')) {
    return access(program.c_str(), X_OK) == 0 ? program : "";
  }
  const char* path = getenv("PATH");
  for (const absl::string_view folder :
       absl::StrSplit(path ? path : "/usr/bin:/bin", ':')) {
    std::string file = absl::StrCat(folder, "/", program);
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

// Where the standard output of a program goes; with kNothing, its errors too.
enum class Output { kStderr, kNothing, kErrorsOnly };

// Starts a program found in PATH. -1 if that fails.
pid_t Start(const std::vector<std::string>& words, Output output) {
  std::vector<char*> args;
  args.reserve(words.size() + 1);
  for (const std::string& word : words) {
    args.push_back(const_cast<char*>(word.c_str()));
  }
  args.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output == Output::kStderr) {
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
  } else {
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  }
  if (output == Output::kNothing) {
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  posix_spawnattr_setsigdefault(&attributes, &interrupt);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, args[0], &actions, &attributes, args.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  errno = error;
  return error == 0 ? pid : -1;
}

// Reaps `pid`. Other children of ours are those whose parents have died.
int Wait(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// Whether `pid` ends until `deadline`.
bool Ends(pid_t pid, absl::Time deadline) {
  const ipc::UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  pollfd entry = {fd.get(), POLLIN, 0};
  for (;;) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    const int ready = poll(&entry, 1,
                           static_cast<int>(absl::ToInt64Milliseconds(
                               std::min(left, absl::Hours(1)))) +
                               1);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// Kills what is traced, and leaves the tracer to write that down.
void KillTraced(pid_t tracer) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  do {
    for (const pid_t pid : harness::Descendants(getpid())) {
      if (pid != tracer) kill(pid, SIGKILL);
    }
  } while (!Ends(tracer, absl::Now() + absl::Milliseconds(50)) &&
           absl::Now() < deadline);
  kill(tracer, SIGKILL);
}

}  // namespace

RunResult Run(const RunOptions& options) {
  RunResult result;
  if (Find(options.command[0]).empty()) {
    result.error = absl::StrCat(
        options.command[0], ": there is no such program, or it may not be run");
    return result;
  }
  if (Find("strace").empty()) {
    result.error = "strace is missing: install the package strace";
    return result;
  }
  const pid_t trial =
      Start({"strace", "-qq", "-o/dev/null", "true"}, Output::kNothing);
  if (trial < 0 || Wait(trial) != 0) {
    result.error =
        "strace may not trace here: permit ptrace (in a container, run it with "
        "--cap-add=SYS_PTRACE)";
    return result;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGINT, SIG_IGN);  // Ctrl-C ends the command; we draw what it did.
  std::vector<std::string> words = {
      "strace",
      "-f",
      "-yy",
      "-q",
      "--absolute-timestamps=format:unix,precision:ns",
      "--syscall-times=ns",
      absl::StrCat("-s", options.shown_bytes),
      absl::StrCat("-etrace=", kTracedCalls),
      "-o" + options.output,
      "--"};
  words.insert(words.end(), options.command.begin(), options.command.end());
  const absl::Time start = absl::Now();
  const pid_t tracer =
      Start(words, options.silent ? Output::kErrorsOnly : Output::kStderr);
  if (tracer < 0) {
    result.error = absl::StrCat("strace cannot be started: ", strerror(errno));
    return result;
  }
  if (!Ends(tracer, start + options.limit)) {
    result.stopped = true;
    KillTraced(tracer);
  }
  Wait(tracer);
  result.took = absl::Now() - start;
  return result;
}

}  // namespace trace
