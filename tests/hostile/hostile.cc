// A program that does harm, or tries to cheat the checker. What it does is its
// own file name: the test gives it one name after another. Whatever it is asked
// to do, it does that, and then says that all went well.
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace {

// What a verdict looks like.
constexpr char kVerdict[] =
    "\nok    Transcript: server and client print the documented transcript\n"
    "\n01_unix_stream: 24 of 24 checks passed; core 42 of 42 points, robust 12 "
    "of 12\n";

// The processes that can be seen.
std::vector<pid_t> Everybody() {
  std::vector<pid_t> pids;
  DIR* proc = opendir("/proc");
  while (const dirent* entry = proc ? readdir(proc) : nullptr) {
    const pid_t pid = atoi(entry->d_name);
    if (pid > 0 && pid != getpid()) pids.push_back(pid);
  }
  if (proc) closedir(proc);
  return pids;
}

int Remove(const char* path, const struct stat*, int, struct FTW*) {
  remove(path);
  return 0;
}
void RemoveAll(const char* folder) {
  nftw(folder, Remove, 20, FTW_DEPTH | FTW_PHYS);
}

void WriteTo(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

// Signals -----------------------------------------------------------------

void SignalAll() { kill(-1, SIGKILL); }
void KillParent() { kill(getppid(), SIGKILL); }
void StopParent() { kill(getppid(), SIGSTOP); }
void KillFirst() { kill(1, SIGKILL); }
void KillEach() {
  for (pid_t pid : Everybody()) kill(pid, SIGKILL);
}
void KillByThread() {
  for (pid_t pid : Everybody()) syscall(SYS_tgkill, pid, pid, SIGKILL);
}
void KillByPidfd() {
  for (pid_t pid : Everybody()) {
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0);
  }
}
// An honest mistake: a child that outlives its parent ends "its parent".
void OrphanKillsParent() {
  if (fork() > 0) return;
  while (getppid() == 1) break;
  for (int i = 0; i < 3; ++i) kill(getppid(), SIGKILL);
  _exit(0);
}

// Memory of others ----------------------------------------------------------

void TraceParent() {
  ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr);
  ptrace(PTRACE_SEIZE, getppid(), nullptr, nullptr);
  waitpid(getppid(), nullptr, WNOHANG);
  ptrace(PTRACE_KILL, getppid(), nullptr, nullptr);
}
void TraceEach() {
  for (pid_t pid : Everybody()) ptrace(PTRACE_SEIZE, pid, nullptr, nullptr);
}
void WriteMemory() {
  char byte = 0;
  for (pid_t pid : Everybody()) {
    const std::string memory = "/proc/" + std::to_string(pid) + "/mem";
    const int fd = open(memory.c_str(), O_RDWR);
    (void)!pwrite(fd, &byte, 1, 0x400000);
    const iovec local = {&byte, 1};
    const iovec remote = {reinterpret_cast<void*>(0x400000), 1};
    process_vm_writev(pid, &local, 1, &remote, 1, 0);
  }
}

// Files -----------------------------------------------------------------------

