// A right program of one process: each error has a thread, since a seccomp
// filter and capabilities belong to the thread that asks for them; descriptors
// are owned, and the limit, which is the process's, is put back.
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

using ipc::UniqueFd;

struct Failure {};

class Address {
 public:
  // Abstract, or a file that goes with it.
  explicit Address(bool file) : file_(file) {
    static int count = 0;
    text_ =
        "thread-" + std::to_string(getpid()) + "-" + std::to_string(++count);
    address_.sun_family = AF_UNIX;
    memcpy(address_.sun_path + (file ? 0 : 1), text_.data(), text_.size());
    size_ = offsetof(sockaddr_un, sun_path) + 1 + text_.size();
  }
  ~Address() {
    if (file_) unlink(text_.c_str());
  }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&address_);
  }
  socklen_t size() const { return size_; }
  const char* path() const { return text_.c_str(); }

 private:
  bool file_;
  std::string text_;
  sockaddr_un address_ = {};
  socklen_t size_;
};

class Limit {
 public:
  explicit Limit(rlim_t count) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit = {count, before_.rlim_max};
    result_ = setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~Limit() { setrlimit(RLIMIT_NOFILE, &before_); }
  int result() const { return result_; }

 private:
  int result_;
  rlimit before_;
};

class Attempt {
 public:
  explicit Attempt(int wanted) : wanted_(wanted) {}

  int Do(const char* call, int result) {
    if (result < 0) {
      ipc::ReportErrno(call, strerrorname_np(wanted_));
      throw Failure();
    }
    lines_ += std::string("  ") + call + "\n";
    return result;
  }
  void End(const char* call, ssize_t result, const char* note = "") {
    const int error = errno;
    if (result >= 0 || error != wanted_) {
      ipc::ReportErrno(call, strerrorname_np(wanted_), result < 0 ? error : 0);
      throw Failure();
    }
    lines_ += std::string(strerrorname_np(error)) + ": " + call +
              " it: " + strerrordesc_np(error) + note + "\n";
  }

  UniqueFd Socket(int type) {
    return UniqueFd(Do("socket", socket(AF_UNIX, type | SOCK_CLOEXEC, 0)));
  }
  std::pair<UniqueFd, UniqueFd> Pair(int type) {
    int ends[2];
    Do("socketpair", socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends));
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
  void Bind(const UniqueFd& fd, const Address& to) {
    Do("bind", bind(fd.get(), to.get(), to.size()));
  }
  int Connect(const UniqueFd& fd, const Address& to) {
    return connect(fd.get(), to.get(), to.size());
  }
  void LayDown() {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2] = {};
    Do("capset", static_cast<int>(syscall(SYS_capset, &header, none)));
  }
  ssize_t SendControl(int fd, int type, const void* data, size_t size) {
    std::vector<char> control(CMSG_SPACE(size));
    char byte = 0;
    iovec part = {&byte, 1};
    msghdr message = {nullptr, 0, &part, 1, control.data(), control.size(), 0};
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = {CMSG_LEN(size), SOL_SOCKET, type};
    memcpy(CMSG_DATA(header), data, size);
    return sendmsg(fd, &message, 0);
  }
  const std::string& lines() const { return lines_; }

 private:
  int wanted_;
  std::string lines_;
};

struct Entry {
  int error;
  std::function<void(Attempt&)> run;
};

