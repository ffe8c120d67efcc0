// misbehave ACTION...
//
// A program that does, one after another, whatever the harness must cope with:
// the harness's own tests run it. An action is a word, or a word=value; after
// "fork", the child does what comes before the matching "." and ends, the
// parent goes on behind it. After "thread", a second thread does the rest.
// After the last action it exits with 0.
//
//   misbehave fork setsid fork name=daemon hang . . exit=0
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <thread>

namespace {

int listener = -1, client = -1;
pid_t forker = 0;

[[noreturn]] void Die(const char* what) {
  perror(what);
  _exit(99);
}

void Require(bool ok, const char* what) {
  if (!ok) Die(what);
}

void Write(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = write(fd, data, size);
    Require(count > 0, "write");
    data += count;
    size -= count;
  }
}

// `value` bytes, or without end.
void Flood(int fd, const char* value) {
  const std::string block(4096, 'x');
  size_t left = *value ? strtoull(value, nullptr, 10) : SIZE_MAX;
  while (left > 0) {
    const size_t size = std::min(left, block.size());
    Write(fd, block.data(), size);
    left -= size;
  }
}

// Writes what it reads.
void Cat(const char*) {
  char buffer[4096];
  for (ssize_t count; (count = read(0, buffer, sizeof(buffer))) > 0;) {
    Write(1, buffer, count);
  }
}

[[noreturn]] void Hang() {
  while (true) pause();
}

void SocketPair(int fds[2]) {
  Require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
}

sockaddr_un UnixAddress(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  return address;
}

// At an abstract name of the kernel's choice, when `path` is empty.
void Listen(const char* path) {
  const sockaddr_un address = UnixAddress(path);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  Require(bind(listener, reinterpret_cast<const sockaddr*>(&address),
               *path ? sizeof(address) : sizeof(sa_family_t)) == 0,
          "bind");
  Require(listen(listener, 0) == 0, "listen");
}

void Accept(const char*) {
  client = accept(listener, nullptr, nullptr);
  Require(client >= 0, "accept");
}

// Reads all that the client sends.
void Drain(const char*) {
  char buffer[4096];
  while (read(client, buffer, sizeof(buffer)) > 0) {
  }
  close(client);
}

// Sends one datagram that comes to `fd` back to where it came from, less its
// last `cut` bytes.
void Echo(int fd, size_t cut) {
  char buffer[4096];
  sockaddr_storage from;
  socklen_t length = sizeof(from);
  auto* generic = reinterpret_cast<sockaddr*>(&from);
  const ssize_t count =
      recvfrom(fd, buffer, sizeof(buffer), 0, generic, &length);
  Require(count >= 0, "recvfrom");
  sendto(fd, buffer, count - cut, 0, generic, length);
  close(fd);
}

void EchoAt(const char* path, size_t cut) {
  const sockaddr_un own = UnixAddress(path);
  const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  Require(bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0,
          "bind");
  Echo(fd, cut);
}

void EchoOnUdp(const char*) {
  sockaddr_in own = {};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  Require(bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0,
          "bind");
  Echo(fd, 0);
}

void Connect(const char*) {
  sockaddr_un address;
  socklen_t size = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  while (true) {  // Until the queue is full.
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)!connect(fd, reinterpret_cast<const sockaddr*>(&address), size);
  }
}

void Receive(const char* timeout_seconds) {
  int fds[2];
  SocketPair(fds);
  const timeval timeout = {atoi(timeout_seconds), 0};
  setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  char byte;
  recv(fds[0], &byte, 1, 0);
}

void Send(const char*) {
  int fds[2];
  SocketPair(fds);
  Flood(fds[0], "");
}

void Poll(const char* timeout_ms) {
  int fds[2];
  SocketPair(fds);
  pollfd entry = {fds[0], POLLIN, 0};
  poll(&entry, 1, atoi(timeout_ms));
}

void Epoll(const char*) {
  const int epoll = epoll_create1(0);
  epoll_event event;
  epoll_wait(epoll, &event, 1, -1);
}

