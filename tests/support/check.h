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

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/report.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/story.h"
#include "tests/support/supervisor.h"

namespace harness {

class Check;

// A program that is judged, while it runs. Cheap to copy; lives no longer than
// its check.
class Process {
 public:
  Process(Check* check, Child* child) : check_(check), child_(child) {}

  // 0 when it could not be started.
  pid_t pid() const { return child_ ? child_->pid() : 0; }

  // Waits until it has a stream socket listening at `path`.
  void ListensAt(const std::string& path);

  // Waits until it has a datagram socket bound to `path`.
  void ReceivesAt(const std::string& path);

  // Waits until it has a TCP socket listening; the name of that.
  ipc::SocketAddress ListensOnTcp();

  // Waits until it has a UDP socket bound; the name of that.
  ipc::SocketAddress ReceivesOnUdp();

  // Waits until its stdout begins with `text`, and tells the first difference
  // as soon as there is one.
  void Prints(absl::string_view text);

  // Waits until it has printed a line, its first, and returns that.
  std::string PrintsLine();

  // Waits for its end by exit(3) with `status`.
  void Exits(int status);
  // The same, having printed `output` and nothing else.
  void Exits(int status, absl::string_view output);

  // Waits for its end by exit(3) with `status`, and one line on stderr:
  // "name: ...", with each of `words` in it.
  void Refuses(const std::vector<std::string>& words, int status = 1);

  // Waits until `count` is `most` or less, and tells how many there are if it
  // never is: "at most 2 open sockets".
  void ComesDownTo(int most, absl::string_view what,
                   absl::FunctionRef<int()> count);

  // Waits until all threads sleep, for more than a moment. False if it used 200
  // ms of processor time instead: how busy others are does not matter.
  bool FallsAsleep();

  // Fails unless each descriptor above 2 has FD_CLOEXEC; of its descendant
  // `pid`, if that is given.
  void ClosesOnExec(pid_t pid = 0);

  // Stops it (SIGSTOP), until Continue: it finds all at once what comes
  // meanwhile.
  void Stop();
  // Lets a program go on that Stop or StartStoppedAfter holds.
  void Continue();

  // Writes `bytes` to its stdin, `what` they are in words. It must take them
  // in, if they are more than a pipe holds. After StartFed.
  void Feed(absl::string_view bytes, absl::string_view what);
  // How many bytes of that it has not read yet.
  int Unread() const { return child_ ? child_->InputWaits() : 0; }
  // The end of its input.
  void EndInput();

  // Nobody reads what it prints. Returns when it has printed something.
  void HoldOutput();
  // We read it again.
  void ReadOutput();
  // Nobody will, ever.
  void CloseOutput();

  // Sends it `signal`, named `name`.
  void Signal(int signal, absl::string_view name);

  // Fails unless `condition` holds now.
  void Expect(bool condition, absl::string_view expected,
              absl::string_view seen);

  // What it has written on stdout, and on stderr.
  std::string out() const { return child_ ? child_->out() : ""; }
  std::string err() const { return child_ ? child_->err() : ""; }

 private:
  void AwaitEnd(absl::string_view expected);
  bool EndedWith(int status) const;

  Check* check_;
  Child* child_;
};

// Who a process of ours is.
struct Person {
  struct Ids {
    uid_t uid;
    gid_t gid;
  };
  Ids real, effective;
  // In a pid namespace that the program cannot see.
  bool out_of_sight = false;
};

// One end of a connection with a program that is judged, in our hands.
class Peer {
 public:
  Peer(Check* check, ipc::UniqueFd fd, std::string name)
      : check_(check), fd_(std::move(fd)), name_(std::move(name)) {}

  // Sends all of `bytes`, `what` they are in words (no step is told if it is
  // empty), in one message with the descriptors `fds`. The program must take
  // them in, if they are more than the kernel keeps for it.
  void Send(absl::string_view bytes, absl::string_view what,
            const std::vector<int>& fds = {});

  // Sends as much of `bytes` as the program takes in while nobody reads what it
  // sends; how much that is.
  size_t SendUntilStuck(absl::string_view bytes, absl::string_view what);

  // The same by another process, of `who`, which ends with that. Its pid.
  pid_t SendAs(const Person& who, absl::string_view bytes,
               absl::string_view what);

  // Waits until the program has read all that was sent. Only then does the next
  // Send arrive by itself: a stream merges what waits.
  void AwaitRead();

  // Reads until the program ends the connection; what came.
  std::string ReceiveAll();

  // Reads exactly `count` bytes. The descriptors that came along go to `fds`;
  // without, the kernel closes them. In the place of a server, `sender` is who
  // sent the last of the bytes.
  std::string Receive(size_t count);
  std::string Receive(size_t count, std::vector<ipc::UniqueFd>* fds);
  std::string Receive(size_t count, ucred* sender);

  // The program's next write to us fails. See SHUT_RD in shutdown(2).
  void StopReading();

  // The program reads an end of file, and may still write. See SHUT_WR.
  void StopWriting();

  void Close();

  // Closes a TCP connection so that the program finds it reset.
  void Reset();

  int fd() const { return fd_.get(); }

