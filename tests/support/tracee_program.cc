// tracee_program ACTION...
//
// A program that makes system calls and tells what came of each: tracer_test
// runs it. An action is a word, or a word=value. Most are one call, on one end
// of the pair of sockets, or the pipe, that was opened last, and print their
// name and what the call returned, or the error. After "fork", the child does
// what comes before the next "." and ends, and the parent waits for it; after
// "thread", another thread does. After "exec" this program starts anew with the
// rest.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

int ends[2] = {-1, -1};  // We read from the first and write to the second.
int listener = -1;
char buffer[65536];

void Say(const std::string& name, long result) {
  const std::string line =
      name + " " +
      (result < 0 ? strerrorname_np(errno) : std::to_string(result)) + "\n";
  (void)!write(STDOUT_FILENO, line.data(), line.size());
}

int Number(const char* value) { return atoi(value); }

void Pair(int type) { socketpair(AF_UNIX, type, 0, ends); }

void Pipe(const char*) { (void)!pipe(ends); }

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = static_cast<in_port_t>(port);
  return address;
}

// A socket that is connected to itself: what it sends comes back.
void UdpPair(const char*) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  ends[0] = ends[1] = socket(AF_INET, SOCK_DGRAM, 0);
  (void)!bind(ends[0], generic, size);
  getsockname(ends[0], generic, &size);
  (void)!connect(ends[0], generic, size);
}

sockaddr_in tcp_name;

void ListenTcp(const char*) {
  tcp_name = Loopback(0);
  socklen_t size = sizeof(tcp_name);
  auto* generic = reinterpret_cast<sockaddr*>(&tcp_name);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  (void)!bind(listener, generic, size);
  getsockname(listener, generic, &size);
  listen(listener, 5);
}

// Calls connect again, as long as it is interrupted.
void ConnectTcp(const char*) {
  ends[1] = socket(AF_INET, SOCK_STREAM, 0);
  long result;
  do {
    result = connect(ends[1], reinterpret_cast<sockaddr*>(&tcp_name),
                     sizeof(tcp_name));
    Say("connect", result);
  } while (result < 0 && errno == EINTR);
  Say("nonblock", fcntl(ends[1], F_GETFL) & O_NONBLOCK ? 1 : 0);
}

sockaddr_un unix_name;
socklen_t unix_size = sizeof(unix_name);

void ListenUnix(const char*) {  // At an abstract name of the kernel's choice.
  unix_name = {};
  unix_name.sun_family = AF_UNIX;
  auto* generic = reinterpret_cast<sockaddr*>(&unix_name);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  (void)!bind(listener, generic, sizeof(sa_family_t));
  getsockname(listener, generic, &unix_size);
  listen(listener, 5);
}

void ConnectUnix(const char*) {
  ends[1] = socket(AF_UNIX, SOCK_STREAM, 0);
  Say("connect",
      connect(ends[1], reinterpret_cast<sockaddr*>(&unix_name), unix_size));
}

// "4,6": a vector of two parts of so many bytes.
std::vector<iovec> Vector(const char* value) {
  std::vector<iovec> parts;
  char* next = buffer;
  for (const char* word = value; *word;) {
    char* end;
    const size_t size = strtoul(word, &end, 10);
    parts.push_back({next, size});
    next += size;
    word = *end ? end + 1 : end;
  }
  return parts;
}

// Calls `call` with the vector, and tells if that is changed after it.
void OnVector(const char* name, const char* value,
              const std::function<long(msghdr*)>& call) {
  std::vector<iovec> parts = Vector(value);
  const std::vector<iovec> before = parts;
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const long result = call(&message);
  Say(name, result);
  if (message.msg_iovlen != before.size() ||
      memcmp(parts.data(), before.data(), sizeof(iovec) * before.size()) != 0) {
    Say("iovec changed", 0);
  }
}

// The same for each of two messages.
void OnMessages(const char* name, const char* value,
                const std::function<long(mmsghdr*, int)>& call) {
  std::vector<iovec> parts = Vector(value);
  std::vector<mmsghdr> messages(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  Say(name, call(messages.data(), static_cast<int>(messages.size())));
}

// read(2) by hand: the kernel keeps all registers but three.
void RawRead(const char* value) {
#ifdef __x86_64__
  const long size = atol(value);
  long result, after = size;
  asm volatile("syscall"
               : "=a"(result), "+d"(after)
               : "0"(SYS_read), "D"(long{ends[0]}), "S"(buffer)
               : "rcx", "r11", "memory");
  Say("read", result);
  Say("register", after - size);
#else
  Say("read", read(ends[0], buffer, atol(value)));
  Say("register", 0);
#endif
}

void Sleep(const char* value) {
  timespec time = {0, Number(value) * 1000000L}, left = {77, 77};
  // Not to wait: to be interrupted in it.
  constexpr auto kNap = &nanosleep;
  Say("nanosleep", kNap(&time, &left));
  if (left.tv_sec != 77) Say("left", left.tv_nsec / 1000000);
}

void LimitReceive(const char* value) {
  const timeval time = {Number(value), 0};
  setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
}

void PollIn(const char* value) {
  pollfd entry = {ends[0], POLLIN, 0};
  Say("poll", poll(&entry, 1, Number(value)));
}

void SelectIn(const char* value) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  timeval time = {0, Number(value) * 1000L};
  Say("select", select(ends[0] + 1, &set, nullptr, nullptr, &time));
}