void Join(const char*) { std::thread(Hang).join(); }

void Wait(const char*) { wait(nullptr); }

// In a call that time alone will end, the only place where anyone sleeps.
void Nap(const char*) {
  const timespec hour = {3600, 0};
  syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &hour, nullptr);
}

void Alarm(const char*) {
  signal(SIGALRM, [](int) {});
  alarm(3600);
}

// Waits for the alarm like one that reads its signals.
void SignalFd(const char*) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGALRM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  alarm(3600);
  signalfd_siginfo info;
  (void)!read(signalfd(-1, &signals, 0), &info, sizeof(info));
}

// A timer of timer_create(2), and below of timerfd_create(2).
void Timer(const char*) {
  timer_t timer;
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  Require(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
}

void TimerFd(const char*) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  const itimerspec schedule = {{}, {3600, 0}};
  timerfd_settime(fd, 0, &schedule, nullptr);
  uint64_t expirations;
  (void)!read(fd, &expirations, sizeof(expirations));
}

void Spin(const char*) {
  volatile bool forever = true;
  while (forever) {
  }
}

// Two processes that hand a byte to and fro, each after some work.
void PingPong(const char*) {
  int fds[2];
  SocketPair(fds);
  const int mine = fork() == 0 ? fds[0] : fds[1];
  char byte = 0;
  if (mine == fds[1]) Write(mine, &byte, 1);
  while (read(mine, &byte, 1) == 1) {
    for (volatile int i = 0; i < 20'000'000; ++i) {
    }
    Write(mine, &byte, 1);
  }
}

// Mebibytes, each page touched.
void Allocate(const char* value) {
  const size_t size = strtoull(value, nullptr, 10) << 20;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Require(memory != MAP_FAILED, "mmap");
  memset(memory, 1, size);
}

// `value` files of 1 MiB that no folder has, and that nothing has mapped.
void MemoryInFiles(const char* value) {
  const std::string much(size_t{1} << 20, 'x');
  for (int left = atoi(value); left > 0; --left) {
    const int fd = memfd_create("held", 0);
    Require(fd >= 0 && write(fd, much.data(), much.size()) > 0, "memfd_create");
  }
}

// A bomb that is bounded: `value` processes, each in a session of its own, each
// making the next as long as there is one to make.
void Bomb(const char* value) {
  for (int left = std::min(atoi(value), 200); left > 0; --left) {
    const pid_t pid = fork();
    Require(pid >= 0, "fork");
    if (pid > 0) return;
    setsid();
  }
  Hang();
}

// Waits until the process that forked this one has ended.
void AwaitOrphaned(const char*) {
  while (getppid() == forker) sched_yield();
}

// A file of `value` bytes.
void BigFile(const char* value) {
  const int fd = open("big", O_WRONLY | O_CREAT, 0600);
  Require(fd >= 0, "big");
  Flood(fd, value);
  close(fd);
}

void OpenFifo(const char* path) {
  Require(mkfifo(path, 0600) == 0, path);
  Require(open(path, O_RDONLY) >= 0, path);
}

// A folder with a file in it, that nobody may look into.
void LockFolder(const char*) {
  mkdir("locked", 0700);
  close(open("locked/file", O_WRONLY | O_CREAT, 0600));
  mkdir("locked/inner", 0000);
  chmod("locked", 0000);
}

// Takes from the parent, whoever it is, the right to open anything more.
void StarveParent(const char*) {
  rlimit limit;
  prlimit(getppid(), RLIMIT_NOFILE, nullptr, &limit);
  limit.rlim_cur = 3;
  Require(prlimit(getppid(), RLIMIT_NOFILE, &limit, nullptr) == 0, "prlimit");
}

// Says what the parent's environment is, to stderr.
void ParentsEnvironment(const char*) {
  const std::string path = "/proc/" + std::to_string(getppid()) + "/environ";
  const int fd = open(path.c_str(), O_RDONLY);
  if (fd < 0) perror("environ");
  char buffer[4096];
  for (ssize_t count; (count = read(fd, buffer, sizeof(buffer))) > 0;) {
    std::replace(buffer, buffer + count, '\0', '\n');
    Write(2, buffer, count);
  }
}

