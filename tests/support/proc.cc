#include "tests/support/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/unique_fd.h"
#include "tests/support/helper.h"
#include "tests/support/sock_diag.h"

namespace harness {
namespace {

void RequireDescriptors(const std::string& path) {
  if (errno != EMFILE && errno != ENFILE) return;
  fprintf(stderr, "checker: open %s: %s\n", path.c_str(), strerror(errno));
  _exit(2);  // Not a word more, with what others may have tampered with.
}

std::string ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  if (!file) RequireDescriptors(path);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// The entries of `folder` that are numbers, as /proc names processes, threads
// and descriptors. `error` is why there are none, 0 otherwise.
std::vector<int> NumbersIn(const std::string& folder, int* error = nullptr) {
  std::vector<int> numbers;
  DIR* dir = opendir(folder.c_str());
  if (error) *error = dir ? 0 : errno;
  if (!dir) {
    RequireDescriptors(folder);
    return numbers;
  }
  while (const dirent* entry = readdir(dir)) {
    int number;
    if (absl::SimpleAtoi(entry->d_name, &number)) numbers.push_back(number);
  }
  closedir(dir);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// The value of line "key:  value" in a file like /proc/PID/status.
std::string Field(const std::string& content, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    if (absl::ConsumePrefix(&line, key) && absl::ConsumePrefix(&line, ":")) {
      return std::string(absl::StripAsciiWhitespace(line));
    }
  }
  return "";
}

// The fields of /proc/PID/stat from the state on; the command name before it
// may itself contain spaces and parentheses.
std::vector<std::string> StatFields(const std::string& folder) {
  const std::string stat = ReadFile(folder + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == stat.npos) return {};
  return absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
}

std::string DescriptorTarget(pid_t pid, int number) {
  char target[256];
  const ssize_t length =
      readlink(absl::StrFormat("/proc/%d/fd/%d", pid, number).c_str(), target,
               sizeof(target));
  return length < 0 ? "" : std::string(target, length);
}

// The same, in more words for a UNIX socket that has a name.
std::string DescribeDescriptor(pid_t pid, int number) {
  std::string target = DescriptorTarget(pid, number);
  for (const UnixSocket& socket : UnixSockets()) {
    if (!socket.path.empty() &&
        target == absl::StrCat("socket:[", socket.inode, "]")) {
      return absl::StrCat(target, socket.listening ? " listening at " : " at ",
                          socket.path);
    }
  }
  return target;
}

// A call that can last for ever, by its name and where its first argument is a
// descriptor; and the argument, if any, that would limit its time: `no_limit`
// there means none.
struct BlockingCall {
  const char* name;
  bool on_descriptor;
  int limit_argument = -1;
  uint64_t no_limit = 0;
};

const std::map<long, BlockingCall>& BlockingCalls() {
  constexpr uint64_t kNull = 0;
  constexpr uint64_t kMinusOne = 0xffffffff;  // An int, in the low half.
  static const auto& calls = *new std::map<long, BlockingCall>{
      {SYS_read, {"read", true}},
      {SYS_readv, {"readv", true}},
      {SYS_recvfrom, {"recv", true}},
      {SYS_recvmsg, {"recvmsg", true}},
      {SYS_write, {"write", true}},
      {SYS_writev, {"writev", true}},
      {SYS_sendto, {"send", true}},
      {SYS_sendmsg, {"sendmsg", true}},
      {SYS_accept, {"accept", true}},
      {SYS_accept4, {"accept", true}},
      {SYS_connect, {"connect", true}},
      {SYS_flock, {"flock", true}},
      // Of a FIFO, until somebody opens its other end.
      {SYS_openat, {"open", false}},
#ifdef SYS_openat2
      {SYS_openat2, {"openat2", false}},
#endif
      {SYS_wait4, {"wait", false}},
      {SYS_waitid, {"wait", false}},
      {SYS_rt_sigsuspend, {"sigsuspend", false}},
      {SYS_rt_sigtimedwait, {"sigwait", false, 2, kNull}},
      {SYS_futex, {"a lock or a thread's end", false, 3, kNull}},
      {SYS_ppoll, {"poll", false, 2, kNull}},
      {SYS_pselect6, {"select", false, 4, kNull}},
      {SYS_epoll_pwait, {"epoll_wait", true, 3, kMinusOne}},
#ifdef SYS_pause  // x86-64 has older ones beside these, newer machines do not.
      {SYS_open, {"open", false}},
      {SYS_pause, {"pause", false}},
      {SYS_poll, {"poll", false, 2, kMinusOne}},
      {SYS_select, {"select", false, 4, kNull}},
      {SYS_epoll_wait, {"epoll_wait", true, 3, kMinusOne}},
#endif
  };
  return calls;
}

// Whether `fd` of `pid` is a socket that waits no longer than it was told, by
// SO_RCVTIMEO or SO_SNDTIMEO.
bool HasTimeout(pid_t pid, int fd) {
#ifdef SYS_pidfd_getfd
  const ipc::UniqueFd process(
      static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const ipc::UniqueFd copy(
      static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  for (int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    timeval timeout = {};
    socklen_t size = sizeof(timeout);
    getsockopt(copy.get(), SOL_SOCKET, option, &timeout, &size);
    if (timeout.tv_sec != 0 || timeout.tv_usec != 0) return true;
  }
#endif
  return false;
}

// "0 0x4 0x7ffe... ...": the number of the call and its arguments.
bool IsBlocked(pid_t pid, const std::string& syscall_line,
               std::string* description) {
  const std::vector<std::string> fields =
      absl::StrSplit(syscall_line, ' ', absl::SkipEmpty());
  int number;
  if (fields.size() < 7 || !absl::SimpleAtoi(fields[0], &number)) return false;
  const auto call = BlockingCalls().find(number);
  if (call == BlockingCalls().end()) return false;
  const auto argument = [&](int index) {
    return strtoull(fields[1 + index].c_str(), nullptr, 16);
  };
  const BlockingCall& known = call->second;
  if (known.limit_argument >= 0) {
    uint64_t limit = argument(known.limit_argument);
    if (known.no_limit != 0) limit &= 0xffffffff;
    if (limit != known.no_limit) return false;
  }
  *description = known.name;
  if (known.on_descriptor) {
    const int fd = static_cast<int>(argument(0));
    if (HasTimeout(pid, fd)) return false;
    absl::StrAppend(description, " on descriptor ", fd, " (",
                    DescribeDescriptor(pid, fd), ")");
  }
  return true;
}

// Whether a timer may still wake the process. An alarm clock is not to be seen,
// only that somebody would hear it: SIGALRM is caught, or blocked as for
// signalfd.
bool MayBeWokenByTimer(pid_t pid, const std::string& status) {
  // It listens to an alarm clock that rings only for delays, which no check
  // asks for.
  if (CommandName(pid) == "strace") return false;
  for (const char* key : {"SigCgt", "SigBlk"}) {
    const uint64_t signals = strtoull(Field(status, key).c_str(), nullptr, 16);
    if (signals & (uint64_t{1} << (SIGALRM - 1))) return true;
  }
  if (!ReadFile(absl::StrFormat("/proc/%d/timers", pid)).empty()) return true;
  const std::vector<Descriptor> open = Descriptors(pid);
  return std::any_of(open.begin(), open.end(), [](const Descriptor& one) {
    return one.target == "anon_inode:[timerfd]";
  });
}

// Whether `pid` or one of its descendants has the socket `inode` open.
bool HasOpen(pid_t pid, uint64_t inode) {
  std::vector<pid_t> pids = Descendants(pid);
  pids.push_back(pid);
  const std::string target = absl::StrCat("socket:[", inode, "]");
  for (pid_t candidate : pids) {
    for (const Descriptor& descriptor : Descriptors(candidate)) {
      if (descriptor.target == target) return true;
    }
  }
  return false;
}

// Whether `pid` or one of its descendants has a socket open that is `wanted`.
bool HasSocket(pid_t pid, absl::FunctionRef<bool(const UnixSocket&)> wanted) {
  for (const UnixSocket& socket : UnixSockets()) {
    if (wanted(socket) && HasOpen(pid, socket.inode)) return true;
  }
  return false;
}

// "0100007F:1F90", or an IPv6 address of 32 digits: words as they are in
// memory, and the port as a number.
ipc::SocketAddress ParseIpName(const std::string& name) {
  uint32_t words[4] = {};
  size_t count = 0;
  for (; count < 4 && name.find(':') >= 8 * (count + 1); ++count) {
    words[count] = static_cast<uint32_t>(
        strtoul(name.substr(8 * count, 8).c_str(), nullptr, 16));
  }
  const auto port = static_cast<uint16_t>(
      strtoul(name.substr(name.find(':') + 1).c_str(), nullptr, 16));
  return IpName(count == 1 ? AF_INET : AF_INET6, words, htons(port));
}

std::vector<IpSocket> IpSockets(const std::string& protocol) {
  // sl local remote st tx:rx tr:when retransmits uid timeout inode
  constexpr char kListens[] = "0A", kConnected[] = "01";
  std::vector<IpSocket> sockets;
  for (const char* version : {"", "6"}) {
    std::ifstream file(absl::StrCat("/proc/net/", protocol, version));
    std::string line;
    std::getline(file, line);  // The headings.
    while (std::getline(file, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, queues, skipped;
      IpSocket socket = {};
      fields >> number >> local >> remote >> state >> queues >> skipped >>
          skipped >> skipped >> skipped >> socket.inode;
      socket.listening = state == kListens;
      socket.connected = state == kConnected;
      socket.local = ParseIpName(local);
      socket.remote = ParseIpName(remote);
      socket.unread =
          strtoul(queues.substr(queues.find(':') + 1).c_str(), nullptr, 16);
      sockets.push_back(socket);
    }
  }
  return sockets;
}

}  // namespace

std::vector<UnixSocket> UnixSockets() {
  // Num RefCount Protocol Flags Type St Inode Path
  constexpr unsigned long kAcceptsConnections = 1 << 16;
  std::vector<UnixSocket> sockets;
  std::ifstream file("/proc/net/unix");
  std::string line;
  std::getline(file, line);  // The headings.
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string number, references, protocol, flags, type, state;
    UnixSocket socket;
    fields >> number >> references >> protocol >> flags >> type >> state >>
        socket.inode;
    fields.get();
    std::getline(fields, socket.path);
    socket.type = static_cast<int>(strtol(type.c_str(), nullptr, 16));
    socket.listening =
        strtoul(flags.c_str(), nullptr, 16) & kAcceptsConnections;
    sockets.push_back(socket);
  }
  return sockets;
}

std::vector<IpSocket> TcpSockets() { return IpSockets("tcp"); }
std::vector<IpSocket> UdpSockets() { return IpSockets("udp"); }

std::vector<Descriptor> Descriptors(pid_t pid) {
  std::vector<Descriptor> descriptors;
  int error;
  const std::vector<int> numbers =
      NumbersIn(absl::StrFormat("/proc/%d/fd", pid), &error);
  if ((error == EACCES || error == EPERM) && IsAlive(pid)) {
    descriptors.push_back({INT_MAX, kHidden, false});
  }
  for (int number : numbers) {
    const std::string info =
        ReadFile(absl::StrFormat("/proc/%d/fdinfo/%d", pid, number));
    const long flags = strtol(Field(info, "flags").c_str(), nullptr, 8);
    std::string target = DescriptorTarget(pid, number);
    if (target.empty()) continue;  // Closed since we listed it.
    descriptors.push_back({number, target, (flags & O_CLOEXEC) != 0});
  }
  return descriptors;
}

bool ListensAt(pid_t pid, const std::string& path) {
  return HasSocket(pid, [&](const UnixSocket& socket) {
    return socket.listening && socket.path == path;
  });
}

bool ReceivesAt(pid_t pid, const std::string& path) {
  return HasSocket(pid, [&](const UnixSocket& socket) {
    return socket.type == SOCK_DGRAM && socket.path == path;
  });
}

std::vector<ipc::SocketAddress> TcpListeners(pid_t pid) {
  std::vector<ipc::SocketAddress> names;
  if (const auto listeners = ListTcpListeners()) {
    for (const TcpListener& listener : *listeners) {
      if (HasOpen(pid, listener.inode)) names.push_back(listener.name);
    }
    return names;
  }
  for (const IpSocket& socket : TcpSockets()) {
    if (socket.listening && HasOpen(pid, socket.inode)) {
      names.push_back(socket.local);
    }
  }
  return names;
}

std::vector<ipc::SocketAddress> UdpNames(pid_t pid) {
  std::vector<ipc::SocketAddress> names;
  for (const IpSocket& socket : UdpSockets()) {
    // In the middle of bind it is listed for a moment without its port.
    if (!socket.connected && socket.local.port() != 0 &&
        HasOpen(pid, socket.inode)) {
      names.push_back(socket.local);
    }
  }
  return names;
}

std::vector<pid_t> Children(pid_t pid) {
  std::vector<pid_t> found;
  const std::string folder = absl::StrFormat("/proc/%d/task", pid);
  for (int thread : NumbersIn(folder)) {
    const std::string children =
        ReadFile(absl::StrCat(folder, "/", thread, "/children"));
    for (absl::string_view word :
         absl::StrSplit(children, ' ', absl::SkipWhitespace())) {
      int child;
      if (absl::SimpleAtoi(word, &child) && !IsHelper(child)) {
        found.push_back(child);
      }
    }
  }
  return found;
}

std::vector<pid_t> Descendants(pid_t pid) {
  std::vector<pid_t> found = Children(pid);
  for (size_t i = 0; i < found.size(); ++i) {
    const std::vector<pid_t> more = Children(found[i]);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

bool IsAlive(pid_t pid) {
  const std::vector<std::string> stat =
      StatFields(absl::StrFormat("/proc/%d", pid));
  return !stat.empty() && stat[0] != "Z" && stat[0] != "X";
}

std::string CommandName(pid_t pid) {
  std::string name = ReadFile(absl::StrFormat("/proc/%d/comm", pid));
  return std::string(absl::StripSuffix(name, "\n"));
}

std::vector<pid_t> RunningThreadIds(pid_t pid) {
  const std::string tasks = absl::StrFormat("/proc/%d/task", pid);
  std::vector<pid_t> running;
  for (int thread : NumbersIn(tasks)) {
    const std::vector<std::string> stat =
        StatFields(absl::StrCat(tasks, "/", thread));
    if (!stat.empty() && (stat[0] == "R" || stat[0] == "D" ||
                          (stat[0] == "t" && !IsLeftStopped(thread)))) {
      running.push_back(thread);
    }
  }
  return running;
}

int RunningThreads(pid_t pid) {
  return static_cast<int>(RunningThreadIds(pid).size());
}

bool IsStopped(pid_t pid) {
  const std::string tasks = absl::StrFormat("/proc/%d/task", pid);
  const std::vector<int> threads = NumbersIn(tasks);
  return !threads.empty() &&
         std::all_of(threads.begin(), threads.end(), [&](int thread) {
           const std::vector<std::string> stat =
               StatFields(absl::StrCat(tasks, "/", thread));
           return !stat.empty() &&
                  (stat[0] == "T" || (stat[0] == "t" && IsLeftStopped(thread)));
         });
}

absl::Duration ProcessorTime(pid_t pid) {
  clockid_t clock;
  timespec time = {};
  if (clock_getcpuclockid(pid, &clock) == 0) clock_gettime(clock, &time);
  return absl::DurationFromTimespec(time);
}

int64_t Wakes(pid_t pid) {
  const std::string tasks = absl::StrFormat("/proc/%d/task", pid);
  int64_t wakes = 0;
  for (int thread : NumbersIn(tasks)) {
    wakes += atoll(Field(ReadFile(absl::StrCat(tasks, "/", thread, "/status")),
                         "voluntary_ctxt_switches")
                       .c_str());
  }
  return wakes;
}

absl::Duration WaitForProcessor(pid_t pid) {
  int64_t ran = 0, waited = 0;
  std::ifstream(absl::StrFormat("/proc/%d/schedstat", pid)) >> ran >> waited;
  return absl::Nanoseconds(waited);
}

pid_t TracerOf(pid_t pid) {
  return atoi(
      Field(ReadFile(absl::StrFormat("/proc/%d/status", pid)), "TracerPid")
          .c_str());
}

size_t ResidentMemory(pid_t pid) {
  size_t total_pages = 0, resident_pages = 0;
  std::ifstream(absl::StrFormat("/proc/%d/statm", pid)) >> total_pages >>
      resident_pages;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

size_t NamelessFiles(const std::vector<pid_t>& pids) {
  constexpr size_t kBlock = 512;  // Of st_blocks.
  std::set<std::pair<dev_t, ino_t>> seen;
  size_t bytes = 0;
  for (pid_t pid : pids) {
    const std::string folder = absl::StrFormat("/proc/%d/fd", pid);
    for (int fd : NumbersIn(folder)) {
      struct stat status;
      if (stat(absl::StrCat(folder, "/", fd).c_str(), &status) == 0 &&
          S_ISREG(status.st_mode) && status.st_nlink == 0 &&
          seen.emplace(status.st_dev, status.st_ino).second) {
        bytes += status.st_blocks * kBlock;
      }
    }
  }
  return bytes;
}

Activity ObserveActivity(const std::vector<pid_t>& pids) {
  Activity activity;
  activity.blocked = true;
  std::vector<std::string> descriptions;
  for (pid_t pid : pids) {
    const std::string process = absl::StrFormat("/proc/%d", pid);
    if (MayBeWokenByTimer(pid, ReadFile(process + "/status"))) {
      activity.blocked = false;
    }
    for (int thread : NumbersIn(process + "/task")) {
      const std::string folder = absl::StrCat(process, "/task/", thread);
      const std::vector<std::string> stat = StatFields(folder);
      if (stat.empty() || stat[0] == "Z" || stat[0] == "X") continue;
      const std::string status = ReadFile(folder + "/status");
      absl::StrAppend(&activity.fingerprint, thread, ":",
                      Field(status, "voluntary_ctxt_switches"), ":",
                      Field(status, "nonvoluntary_ctxt_switches"), ";");
      // "t": a tracer looks at it, and lets it go on at once, unless it leaves
      // it stopped by the signal.
      if (stat[0] == "T" || (stat[0] == "t" && IsLeftStopped(thread))) {
        descriptions.push_back(CommandName(pid) + " is stopped by a signal");
        continue;
      }
      std::string description;
      if (stat[0] != "S" ||
          !IsBlocked(pid, ReadFile(folder + "/syscall"), &description)) {
        activity.blocked = false;
        continue;
      }
      descriptions.push_back(
          absl::StrCat(CommandName(pid), " waits in ", description));
    }
  }
  activity.description = absl::StrJoin(descriptions, "; ");
  return activity;
}

}  // namespace harness
