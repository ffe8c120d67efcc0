// The catalogue of socket errors: provokes each that is asked for, with as few
// calls as it takes, and shows them.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
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
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

namespace {

// What this process is to see; each error has a process of its own.
int wanted;

// A call on the way there: shows it and returns what it returned. When it
// fails, all is over.
int Step(const char* call, const char* object, int result) {
  if (result < 0) {
    ipc::ReportErrno(call, object);
    exit(1);
  }
  printf("  %s%s%s\n", call, *object ? " " : "", object);
  return result;
}

// The call that is to fail: shows how it did.
void Last(const char* call, const char* object, ssize_t result,
          const char* note = "") {
  const int error = result < 0 ? errno : 0;
  if (error != wanted) {
    char problem[128];
    snprintf(problem, sizeof(problem), "%s, not %s",
             error ? strerrorname_np(error) : "success",
             strerrorname_np(wanted));
    ipc::Report(call, object, problem);
    exit(1);
  }
  printf("%s: %s %s: %s%s\n", strerrorname_np(error), call, object,
         strerrordesc_np(error), note);
}

int Socket(int type) {
  return Step("socket",
              type == SOCK_DGRAM ? "AF_UNIX SOCK_DGRAM" : "AF_UNIX SOCK_STREAM",
              socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    Step("socketpair",
         type == SOCK_DGRAM ? "AF_UNIX SOCK_DGRAM" : "AF_UNIX SOCK_STREAM",
         socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends));
  }
  int ends[2];
};

// A name that nobody else has: a path in the working directory, or abstract,
// which leaves no file.
struct Name {
  explicit Name(bool abstract) {
    address.sun_family = AF_UNIX;
    snprintf(shown, sizeof(shown), "%sprovoke.%05d", abstract ? "@" : "",
             getpid());
    strcpy(address.sun_path, shown);
    if (abstract) address.sun_path[0] = '\0';
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                  strlen(shown) + (abstract ? 0 : 1));
  }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&address);
  }

  sockaddr_un address = {};
  socklen_t size;
  char shown[32];
};

// A file that goes when the process does, however it leaves by exit.
char socket_file[32];
void RemoveFile() { unlink(socket_file); }

void BindFile(int fd, const Name& name) {
  Step("bind", name.shown, bind(fd, name.get(), name.size));
  strcpy(socket_file, name.shown);
  atexit(RemoveFile);
}

// Root is refused next to nothing, and so is no example. What it may do more
// than others are capabilities, which it can lay down. See capabilities(7).
void DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  Step("capset", "none", static_cast<int>(syscall(SYS_capset, &header, none)));
}

void NoMoreDescriptors() {
  const rlimit none = {0, 0};
  Step("setrlimit", "RLIMIT_NOFILE 0", setrlimit(RLIMIT_NOFILE, &none));
}

// Sends a byte with a control message of `type` that holds `size` bytes.
ssize_t SendControl(int fd, int type, const void* data, size_t size) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  char byte = 'x';
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(size);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), data, size);
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

// What the kernel is never sure to do: its answer is made up, by a filter that
// no process needs a privilege for, and this one gets rid of by ending.
void OutOfMemory() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {4, filter};
  Step("prctl", "PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  Step("prctl", "PR_SET_SECCOMP: socket returns ENOMEM",
       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
  Last("socket", "AF_UNIX SOCK_STREAM", socket(AF_UNIX, SOCK_STREAM, 0),
       " (injected)");
}

void NobodyListens() {
  const int fd = Socket(SOCK_STREAM);
  const Name name(/*abstract=*/true);
  Last("connect", name.shown, connect(fd, name.get(), name.size));
}

void ListenUnbound() {
  Last("listen", "a socket without a name", listen(Socket(SOCK_STREAM), 1));
}

void ListenForDatagrams() {
  Last("listen", "a datagram socket", listen(Socket(SOCK_DGRAM), 1));
}

void UnknownProtocol() {
  Last("socket", "AF_UNIX SOCK_STREAM, protocol 2",
       socket(AF_UNIX, SOCK_STREAM, 2));
}