const std::vector<Entry>& Entries() {
  static const auto& entries = *new std::vector<Entry>{
      {EACCES,
       [](Attempt& a) {
         const Address name(true);
         UniqueFd fd = a.Socket(SOCK_SEQPACKET);
         a.Bind(fd, name);
         a.LayDown();
         a.Do("chmod", chmod(name.path(), 0444));
         a.End("connect", a.Connect(a.Socket(SOCK_SEQPACKET), name));
       }},
      {EADDRINUSE,
       [](Attempt& a) {
         const Address name(true);
         UniqueFd fd = a.Socket(SOCK_DGRAM);
         a.Bind(fd, name);
         UniqueFd other = a.Socket(SOCK_DGRAM);
         a.End("bind", bind(other.get(), name.get(), name.size()));
       }},
      {EAGAIN,
       [](Attempt& a) {
         const Address name(false);
         UniqueFd fd = a.Socket(SOCK_STREAM | SOCK_NONBLOCK);
         a.Bind(fd, name);
         a.Do("listen", listen(fd.get(), 1));
         a.End("accept", accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
       }},
      {ECONNREFUSED,
       [](Attempt& a) {
         const Address name(true);
         UniqueFd dead = a.Socket(SOCK_STREAM);
         a.Bind(dead, name);
         dead.reset();
         a.End("connect", a.Connect(a.Socket(SOCK_STREAM), name));
       }},
      {ECONNRESET,
       [](Attempt& a) {
         const Address name(false);
         UniqueFd server = a.Socket(SOCK_STREAM);
         a.Bind(server, name);
         a.Do("listen", listen(server.get(), 1));
         UniqueFd client = a.Socket(SOCK_STREAM);
         a.Do("connect", a.Connect(client, name));
         server.reset();  // With the client in its queue.
         a.Do("close", 0);
         char byte;
         a.End("read", read(client.get(), &byte, 1));
       }},
      {EFAULT,
       [](Attempt& a) {
         UniqueFd fd = a.Socket(SOCK_STREAM);
         a.End("bind", syscall(SYS_bind, fd.get(), 16, 20));
       }},
      {EINVAL,
       [](Attempt& a) {
         sockaddr_un address = {};
         UniqueFd fd = a.Socket(SOCK_STREAM);
         a.End("connect",
               connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
                       sizeof(address)));
       }},
      {EISCONN,
       [](Attempt& a) {
         const Address name(false);
         auto [one, other] = a.Pair(SOCK_STREAM);
         a.End("sendto", sendto(one.get(), "x", 1, MSG_NOSIGNAL, name.get(),
                                name.size()));
       }},
      {EMFILE,
       [](Attempt& a) {
         auto [one, other] = a.Pair(SOCK_STREAM);
         Limit limit(0);
         a.Do("setrlimit", limit.result());
         a.End("dup", dup(one.get()));
       }},
      {EMSGSIZE,
       [](Attempt& a) {
         auto [one, other] = a.Pair(SOCK_SEQPACKET);
         const int size = 4096;
         a.Do("setsockopt", setsockopt(one.get(), SOL_SOCKET, SO_SNDBUF, &size,
                                       sizeof(size)));
         const std::string big(1 << 20, 'x');
         a.End("send", send(one.get(), big.data(), big.size(), MSG_NOSIGNAL));
       }},
      {ENOBUFS,
       [](Attempt& a) {
         auto [one, other] = a.Pair(SOCK_STREAM);
         msghdr message = {};
         message.msg_controllen = size_t{3} << 30;
         a.End("sendmsg", sendmsg(one.get(), &message, 0));
       }},
      {ENOENT,
       [](Attempt& a) {
         const Address name(true);
         UniqueFd fd = a.Socket(SOCK_DGRAM);
         a.End("sendto", sendto(fd.get(), "x", 1, 0, name.get(), name.size()));
       }},
      {ENOMEM,
       [](Attempt& a) {
         sock_filter filter[] = {
             BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 0, 1),
             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
         const sock_fprog program = {4, filter};
         a.Do("prctl", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
         a.Do("prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
         int ends[2];
         a.End("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends),
               " (injected)");
       }},
      {ENOTCONN,
       [](Attempt& a) {
         a.End("send", send(a.Socket(SOCK_DGRAM).get(), "x", 1, 0));
       }},
      {ENOTSOCK,
       [](Attempt& a) {
         int ends[2];
         a.Do("pipe", pipe(ends));
         UniqueFd one(ends[0]), other(ends[1]);
         a.End("send", send(other.get(), "x", 1, 0));
       }},
      {EOPNOTSUPP,
       [](Attempt& a) {
         auto [one, other] = a.Pair(SOCK_DGRAM);
         a.End("send", send(one.get(), "x", 1, MSG_OOB));
       }},
      {EPERM,
       [](Attempt& a) {
         auto [one, other] = a.Pair(SOCK_DGRAM);
         a.LayDown();
         const ucred claim = {getpid() == 1 ? 2 : 1, getuid(), getgid()};
         a.End("sendmsg", a.SendControl(one.get(), SCM_CREDENTIALS, &claim,
                                        sizeof(claim)));
       }},
      {EPIPE,
       [](Attempt& a) {
         auto [one, other] = a.Pair(SOCK_STREAM);
         a.Do("shutdown", shutdown(other.get(), SHUT_RD));
         a.End("send", send(one.get(), "x", 1, MSG_NOSIGNAL));
       }},
      {EPROTONOSUPPORT,
       [](Attempt& a) { a.End("socket", socket(AF_UNIX, SOCK_DGRAM, 17)); }},
      {EPROTOTYPE,
       [](Attempt& a) {
         const Address name(true);
         UniqueFd fd = a.Socket(SOCK_SEQPACKET);
         a.Bind(fd, name);
         a.End("sendto", sendto(a.Socket(SOCK_DGRAM).get(), "x", 1, 0,
                                name.get(), name.size()));
       }},
      {ESOCKTNOSUPPORT,
       [](Attempt& a) { a.End("socket", socket(AF_UNIX, 0, 0)); }},
      {ETOOMANYREFS,
       [](Attempt& a) {
         auto [one, other] = a.Pair(SOCK_STREAM);
         a.LayDown();
         const int fd = other.get();
         Limit limit(8);
         a.Do("setrlimit", limit.result());
         ssize_t sent;
         while ((sent = a.SendControl(one.get(), SCM_RIGHTS, &fd, sizeof(fd))) >
                0) {
           a.Do("sendmsg", 1);
         }
         a.End("sendmsg", sent);
       }},
  };
  return entries;
}

bool Provoke(const Entry& entry) {
  bool seen = false;
  std::thread([&] {
    Attempt attempt(entry.error);
    try {
      entry.run(attempt);
      seen = printf("%s", attempt.lines().c_str()) > 0;
    } catch (const Failure&) {
    }
  }).join();
  return seen;
}

// Whether all that was printed is out.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "stdout");
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  umask(022);
  std::vector<const Entry*> asked;
  const std::string first = argc > 1 ? argv[1] : "";
  for (const Entry& entry : Entries()) {
    if (first == "--list") puts(strerrorname_np(entry.error));
    if (first == "--all") asked.push_back(&entry);
  }
  if (first == "--list") return Flush() ? 0 : 1;
  for (int i = 1; i < argc && first != "--all"; ++i) {
    const size_t before = asked.size();
    for (const Entry& entry : Entries()) {
      if (strcmp(strerrorname_np(entry.error), argv[i]) == 0) {
        asked.push_back(&entry);
      }
    }
    if (asked.size() == before) asked.clear(), argc = 0;
  }
  if (asked.empty()) {
    ipc::Report("start", "", "wants names that --list prints");
    return 2;
  }
  bool all_seen = true;
  for (const Entry* entry : asked) all_seen &= Provoke(*entry);
  return Flush() && all_seen ? 0 : 1;
}
