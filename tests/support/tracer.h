// Watches the system calls of one program that is judged, and does to some of
// them what the kernel may do to any: interrupts them, cuts them short, has
// them fail.
//
//   auto tracer = Tracer::Start({Fault::Interrupt({"recv"}, 2)});
//   options.gate = (*tracer)->gate();
//   ... Child::Spawn(options) ...
//   (*tracer)->Suffered(0);  // "recv on descriptor 4 (a UNIX stream socket)"
//
// The program stays a child of this process. It is traced, with all its threads
// and children, by a helper of ours from its first instruction until it has
// suffered all its faults, or has ended. The calls of the loader and of
// libraries for themselves are left alone.
#ifndef TESTS_SUPPORT_TRACER_H_
#define TESTS_SUPPORT_TRACER_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/helper.h"
#include "tests/support/traced_call.h"

namespace harness {

struct Fault {
  enum Kind {
    kNone,       // Is noted, as if it had suffered.
    kInterrupt,  // EINTR, where the call waits.
    kCutTo,      // Moves so many bytes, or messages, where it may move less.
    kCutHalf,    // Moves half of them.
    kFail,       // Is not made, and gives an error.
    kHold,       // Is made; then the program is stopped, as by SIGSTOP.
    kTimeOut,    // Its time limit has passed at once, if it has one.
  };
  using Calls = std::vector<std::string>;

  Kind kind = kNone;
  // The names of the calls, in C or the kernel's: "recv", "accept4". Empty:
  // all.
  Calls calls;
  // Which of them: of those, in all processes and threads together, that can
  // suffer it. 0: in each thread the first of each name, and each third after
  // that, for ever.
  int occurrence = 1;
  int times = 1;     // That one, and so many in all.
  int error = 0;     // Of kFail.
  size_t bytes = 1;  // Of kCutTo.
  // On descriptors of these kinds only. Empty: on all, and without.
  std::set<DescriptorKind> on;
  bool output = false;  // Writes to stdout and stderr, too.

  static Fault Interrupt(Calls calls, int occurrence);
  static Fault CutTo(Calls calls, int occurrence, size_t bytes);
  static Fault CutHalf(Calls calls, int occurrence);
  static Fault Fail(Calls calls, int occurrence, int error);
  static Fault Hold(Calls calls, int occurrence);
  // Of all calls that have a time limit, the first 300.
  static Fault TimeOut();

  // Whether `call` is one of those, and can suffer it.
  bool Fits(const TracedCall& call) const;
  // "interrupted by a signal (EINTR)": what it is, or was.
  std::string Words() const;
};

class Tracer {
 public:
  // Starts the helper. Without faults it watches the program to its end.
  static absl::StatusOr<std::unique_ptr<Tracer>> Start(
      std::vector<Fault> faults);

  // Ends the helper; the program goes on, if it is still there.
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // For ChildOptions: where one program, the next, is to be traced from.
  int gate() const { return gate_.get(); }
  // That program has been started.
  void CloseGate() { gate_.reset(); }

  // The calls so far that fit any of the faults, or all calls without faults.
  std::vector<TracedCall> Calls() const;

  // The first call that suffered fault number `fault`.
  std::optional<TracedCall> Suffered(size_t fault) const;

  // The helper, and whether it has ended.
  pid_t helper() const { return helper_; }
  bool Ended() const;

  // Whether the helper was ended by somebody else, as no program should.
  bool WasKilled() const;

  // Has the helper end now, unless it must see something through. False if it
  // is still there after a while.
  bool LetGo();

  // Plain memory that the helper shares.
  struct Shared {
    StoppedThreads stopped;
    std::atomic<bool> done;  // The helper ended because all was done.
  };

 private:
  Tracer() = default;

  std::vector<Fault> faults_;
  ipc::UniqueFd gate_;
  ipc::UniqueFd log_;
  Shared* shared_ = nullptr;
  pid_t helper_ = -1;
};

// OK, or why no program can be traced here; CanTrace tries once.
absl::Status TryToTrace();
const absl::Status& CanTrace();

}  // namespace harness

#endif  // TESTS_SUPPORT_TRACER_H_
