// The fixture of every check: it runs the programs that are judged, plays their
// peers, tells what it does, and leaves nothing behind.
//
//   TEST_F(UnixStream, RecordInPieces) {
//     About(Core(3), "a record may arrive in pieces", "why...", "where...");
//     Process server = Start("server", {"--socket=" + SocketPath()});
//     server.ListensAt(SocketPath());
//     Peer client = Connect(SocketPath());
//     client.Send(record.substr(0, 5), "the first 5 bytes of a record");
//     ...
//     server.Exits(0);
//   }
//
// The first thing that goes wrong is told, and turns everything after it into a
// no-op, so a check reads from top to bottom without asking after each line.
#ifndef TESTS_SUPPORT_CHECK_H_
#define TESTS_SUPPORT_CHECK_H_

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/peer.h"
#include "tests/support/place.h"
#include "tests/support/process.h"
#include "tests/support/report.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/story.h"
#include "tests/support/supervisor.h"
#include "tests/support/sweep.h"
#include "tests/support/tracer.h"

namespace harness {

struct Points {
  Kind kind;
  int points;
};
inline Points Core(int points) { return {Kind::kCore, points}; }
inline Points Robust(int points) { return {Kind::kRobust, points}; }

class Check : public testing::Test {
 public:
  // What is told of each check: first what it is about, not judged yet, and in
  // the end how it came out. Set once by the checker's main.
  static void SetReporter(std::function<void(const Result&)> report);

  // Where the program called `name` is; set once by the checker's main.
  static void SetProgram(const std::string& name, const std::string& path);

  // The name by which SetProgram gets other_uid.cc's library.
  static constexpr char kOtherUid[] = "libother_uid.so";

  // Whether the programs are confined, and whether there are walls around the
  // checker, so that they can have a /tmp.
  static void Confine(bool wanted, bool behind_walls);

  // The folder of the check that this process runs; set before it begins.
  static void SetFolder(ScratchDir* folder);

  // When the last check of this run must have ended. Fixed at the first call.
  static absl::Time EndOfRun();

  // Whether strace is there and may trace: some containers forbid ptrace. Asked
  // before any judged program runs, which could have a hand in it. So is
  // CanTrace of tracer.h.
  static bool CanStrace();

 protected:
  friend class Process;
  friend class Peer;
  friend class DatagramPeer;

  Check();
  ~Check() override;
  void TearDown() override;

  // In the constructor of a fixture whose checks judge `program` alone.
  void Judges(absl::string_view program);

  // First in every check: its points, the fact it is about, why a program may
  // fail it, and where that is taught and promised.
  void About(Points points, absl::string_view title, absl::string_view why,
             Place place);
  void About(Points points, absl::string_view title, absl::string_view why,
             absl::string_view read);

  // From here on a failure has this reason (and place) instead of About's:
  // one check can fail for causes that have nothing to do with each other.
  void Because(absl::string_view why, Place place);
  void Because(absl::string_view why);
  // From here on it has those of About again.
  void BecauseOfTheWhole();

  // A new part of a check that has several: a failure tells the steps of its
  // own part only.
  void Part(absl::string_view title);

  // Runs `program` with `args`. As "name_asan" when `sanitized`: the same
  // source under AddressSanitizer, which ends it at the first byte out of
  // bounds.
  Process Start(const std::string& program,
                const std::vector<std::string>& args, bool sanitized = false,
                mode_t umask = 022);

  // The same, with a stdout that takes nothing: each write to it fails with
  // ENOSPC, as on a full disk.
  Process StartOnFullDisk(const std::string& program,
                          const std::vector<std::string>& args);

  // The same without arguments, with the file `input` as stdin and without the
  // descriptor `closed`, 0 or 1, as after "<&-" or ">&-" in a shell.
  Process StartWithClosed(int closed, const std::string& program,
                          const std::string& input = "/dev/null");

