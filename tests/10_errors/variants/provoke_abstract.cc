// A right program whose names are abstract wherever that is possible, and
// chosen by the kernel.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "lib/program.h"

namespace {

char path[64];     // A file of this error's own, in the working directory.
char missing[64];  // No file has this name.
int wanted;        // The error that this process provokes.

// ------------------------------------------------------------ what is shown

// Ends the process: this error was not seen.
[[noreturn]] void Fail(const char* call, const char* object, int error,
                       bool last) {
  char problem[256];
  if (error == 0) {
    snprintf(problem, sizeof(problem), "worked, no %s",
             strerrorname_np(wanted));
  } else {
    const char* name = strerrorname_np(error);
    const char* text = strerrordesc_np(error);
    snprintf(problem, sizeof(problem), "%s (%s)%s%s", text ? text : "Unknown",
             name ? name : "unknown", last ? ", not " : "",
             last ? strerrorname_np(wanted) : "");
  }
  fflush(stdout);
  ipc::Report(call, object, problem);
  _exit(1);
}

// A call that led there. Returns its result.
int Done(int result, const char* call, const char* object = "") {
  const int error = errno;
  if (result < 0) Fail(call, object, error, false);
  printf("  %s%s%s\n", call, *object ? " " : "", object);
  return result;
}

// Another one of which only `expected` is good: a count of bytes.
void DoneBytes(ssize_t result, ssize_t expected, const char* call,
               const char* object) {
  const int error = errno;
  if (result < 0) Fail(call, object, error, false);
  if (result != expected) Fail(call, object, EIO, false);
  printf("  %s %s\n", call, object);
}

// The call that shall return the error. Ends the process.
[[noreturn]] void Last(ssize_t result, const char* call, const char* object,
                       const char* behind = "") {
  const int error = errno;
  if (result >= 0) Fail(call, object, 0, true);
  if (error != wanted) Fail(call, object, error, true);
  printf("%s: %s %s: %s%s\n", strerrorname_np(wanted), call, object,
         strerrordesc_np(wanted), behind);
  if (fflush(stdout) != 0) {
    ipc::ReportErrno("write", "stdout");
    _exit(1);
  }
  _exit(0);
}

// ------------------------------------------------------------------- helpers

int Stream() {
  return Done(socket(AF_UNIX, SOCK_STREAM, 0), "socket", "AF_UNIX SOCK_STREAM");
}

int Datagram() {
  return Done(socket(AF_UNIX, SOCK_DGRAM, 0), "socket", "AF_UNIX SOCK_DGRAM");
}

void Pair(int type, int (&ends)[2]) {
  Done(socketpair(AF_UNIX, type, 0, ends), "socketpair",
       type == SOCK_STREAM ? "AF_UNIX SOCK_STREAM" : "AF_UNIX SOCK_DGRAM");
}

sockaddr_un Path(const char* name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, name);
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

int Bind(int fd, const char* name) {
  const sockaddr_un address = Path(name);
  return bind(fd, Generic(address), sizeof(address));
}

int Connect(int fd, const char* name) {
  const sockaddr_un address = Path(name);
  return connect(fd, Generic(address), sizeof(address));
}

void LimitDescriptors() {
  const rlimit none = {0, 0};
  Done(setrlimit(RLIMIT_NOFILE, &none), "setrlimit", "RLIMIT_NOFILE 0");
}

// Root, too, is now a user like others.
void DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  Done(static_cast<int>(syscall(SYS_capset, &header, none)), "capset",
       "no capabilities");
}

// ---------------------------------------------------------------- the errors

void OutOfMemory() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {4, filter};
  Done(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl", "PR_SET_NO_NEW_PRIVS");
  Done(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "prctl",
       "PR_SET_SECCOMP: socket returns ENOMEM");
  const int result = socket(AF_UNIX, SOCK_STREAM, 0);
  Last(result, "socket", "AF_UNIX SOCK_STREAM", " (injected)");
}

void ConnectionRefused() {
  const int fd = Stream();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const int size =
      snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", path);
  char name[80];
  snprintf(name, sizeof(name), "@%s", path);
  const int result =
      connect(fd, Generic(address), offsetof(sockaddr_un, sun_path) + 1 + size);
  Last(result, "connect", name);
}

void Invalid() {
  const int fd = Stream();
  Last(listen(fd, 1), "listen", "before bind");
}

void NotSupported() {
  const int fd = Datagram();
  Last(listen(fd, 1), "listen", "for datagrams");
}

