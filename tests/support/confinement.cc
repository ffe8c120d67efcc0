#include "tests/support/confinement.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace harness {
namespace {

// From linux/landlock.h, which older systems lack in part.
constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;
constexpr unsigned kVersion = 1;      // LANDLOCK_CREATE_RULESET_VERSION
constexpr unsigned kPathBeneath = 1;  // LANDLOCK_RULE_PATH_BENEATH
constexpr uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2,
                   kReadDir = 1 << 3, kTruncate = 1 << 14, kIoctl = 1 << 15;
struct RulesetAttributes {
  uint64_t files, network, scoped;
};
constexpr uint64_t kScopeSignal = 1 << 1;
struct PathBeneath {
  uint64_t allowed;
  int parent;
} __attribute__((packed));

// What a version of Landlock knows of files.
uint64_t Handled(int version) {
  if (version < 1) return 0;
  if (version < 2) return (1 << 13) - 1;
  if (version < 3) return (1 << 14) - 1;
  if (version < 5) return (1 << 15) - 1;
  return (1 << 16) - 1;
}

int LandlockVersion() {
  static const int version =
      static_cast<int>(syscall(kCreateRuleset, nullptr, 0, kVersion));
  return version;
}

void Allow(int ruleset, const std::string& path, uint64_t access) {
  const ipc::UniqueFd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place.valid()) return;  // Not everywhere is everything.
  PathBeneath rule = {access & Handled(LandlockVersion()), place.get()};
  if (syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) == 0) return;
  // A file is no folder: what concerns folders only is refused for it.
  rule.allowed &= kExecute | kWriteFile | kReadFile | kTruncate | kIoctl;
  syscall(kAddRule, ruleset, kPathBeneath, &rule, 0);
}

