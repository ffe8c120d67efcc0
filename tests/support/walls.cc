#include "tests/support/walls.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/errno_status.h"
#include "lib/unique_fd.h"
#include "tests/support/child.h"

namespace harness {
namespace {

// As everybody but root is called on a machine with one user.
constexpr uid_t kOrdinaryUser = 1000;

constexpr int kNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC;

// From linux/mount.h, which does not go together with sys/mount.h. Linux 5.12.
constexpr long kMountSetattr = 442;
constexpr unsigned kRecursive = 0x8000;
struct MountAttributes {
  uint64_t set = 1;  // MOUNT_ATTR_RDONLY
  uint64_t clear = 0, propagation = 0, userns = 0;
};

absl::Status Mount(const char* what, const char* where, const char* type,
                   unsigned long flags, const char* options) {
  if (mount(what, where, type, flags, options) == 0) return absl::OkStatus();
  return ipc::ErrnoStatus("mount", where);
}

absl::Status RaiseLoopback() {
  const ipc::UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(any.get(), SIOCSIFFLAGS, &request) == 0) return absl::OkStatus();
  return ipc::ErrnoStatus("ioctl", "SIOCSIFFLAGS of lo");
}

absl::Status Copy(int from, const std::string& to) {
  struct stat status;
  if (fstat(from, &status) < 0) return ipc::ErrnoStatus("fstat", to);
  const ipc::UniqueFd file(
      open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555));
  if (!file.valid()) return ipc::ErrnoStatus("open", to);
  for (off_t done = 0; done < status.st_size;) {
    const ssize_t count =
        sendfile(file.get(), from, &done, status.st_size - done);
    if (count <= 0) return ipc::ErrnoStatus("sendfile", to);
  }
  return absl::OkStatus();
}

// Every mount read-only, and empty ones over what is not the checker's.
absl::Status SetUpFiles(const std::vector<std::string>& files) {
  std::vector<ipc::UniqueFd> open_files;
  for (const std::string& file : files) {
    open_files.emplace_back(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!open_files.back().valid()) return ipc::ErrnoStatus("open", file);
  }
  if (auto made = Mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
      !made.ok()) {
    return made;
  }
  MountAttributes read_only;
  if (syscall(kMountSetattr, AT_FDCWD, "/", kRecursive, &read_only,
              sizeof(read_only)) < 0) {
    return ipc::ErrnoStatus("mount_setattr", "/");
  }
  // What the programs may write to.
  for (const char* folder : {"/tmp", "/dev/shm"}) {
    if (auto made = Mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV,
                          "size=256m,nr_inodes=50000,mode=1777");
        !made.ok()) {
      return made;
    }
  }
  // What they may not even see: sockets of services, terminals, other people's
  // files, and the kit with its answers, wherever it lies.
  std::vector<std::string> hidden = {"/run",     "/home", "/root", "/var/tmp",
                                     "/dev/pts", "/mnt",  "/srv",  "/media"};
  char here[PATH_MAX];
  if (getcwd(here, sizeof(here))) {
    const std::string top =
        std::string(here).substr(0, std::string(here).find('/', 1));
    if (top != "/tmp" && top != "/usr" && top != "/dev" && top.size() > 1) {
      hidden.push_back(top);
    }
  }
  for (const std::string& folder : hidden) {
    struct stat status;
    if (lstat(folder.c_str(), &status) < 0 || !S_ISDIR(status.st_mode))
      continue;
    if (auto made =
            Mount("tmpfs", folder.c_str(), "tmpfs",
                  MS_NOSUID | MS_NODEV | (folder == "/run" ? 0 : MS_RDONLY),
                  folder == "/run" ? "size=256m,mode=755" : "size=4k,mode=755");
        !made.ok()) {
      return made;
    }
  }
  if (mkdir(kKitFolder, 0755) < 0) return ipc::ErrnoStatus("mkdir", kKitFolder);
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string name = files[i].substr(files[i].rfind('/') + 1);
    // Two programs of a test may be one and the same file.
    const std::string to = absl::StrCat(kKitFolder, "/", i, "/");
    if (mkdir(to.c_str(), 0755) < 0) return ipc::ErrnoStatus("mkdir", to);
    if (auto copied = Copy(open_files[i].get(), to + name); !copied.ok()) {
      return copied;
    }
  }
  if (auto made =
          Mount("tmpfs", "/run", nullptr,
                MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=755");
      !made.ok()) {
    return made;
  }
  return Mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
               nullptr);
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  const ipc::UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (write(file.get(), text.data(), text.size()) !=
      static_cast<ssize_t>(text.size())) {
    return ipc::ErrnoStatus("write", path);
  }
  return absl::OkStatus();
}

// In the outer process: who the ordinary user inside is.
absl::Status MapUser(pid_t inside) {
  const std::string folder = absl::StrCat("/proc/", inside, "/");
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  auto status = WriteFile(folder + "setgroups", "deny");
  if (status.ok()) {
    status = WriteFile(folder + "gid_map",
                       absl::StrCat(gid ? gid : kOrdinaryUser, " ", gid, " 1"));
  }
  if (status.ok()) {
    status = WriteFile(folder + "uid_map",
                       absl::StrCat(uid ? uid : kOrdinaryUser, " ", uid, " 1"));
  }
  return status;
}