void ProtocolNotSupported() {
  Last(socket(AF_UNIX, SOCK_STREAM, 2), "socket",
       "AF_UNIX SOCK_STREAM protocol 2");
}

void TypeNotSupported() {
  Last(socket(AF_UNIX, SOCK_RDM, 0), "socket", "AF_UNIX SOCK_RDM");
}

void WrongType() {
  const int stream = Stream();
  Done(Bind(stream, path), "bind", path);
  const int fd = Datagram();
  Last(Connect(fd, path), "connect", path);
}

void AddressInUse() {
  const int first = Stream();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // The kernel chooses the name.
  Done(bind(first, Generic(address), sizeof(sa_family_t)), "bind", "autobind");
  socklen_t size = sizeof(address);
  Done(getsockname(first, reinterpret_cast<sockaddr*>(&address), &size),
       "getsockname");
  const int second = Stream();
  Last(bind(second, Generic(address), size), "bind", "the same name");
}

void IsConnected() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  (void)ends;
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  const int listener = Stream();
  Done(bind(listener, Generic(name), sizeof(sa_family_t)), "bind", "autobind");
  Done(listen(listener, 1), "listen");
  socklen_t size = sizeof(name);
  Done(getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size),
       "getsockname");
  const int fd = Stream();
  Done(connect(fd, Generic(name), size), "connect", "to it");
  Last(connect(fd, Generic(name), size), "connect", "once more");
}

void NotConnected() {
  const int fd = Stream();
  Last(send(fd, "x", 1, MSG_NOSIGNAL), "send", "one byte");
}

void ConnectionReset() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  DoneBytes(send(ends[0], "x", 1, MSG_NOSIGNAL), 1, "send", "one byte");
  Done(close(ends[1]), "close", "the other end, the byte unread");
  char byte;
  Last(recv(ends[0], &byte, 1, 0), "recv", "one byte");
}

void BrokenPipe() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  Done(close(ends[1]), "close", "the other end");
  Last(send(ends[0], "x", 1, MSG_NOSIGNAL), "send", "one byte");
}

void Fault() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  volatile uintptr_t nowhere = 8;
  Last(send(ends[0], reinterpret_cast<const char*>(nowhere), 1, MSG_NOSIGNAL),
       "send", "one byte at address 8");
}

void NotPermitted() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  DropCapabilities();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  char byte = 'x';
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_CREDENTIALS;
  header->cmsg_len = CMSG_LEN(sizeof(ucred));
  const ucred parent = {getppid(), getuid(), getgid()};
  memcpy(CMSG_DATA(header), &parent, sizeof(parent));
  Last(sendmsg(ends[0], &message, MSG_NOSIGNAL), "sendmsg",
       "SCM_CREDENTIALS with the parent's pid");
}

void NoEntry() {
  const int fd = Stream();
  Last(Connect(fd, missing), "connect", missing);
}

void NoAccess() {
  const int listener = Stream();
  Done(Bind(listener, path), "bind", path);
  Done(listen(listener, 1), "listen", path);
  char object[80];
  snprintf(object, sizeof(object), "%s 0444", path);
  Done(chmod(path, 0444), "chmod", object);
  const int fd = Stream();
  DropCapabilities();
  Last(Connect(fd, path), "connect", path);
}

void Again() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  const int flags = Done(fcntl(ends[0], F_GETFL), "fcntl", "F_GETFL");
  Done(fcntl(ends[0], F_SETFL, flags | O_NONBLOCK), "fcntl",
       "F_SETFL O_NONBLOCK");
  char byte;
  Last(recv(ends[0], &byte, 1, 0), "recv", "one byte");
}

void MessageSize() {
  int ends[2];
  Pair(SOCK_DGRAM, ends);
  const int size = 4096;
  Done(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
       "setsockopt", "SO_SNDBUF 4096");
  static const char datagram[65536] = {};
  Last(send(ends[0], datagram, sizeof(datagram), MSG_NOSIGNAL), "send",
       "65536 bytes");
}

ssize_t SendDescriptor(int through, int fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 'x';
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  return sendmsg(through, &message, MSG_NOSIGNAL);
}

void TooManyReferences() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  LimitDescriptors();
  DropCapabilities();
  const char* object = "SCM_RIGHTS, one descriptor";
  // The first fails already when another program has some on the way.
  ssize_t result = SendDescriptor(ends[0], ends[1]);
  if (result < 0) Last(result, "sendmsg", object);
  DoneBytes(result, 1, "sendmsg", object);
  Last(SendDescriptor(ends[0], ends[1]), "sendmsg", object);
}