  // The same without arguments, with the file `input` as stdin, or with a pipe
  // for Process::Feed. The pipe to its stdout is a short one, so that what it
  // writes does not always fit.
  Process StartFed(const std::string& program, const std::string& input = "",
                   bool sanitized = false);

  // The same with `args`, and with each of its system calls in the file `trace`
  // as strace(1) writes it, which is given `options`, too. Skipped where strace
  // cannot trace.
  Process StartTraced(const std::string& program,
                      const std::vector<std::string>& args,
                      const std::string& trace,
                      const std::vector<std::string>& options = {});

  // The same with `args` and the file `input` as stdin (a pipe, if it is
  // empty), and with faults in its system calls. Skipped where programs cannot
  // be traced.
  Process StartWithFaults(const std::vector<Fault>& faults,
                          const std::string& program,
                          const std::vector<std::string>& args,
                          const std::string& input = "/dev/null",
                          mode_t umask = 022);
  Process StartWithFault(const Fault& fault, const std::string& program,
                         const std::vector<std::string>& args,
                         const std::string& input = "/dev/null") {
    return StartWithFaults({fault}, program, args, input);
  }

  // The same, fed, with signals that interrupt it (EINTR) in its system calls
  // that wait, again and again.
  Process StartInterrupted(const std::string& program,
                           const std::vector<std::string>& args = {});

  // The same, stopped as soon as its first system call `calls[0]` has returned,
  // until Process::Continue, then after the first `calls[1]`, and so on.
  Process StartStoppedAfter(const std::vector<std::string>& calls,
                            const std::string& program,
                            const std::vector<std::string>& args,
                            mode_t umask = 022);

  // The same, while time flies: each call with a time limit of the program's
  // own (poll, select, SO_RCVTIMEO, sleep) has waited long enough at once,
  // the first times. See Fault::TimeOut.
  Process StartOutOfTime(const std::string& program,
                         const std::vector<std::string>& args,
                         const std::string& input = "/dev/null") {
    return StartWithFault(Fault::TimeOut(), program, args, input);
  }

  // The same, whose first system call of `calls` fails with `error`.
  Process StartFailingOnce(const std::vector<std::string>& calls, int error,
                           const std::string& program,
                           const std::vector<std::string>& args);

  // Plays `scenario` with `program`, which `start` starts. It must go well.
  // Then again, once for each system call that `program` made and for each
  // thing that can happen to it: interrupted or cut short, it must go as well
  // as before; where it fails, `program` may cope with that, or tell the error
  // in one line on stderr and end. Each time in a copy of the checker of its
  // own, several side by side: SetUp is called again, and names that others
  // could see (ports, abstract names) are made by SetUp or the scenario.
  // `start` is for one program of a scenario.
  using Starter = std::function<Process(const std::vector<std::string>& args,
                                        const std::string& input)>;
  void Sweep(const std::string& program,
             absl::FunctionRef<void(const Starter& start)> scenario,
             const SweepOptions& options = {});

  // Connects to the UNIX stream socket at `path`, or at any address. No step is
  // told when `name` is empty.
  Peer Connect(const std::string& path, const std::string& name = "a client");
  Peer Connect(const ipc::SocketAddress& address, const std::string& name);

  // The same as another user, of uid kStrangerUid. Where that cannot be, it
  // looks so to programs that were started after ExpectStrangers.
  void ExpectStrangers();
  Peer ConnectAsStranger(const ipc::SocketAddress& address);

  // The same by a process of `who`, which has ended then, and has not been
  // waited for; `pid` is its. Programs that are to see who that is, here and in
  // SendAs, are started after ExpectStrangers.
  Peer ConnectAs(const Person& who, const ipc::SocketAddress& address,
                 pid_t* pid);

  // Listens at `path`, or at any address, in the place of the student's server.
  // `backlog` + 1 clients may wait for Accept at the same time.
  void Host(const std::string& path, int backlog = SOMAXCONN);
  void Host(const ipc::SocketAddress& address, int backlog = SOMAXCONN);
  // The name of what Host opened: the kernel chooses a port that is 0.
  ipc::SocketAddress HostAddress() const;
  // Closes what Host opened and leaves its file, as a crash does.
  void CloseHost() { host_.reset(); }
  // The client that comes to Host.
  Peer Accept();