ipc::UniqueFd MakeRuleset(const ConfinementOptions& options) {
  const uint64_t handled = Handled(LandlockVersion());
  if (handled == 0) return ipc::UniqueFd();
  RulesetAttributes attributes = {handled, 0, 0};
  size_t size = sizeof(handled);
  if (options.signals_own_only && SignalsCanBeKept()) {
    attributes.scoped = kScopeSignal;
    size = sizeof(attributes);
  }
  ipc::UniqueFd ruleset(
      static_cast<int>(syscall(kCreateRuleset, &attributes, size, 0)));
  constexpr uint64_t kRead = kReadFile | kReadDir, kRun = kRead | kExecute;
  for (const char* folder :
       {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    Allow(ruleset.get(), folder, kRun);
  }
  // What the C library, the loader and sanitizers look at.
  for (const char* path :
       {"/proc", "/sys/devices/system", "/etc/ld.so.cache", "/etc/ld.so.conf",
        "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/nsswitch.conf",
        "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/host.conf",
        "/etc/resolv.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
        "/etc/localtime", "/etc/alternatives"}) {
    Allow(ruleset.get(), path, kRead);
  }
  for (const char* device :
       {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
    Allow(ruleset.get(), device, kReadFile | kWriteFile | kTruncate | kIoctl);
  }
  Allow(ruleset.get(), "/", kReadDir);  // Names tell nothing.
  for (const std::string& path : options.readable) {
    Allow(ruleset.get(), path, kRun);
  }
  for (const std::string& folder : options.writable) {
    Allow(ruleset.get(), folder, handled);
  }
  return ruleset;
}

// System calls that no lab needs, and by which a program could act on others or
// slip out of what confines it.
constexpr long kForbidden[] = {SYS_mount,
                               SYS_umount2,
                               SYS_pivot_root,
                               SYS_chroot,
                               SYS_unshare,
                               SYS_setns,
                               SYS_keyctl,
                               SYS_add_key,
                               SYS_request_key,
                               SYS_perf_event_open,
                               SYS_bpf,
                               SYS_userfaultfd,
                               SYS_init_module,
                               SYS_finit_module,
                               SYS_delete_module,
                               SYS_kexec_load,
                               SYS_reboot,
                               SYS_swapon,
                               SYS_swapoff,
                               SYS_acct,
                               SYS_settimeofday,
                               SYS_clock_settime,
                               SYS_sethostname,
                               SYS_setdomainname,
                               SYS_quotactl,
                               425 /* io_uring_setup */,
                               428 /* open_tree */,
                               429 /* move_mount */,
                               430 /* fsopen */,
                               432 /* fsmount */,
                               433 /* fspick */,
                               442 /* mount_setattr */};
constexpr long kForbiddenToAll[] = {SYS_ptrace, SYS_process_vm_readv,
                                    SYS_process_vm_writev};

constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

class Filter {
 public:
  std::vector<sock_filter> Make(const ConfinementOptions& options) {
    Load(offsetof(seccomp_data, arch));
    Add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
    Return(SECCOMP_RET_KILL_PROCESS);
    Load(offsetof(seccomp_data, nr));
#ifdef __x86_64__
    // The numbers of x32, which would mean other calls.
    Add(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
    Return(kNoSuchCall);
#endif
    for (long call : kForbidden) Deny(call);
    if (!options.traces) {
      for (long call : kForbiddenToAll) Deny(call);
    }
    // Its flags lie in memory, where a filter cannot look; without it the C
    // library takes clone.
    Add(BPF_JMP | BPF_JEQ | BPF_K, 435 /* clone3 */, 0, 1);
    Return(kNoSuchCall);
    // New namespaces, in which it would have capabilities.
    If(SYS_clone, [&] {
      Load(Argument(0));
      Add(BPF_JMP | BPF_JSET | BPF_K,
          CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
              CLONE_NEWIPC | CLONE_NEWUTS | 0x02000000 /* CLONE_NEWCGROUP */,
          0, 1);
      Return(kDeny);
    });
    // Typing into the user's terminal.
    If(SYS_ioctl, [&] {
      Load(Argument(1));
      for (uint32_t request :
           {0x5412u /* TIOCSTI */, 0x541cu /* TIOCLINUX */}) {
        Add(BPF_JMP | BPF_JEQ | BPF_K, request, 0, 1);
        Return(kDeny);
      }
    });
    // Signals: to everybody, and to the checker. Signal 0 only asks.
    struct {
      long call;
      int signal;  // Its argument.
    } const signals[] = {{SYS_kill, 1},
                         {SYS_tkill, 1},
                         {SYS_tgkill, 2},
                         {SYS_rt_sigqueueinfo, 1},
                         {SYS_rt_tgsigqueueinfo, 2}};
    for (const auto& [call, signal] : signals) {
      If(call, [&, signal = signal] {
        Load(Argument(signal));
        Add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
        Return(SECCOMP_RET_ALLOW);
        Load(Argument(0));
        for (pid_t pid : options.protected_pids) {
          Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(pid), 0, 1);
          Return(kDeny);
        }
        Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(-1), 0, 1);
        Return(kDeny);
      });
    }
    // The same by a pidfd, whose process a filter cannot see.
    If(424 /* pidfd_send_signal */, [&] {
      Load(Argument(1));
      Add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
      Return(kDeny);
    });
    Return(SECCOMP_RET_ALLOW);
    return std::move(code_);
  }

 private:
  // Of the lower half of an argument: both machines are little-endian.
  static uint32_t Argument(int index) {
    return offsetof(seccomp_data, args) + index * sizeof(uint64_t);
  }

  void Add(int code, uint32_t k, int if_true = 0, int if_false = 0) {
    code_.push_back({static_cast<uint16_t>(code), static_cast<uint8_t>(if_true),
                     static_cast<uint8_t>(if_false), k});
  }
  void Load(uint32_t offset) { Add(BPF_LD | BPF_W | BPF_ABS, offset); }
  void Return(uint32_t action) { Add(BPF_RET | BPF_K, action); }
  void Deny(long call) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1);
    Return(kDeny);
  }
  // `body` for the call `call` only; whatever it loads, the number of the call
  // is loaded again behind it.
  template <typename Body>
  void If(long call, Body body) {
    const size_t jump = code_.size();
    Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 0);
    body();
    Return(SECCOMP_RET_ALLOW);
    code_[jump].jf = static_cast<uint8_t>(code_.size() - jump - 1);
  }

  std::vector<sock_filter> code_;
};

}  // namespace

Confinement::Confinement(const ConfinementOptions& options)
    : ruleset_(MakeRuleset(options)), filter_(Filter().Make(options)) {}

int Confinement::Enter() const {
  if (ruleset_.valid() && syscall(kRestrictSelf, ruleset_.get(), 0) < 0) {
    return errno;
  }
  const sock_fprog program = {static_cast<uint16_t>(filter_.size()),
                              const_cast<sock_filter*>(filter_.data())};
  // EINVAL: a kernel without seccomp's filters.
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 &&
      errno != EINVAL) {
    return errno;
  }
  return 0;
}

bool SignalsCanBeKept() { return LandlockVersion() >= 6; }

std::string MissingConfinement() {
  return LandlockVersion() >= 1 ? "" : "no Landlock";
}

}  // namespace harness
