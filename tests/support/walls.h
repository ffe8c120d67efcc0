// The walls around a whole run of a checker: namespaces of its own, so that no
// program that is judged can reach the machine, the checker of another run, or
// the process that keeps the results. See namespaces(7), docs/security.md.
#ifndef TESTS_SUPPORT_WALLS_H_
#define TESTS_SUPPORT_WALLS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace harness {

struct Walls {
  // Whether there are any: they come all together, or not at all.
  bool up = false;
  std::string missing;  // Why not.
};

// Where files of the checker's own are, behind the walls: read-only.
constexpr char kKitFolder[] = "/run/lab";

// How the process behind the walls came out.
struct Inside {
  bool whole = false;  // Whether it returned by itself.
  std::string ending;  // If not: "killed by SIGKILL", "time is up".
};

// Runs `inside(walls, say)` in a new process and gives all that it says to
// `hear`, here. Where the kernel permits it, that process is the first one of
// its own pid, mount, network, IPC and user namespaces: all its descendants end
// with it; it is an ordinary user, without capabilities; it has a loopback
// device and no other network; it can write to nothing but a /tmp of its own,
// of limited size; /home, /run and the like are empty. Its working directory
// stays what it was. `files`, paths relative to that, are in kKitFolder then.
//
// With `wanted` false there are no walls. The process is killed at `deadline`,
// and as soon as `*stop` is set (by a signal handler).
Inside RunBehindWalls(
    bool wanted, const std::vector<std::string>& files, absl::Time deadline,
    const volatile int* stop,
    absl::FunctionRef<
        void(const Walls& walls,
             const std::function<void(absl::string_view bytes)>& say)>
        inside,
    absl::FunctionRef<void(const Walls& walls)> begun,
    absl::FunctionRef<void(absl::string_view bytes)> hear);

}  // namespace harness

#endif  // TESTS_SUPPORT_WALLS_H_