void DropCapabilities() {
  for (int capability = 0; prctl(PR_CAPBSET_DROP, capability) == 0;
       ++capability) {
  }
  struct {
    uint32_t version = 0x20080522;  // _LINUX_CAPABILITY_VERSION_3
    int pid = 0;
  } header;
  const uint32_t none[6] = {};
  syscall(SYS_capset, &header, none);
}

bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(count);
  }
  return true;
}

struct Pipe {
  ipc::UniqueFd from, to;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return ipc::ErrnoStatus("pipe", "");
  return Pipe{ipc::UniqueFd(ends[0]), ipc::UniqueFd(ends[1])};
}

// Makes the process; 0 in it, as fork(2).
pid_t Fork(bool namespaces) {
  fflush(nullptr);
  return static_cast<pid_t>(syscall(SYS_clone,
                                    SIGCHLD | (namespaces ? kNamespaces : 0),
                                    nullptr, nullptr, nullptr, nullptr));
}

// In the new process: the walls, as soon as the outer process has said who the
// user is.
absl::Status PutUpWalls(const std::vector<std::string>& files) {
  if (auto status = RaiseLoopback(); !status.ok()) return status;
  if (auto status = SetUpFiles(files); !status.ok()) return status;
  DropCapabilities();
  return absl::OkStatus();
}

constexpr char kUp = '+', kDown = '-';

// All that is left to read from `fd`.
std::string ReadAll(int fd) {
  std::string all;
  char buffer[256];
  ssize_t count;
  while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
    all.append(buffer, count);
  }
  return all;
}

}  // namespace

Inside RunBehindWalls(
    bool wanted, const std::vector<std::string>& files, absl::Time deadline,
    const volatile int* stop,
    absl::FunctionRef<
        void(const Walls& walls,
             const std::function<void(absl::string_view bytes)>& say)>
        inside,
    absl::FunctionRef<void(const Walls& walls)> begun,
    absl::FunctionRef<void(absl::string_view bytes)> hear) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  Walls walls;
  ipc::UniqueFd said;
  pid_t pid = -1;
  for (bool with_walls = wanted; pid < 0; with_walls = false) {
    auto words = MakePipe(), go = MakePipe();
    if (!words.ok() || !go.ok()) return {false, "no pipe can be made"};
    pid = Fork(with_walls);
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      go->to.reset();
      char byte;
      if (read(go->from.get(), &byte, 1) != 1) _exit(1);
      if (with_walls) {
        if (auto status = PutUpWalls(files); !status.ok()) {
          WriteAll(words->to.get(), absl::StrCat("-", status.message()));
          _exit(1);
        }
        walls.up = true;
      }
      if (!WriteAll(words->to.get(), absl::string_view(&kUp, 1))) _exit(1);
      inside(walls, [&](absl::string_view bytes) {
        if (!WriteAll(words->to.get(), bytes)) _exit(1);
      });
      _exit(0);
    }
    if (pid < 0) {
      const std::string why(ipc::ErrnoStatus("clone", "").message());
      if (!with_walls) return {false, why};
      walls.missing = why;
      continue;
    }
    words->to.reset();
    go->from.reset();
    absl::Status mapped = with_walls ? MapUser(pid) : absl::OkStatus();
    char first = kDown;
    if (mapped.ok() && WriteAll(go->to.get(), "g")) {
      (void)!read(words->from.get(), &first, 1);
    }
    said = std::move(words->from);
    if (first == kUp) {
      walls.up = with_walls;
      break;
    }
    walls.missing =
        mapped.ok() ? ReadAll(said.get()) : std::string(mapped.message());
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    pid = -1;
    if (!with_walls) return {false, "the checker's own process died"};
  }
  BecomeSubreaper();  // Also closes this process to its descendants.
  begun(walls);

  // An orphan may hold the pipe open: the end of the process counts.
  Inside outcome;
  bool in_time = true, ended = false;
  int status = 0;
  fcntl(said.get(), F_SETFL, O_NONBLOCK);
  while (true) {
    pollfd entry = {said.get(), POLLIN, 0};
    if (!ended) poll(&entry, 1, 20);
    char buffer[65536];
    ssize_t count;
    while ((count = read(said.get(), buffer, sizeof(buffer))) > 0) {
      hear(absl::string_view(buffer, count));
    }
    if (ended) break;
    if (in_time && ((stop && *stop) || absl::Now() >= deadline)) {
      in_time = false;
      kill(pid, SIGKILL);
    }
    // Having closed the pipe, it is about to end.
    ended = waitpid(pid, &status, count == 0 ? 0 : WNOHANG) == pid;
  }
  // Without walls, somebody may have stayed.
  KillDescendants(absl::Now() + absl::Seconds(5));
  outcome.whole = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  outcome.ending = in_time ? DescribeWaitStatus(status) : "time is up";
  return outcome;
}

}  // namespace harness