void EpollIn(const char* value) {
  const int epoll = epoll_create1(0);
  epoll_event event = {EPOLLIN, {}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
  Say("epoll_wait", epoll_wait(epoll, &event, 1, Number(value)));
  close(epoll);
}

// A child that ends, to be waited for.
void Child(const char*) {
  if (fork() == 0) _exit(0);
}

void Wait(const char* value) {
  Say("waitpid", waitpid(-1, nullptr, Number(value)) > 0 ? 1 : -1);
}

void Handle(const char* number) {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { Say("signal", signal); };
  action.sa_flags = SA_RESTART;
  sigaction(Number(number), &action, nullptr);
}

// Reads, until there is something and again after the errors that a signal
// brings, all that was written.
void ReadAll(const char* value) {
  const int size = Number(value);
  for (int got = 0; got < size;) {
    const long result = recv(ends[0], buffer, size - got, 0);
    Say("recv", result);
    if (result == 0 || (result < 0 && errno != EINTR)) return;
    if (result > 0) got += static_cast<int>(result);
  }
}

// Sends so many bytes, and says nothing.
void Fill(const char* value) {
  for (int left = Number(value); left > 0;) {
    const ssize_t count = send(ends[1], buffer, left, 0);
    left -= count < 0 ? 0 : static_cast<int>(count);
  }
}

// Receives so many bytes, as a program should: whatever its calls return.
void Demand(const char* value) {
  const int size = Number(value);
  for (int got = 0; got < size;) {
    const ssize_t count = recv(ends[0], buffer, size - got, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      fprintf(stderr, "program: recv: %s\n", strerrorname_np(errno));
      _exit(1);
    }
    got += static_cast<int>(count);
  }
}

// The same, as a program should not: -1 and few bytes end it without a word.
void DemandAtOnce(const char* value) {
  if (recv(ends[0], buffer, Number(value), 0) != Number(value)) _exit(3);
}

// As if there were no errors.
void DemandBlindly(const char* value) {
  for (int left = Number(value); left > 0;) {
    const ssize_t count = recv(ends[0], buffer, left, 0);
    if (count < 0 && errno != EINTR) _exit(0);
    left -= count < 0 ? 0 : static_cast<int>(count);
  }
}

// Uses the processor, in one way or another, for ever.
void Spin(const char* value) {
  const std::string how = value;
  pollfd entry = {ends[1], POLLOUT, 0};
  const int epoll = epoll_create1(0);
  epoll_event event = {EPOLLOUT, {}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event);
  volatile bool forever = true;
  while (forever) {
    if (how == "read") (void)!read(ends[0], buffer, 10);
    if (how == "bad") (void)!read(999, buffer, 10);
    if (how == "poll") poll(&entry, 1, -1);
    if (how == "epoll") epoll_wait(epoll, &event, 1, -1);
    if (how == "bytes") {  // No spin: it moves something each time.
      (void)!write(ends[1], buffer, 1);
      (void)!read(ends[0], buffer, 1);
    }
  }
}

const std::map<std::string, void (*)(const char*)> kActions = {
    {"stream", [](const char*) { Pair(SOCK_STREAM); }},
    {"dgram", [](const char*) { Pair(SOCK_DGRAM); }},
    {"seqpacket", [](const char*) { Pair(SOCK_SEQPACKET); }},
    {"udp", UdpPair},
    {"pipe", Pipe},
    {"file",
     [](const char* path) {
       ends[0] = ends[1] = open(path, O_RDWR | O_CREAT, 0600);
     }},
    {"rewind", [](const char*) { lseek(ends[0], 0, SEEK_SET); }},
    {"nonblock", [](const char*) { fcntl(ends[0], F_SETFL, O_NONBLOCK); }},
    {"listen-tcp", ListenTcp},
    {"connect-tcp", ConnectTcp},
    {"listen-unix", ListenUnix},
    {"connect-unix", ConnectUnix},
    {"accept",
     [](const char*) {
       ends[0] = accept(listener, nullptr, nullptr);
       Say("accept", ends[0] < 0 ? -1 : 0);
     }},
    {"end", [](const char*) { close(ends[1]); }},

    {"read",
     [](const char* size) {
       Say("read", read(ends[0], buffer, Number(size)));
     }},
    {"raw-read", RawRead},
    {"recv",
     [](const char* size) {
       Say("recv", recv(ends[0], buffer, Number(size), 0));
     }},
    {"recv-dontwait",
     [](const char* size) {
       Say("recv", recv(ends[0], buffer, Number(size), MSG_DONTWAIT));
     }},
    {"read-all", ReadAll},
    {"fill", Fill},
    {"demand", Demand},
    {"demand-at-once", DemandAtOnce},
    {"demand-blindly", DemandBlindly},
    {"readv",
     [](const char* sizes) {
       OnVector("readv", sizes, [](msghdr* message) {
         return readv(ends[0], message->msg_iov,
                      static_cast<int>(message->msg_iovlen));
       });
     }},
    {"recvmsg",
     [](const char* sizes) {
       OnVector("recvmsg", sizes,
                [](msghdr* message) { return recvmsg(ends[0], message, 0); });
     }},
    {"recvmmsg",
     [](const char* sizes) {
       OnMessages("recvmmsg", sizes, [](mmsghdr* messages, int count) {
         return recvmmsg(ends[0], messages, count, 0, nullptr);
       });
     }},
    {"write",
     [](const char* size) {
       Say("write", write(ends[1], buffer, Number(size)));
     }},
    {"send",
     [](const char* size) {
       Say("send", send(ends[1], buffer, Number(size), 0));
     }},
    {"writev",
     [](const char* sizes) {
       OnVector("writev", sizes, [](msghdr* message) {
         return writev(ends[1], message->msg_iov,
                       static_cast<int>(message->msg_iovlen));
       });
     }},
    {"sendmsg",
     [](const char* sizes) {
       OnVector("sendmsg", sizes,
                [](msghdr* message) { return sendmsg(ends[1], message, 0); });
     }},
    {"sendmmsg",
     [](const char* sizes) {
       OnMessages("sendmmsg", sizes, [](mmsghdr* messages, int count) {
         return sendmmsg(ends[1], messages, count, 0);
       });
     }},
    {"waits",
     [](const char*) {
       int count = 0;
       ioctl(ends[0], FIONREAD, &count);
       Say("waits", count);
     }},

    {"socket",
     [](const char*) {
       Say("socket", socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? -1 : 0);
     }},
    {"open",
     [](const char* path) { Say("open", open(path, O_RDONLY) < 0 ? -1 : 0); }},
    {"poll", PollIn},
    {"select", SelectIn},
    {"rcvtimeo", LimitReceive},
    {"epoll", EpollIn},
    {"sleep", Sleep},
    {"child", Child},
    {"wait", Wait},
    {"wait-nohang", [](const char*) { Wait("1"); }},
    {"handle", Handle},
    {"raise", [](const char* number) { raise(Number(number)); }},
    {"say", [](const char* text) { Say(text, 0); }},
    {"exit", [](const char* status) { _exit(Number(status)); }},
    {"exit-thread", [](const char*) { syscall(SYS_exit, 0); }},
    {"spin", Spin},
    {"yield",
     [](const char*) {
       while (true) sched_yield();
     }},
};

// The actions in `words` up to the null pointer, or the ".", behind them. What
// comes next.
char** Run(char** words) {
  for (; *words && strcmp(*words, ".") != 0; ++words) {
    std::string word = *words;
    const size_t equals = word.find('=');
    const char* value = equals == word.npos ? "" : *words + equals + 1;
    if (equals != word.npos) word.resize(equals);
    char** rest = words + 1;
    while (*rest && strcmp(*rest, ".") != 0) ++rest;
    if (word == "fork") {
      const pid_t pid = fork();
      if (pid == 0) {
        Run(words + 1);
        _exit(0);
      }
      while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
      words = *rest ? rest : rest - 1;
    } else if (word == "vfork") {
      if (vfork() == 0) _exit(0);  // NOLINT(clang-analyzer-security*)
    } else if (word == "thread") {
      std::thread([&] { Run(words + 1); }).join();
      words = *rest ? rest : rest - 1;
    } else if (word == "exec") {
      *words = const_cast<char*>("tracee_program");
      execv("/proc/self/exe", words);
      Say("exec", -1);
    } else {
      const auto action = kActions.find(word);
      if (action == kActions.end()) {
        fprintf(stderr, "tracee_program: %s: unknown action\n", *words);
        _exit(98);
      }
      action->second(value);
    }
  }
  return words;
}

}  // namespace

int main(int, char** argv) {
  Run(argv + 1);
  _exit(0);
}