void UnknownType() {
  Last("socket", "AF_UNIX SOCK_RDM", socket(AF_UNIX, SOCK_RDM, 0));
}

void OtherType() {
  const Name name(/*abstract=*/false);
  BindFile(Socket(SOCK_STREAM), name);
  const int fd = Socket(SOCK_DGRAM);
  Last("connect", name.shown, connect(fd, name.get(), name.size));
}

void NameIsTaken() {
  const Name name(/*abstract=*/true);
  Step("bind", name.shown, bind(Socket(SOCK_STREAM), name.get(), name.size));
  const int fd = Socket(SOCK_STREAM);
  Last("bind", name.shown, bind(fd, name.get(), name.size));
}

void AddressOnConnection() {
  const Pair pair;
  const Name name(/*abstract=*/true);
  Last("sendto", name.shown,
       sendto(pair.ends[0], "x", 1, MSG_NOSIGNAL, name.get(), name.size));
}

void NoConnection() {
  Last("send", "one byte", send(Socket(SOCK_STREAM), "x", 1, MSG_NOSIGNAL));
}

void PeerLeftSomething() {
  const Pair pair;
  Step("send", "one byte",
       static_cast<int>(send(pair.ends[0], "x", 1, MSG_NOSIGNAL)));
  Step("close", "the other end, the byte unread", close(pair.ends[1]));
  char byte;
  Last("recv", "one byte", recv(pair.ends[0], &byte, 1, 0));
}

void PeerIsGone() {
  const Pair pair;
  Step("close", "the other end", close(pair.ends[1]));
  Last("send", "one byte", send(pair.ends[0], "x", 1, MSG_NOSIGNAL));
}

void NotOurMemory() {
  const Pair pair;
  Last("send", "one byte at address 8",
       send(pair.ends[0], reinterpret_cast<const void*>(8), 1, MSG_NOSIGNAL));
}

void ClaimAnotherProcess() {
  DropCapabilities();
  const Pair pair;
  const ucred credentials = {getpid() + 1, getuid(), getgid()};
  Last("sendmsg", "SCM_CREDENTIALS, the pid of another",
       SendControl(pair.ends[0], SCM_CREDENTIALS, &credentials,
                   sizeof(credentials)));
}

void NoSuchFile() {
  const int fd = Socket(SOCK_STREAM);
  const Name name(/*abstract=*/false);
  Last("connect", name.shown, connect(fd, name.get(), name.size));
}

void NoPermission() {
  DropCapabilities();
  const Name name(/*abstract=*/false);
  BindFile(Socket(SOCK_STREAM), name);
  Step("chmod", "0", chmod(name.shown, 0));
  const int fd = Socket(SOCK_STREAM);
  Last("connect", name.shown, connect(fd, name.get(), name.size));
}

void NothingThere() {
  const Pair pair;
  char byte;
  Last("recv", "MSG_DONTWAIT", recv(pair.ends[0], &byte, 1, MSG_DONTWAIT));
}

void TooBig() {
  const Pair pair(SOCK_DGRAM);
  const int least = 1;  // The kernel makes it some 4 KiB.
  Step("setsockopt", "SO_SNDBUF 1",
       setsockopt(pair.ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)));
  static const char kMessage[65536] = {};
  Last("send", "65536 bytes",
       send(pair.ends[0], kMessage, sizeof(kMessage), MSG_NOSIGNAL));
}

void TooManyInFlight() {
  DropCapabilities();  // CAP_SYS_RESOURCE and CAP_SYS_ADMIN have no limit.
  const Pair pair;
  NoMoreDescriptors();
  // The kernel refuses when more than the limit are on the way already, of all
  // processes of this user: perhaps at once, at the latest now and then.
  const int* fd = &pair.ends[0];
  ssize_t sent = SendControl(pair.ends[0], SCM_RIGHTS, fd, sizeof(*fd));
  if (sent > 0) {
    Step("sendmsg", "SCM_RIGHTS, one descriptor", static_cast<int>(sent));
    sent = SendControl(pair.ends[0], SCM_RIGHTS, fd, sizeof(*fd));
  }
  Last("sendmsg", "SCM_RIGHTS, one descriptor", sent);
}

