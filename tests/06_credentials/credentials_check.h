// What the checks of lab 06 have in common.
#ifndef TESTS_06_CREDENTIALS_CREDENTIALS_CHECK_H_
#define TESTS_06_CREDENTIALS_CREDENTIALS_CHECK_H_

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"

constexpr size_t kRequestSize = 64;
constexpr size_t kMaxName = ipc::SocketAddress::kMaxPathLength;

// A request or an answer as it goes over the socket.
inline std::string Padded(const std::string& text) {
  return text + std::string(kRequestSize - text.size(), '\0');
}

inline std::string Ids(pid_t pid, uid_t uid, gid_t gid) {
  return absl::StrCat("pid ", pid, ", uid ", uid, ", gid ", gid);
}
inline std::string Own(pid_t pid) { return Ids(pid, getuid(), getgid()); }
inline std::string Me() { return Own(getpid()); }

// What the server prints.
inline std::string Connected(int client, const std::string& ids) {
  return absl::StrCat("client ", client, ": connected by ", ids, "\n");
}
inline std::string Line(int client, const std::string& text,
                        const std::string& ids,
                        const std::string& verdict = "granted") {
  return absl::StrCat("client ", client, ": ", text, ", by ", ids, ": ",
                      verdict, "\n");
}

class Credentials : public harness::Check {
 protected:
  // By a generator of its own: RandomText's is the same in the cases of a sweep
  // that are played side by side.
  void SetUp() override {
    std::random_device random;
    std::uniform_int_distribution<int> letter('a', 'z');
    std::string name = "lab-";
    while (name.size() < 16) name.push_back(static_cast<char>(letter(random)));
    NameIs(name);
  }

  // Nobody else's: abstract names are shared by all who share the network.
  void NameIs(const std::string& name) {
    name_ = name;
    address_ = *ipc::SocketAddress::Abstract(name);
    flag_ = "--name=" + name;
  }
  std::string NameOfLength(size_t length) {
    return name_ + RandomText(length - name_.size());
  }

  // Among what it printed is `text`.
  static void HasPrinted(harness::Process& program, const std::string& text) {
    program.Expect(
        absl::StrContains(program.out(), text),
        absl::StrCat("among what it prints: ", absl::StripSuffix(text, "\n")),
        absl::StripSuffix(program.out(), "\n"));
  }

  // It wrote something on stderr.
  static void HasComplained(harness::Process& program) {
    program.Expect(!program.err().empty(),
                   "a line on stderr that says what failed",
                   "nothing on stderr");
  }

  // `pid` and its descendants.
  static std::vector<pid_t> Tree(pid_t pid) {
    std::vector<pid_t> pids = harness::Descendants(pid);
    pids.push_back(pid);
    return pids;
  }

  // Waits until all its processes, orphans too, sleep and do not wake by
  // themselves: nothing but another process can wake them, or they have slept
  // on for a while.
  static void Sleeps(harness::Process program) {
    std::string fingerprint;
    absl::Time asleep_since = absl::Now();
    program.ComesDownTo(
        0, "processes that are awake, or wake again and again", [&] {
          const std::vector<pid_t> pids = harness::Descendants(getpid());
          const harness::Activity activity = harness::ObserveActivity(pids);
          int running = 0;
          for (pid_t pid : pids) running += harness::RunningThreads(pid);
          // One that was made meanwhile was not looked at.
          if (harness::Descendants(getpid()) != pids) return 1;
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

  std::string name_, flag_;
  ipc::SocketAddress address_;
};

#endif  // TESTS_06_CREDENTIALS_CREDENTIALS_CHECK_H_