const std::map<std::string, void (*)(const char*)> kActions = {
    // Says something.
    {"out", [](const char* text) { Write(1, text, strlen(text)); }},
    {"print", [](const char* text) { printf("%s", text); }},
    {"err", [](const char* text) { Write(2, text, strlen(text)); }},
    {"flood", [](const char* size) { Flood(1, size); }},
    {"flood-err", [](const char* size) { Flood(2, size); }},
    {"cat", Cat},
    {"parents-environment", ParentsEnvironment},
    // Ends.
    {"exit", [](const char* status) { _exit(atoi(status)); }},
    {"raise", [](const char* number) { raise(atoi(number)); }},
    // Waits.
    {"hang", [](const char*) { Hang(); }},
    {"accept", Accept},
    {"drain", Drain},
    {"connect", Connect},
    {"echo", [](const char* path) { EchoAt(path, 0); }},
    {"echo-cut", [](const char* path) { EchoAt(path, 1); }},
    {"echo-udp", EchoOnUdp},
    {"receive", Receive},
    {"send", Send},
    {"poll", Poll},
    {"epoll", Epoll},
    {"join", Join},
    {"wait", Wait},
    {"nap", Nap},
    {"timerfd", TimerFd},
    {"stop", [](const char*) { raise(SIGSTOP); }},
    // Works.
    {"spin", Spin},
    {"ping-pong", PingPong},
    {"allocate", Allocate},
    {"memfds", MemoryInFiles},
    {"bomb", Bomb},
    {"big-file", BigFile},
    // Prepares.
    {"ignore", [](const char* number) { signal(atoi(number), SIG_IGN); }},
    {"alarm", Alarm},
    {"signalfd", SignalFd},
    {"timer", Timer},
    {"setsid", [](const char*) { setsid(); }},
    {"orphaned", AwaitOrphaned},
    {"subreaper", [](const char*) { prctl(PR_SET_CHILD_SUBREAPER, 1); }},
    {"undumpable", [](const char*) { prctl(PR_SET_DUMPABLE, 0); }},
    {"name", [](const char* text) { prctl(PR_SET_NAME, text); }},
    {"listen", Listen},
    {"unlink", [](const char* path) { unlink(path); }},
    {"close", [](const char* fd) { close(atoi(fd)); }},
    {"leak", [](const char*) { (void)!dup(0); }},
    {"cloexec", [](const char*) { fcntl(0, F_DUPFD_CLOEXEC, 3); }},
    {"open-fifo", OpenFifo},
    {"lock-folder", LockFolder},
    {"starve-parent", StarveParent},
    {"kill-parent", [](const char*) { kill(getppid(), SIGKILL); }},
};

// The actions in `words`, up to the null pointer behind them.
void Run(char** words) {
  for (; *words; ++words) {
    std::string word = *words;
    const size_t equals = word.find('=');
    const char* value = equals == word.npos ? "" : *words + equals + 1;
    if (equals != word.npos) word.resize(equals);
    if (word == ".") _exit(0);
    if (word == "thread") {  // Does the rest, while the first one waits for it.
      std::thread(Run, words + 1).join();
      return;
    }
    if (word == "fork") {
      forker = getpid();
      const pid_t pid = fork();
      Require(pid >= 0, "fork");
      for (int depth = 1; pid > 0 && depth > 0;) {
        if (!*++words) return;
        depth += strcmp(*words, "fork") == 0;
        depth -= strcmp(*words, ".") == 0;
      }
      continue;
    }
    const auto action = kActions.find(word);
    if (action == kActions.end()) {
      fprintf(stderr, "misbehave: %s: unknown action\n", *words);
      _exit(98);
    }
    action->second(value);
  }
}

}  // namespace

int main(int, char** argv) {
  Run(argv + 1);
  _exit(0);  // LeakSanitizer, at exit, would make a process more.
}
