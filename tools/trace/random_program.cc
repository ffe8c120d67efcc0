// Does random things with sockets, pipes, processes and threads, and notes in a
// file, as a Truth, what came of them.
//
//   random_program SEED FILE
//
// No call waits longer than a few milliseconds for data.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tools/trace/truth.h"

namespace {

using trace::Truth;
using trace::TruthRecord;

Truth* truth;

struct Counters {
  int puts = 0, takes = 0, connects = 0, accepts = 0, kills = 0, closes = 0;
};
thread_local Counters counters;
thread_local std::mt19937 engine;

int Random(int least, int most) {
  return std::uniform_int_distribution<int>(least, most)(engine);
}
bool OneIn(int n) { return Random(1, n) == 1; }

pid_t Tid() { return static_cast<pid_t>(syscall(SYS_gettid)); }
uint32_t Now() { return truth->moment.fetch_add(1); }

// A new id for bytes; 0 when there are no more.
int NewId() {
  const int id = truth->ids.fetch_add(1) + 1;
  return id <= Truth::kMostIds ? id : 0;
}

TruthRecord* Note(TruthRecord::Kind kind, int nth, int id) {
  const int at = truth->count.fetch_add(1);
  if (at >= Truth::kMost) _exit(9);
  TruthRecord* record = &truth->records[at];
  record->kind = kind;
  record->tid = Tid();
  record->nth = nth;
  record->id = id;
  return record;
}
void Done(TruthRecord* record) { record->complete.store(1); }

uint64_t Inode(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

// A descriptor that can be used.
struct End {
  int fd;
  bool reads, writes, socket, passes;
  uint64_t peer;  // Inode of the other end; 0 where not known.
};

// What the threads of a process share.
struct Shared {
  std::mutex mutex;
  std::vector<End> ends;
  std::vector<int> listeners, unix_listeners;
  std::vector<pid_t> children;
} shared;

// Addresses that everybody knows from the start.
std::vector<sockaddr_in> tcp_names, udp_names;
std::vector<std::string> unix_names, datagram_names;

socklen_t UnixAddress(const std::string& name, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                name.size());
}

void Patience(int fd) {
  const timeval time = {0, 2000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

void Add(const End& end) {
  const std::lock_guard<std::mutex> lock(shared.mutex);
  shared.ends.push_back(end);
}

bool Pick(bool reads, End* end) {
  const std::lock_guard<std::mutex> lock(shared.mutex);
  std::vector<End> fit;
  for (const End& each : shared.ends) {
    if (reads ? each.reads : each.writes) fit.push_back(each);
  }
  if (fit.empty()) return false;
  *end = fit[Random(0, static_cast<int>(fit.size()) - 1)];
  return true;
}

void OnSignal(int, siginfo_t* info, void*) {
  // A signal may come before a child has begun to count anew.
  static thread_local pid_t counted_by = 0;
  static thread_local int signals = 0;
  const int saved = errno;
  if (counted_by != Tid()) signals = 0;
  counted_by = Tid();
  Done(Note(TruthRecord::kSignal, signals++, info->si_value.sival_int));
  errno = saved;
}

void MakePair() {
  int fds[2];
  if (OneIn(4)) {
    if (pipe2(fds, O_NONBLOCK) < 0) return;
    Add({fds[0], true, false, false, false, Inode(fds[1])});
    Add({fds[1], false, true, false, false, Inode(fds[0])});
    return;
  }
  const int types[] = {SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  const int type = types[Random(0, 3)];
  if (socketpair(AF_UNIX, type, 0, fds) < 0) return;
  for (int i = 0; i < 2; ++i) {
    Patience(fds[i]);
    if (OneIn(3)) {
      const int on = 1;
      setsockopt(fds[i], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
    }
    Add({fds[i], true, true, true, true, Inode(fds[1 - i])});
  }
}

void DoConnect() {
  if (OneIn(2) && !tcp_names.empty()) {
    const sockaddr_in& name =
        tcp_names[Random(0, static_cast<int>(tcp_names.size()) - 1)];
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return;
    Patience(fd);
    const int nth = counters.connects++;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) <
        0) {
      close(fd);
      ++counters.closes;
      return;
    }
    sockaddr_in own;
    socklen_t size = sizeof(own);
    getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
    Done(Note(TruthRecord::kConnect, nth, ntohs(own.sin_port)));
    Add({fd, true, true, true, false, 0});
  } else if (!unix_names.empty()) {
    sockaddr_un name, own = {};
    const socklen_t length = UnixAddress(
        unix_names[Random(0, static_cast<int>(unix_names.size()) - 1)], &name);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return;
    Patience(fd);
    own.sun_family = AF_UNIX;
    (void)!bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof(own.sun_family));
    socklen_t size = sizeof(own);
    getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
    const int nth = counters.connects++;
    if (connect(fd, reinterpret_cast<sockaddr*>(&name), length) < 0) {
      close(fd);
      ++counters.closes;
      return;
    }
    Done(Note(
        TruthRecord::kConnect, nth,
        0x100000 + static_cast<int>(strtol(own.sun_path + 1, nullptr, 16))));
    Add({fd, true, true, true, true, 0});
  }
  if (OneIn(4)) {  // Gone before it is accepted, perhaps.
    const std::lock_guard<std::mutex> lock(shared.mutex);
    close(shared.ends.back().fd);
    ++counters.closes;
    shared.ends.pop_back();
  }
}

void DoAccept() {
  const bool tcp = OneIn(2);
  int listener = -1;
  {
    const std::lock_guard<std::mutex> lock(shared.mutex);
    const auto& from = tcp ? shared.listeners : shared.unix_listeners;
    if (from.empty()) return;
    listener = from[Random(0, static_cast<int>(from.size()) - 1)];
  }
  const int nth = counters.accepts++;
  const int fd = accept4(listener, nullptr, nullptr, 0);
  if (fd < 0) return;
  int id = 0;
  if (tcp) {
    sockaddr_in peer;
    socklen_t size = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0) {
      id = ntohs(peer.sin_port);
    }
  } else {
    sockaddr_un peer = {};
    socklen_t size = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
        size > 2) {
      id = 0x100000 + static_cast<int>(strtol(peer.sun_path + 1, nullptr, 16));
    }
  }
  if (id != 0) Done(Note(TruthRecord::kAccept, nth, id));
  Patience(fd);
  Add({fd, true, true, true, !tcp, 0});
}