  // A datagram socket called `name`, bound to `address` unless that is unnamed.
  // UnixUnnamed() has the kernel choose, and so does a port that is 0.
  DatagramPeer OpenDatagram(const ipc::SocketAddress& address,
                            const std::string& name);

  // The path for this check's socket, short and unique.
  const std::string& SocketPath() const { return socket_path_; }
  const ScratchDir& scratch() const { return *scratch_; }

  // How many sockets `pid` has open; INT_MAX if it hides them.
  static int CountSockets(pid_t pid);

  // `count` random letters.
  static std::string RandomText(size_t count);

  // Not for this machine, and why; the check counts neither way, and the rest
  // of it does nothing.
  void Skip(absl::string_view reason);

  // Whether there is nothing more to do.
  bool over() const { return failed() || !result_.skipped.empty(); }
  bool failed() const { return story_.failed() || !failed_case_.empty(); }
  void Step(absl::string_view step);
  void Fail(absl::string_view expected, absl::string_view seen);
  void Note(absl::string_view note) { result_.notes.emplace_back(note); }

 private:
  // Waits, and tells what happened instead if `condition` is not met.
  bool Await(absl::string_view expected, absl::FunctionRef<bool()> condition,
             int watched_fd = -1, short events = 0);
  // `options` to run `program` with `args` by strace with `tracing`; false, and
  // the check is skipped, where that cannot be.
  bool Traced(const std::string& program, const std::vector<std::string>& args,
              const std::vector<std::string>& tracing, ChildOptions* options);
  // What Start's variants have in common.
  static ChildOptions Options(const std::string& program,
                              const std::vector<std::string>& args,
                              const std::string& input = "/dev/null");
  static std::string Started(const std::string& program,
                             const std::vector<std::string>& args);
  Process Run(ChildOptions options, absl::string_view step);

  // The beginning of a check, in scratch_.
  void Renew();
  // The end of a check, or of a case of a sweep: what is left is found out and
  // removed, and the result is complete.
  void Finish();
  // Of a sweep: begins anew in a copy of this process; plays one case there,
  // and returns the calls that were seen.
  void BeginCase(ScratchDir* folder);
  std::vector<TracedCall> PlayCase(
      const std::string& program, const std::vector<Fault>& faults,
      absl::FunctionRef<void(const Starter& start)> scenario,
      const SweepOptions& options);
  // Tells at a failure what was done to the programs.
  void RemarkFaults();

  // Runs `act` in a process of `who`, until it has ended; its pid. `act`
  // returns 0 or an errno.
  pid_t ActAs(const Person& who, absl::string_view expected,
              absl::FunctionRef<int()> act);
  void PutOnDisguise(const Person& who) const;

  // A failure of an early step that comes from a program which is written at a
  // later step belongs there.
  void LookForStarter();

  // Names the programs that have printed and not flushed, if any have.
  void LookForUnflushed();

  Story story_;
  Result result_;
  std::string failed_case_;  // The story of a sweep's.
  // While a program need not do what is expected of it: the scenario goes on,
  // and whether anything was not as expected.
  bool lenient_ = false;
  bool differs_ = false;
  bool awaits_end_ = false;  // Of a program, and nothing that it prints.
  ScratchDir* scratch_;
  std::string socket_path_;
  bool listened_here_ = false;  // A program, at socket_path_.
  ipc::UniqueFd host_;
  bool expects_strangers_ = false;
  size_t persons_ = 0;
  std::vector<Child*> children_;
  // What is done to the calls of a child.
  struct Tracing {
    std::vector<Fault> faults;
    std::unique_ptr<Tracer> tracer;
  };
  std::map<const Child*, Tracing> tracings_;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_CHECK_H_