void NoBuffers() {
  int ends[2];
  Pair(SOCK_STREAM, ends);
  static char control[64];
  char byte = 'x';
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = size_t{INT_MAX} + 1;
  Last(sendmsg(ends[0], &message, MSG_NOSIGNAL), "sendmsg",
       "2 GiB of control messages");
}

void NoDescriptors() {
  LimitDescriptors();
  Last(socket(AF_UNIX, SOCK_STREAM, 0), "socket", "AF_UNIX SOCK_STREAM");
}

void NotSocket() {
  int ends[2];
  Done(pipe(ends), "pipe");
  sockaddr_un name;
  socklen_t size = sizeof(name);
  Last(getsockname(ends[0], reinterpret_cast<sockaddr*>(&name), &size),
       "getsockname", "of a pipe");
}

struct Entry {
  int error;
  void (*provoke)();
};

const Entry kCatalogue[] = {
    {ENOMEM, OutOfMemory},
    {ECONNREFUSED, ConnectionRefused},
    {EINVAL, Invalid},
    {EOPNOTSUPP, NotSupported},
    {EPROTONOSUPPORT, ProtocolNotSupported},
    {ESOCKTNOSUPPORT, TypeNotSupported},
    {EPROTOTYPE, WrongType},
    {EADDRINUSE, AddressInUse},
    {EISCONN, IsConnected},
    {ENOTCONN, NotConnected},
    {ECONNRESET, ConnectionReset},
    {EPIPE, BrokenPipe},
    {EFAULT, Fault},
    {EPERM, NotPermitted},
    {ENOENT, NoEntry},
    {EACCES, NoAccess},
    {EAGAIN, Again},
    {EMSGSIZE, MessageSize},
    {ETOOMANYREFS, TooManyReferences},
    {ENOBUFS, NoBuffers},
    {EMFILE, NoDescriptors},
    {ENOTSOCK, NotSocket},
};

// nullptr when the catalogue has no such name.
const Entry* Find(const char* name) {
  for (const Entry& entry : kCatalogue) {
    if (strcmp(name, strerrorname_np(entry.error)) == 0) return &entry;
  }
  return nullptr;
}

// Whether a child of ours has seen it.
bool Provoke(const Entry& entry) {
  const char* name = strerrorname_np(entry.error);
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", name);
    return false;
  }
  if (child == 0) {
    wanted = entry.error;
    entry.provoke();
    _exit(1);  // Not reached: the last call ends the process.
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    ipc::ReportErrno("waitpid", name);
    return false;
  }
  unlink(path);  // Here, where root still may.
  if (WIFSIGNALED(status)) {
    char problem[64];
    snprintf(problem, sizeof(problem), "ended by signal %d", WTERMSIG(status));
    ipc::Report("provoke", name, problem);
    return false;
  }
  return WEXITSTATUS(status) == 0;
}

int List() {
  for (const Entry& entry : kCatalogue) puts(strerrorname_np(entry.error));
  if (fflush(stdout) == 0) return 0;
  ipc::ReportErrno("write", "stdout");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  // Else a socket would be descriptor 1, and get the lines.
  if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {
    ipc::ReportErrno("write", "stdout");
    return 1;
  }
  std::vector<const Entry*> entries;
  if (argc == 2 && strcmp(argv[1], "--list") == 0) return List();
  if (argc == 2 && strcmp(argv[1], "--all") == 0) {
    for (const Entry& entry : kCatalogue) entries.push_back(&entry);
  } else {
    const int first =
        ipc::ParseFlags(argc, argv, {}, "ERRNO... | --all | --list");
    if (first == argc) {
      ipc::Report("start", "", "no ERRNO; see --list");
      return 2;
    }
    for (int i = first; i < argc; ++i) {
      const Entry* entry = Find(argv[i]);
      if (entry == nullptr) {
        ipc::Report("start", argv[i], "not in the catalogue; see --list");
        return 2;
      }
      entries.push_back(entry);
    }
  }
  signal(SIGPIPE, SIG_IGN);  // A stdout that is gone is an error like others.
  signal(SIGCHLD, SIG_DFL);  // Who starts us may ignore it: no status then.
  umask(022);                // A socket file must be writable for its owner.
  snprintf(path, sizeof(path), "provoke.%d", static_cast<int>(getpid()));
  snprintf(missing, sizeof(missing), "provoke.%d.missing",
           static_cast<int>(getpid()));
  bool all_seen = true;
  for (const Entry* entry : entries) {
    if (!Provoke(*entry)) all_seen = false;
  }
  return all_seen ? 0 : 1;
}
