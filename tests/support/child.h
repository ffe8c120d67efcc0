// A program run as a child process that is watched, bounded and never left
// behind.
#ifndef TESTS_SUPPORT_CHILD_H_
#define TESTS_SUPPORT_CHILD_H_

#include <poll.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lib/unique_fd.h"

namespace harness {

// With --config=asan all programs are built for AddressSanitizer, which
// reserves terabytes.
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kAddressSpace = 0;
#else
// 50 threads reserve 8 MiB each for their stacks, and malloc up to 128 MiB for
// each of its arenas. What they use of it is limited by itself.
constexpr size_t kAddressSpace = size_t{4} << 30;
#endif

// What an untrusted program may use. See setrlimit(2).
struct Limits {
  // Of its tree of processes, counted from outside while a check waits, which
  // holds for root too.
  size_t processes = 64;
  size_t memory = size_t{512} << 20;  // Bytes resident.
  size_t output = size_t{1} << 20;    // Bytes of each of stdout and stderr.

  // Of each process, kept by the kernel.
  size_t address_space = kAddressSpace;  // Bytes; 0: no limit.
  size_t file_size = size_t{16} << 20;
  int cpu_seconds = 20;
  int descriptors = 1024;
};

class Confinement;

struct ChildOptions {
  std::string program;            // Path of the executable.
  std::string name;               // Its argv[0], by which it calls itself.
  std::vector<std::string> args;  // argv[1] and on.
  std::vector<std::string> environment;  // "NAME=value", beside a minimum.
  std::string folder = "/";              // Its working directory.
  std::string input = "/dev/null";       // Its stdin; "": a pipe, for Feed.
  bool full_disk = false;                // Its stdout takes nothing: /dev/full.
  int closed = -1;      // Which of stdin and stdout it does not have; -1: none.
  int output_room = 0;  // Of the pipe to its stdout, in bytes; 0: the usual.
  mode_t umask = 022;
  const Confinement* confinement = nullptr;  // What it may do; null: anything.
  Limits limits;
  int gate = -1;  // Where it reports to be traced; -1: nowhere. See tracer.h.
};

class Child {
 public:
  // Starts `options.program`: in a session of its own, so that it has a process
  // group to kill and no terminal, with pipes as stdout and stderr and no
  // descriptor beyond these and stdin, every signal at its default, a minimal
  // environment, and the kernel's promise to kill it when this process dies.
  // Returns once exec(3) has worked; its error (ENOENT, EACCES, ENOEXEC, ...)
  // otherwise.
  static absl::StatusOr<std::unique_ptr<Child>> Spawn(
      const ChildOptions& options);

  // Kills its process group and reaps it. Processes that left the group are the
  // business of KillDescendants.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& name() const { return name_; }
  const Limits& limits() const { return limits_; }

  // What it has written so far, as of the last Pump, up to the limit.
  const std::string& out() const { return out_.content; }
  const std::string& err() const { return err_.content; }
  // Whether it wrote more than the limit; the rest is read and thrown away.
  bool flooded() const { return out_.flooded || err_.flooded; }

  // Reads what it has written and notices its end. Does not block.
  void Pump();

  // Writes to its stdin what the pipe has room for, and removes that from
  // `bytes`. False once nobody can read it any more. Does not block.
  bool Feed(absl::string_view* bytes);
  // The end of its input.
  void EndInput() { in_.reset(); }
  // Our end of the pipe to its stdin, for poll(2); -1 without one.
  int input() const { return in_.get(); }

  // While held, what it writes on stdout stays in the pipe.
  void HoldOutput(bool hold) { out_.held = hold; }
  // How many bytes there are in the pipe; of what it was fed, below.
  int OutputWaits() const;
  int InputWaits() const;
  // From now on nobody reads its stdout.
  void CloseOutput() { out_.pipe.reset(); }

  // Adds what to poll(2) for news of it.
  void AddPollEntries(std::vector<pollfd>* entries) const;

  // Whether the process itself has ended and been reaped.
  bool ended() const { return ended_; }
  // Ended, and nobody holds its stdout and stderr any more.
  bool closed() const {
    return ended_ && !out_.pipe.valid() && !err_.pipe.valid();
  }
  // Valid once ended. See waitpid(2).
  int wait_status() const { return wait_status_; }
  // "exit status 1", "killed by SIGSEGV", "still running".
  std::string Ending() const;

  // Sends `signal` to the process alone.
  void Signal(int signal) const;

 private:
  struct Stream {
    ipc::UniqueFd pipe;
    std::string content;
    bool flooded = false;
    bool held = false;
    void Read(size_t limit);
  };

  Child() = default;

  std::string name_;
  Limits limits_;
  pid_t pid_ = -1;
  ipc::UniqueFd pidfd_;
  ipc::UniqueFd in_;
  Stream out_;
  Stream err_;
  bool ended_ = false;
  int wait_status_ = 0;
};

// Makes orphans of our descendants our children, so that a daemon cannot slip
// away, and keeps them from tracing us and from reading our memory, environment
// and descriptors, unless they are root. Once per process. See
// PR_SET_CHILD_SUBREAPER and PR_SET_DUMPABLE in prctl(2). Also takes SIGCHLD
// back to its default, whatever the caller of this program has set.
void BecomeSubreaper();

// Kills and reaps every descendant of this process, daemons included, and
// returns the names of those that were alive (at most ten). Gives up at
// `deadline`, which only a process stuck in the kernel can reach.
std::vector<std::string> KillDescendants(absl::Time deadline);

// "exit status 1", "killed by SIGSEGV": see waitpid(2).
std::string DescribeWaitStatus(int wait_status);

}  // namespace harness

#endif  // TESTS_SUPPORT_CHILD_H_