int RandomSize() {
  if (OneIn(12)) return Random(3000, 30000);
  return OneIn(4) ? Random(100, 900) : Random(1, 12);
}

void DoPut() {
  End end;
  if (!Pick(false, &end)) return;
  const int id = NewId();
  if (id == 0) return;
  const int size = RandomSize();
  std::string bytes(size, static_cast<char>(id));
  TruthRecord* record = Note(TruthRecord::kPut, counters.puts++, id);
  Done(record);
  const int form = end.socket ? Random(0, 5) : Random(0, 1);
  if (form == 0) {
    (void)!write(end.fd, bytes.data(), bytes.size());
  } else if (form == 1) {
    const size_t half = bytes.size() / 2;
    const iovec parts[] = {{&bytes[0], half},
                           {&bytes[0] + half, bytes.size() - half}};
    (void)!writev(end.fd, parts, 2);
  } else if (form == 2) {
    send(end.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } else if (form == 3) {
    // Two messages, or two pieces of the stream, in one call; the same id.
    const size_t half = bytes.size() / 2;
    iovec parts[] = {{&bytes[0], half + 1}, {&bytes[0], bytes.size()}};
    mmsghdr messages[2] = {};
    for (int i = 0; i < 2; ++i) {
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    sendmmsg(end.fd, messages, 2, MSG_NOSIGNAL);
  } else {
    iovec part = {&bytes[0], bytes.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
    if (form == 5 && end.passes) {
      End passed;
      int fds[2], count = 0;
      while (count < Random(1, 2) && Pick(OneIn(2), &passed)) {
        // What passes itself may be left in a queue for ever.
        if (Inode(passed.fd) == Inode(end.fd)) break;
        fds[count++] = passed.fd;
      }
      if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
        for (int i = 0; i < count; ++i) {
          TruthRecord* pass = Note(TruthRecord::kPass, record->nth, id);
          pass->fd = fds[i];
          pass->at = i;
          Done(pass);
        }
      }
    }
    sendmsg(end.fd, &message, MSG_NOSIGNAL);
  }
}

void NoteAllTaken(int nth) { Done(Note(TruthRecord::kTaken, nth, 0)); }

// Notes whose bytes are in `bytes`.
void NoteTaken(int nth, const std::string& bytes, int message) {
  for (size_t i = 0; i < bytes.size();) {
    size_t end = i;
    while (end < bytes.size() && bytes[end] == bytes[i]) ++end;
    TruthRecord* record =
        Note(TruthRecord::kTake, nth, static_cast<unsigned char>(bytes[i]));
    record->size = static_cast<int>(end - i);
    record->at = message;
    Done(record);
    i = end;
  }
}

void DoTake() {
  End end;
  if (!Pick(true, &end)) return;
  std::string bytes(RandomSize(), '\0');
  const int nth = counters.takes++;
  const uint32_t before = Now();
  const uint64_t inode = Inode(end.fd);
  const int form = end.socket ? Random(0, 6) : Random(0, 1);
  ssize_t got = -1;
  if (form == 0) {
    got = read(end.fd, &bytes[0], bytes.size());
  } else if (form == 1) {
    const size_t half = bytes.size() / 2;
    const iovec parts[] = {{&bytes[0], half},
                           {&bytes[0] + half, bytes.size() - half}};
    got = readv(end.fd, parts, 2);
  } else if (form == 2) {
    got = recv(end.fd, &bytes[0], bytes.size(), OneIn(2) ? MSG_DONTWAIT : 0);
  } else if (form == 3) {
    got = recv(end.fd, &bytes[0], bytes.size(),
               OneIn(2) ? MSG_PEEK | MSG_DONTWAIT : MSG_WAITALL);
  } else if (form == 4) {
    std::string second(bytes.size(), '\0');
    iovec parts[] = {{&bytes[0], bytes.size()}, {&second[0], second.size()}};
    mmsghdr messages[2] = {};
    for (int i = 0; i < 2; ++i) {
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = recvmmsg(end.fd, messages, 2, MSG_WAITFORONE, nullptr);
    if (count > 0) NoteTaken(nth, bytes.substr(0, messages[0].msg_len), 0);
    if (count > 1) NoteTaken(nth, second.substr(0, messages[1].msg_len), 1);
    NoteAllTaken(nth);
    return;
  } else {
    iovec part = {&bytes[0], bytes.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char
        control[CMSG_SPACE(8 * sizeof(int)) + CMSG_SPACE(sizeof(ucred))] = {};
    message.msg_control = control;
    message.msg_controllen = form == 5 ? sizeof(control) : 0;
    got = recvmsg(end.fd, &message, 0);
    if (got > 0) {
      int at = 0;
      for (cmsghdr* header = CMSG_FIRSTHDR(&message); header;
           header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
          int fd;
          memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
          TruthRecord* record =
              Note(TruthRecord::kPassed, nth,
                   static_cast<unsigned char>(bytes[got - 1]));
          record->fd = fd;
          record->at = at++;
          Done(record);
          const int flags = fcntl(fd, F_GETFL);
          const bool can_write = (flags & O_ACCMODE) != O_RDONLY;
          const bool can_read = (flags & O_ACCMODE) != O_WRONLY;
          struct stat status;
          fstat(fd, &status);
          Add({fd, can_read, can_write, S_ISSOCK(status.st_mode), false, 0});
        }
      }
    }
  }
  if (got > 0) {
    NoteTaken(nth, bytes.substr(0, got), 0);
    NoteAllTaken(nth);
  }
  if (got == 0) {
    TruthRecord* record = Note(TruthRecord::kEnd, nth, 0);
    record->inode = inode;
    record->peer = end.peer;
    record->before = before;
    record->after = Now();
    Done(record);
  }
}

// Each of these names another moment at which a program lets go.
void DoClose() {
  End end;
  {
    const std::lock_guard<std::mutex> lock(shared.mutex);
    if (shared.ends.empty()) return;
    const size_t at = Random(0, static_cast<int>(shared.ends.size()) - 1);
    end = shared.ends[at];
    shared.ends.erase(shared.ends.begin() + static_cast<std::ptrdiff_t>(at));
  }
  TruthRecord* record = Note(TruthRecord::kClose, counters.closes++, 0);
  record->inode = Inode(end.fd);
  record->size = end.writes ? 1 : 0;  // Else it was a pipe's reading end.
  record->before = Now();
  close(end.fd);
  record->after = Now();
  Done(record);
}

void DoShutdown() {
  End end;
  if (!Pick(OneIn(2), &end) || !end.socket) return;
  const int hows[] = {SHUT_WR, SHUT_WR, SHUT_RD, SHUT_RDWR};
  shutdown(end.fd, hows[Random(0, 3)]);
}

void DoDup() {
  End end;
  if (!Pick(OneIn(2), &end)) return;
  End copy = end;
  copy.fd = OneIn(2) ? dup(end.fd) : fcntl(end.fd, F_DUPFD_CLOEXEC, 30);
  if (copy.fd >= 0) Add(copy);
}

void DoDatagram() {
  const int id = NewId();
  if (id == 0) return;
  std::string bytes(Random(1, 300), static_cast<char>(id));
  int fd = -1;
  if (OneIn(2) && !udp_names.empty()) {
    const sockaddr_in& name =
        udp_names[Random(0, static_cast<int>(udp_names.size()) - 1)];
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (OneIn(2)) {
      ++counters.connects;
      (void)!connect(fd, reinterpret_cast<const sockaddr*>(&name),
                     sizeof(name));
    }
    Done(Note(TruthRecord::kPut, counters.puts++, id));
    sendto(fd, bytes.data(), bytes.size(), 0,
           reinterpret_cast<const sockaddr*>(&name), sizeof(name));
  } else if (!datagram_names.empty()) {
    sockaddr_un name;
    const socklen_t length = UnixAddress(
        datagram_names[Random(0, static_cast<int>(datagram_names.size()) - 1)],
        &name);
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    Patience(fd);
    bool connects = OneIn(2);
    if (connects) {
      ++counters.connects;
      connects = connect(fd, reinterpret_cast<sockaddr*>(&name), length) == 0;
    }
    Done(Note(TruthRecord::kPut, counters.puts++, id));
    if (connects) {
      send(fd, bytes.data(), bytes.size(), 0);
    } else {
      sendto(fd, bytes.data(), bytes.size(), 0,
             reinterpret_cast<sockaddr*>(&name), length);
    }
  }
  if (fd >= 0) {
    close(fd);
    ++counters.closes;
  }
}

void DoKill() {
  pid_t child = 0;
  {
    const std::lock_guard<std::mutex> lock(shared.mutex);
    if (shared.children.empty()) return;
    child =
        shared
            .children[Random(0, static_cast<int>(shared.children.size()) - 1)];
  }
  siginfo_t info = {};
  const int id = truth->signals.fetch_add(1) + 1;
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_int = id;
  Done(Note(TruthRecord::kKill, counters.kills++, id));
  syscall(SYS_rt_sigqueueinfo, child, OneIn(6) ? SIGKILL : SIGUSR1, &info);
}

void Act(int depth, int actions, bool may_fork);

void DoThread(int depth) {
  const unsigned seed = engine();
  std::thread thread([seed, depth] {
    engine.seed(seed);
    Act(depth, Random(3, 15), /*may_fork=*/false);
  });
  Act(depth, Random(2, 10), /*may_fork=*/false);
  thread.join();
}

void DoFork(int depth) {
  const unsigned seed = engine();
  const pid_t child = fork();
  if (child < 0) return;
  if (child == 0) {
    engine.seed(seed);
    counters = Counters();
    shared.children.clear();
    for (int i = Random(0, 3); i > 0; --i) DoClose();
    Act(depth + 1, Random(5, 40), /*may_fork=*/true);
    _exit(0);
  }
  shared.children.push_back(child);
  for (int i = Random(0, 3); i > 0; --i) DoClose();
}

void Act(int depth, int actions, bool may_fork) {
  for (int i = 0; i < actions; ++i) {
    const int what = Random(0, 99);
    if (what < 30) {
      DoPut();
    } else if (what < 62) {
      DoTake();
    } else if (what < 66) {
      DoClose();
    } else if (what < 69) {
      DoShutdown();
    } else if (what < 73) {
      DoDup();
    } else if (what < 77) {
      MakePair();
    } else if (what < 81) {
      DoConnect();
    } else if (what < 85) {
      DoAccept();
    } else if (what < 90) {
      DoDatagram();
    } else if (what < 92) {
      DoKill();
    } else if (what < 94 && may_fork) {
      DoThread(depth);
    } else if (what < 98 && may_fork && depth < 2) {
      DoFork(depth);
    } else if (what == 99 && depth > 0 && OneIn(4)) {
      _exit(7);  // In the middle of it, whatever other threads do.
    }
  }
}

// The names that children know: listeners, and sockets that get messages.
void MakeNames(unsigned seed) {
  const std::string base =
      "trace-test-" + std::to_string(getpid()) + "-" + std::to_string(seed);
  for (int i = 0; i < 2; ++i) {
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(any);
    const int tcp = socket(AF_INET, SOCK_STREAM, 0);
    (void)!bind(tcp, reinterpret_cast<sockaddr*>(&any), sizeof(any));
    listen(tcp, 16);
    Patience(tcp);
    sockaddr_in name;
    getsockname(tcp, reinterpret_cast<sockaddr*>(&name), &size);
    tcp_names.push_back(name);
    shared.listeners.push_back(tcp);

    const int udp = socket(AF_INET, SOCK_DGRAM, 0);
    (void)!bind(udp, reinterpret_cast<sockaddr*>(&any), sizeof(any));
    Patience(udp);
    size = sizeof(name);
    getsockname(udp, reinterpret_cast<sockaddr*>(&name), &size);
    udp_names.push_back(name);
    Add({udp, true, false, true, false, 0});

    sockaddr_un address;
    unix_names.push_back(base + "-s" + std::to_string(i));
    const int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t length = UnixAddress(unix_names.back(), &address);
    (void)!bind(stream, reinterpret_cast<sockaddr*>(&address), length);
    listen(stream, 16);
    Patience(stream);
    shared.unix_listeners.push_back(stream);

    datagram_names.push_back(base + "-d" + std::to_string(i));
    const int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    length = UnixAddress(datagram_names.back(), &address);
    (void)!bind(datagram, reinterpret_cast<sockaddr*>(&address), length);
    Patience(datagram);
    Add({datagram, true, false, true, false, 0});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: random_program SEED FILE\n");
    return 2;
  }
  const unsigned seed = static_cast<unsigned>(strtoul(argv[1], nullptr, 10));
  engine.seed(seed);
  const int file = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(Truth)) < 0) {
    perror(argv[2]);
    return 1;
  }
  void* memory =
      mmap(nullptr, sizeof(Truth), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return 1;
  close(file);
  truth = static_cast<Truth*>(memory);
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &action, nullptr);
  MakeNames(seed);
  for (int i = 0; i < 3; ++i) MakePair();
  Act(0, 40, /*may_fork=*/true);
  for (const pid_t child : shared.children) {
    kill(child, SIGTERM);
    ++counters.kills;
    waitpid(child, nullptr, 0);
  }
  return 0;
}