void RemoveTmp() { RemoveAll("/tmp"); }
void RemoveShm() { RemoveAll("/dev/shm"); }
void RemoveHome() {
  RemoveAll("/root");
  RemoveAll("/home");
  if (const char* home = getenv("HOME")) RemoveAll(home);
}
void WriteSystem() {
  for (const char* path :
       {"/etc/planted", "/usr/bin/planted", "/planted", "/root/planted",
        "/var/tmp/planted", "/tmp/planted", "/usr/local/bin/planted"}) {
    WriteTo(path, "#!/bin/sh\nexit 0\n");
    chmod(path, 0755);
  }
}
// Bazel's wrapper looks commands up in folders of the environment.
void PlantCommands() {
  for (pid_t pid : Everybody()) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/environ");
    for (std::string entry; std::getline(file, entry, '\0');) {
      const size_t equals = entry.find('=');
      if (equals == entry.npos || entry[equals + 1] != '/') continue;
      for (const char* name : {"/test.xml", "/sed", "/dirname", "/planted"}) {
        WriteTo(entry.substr(equals + 1) + name, "planted");
      }
    }
  }
}
void WriteResults() {
  for (const char* name : {"XML_OUTPUT_FILE", "TEST_TMPDIR", "TEST_SRCDIR"}) {
    if (const char* path = getenv(name)) WriteTo(path, "planted");
  }
  for (pid_t pid : Everybody()) {
    for (int fd = 0; fd < 64; ++fd) {
      const std::string path =
          "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
      WriteTo(path, kVerdict);
    }
  }
}
void Remount() {
  mount(nullptr, "/", nullptr, MS_REMOUNT, nullptr);
  mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr);
  WriteSystem();
}
void OwnNamespace() {
  unshare(CLONE_NEWUSER | CLONE_NEWNS);
  Remount();
}
void ClonedNamespace() {
  syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, nullptr, nullptr,
          nullptr, nullptr);
  Remount();
}
void LinkFolder() {
  char here[4096];
  if (!getcwd(here, sizeof(here))) return;
  symlink("/", "link");
  rmdir(here);
  symlink("/root", here);
}
void LockFolders() {
  mkdir("locked", 0700);
  WriteTo("locked/file", "x");
  chmod("locked", 0);
  chmod(".", 0);
}
void ManyFiles() {
  for (int i = 0; i < 2000; ++i) {
    const int fd =
        open(("file" + std::to_string(i)).c_str(), O_CREAT | O_RDWR, 0600);
    if (fd < 0) return;
    close(fd);
  }
}
void DeepFolders() {
  for (int i = 0; i < 2000; ++i) {
    if (mkdir("deep", 0700) < 0 || chdir("deep") < 0) return;
  }
}
void BigFiles() {
  const std::vector<char> much(1 << 20, 'x');
  signal(SIGXFSZ, SIG_IGN);
  for (int i = 0; i < 64; ++i) {
    const int fd =
        open(("/tmp/big" + std::to_string(i)).c_str(), O_CREAT | O_RDWR, 0600);
    while (write(fd, much.data(), much.size()) > 0) {
    }
  }
}

// The reference ---------------------------------------------------------------

int RunIfServer(const char* path, const struct stat* status, int type,
                struct FTW*) {
  const std::string text = path;
  if (type != FTW_F || !(status->st_mode & 0100)) return 0;
  if (text.find("solutions") != text.npos && text.size() > 7 &&
      text.substr(text.size() - 7) == "/server") {
    execl(path, "server", nullptr);
  }
  return 0;
}
void RunReference() {
  for (const char* folder :
       {"/root", "/home", "/work", "/srv", "/opt", "/tmp"}) {
    nftw(folder, RunIfServer, 20, FTW_PHYS);
  }
}

// The terminal, and sockets of others -----------------------------------------