void TooMuchControl() {
  const Pair pair;
  msghdr message = {};
  // Anything above net.core.optmem_max, which the administrator chooses. So
  // much is refused before it is looked at.
  char control;
  message.msg_control = &control;
  message.msg_controllen = size_t{INT_MAX} + 1;
  Last("sendmsg", "2 GiB of control messages",
       sendmsg(pair.ends[0], &message, MSG_NOSIGNAL));
}

void NoDescriptor() {
  NoMoreDescriptors();
  Last("socket", "AF_UNIX SOCK_STREAM", socket(AF_UNIX, SOCK_STREAM, 0));
}

void NoSocket() {
  int ends[2];
  Step("pipe2", "", pipe2(ends, O_CLOEXEC));
  Last("listen", "a pipe", listen(ends[0], 1));
}

constexpr struct {
  int error;
  void (*provoke)();
} kCatalogue[] = {
    {ENOMEM, OutOfMemory},
    {ECONNREFUSED, NobodyListens},
    {EINVAL, ListenUnbound},
    {EOPNOTSUPP, ListenForDatagrams},
    {EPROTONOSUPPORT, UnknownProtocol},
    {ESOCKTNOSUPPORT, UnknownType},
    {EPROTOTYPE, OtherType},
    {EADDRINUSE, NameIsTaken},
    {EISCONN, AddressOnConnection},
    {ENOTCONN, NoConnection},
    {ECONNRESET, PeerLeftSomething},
    {EPIPE, PeerIsGone},
    {EFAULT, NotOurMemory},
    {EPERM, ClaimAnotherProcess},
    {ENOENT, NoSuchFile},
    {EACCES, NoPermission},
    {EAGAIN, NothingThere},
    {EMSGSIZE, TooBig},
    {ETOOMANYREFS, TooManyInFlight},
    {ENOBUFS, TooMuchControl},
    {EMFILE, NoDescriptor},
    {ENOTSOCK, NoSocket},
};
using Entry = decltype(kCatalogue[0]);

// The entry called `name`; nullptr if there is none.
auto Find(const char* name) -> decltype(&kCatalogue[0]) {
  for (Entry& entry : kCatalogue) {
    if (strcmp(strerrorname_np(entry.error), name) == 0) return &entry;
  }
  return nullptr;
}

// Whether all that was printed has been written.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "standard output");
  return false;
}

// Provokes the error in a process of its own, which takes the limits, filters
// and descriptors with it. Whether it was seen.
bool Provoke(Entry& entry) {
  const pid_t child = fork();
  if (child == 0) {
    wanted = entry.error;
    entry.provoke();
    exit(Flush() ? 0 : 1);
  }
  if (child < 0) {
    ipc::ReportErrno("fork", strerrorname_np(entry.error));
    return false;
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    ipc::ReportErrno("waitpid", strerrorname_np(entry.error));
    return false;
  }
  if (WIFSIGNALED(status)) {
    ipc::Report("provoke", strerrorname_np(entry.error), "killed by a signal");
  }
  return status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* only = argc == 2 ? argv[1] : "";
  if (strcmp(only, "--list") == 0) {
    for (Entry& entry : kCatalogue) puts(strerrorname_np(entry.error));
    return Flush() ? 0 : 1;
  }
  umask(022);  // connect wants to write to the file that bind makes.
  signal(SIGCHLD, SIG_DFL);  // Where it is ignored, waitpid has no status.
  bool all_seen = true;
  if (strcmp(only, "--all") == 0) {
    for (Entry& entry : kCatalogue) all_seen &= Provoke(entry);
    return all_seen ? 0 : 1;
  }

  const int first =
      ipc::ParseFlags(argc, argv, {}, "ERRNO... | --all | --list");
  if (first == argc) {
    ipc::Report("start", "", "wants ERRNO..., --all or --list");
    return 2;
  }
  for (int i = first; i < argc; ++i) {
    if (!Find(argv[i])) {
      ipc::Report("start", argv[i], "not in the catalogue; see --list");
      return 2;
    }
  }
  for (int i = first; i < argc; ++i) all_seen &= Provoke(*Find(argv[i]));
  return all_seen ? 0 : 1;
}
