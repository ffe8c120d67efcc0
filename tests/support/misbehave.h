// How the harness's own tests run tests/support/misbehave.cc, and what they
// share.
#ifndef TESTS_SUPPORT_MISBEHAVE_H_
#define TESTS_SUPPORT_MISBEHAVE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/child.h"
#include "tests/support/proc.h"

namespace harness {

// Tests are run in the folder that holds their files.
constexpr char kMisbehave[] = "tests/support/misbehave";

// As long as anything that should happen may take on a busy machine.
constexpr absl::Duration kPatience = absl::Seconds(30);

inline ChildOptions Misbehave(std::vector<std::string> actions) {
  ChildOptions options;
  options.program = kMisbehave;
  options.name = "misbehave";
  options.args = std::move(actions);
  return options;
}

// Ends a test that hangs, and fails one that leaves a process or a descriptor.
class HarnessTest : public testing::Test {
 protected:
  HarnessTest() {
    BecomeSubreaper();
    alarm(2 * absl::ToInt64Seconds(kPatience));
    fds_before_ = Targets();
  }
  ~HarnessTest() override {
    KillDescendants(absl::Now() + kPatience);
    EXPECT_TRUE(waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD)
        << "a process is left";
    EXPECT_EQ(Targets(), fds_before_) << "a descriptor is left";
    alarm(0);
  }

  // `condition` comes to hold, while what the children write is taken in.
  static bool Await(absl::FunctionRef<bool()> condition,
                    std::vector<Child*> children = {}) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (true) {
      for (Child* child : children) child->Pump();
      if (condition()) return true;
      if (absl::Now() > deadline) return false;
      std::vector<pollfd> entries;
      for (Child* child : children) child->AddPollEntries(&entries);
      poll(entries.data(), entries.size(), 2);
    }
  }

  static std::unique_ptr<Child> SpawnWith(const ChildOptions& options) {
    auto child = Child::Spawn(options);
    EXPECT_TRUE(child.ok()) << child.status();
    return child.ok() ? std::move(*child) : nullptr;
  }
  static std::unique_ptr<Child> Spawn(std::vector<std::string> actions) {
    return SpawnWith(Misbehave(std::move(actions)));
  }

  // As many of our descendants run under the name `name`.
  static bool AwaitNamed(const std::string& name, size_t count = 1) {
    return Await([&] {
      size_t seen = 0;
      for (pid_t pid : Descendants(getpid())) seen += CommandName(pid) == name;
      return seen >= count;
    });
  }

 private:
  static std::vector<std::string> Targets() {
    std::vector<std::string> targets;
    for (const Descriptor& open : Descriptors(getpid())) {
      if (open.target.find("/proc/") != 0) targets.push_back(open.target);
    }
    return targets;
  }

  std::vector<std::string> fds_before_;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_MISBEHAVE_H_
