// What the checks of lab 03 have in common.
#ifndef TESTS_03_SOCKETPAIR_SOCKETPAIR_CHECK_H_
#define TESTS_03_SOCKETPAIR_SOCKETPAIR_CHECK_H_

#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/traced_call.h"

// More than the sockets and pipes on the way hold, all together. An odd number,
// so that each byte of the total is there for a reason.
constexpr size_t kMuch = (size_t{640} << 10) + 4321;

// What the child makes of `bytes`, and what it adds when they were all.
inline std::string Capitals(std::string bytes) {
  absl::AsciiStrToUpper(&bytes);
  return bytes;
}
inline std::string Total(size_t count) {
  return absl::StrCat("\n===== info =====\nBytes from parent: ", count, "\n");
}
inline std::string Answer(const std::string& bytes) {
  return Capitals(bytes) + Total(bytes.size());
}

class SocketPair : public harness::Check {
 protected:
  SocketPair() { Judges("pair"); }

  // `count` random bytes of every value, which one strange to the lab may get.
  static std::string RandomBytes(size_t count) {
    static auto& engine = *new std::mt19937(std::random_device{}());
    std::uniform_int_distribution<int> byte(0, 255);
    std::string bytes;
    while (bytes.size() < count) {
      bytes.push_back(static_cast<char>(byte(engine)));
    }
    return bytes;
  }

  // A program that has answered a line, so that its child is there for sure.
  harness::Process StartAnswered(std::string* answer = nullptr) {
    harness::Process pair = StartFed("pair");
    BecauseItAnswers();
    const std::string line = RandomText(20) + "\n";
    pair.Feed(line, "a line");
    pair.Prints(Capitals(line));
    BecauseOfTheWhole();
    if (answer) *answer = Capitals(line);
    return pair;
  }

  // Why a line that was fed is answered: for checks of something else.
  void BecauseItAnswers() {
    Because(
        "What comes is read, sent, answered and printed when it comes, while "
        "the input goes on. read returns as soon as there is anything; fread "
        "and getline wait for more. What is printed by stdio must be flushed.",
        harness::Handout(3, {1, 4}, "man 2 read, man 3 fflush"));
  }

  // The child of `pair`; 0 after telling that it is not there, or not alone.
  pid_t ChildOf(harness::Process pair) {
    if (over()) return 0;
    const std::vector<pid_t> children = harness::Descendants(pair.pid());
    if (children.size() != 1) BecauseThereIsOneChild();
    pair.Expect(children.size() == 1, "pair has one child",
                absl::StrCat("it has ", children.size()));
    return over() ? 0 : children[0];
  }

  void BecauseThereIsOneChild() {
    Because(
        "pair calls fork once. The child reads and answers again and again, "
        "until read returns 0: it lives as long as the input goes on.",
        harness::Handout(3, {1, 4}, "man 2 fork"));
  }

  void SignalChild(pid_t child, int signal, const char* name) {
    if (over()) return;
    Step(absl::StrCat("its child was sent ", name));
    kill(child, signal);
  }

  // Waits until `child` has begun, or gone on, and sleeps.
  void ChildSleeps(harness::Process pair, pid_t child) {
    Because(
        "While there is nothing to do, the child sleeps in a call that waits. "
        "One that asks again and again runs in circles.",
        harness::Handout(5, {9}, "man 2 recv"));
    int quiet_looks = 0;
    pair.ComesDownTo(0, "children that run on", [&] {
      // One that is traced stays stopped for a moment after SIGCONT.
      const bool asleep =
          harness::RunningThreads(child) == 0 && !harness::IsStopped(child);
      quiet_looks = asleep ? quiet_looks + 1 : 0;
      return quiet_looks >= 3 ||
                     (asleep && harness::ObserveActivity({child}).blocked)
                 ? 0
                 : 1;
    });
    BecauseOfTheWhole();
  }

  // The same for the end of `child`, when `pair` was killed.
  void ChildEnds(harness::Process pair, pid_t child) {
    const absl::Duration most =
        harness::ProcessorTime(child) + absl::Milliseconds(50);
    std::string waits;
    int quiet_looks = 0;
    pair.ComesDownTo(0, "children left behind", [&] {
      if (!harness::IsAlive(child)) return 0;
      if (harness::IsAlive(pair.pid())) return 1;
      const harness::Activity activity = harness::ObserveActivity({child});
      waits = activity.description;
      quiet_looks = activity.blocked && !harness::IsStopped(child) &&
                            harness::RunningThreads(child) == 0
                        ? quiet_looks + 1
                        : 0;
      return quiet_looks >= 10 || harness::ProcessorTime(child) > most ? 0 : 1;
    });
    pair.Expect(!harness::IsAlive(child), "its child ends as well",
                quiet_looks > 0 ? absl::StrCat("it lives on: ", waits)
                                : "it runs in circles");
  }

  // What waits to be read in the sockets of `pid`, where the kernel lets us
  // look; false where it does not.
  static bool Peek(pid_t pid, std::string* bytes) {
    bytes->clear();
    bool seen = false;
    for (const harness::Descriptor& open : harness::Descriptors(pid)) {
      if (!absl::StartsWith(open.target, "socket:")) continue;
      const ipc::UniqueFd copy = harness::CopyDescriptor(pid, open.number);
      if (!copy.valid()) continue;
      seen = true;
      std::string room(size_t{1} << 20, '\0');
      const ssize_t count =
          recv(copy.get(), &room[0], room.size(), MSG_PEEK | MSG_DONTWAIT);
      if (count > 0) bytes->append(room, 0, static_cast<size_t>(count));
    }
    return seen;
  }

  // Whether `pid` has a UNIX stream socket open.
  static bool HasStreamSocket(pid_t pid) {
    const std::vector<harness::Descriptor> open = harness::Descriptors(pid);
    const std::vector<harness::UnixSocket> sockets = harness::UnixSockets();
    return std::any_of(
        sockets.begin(), sockets.end(), [&](const harness::UnixSocket& socket) {
          return socket.type == SOCK_STREAM &&
                 std::any_of(open.begin(), open.end(),
                             [&](const harness::Descriptor& one) {
                               return one.target == absl::StrCat("socket:[",
                                                                 socket.inode,
                                                                 "]");
                             });
        });
  }

  // Waits until both processes sleep and do not wake by themselves: nothing but
  // another process can wake them, or they have slept on for a while.
  void Sleeps(harness::Process pair, pid_t child) {
    std::string fingerprint;
    absl::Time asleep_since = absl::Now();
    pair.ComesDownTo(
        0, "processes that are awake, or wake again and again", [&] {
          const harness::Activity activity =
              harness::ObserveActivity({pair.pid(), child});
          const int running = harness::RunningThreads(pair.pid()) +
                              harness::RunningThreads(child);
          if (running || activity.fingerprint != fingerprint) {
            fingerprint = activity.fingerprint;
            asleep_since = absl::Now();
          }
          return (activity.blocked && running == 0) ||
                         absl::Now() - asleep_since > absl::Milliseconds(300)
                     ? 0
                     : 1;
        });
  }

  // Stops the child of `pair`: from here on it reads and answers nothing.
  void StopChild(harness::Process pair, pid_t child) {
    SignalChild(child, SIGSTOP, "SIGSTOP: it reads no more");
    pair.ComesDownTo(0, "children that run on",
                     [&] { return harness::IsStopped(child) ? 0 : 1; });
  }
};

#endif  // TESTS_03_SOCKETPAIR_SOCKETPAIR_CHECK_H_
