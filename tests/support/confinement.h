// What one program that is judged may do at all, whoever runs it: Landlock for
// files, seccomp for system calls that no lab needs. See landlock(7),
// seccomp(2), docs/security.md.
#ifndef TESTS_SUPPORT_CONFINEMENT_H_
#define TESTS_SUPPORT_CONFINEMENT_H_

#include <linux/filter.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "lib/unique_fd.h"

namespace harness {

struct ConfinementOptions {
  std::vector<std::string> writable;  // Folders, with all that is in them.
  std::vector<std::string> readable;  // Files and folders, to read and to run.
  std::vector<pid_t> protected_pids;  // They get no signal from the program.
  // Whether it may signal its own descendants only, where Landlock can say so
  // (Linux 6.12): needed where no pid namespace keeps it from others. It cannot
  // ask by signal 0 then, whether another process is there.
  bool signals_own_only = false;
  bool traces = false;  // It is a tracer itself, of the program.
};

class Confinement {
 public:
  // Prepares all of it. What the kernel does not offer is left out:
  // MissingConfinement() names it.
  explicit Confinement(const ConfinementOptions& options);

  // Confines this process and all that it becomes, for ever; after
  // PR_SET_NO_NEW_PRIVS. Between fork and exec: makes async-signal-safe calls
  // only. 0, or errno.
  int Enter() const;

 private:
  ipc::UniqueFd ruleset_;
  std::vector<sock_filter> filter_;
};

// Whether signals_own_only holds on this kernel.
bool SignalsCanBeKept();

// What of Landlock and seccomp this kernel does not permit, in words; empty
// when all is there.
std::string MissingConfinement();

}  // namespace harness

#endif  // TESTS_SUPPORT_CONFINEMENT_H_