 private:
  std::string ReceiveUpTo(size_t count, absl::string_view expected,
                          absl::FunctionRef<ssize_t(char*, size_t)> receive);
  std::string ReceiveExactly(size_t count,
                             absl::FunctionRef<ssize_t(char*, size_t)> receive);

  Check* check_;
  ipc::UniqueFd fd_;
  std::string name_;
};

// A datagram socket in our hands, which exchanges datagrams with a program that
// is judged.
class DatagramPeer {
 public:
  DatagramPeer(Check* check, ipc::UniqueFd fd, std::string name)
      : check_(check), fd_(std::move(fd)), name_(std::move(name)) {}

  int fd() const { return fd_.get(); }

  // Sends `bytes`, `what` they are in words, as one datagram to whoever is
  // bound to `to`, as soon as there is room in their queue. No step is told
  // when `what` is empty.
  void SendTo(const ipc::SocketAddress& to, absl::string_view bytes,
              absl::string_view what);
  void SendTo(const std::string& path, absl::string_view bytes,
              absl::string_view what);

  // Waits for the next datagram and returns its bytes; `from` is who sent it.
  std::string Receive(absl::string_view what, ipc::SocketAddress* from);

  // Waits for the next datagram, and tells the difference if it is not `bytes`,
  // or was not sent from the socket bound to `path`.
  void Receives(absl::string_view bytes, absl::string_view what,
                const std::string& path);

  void Close();

 private:
  Check* check_;
  ipc::UniqueFd fd_;
  std::string name_;
};

struct Points {
  Kind kind;
  int points;
};
inline Points Core(int points) { return {Kind::kCore, points}; }
inline Points Robust(int points) { return {Kind::kRobust, points}; }

class Check : public testing::Test {
 public:
  // All checks of a run so far, in order; filled by TearDown.
  static std::vector<Result>& Results();

  // Where the program called `name` is; set once by the checker's main.
  static void SetProgram(const std::string& name, const std::string& path);

 protected:
  friend class Process;
  friend class Peer;
  friend class DatagramPeer;

  Check();
  ~Check() override;
  void TearDown() override;

  // First in every check: its points, the fact it is about, why a program may
  // fail it and where to read.
  void About(Points points, absl::string_view title, absl::string_view why,
             absl::string_view read);

  // Runs `program` with `args`. As "name_asan" when `sanitized`: the same
  // source under AddressSanitizer, which ends it at the first byte out of
  // bounds.
  Process Start(const std::string& program,
                const std::vector<std::string>& args, bool sanitized = false,
                mode_t umask = 022);

  // The same without arguments, with the file `input` as stdin, or with a pipe
  // for Process::Feed. The pipe to its stdout is a short one, so that what it
  // writes does not always fit.
  Process StartFed(const std::string& program, const std::string& input = "",
                   bool sanitized = false);

  // The same, with signals that interrupt it (EINTR) in every system call that
  // waits, again and again. Skipped where strace cannot trace.
  Process StartInterrupted(const std::string& program,
                           const std::vector<std::string>& args = {});

  // The same with `args`, and with each of its system calls in the file `trace`
  // as strace(1) writes it, which is given `options`, too. Skipped as above.
  Process StartTraced(const std::string& program,
                      const std::vector<std::string>& args,
                      const std::string& trace,
                      const std::vector<std::string>& options = {});

  // The same, held as soon as its first system call `call` has returned, until
  // Process::Continue; with "listen,accept" after the first of each. Needs
  // strace and the permission to trace; where that is missing, the check is
  // skipped.
  Process StartStoppedAfter(const std::string& call, const std::string& program,
                            const std::vector<std::string>& args);

  // The same, whose first system call `call`, in each of its processes, fails
  // with `error`.
  Process StartFailingOnce(const std::string& call, const std::string& error,
                           const std::string& program,
                           const std::vector<std::string>& args);

  // Connects to the UNIX stream socket at `path`, or at any address.
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
  void Host(const std::string& path);
  void Host(const ipc::SocketAddress& address);
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
  const ScratchDir& scratch() const { return scratch_; }

  // How many sockets `pid` has open; INT_MAX if it hides them.
  static int CountSockets(pid_t pid);

  // `count` random letters.
  static std::string RandomText(size_t count);

  // Not for this machine, and why; the check counts neither way, and the rest
  // of it does nothing.
  void Skip(absl::string_view reason);

  // Whether there is nothing more to do.
  bool over() const { return story_.failed() || !result_.skipped.empty(); }
  bool failed() const { return story_.failed(); }
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
  Process Run(ChildOptions options, absl::string_view step);
  // Runs `act` in a process of `who`, until it has ended; its pid. `act`
  // returns 0 or an errno.
  pid_t ActAs(const Person& who, absl::string_view expected,
              absl::FunctionRef<int()> act);
  void PutOnDisguise(const Person& who) const;

  Story story_;
  Result result_;
  ScratchDir scratch_;
  std::string socket_path_;
  bool listened_here_ = false;  // A program, at socket_path_.
  ipc::UniqueFd host_;
  bool expects_strangers_ = false;
  size_t persons_ = 0;
  std::vector<Child*> children_;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_CHECK_H_
