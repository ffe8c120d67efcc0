// A right program that is told what to do in letters, one for a call: each
// error is a word, whose last letter fails. Each word is run by a program of
// its own, this one with the word as its argument.
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr struct {
  int error;
  const char* letters;
} kWords[] = {
    {EACCES, "kDnbmDt"},     {EADDRINUSE, "SbSb"},  {EAGAIN, "Pr"},
    {ECONNREFUSED, "Dt"},    {ECONNRESET, "Pwxr"},  {EFAULT, "Pe"},
    {EINVAL, "Sbb"},         {EISCONN, "Pt"},       {EMFILE, "fP"},
    {EMSGSIZE, "QZ"},        {ENOBUFS, "PB"},       {ENOENT, "Snc"},
    {ENOMEM, "PFw"},         {ENOTCONN, "Sw"},      {ENOTSOCK, "pw"},
    {EOPNOTSUPP, "Dl"},      {EPERM, "kPC"},        {EPIPE, "Pxw"},
    {EPROTONOSUPPORT, "O"},  {EPROTOTYPE, "DnbSc"}, {ESOCKTNOSUPPORT, "R"},
    {ETOOMANYREFS, "kPfiii"}};

sockaddr_un address = {};
socklen_t size;
int now = -1, before = -1;  // The last two descriptors.
char byte;

void Named(bool file) {
  char* name = address.sun_path + (file ? 0 : 1);
  address = {AF_UNIX, {}};
  snprintf(name, 64, "letters.%d", getpid());
  size = sizeof(address);
}

ssize_t SendControl(int type, const void* data, size_t count) {
  alignas(cmsghdr) char control[64] = {};
  iovec part = {&byte, 1};
  msghdr message = {nullptr, 0, &part, 1, control, CMSG_SPACE(count), 0};
  *CMSG_FIRSTHDR(&message) = {CMSG_LEN(count), SOL_SOCKET, type};
  memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), data, count);
  return sendmsg(now, &message, MSG_NOSIGNAL);
}

int New(int type, int protocol = 0) {
  before = now;
  return now = socket(AF_UNIX, type, protocol);
}

int NewPair(int type) {
  int ends[2] = {-1, -1};
  const int result = socketpair(AF_UNIX, type, 0, ends);
  now = ends[0];
  before = ends[1];
  return result;
}

int Filter() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program = {4, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

// What the call of `letter` returned; its name is put into `call`.
ssize_t Do(char letter, const char** call) {
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  const rlimit none = {0, 0};
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct no_capabilities[2] = {};
  switch (letter) {
    case 'S':
      return *call = "socket", New(SOCK_STREAM);
    case 'D':
      return *call = "socket", New(SOCK_DGRAM);
    case 'R':
      return *call = "socket", New(SOCK_RDM);
    case 'O':
      return *call = "socket", New(SOCK_SEQPACKET, 3);
    case 'P':
      return *call = "socketpair", NewPair(SOCK_STREAM);
    case 'Q':
      return *call = "socketpair", NewPair(SOCK_DGRAM);
    case 'n':
      return Named(/*file=*/true), 0;
    case 'b':
      return *call = "bind", bind(now, to, size);
    case 'l':
      return *call = "listen", listen(now, 1);
    case 'c':
      return *call = "connect", connect(now, to, size);
    case 't':
      return *call = "sendto", sendto(now, "x", 1, MSG_NOSIGNAL, to, size);
    case 'w':
      return *call = "send", send(now, "x", 1, MSG_NOSIGNAL);
    case 'e':
      if (send(before, "x", 1, 0) < 0) return *call = "send", -1;
      puts("  send");
      return *call = "recvfrom", syscall(SYS_recvfrom, now, 8, 1, 0, 0, 0);
    case 'Z': {
      static char big[8 << 20];
      return *call = "send", send(now, big, sizeof(big), MSG_NOSIGNAL);
    }
    case 'r':
      return *call = "recv", recv(now, &byte, 1, MSG_DONTWAIT);
    case 'x':
      return *call = "close", close(before);
    case 'p': {
      int ends[2];
      const int result = pipe(ends);
      now = ends[1];
      return *call = "pipe", result;
    }
    case 'm':
      return *call = "chmod", chmod(address.sun_path, 0);
    case 'f':
      return *call = "setrlimit", setrlimit(RLIMIT_NOFILE, &none);
    case 'k':
      return *call = "capset", syscall(SYS_capset, &header, no_capabilities);
    case 'C': {
      const ucred claim = {getpid() + 7, getuid(), getgid()};
      return *call = "sendmsg",
             SendControl(SCM_CREDENTIALS, &claim, sizeof(claim));
    }
    case 'i':
      return *call = "sendmsg", SendControl(SCM_RIGHTS, &before, sizeof(int));
    case 'B': {
      msghdr message = {};
      message.msg_controllen = size_t{1} << 40;
      return *call = "sendmsg", sendmsg(now, &message, 0);
    }
    default:
      return *call = "prctl", Filter();
  }
}

// Whether all that was printed is out.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "stdout");
  return false;
}

// Whether a word ended as it should, having told so.
bool Run(int error, const char* letters) {
  Named(/*file=*/false);
  for (; *letters; ++letters) {
    const char* call = nullptr;
    const ssize_t result = Do(*letters, &call);
    if (result < 0 && errno == error) {
      printf("%s: %s it: %s%s\n", strerrorname_np(error), call,
             strerrordesc_np(error), error == ENOMEM ? " (injected)" : "");
      return Flush();
    }
    if (result < 0) {
      ipc::ReportErrno(call, strerrorname_np(error));
      return false;
    }
    if (call) printf("  %s\n", call);
  }
  ipc::Report("start", strerrorname_np(error), "all calls went well");
  return false;
}

bool Spawn(int error, const char* letters) {
  char number[16];
  snprintf(number, sizeof(number), "%d", error);
  const char* args[] = {"provoke", "--word", number, letters, nullptr};
  fflush(stdout);
  pid_t pid;
  const int failed = posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr,
                                 const_cast<char**>(args), environ);
  if (failed) {
    ipc::ReportErrno("posix_spawn", strerrorname_np(error), failed);
    return false;
  }
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) {
    ipc::Report("wait", strerrorname_np(error), "a signal ended its process");
  }
  return status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* first = argc > 1 ? argv[1] : "";
  if (argc == 4 && strcmp(first, "--word") == 0) {
    const bool seen = Run(atoi(argv[2]), argv[3]);
    if (address.sun_path[0]) unlink(address.sun_path);
    return seen ? 0 : 1;
  }
  umask(022);
  signal(SIGCHLD, SIG_DFL);
  bool all_seen = true;
  for (const bool really : {false, true}) {
    for (int i = 1; i < argc; ++i) {
      int found = 0;
      for (const auto& [error, letters] : kWords) {
        const bool all = strcmp(first, "--all") == 0;
        const bool list = strcmp(first, "--list") == 0;
        if (!all && !list && strcmp(argv[i], strerrorname_np(error)) != 0) {
          continue;
        }
        ++found;
        if (really && list) puts(strerrorname_np(error));
        if (really && !list) all_seen &= Spawn(error, letters);
      }
      if (found == 0) argc = 1;
    }
  }
  if (argc < 2) {
    ipc::Report("start", first, "no such error here");
    return 2;
  }
  return Flush() && all_seen ? 0 : 1;
}