void UseTerminals() {
  std::vector<std::string> names = {"/dev/tty", "/dev/console"};
  for (int i = 0; i < 10; ++i) names.push_back("/dev/pts/" + std::to_string(i));
  for (const std::string& name : names) {
    const int fd = open(name.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK);
    ioctl(fd, TIOCSCTTY, 1);
    ioctl(fd, TIOCSTI, "x");
    (void)!write(fd, "planted", 7);
  }
}
void ConnectToAll() {
  std::ifstream list("/proc/net/unix");
  for (std::string line; std::getline(list, line);) {
    const size_t start = line.find_last_of(' ');
    const std::string path = line.substr(start + 1);
    if (path.empty() || (path[0] != '/' && path[0] != '@')) continue;
    if (path.find("socket") != path.npos && path.find("/tmp/lab") == 0)
      continue;
    sockaddr_un address = {AF_UNIX, {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    socklen_t size = sizeof(sa_family_t) + path.size();
    if (path[0] == '@') address.sun_path[0] = 0;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) {
      (void)!send(fd, "planted", 7, MSG_NOSIGNAL);
    }
    close(fd);
  }
}

// Too much --------------------------------------------------------------------

void ManyProcesses() {
  for (int i = 0; i < 500; ++i) {
    if (fork() == 0) {
      while (true) pause();
    }
  }
  while (true) pause();
}
void MuchMemory() {
  for (int i = 0; i < 4096; ++i) {
    void* some = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (some == MAP_FAILED) break;
    memset(some, 1, 1 << 20);
  }
  while (true) pause();
}
void MemoryInFiles() {
  const std::vector<char> much(1 << 20, 'x');
  signal(SIGXFSZ, SIG_IGN);
  for (int i = 0; i < 64; ++i) {
    const int fd = memfd_create("held", 0);
    for (int j = 0; j < 40 && write(fd, much.data(), much.size()) > 0; ++j) {
    }
  }
  while (true) pause();
}
void SharedMemory() {
  for (int i = 0; i < 20; ++i) {
    shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
    msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  }
}
void ManyDescriptors() {
  while (dup(0) >= 0) {
  }
}
void Flood() {
  const std::vector<char> much(1 << 16, 'f');
  while (write(1, much.data(), much.size()) > 0) {
  }
}
void Spin() {
  volatile bool forever = true;
  while (forever) {
  }
}
void Daemon() {
  if (fork() > 0) return;
  setsid();
  if (fork() > 0) _exit(0);
  prctl(PR_SET_NAME, "hostile-daemon");
  for (int fd = 0; fd < 100; ++fd) close(fd);
  while (true) pause();
}

// Words -----------------------------------------------------------------------

void Nothing() {}
void Recite() {
  for (int fd = 1; fd < 64; ++fd) (void)!write(fd, kVerdict, strlen(kVerdict));
}
void Escape() { (void)!write(2, "\033]0;x\007\033[2J\033c", 12); }
void ChangeClock() {
  const timeval never = {0, 0};
  settimeofday(&never, nullptr);
}
void Hide() {
  prctl(PR_SET_DUMPABLE, 0);
  while (true) pause();
}

const std::map<std::string, void (*)()> kDeeds = {
    {"signal_all", SignalAll},
    {"kill_parent", KillParent},
    {"stop_parent", StopParent},
    {"kill_first", KillFirst},
    {"kill_each", KillEach},
    {"kill_by_thread", KillByThread},
    {"kill_by_pidfd", KillByPidfd},
    {"orphan_kills_parent", OrphanKillsParent},
    {"trace_parent", TraceParent},
    {"trace_each", TraceEach},
    {"write_memory", WriteMemory},
    {"remove_tmp", RemoveTmp},
    {"remove_shm", RemoveShm},
    {"remove_home", RemoveHome},
    {"write_system", WriteSystem},
    {"plant_commands", PlantCommands},
    {"write_results", WriteResults},
    {"remount", Remount},
    {"own_namespace", OwnNamespace},
    {"cloned_namespace", ClonedNamespace},
    {"link_folder", LinkFolder},
    {"lock_folders", LockFolders},
    {"many_files", ManyFiles},
    {"deep_folders", DeepFolders},
    {"big_files", BigFiles},
    {"run_reference", RunReference},
    {"use_terminals", UseTerminals},
    {"connect_to_all", ConnectToAll},
    {"many_processes", ManyProcesses},
    {"much_memory", MuchMemory},
    {"memory_in_files", MemoryInFiles},
    {"shared_memory", SharedMemory},
    {"many_descriptors", ManyDescriptors},
    {"flood", Flood},
    {"spin", Spin},
    {"daemon", Daemon},
    {"nothing", Nothing},
    {"recite", Recite},
    {"escape", Escape},
    {"change_clock", ChangeClock},
    {"hide", Hide},
};

}  // namespace

int main() {
  char path[4096] = {};
  if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0) return 3;
  const std::string name =
      std::string(path).substr(std::string(path).rfind('/') + 1);
  const auto deed = kDeeds.find(name);
  if (deed == kDeeds.end()) {
    for (const auto& [one, act] : kDeeds) printf("%s\n", one.c_str());
    return 0;
  }
  deed->second();
  (void)!write(1, kVerdict, strlen(kVerdict));
  return 0;
}
