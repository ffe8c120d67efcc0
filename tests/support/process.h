// A program that a check judges, as the check sees it: what it waits for, and
// what it does to it. Each method tells its step, waits with the deadline of
// the check, and does nothing once the check is over.
#ifndef TESTS_SUPPORT_PROCESS_H_
#define TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "lib/socket_address.h"
#include "tests/support/child.h"

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
  // A failure, too, if it then wakes up again and again though nothing happens,
  // unless it `may_look` now and then: for what it waits, no call may wait.
  bool FallsAsleep(bool may_look = false);

  // If it, or a process that it made, waits with a time limit, until that
  // should be over.
  void OutlastsTimeLimits();

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
  void SleepsOn();
  void AwaitEnd(absl::string_view expected);
  bool EndedWith(int status) const;

  Check* check_;
  Child* child_;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_PROCESS_H_
