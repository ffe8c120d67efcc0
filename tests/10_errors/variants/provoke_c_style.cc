// In the style of C: one switch, and for most errors other calls than the
// reference's. Lines are kept until the error has been seen.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const int kErrors[] = {
    ENOTSOCK,     EMFILE,          ENOBUFS,    ETOOMANYREFS, EMSGSIZE,
    EAGAIN,       EACCES,          ENOENT,     EPERM,        EFAULT,
    EPIPE,        ECONNRESET,      ENOTCONN,   EISCONN,      EADDRINUSE,
    EPROTOTYPE,   ESOCKTNOSUPPORT, EOPNOTSUPP, EINVAL,       EPROTONOSUPPORT,
    ECONNREFUSED, ENOMEM};
enum { kCount = sizeof(kErrors) / sizeof(kErrors[0]) };

static struct sockaddr_un name;
static char lines[4096];  // Of the calls so far.
static int failed;        // A call on the way did.

static int did(const char* call, long result) {
  if (failed) return -1;
  if (result < 0) {
    fprintf(stderr, "provoke: %s: %s (%s)\n", call, strerror(errno),
            strerrorname_np(errno));
    failed = 1;
  } else {
    strcat(strcat(strcat(lines, "  "), call), "(...)\n");
  }
  return (int)result;
}

static int new_socket(int type) {
  return did("socket", socket(AF_UNIX, type, 0));
}

static void new_pair(int type, int* ends) {
  if (did("socketpair", socketpair(AF_UNIX, type, 0, ends)) < 0) {
    ends[0] = ends[1] = -1;
  }
}

static void bind_name(int fd) {
  did("bind", bind(fd, (const struct sockaddr*)&name, sizeof(name)));
}

static int connect_name(int fd) {
  return connect(fd, (const struct sockaddr*)&name, sizeof(name));
}

static void drop(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2];
  memset(none, 0, sizeof(none));
  did("capset", syscall(SYS_capset, &header, none));
}

static void limit(rlim_t count) {
  struct rlimit one;
  getrlimit(RLIMIT_NOFILE, &one);
  one.rlim_cur = count;
  did("setrlimit", setrlimit(RLIMIT_NOFILE, &one));
}

// The call that fails, and what it returned.
static const char* provoke(int error, long* result) {
  int ends[2] = {-1, -1};
  int fd;
  char byte = 0;
  switch (error) {
    case ENOTSOCK:
      fd = did("open", open("/dev/null", O_RDWR));
      *result = getsockname(fd, (struct sockaddr*)&name, &(socklen_t&)ends[0]);
      return "getsockname";
    case EMFILE:
      limit(3);
      while ((*result = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0) {
        did("socket", *result);
      }
      return "socket";
    case ENOBUFS: {
      struct msghdr message;
      memset(&message, 0, sizeof(message));
      new_pair(SOCK_SEQPACKET, ends);
      message.msg_control = &byte;
      message.msg_controllen = (size_t)INT_MAX + 100;
      *result = sendmsg(ends[0], &message, 0);
      return "sendmsg";
    }
    case ETOOMANYREFS:
      drop();
      new_pair(SOCK_DGRAM, ends);
      limit(3);
      for (;;) {
        union {
          struct cmsghdr header;
          char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec part = {&byte, 1};
        struct msghdr message;
        memset(&message, 0, sizeof(message));
        memset(&control, 0, sizeof(control));
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &ends[1], sizeof(int));
        *result = sendmsg(ends[0], &message, MSG_DONTWAIT);
        if (*result < 0) return "sendmsg";
        did("sendmsg", *result);
      }
    case EMSGSIZE: {
      const size_t size = (size_t)64 << 20;
      void* big =
          mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (big == MAP_FAILED) did("mmap", -1);
      new_pair(SOCK_DGRAM, ends);
      *result = write(ends[0], big, size);
      return "write";
    }
    case EAGAIN:
      new_pair(SOCK_STREAM | SOCK_NONBLOCK, ends);
      *result = read(ends[0], &byte, 1);
      return "read";
    case EACCES:
      drop();
      fd = new_socket(SOCK_STREAM);
      did("fchmod", fchmod(fd, 0));
      bind_name(fd);
      did("listen", listen(fd, 1));
      *result = connect_name(new_socket(SOCK_STREAM));
      return "connect";
    case ENOENT:
      *result = connect_name(new_socket(SOCK_SEQPACKET));
      return "connect";
    case EPERM:  // Whoever is connected hears one other socket.
      new_pair(SOCK_DGRAM, ends);
      bind_name(ends[0]);
      *result = connect_name(new_socket(SOCK_DGRAM));
      return "connect";
    case EFAULT:
      *result = socketpair(AF_UNIX, SOCK_STREAM, 0, (int*)(uintptr_t)8);
      return "socketpair";
    case EPIPE:
      new_pair(SOCK_SEQPACKET, ends);
      did("shutdown", shutdown(ends[0], SHUT_WR));
      *result = write(ends[0], &byte, 1);
      return "write";
    case ECONNRESET:
      new_pair(SOCK_STREAM, ends);
      did("write", write(ends[0], &byte, 1));
      did("close", close(ends[1]));
      *result = read(ends[0], &byte, 1);
      return "read";
    case ENOTCONN: {
      socklen_t size = sizeof(name);
      fd = new_socket(SOCK_STREAM);
      *result = getpeername(fd, (struct sockaddr*)&name, &size);
      return "getpeername";
    }
    case EISCONN: {
      fd = new_socket(SOCK_STREAM);
      bind_name(fd);
      did("listen", listen(fd, 2));
      fd = new_socket(SOCK_STREAM);
      did("connect", connect_name(fd));
      *result = connect_name(fd);
      return "connect";
    }
    case EADDRINUSE:
      bind_name(new_socket(SOCK_STREAM));
      fd = new_socket(SOCK_SEQPACKET);
      *result = bind(fd, (const struct sockaddr*)&name, sizeof(name));
      return "bind";
    case EPROTOTYPE:
      bind_name(new_socket(SOCK_DGRAM));
      *result = connect_name(new_socket(SOCK_SEQPACKET));
      return "connect";
    case ESOCKTNOSUPPORT:
      *result = socketpair(AF_UNIX, SOCK_RDM, 0, ends);
      return "socketpair";
    case EOPNOTSUPP:
      *result = accept(new_socket(SOCK_DGRAM), NULL, NULL);
      return "accept";
    case EINVAL:
      *result = recv(new_socket(SOCK_STREAM), &byte, 1, 0);
      return "recv";
    case EPROTONOSUPPORT:
      *result = socketpair(AF_UNIX, SOCK_STREAM, 4, ends);
      return "socketpair";
    case ECONNREFUSED:
      bind_name(new_socket(SOCK_STREAM));
      *result = connect_name(new_socket(SOCK_STREAM));
      return "connect";
    default: {
      struct sock_filter filter[] = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_listen, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      };
      const struct sock_fprog program = {4, filter};
      fd = new_socket(SOCK_STREAM);
      bind_name(fd);
      did("prctl", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
      did("seccomp",
          syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
      *result = listen(fd, 1);
      return "listen";
    }
  }
}

static int flush(void) {
  if (fflush(stdout) == 0) return 0;
  perror("provoke: stdout");
  return 1;
}

static int in_child(int error) {
  signal(SIGPIPE, SIG_IGN);
  name.sun_family = AF_UNIX;
  snprintf(name.sun_path, sizeof(name.sun_path), "s%d", getpid());
  const struct sockaddr_un own = name;
  long result = 0;
  errno = 0;
  const char* call = provoke(error, &result);
  const int seen = errno;
  unlink(own.sun_path);
  if (failed) return 1;
  if (result >= 0 || seen != error) {
    fprintf(stderr, "provoke: %s: wanted %s, got %s\n", call,
            strerrorname_np(error), result < 0 ? strerrorname_np(seen) : "0");
    return 1;
  }
  printf("%s%s: %s(...): %s%s\n", lines, strerrorname_np(error), call,
         strerror(error), error == ENOMEM ? " (injected)" : "");
  return flush();
}

static int run(int error) {
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0) {
    perror("provoke: fork");
    return 1;
  }
  if (child == 0) exit(in_child(error));
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) {
    fprintf(stderr, "provoke: %s: signal %d\n", strerrorname_np(error),
            WTERMSIG(status));
  }
  return status != 0;
}

int main(int argc, char** argv) {
  int bad = 0, i, k;
  umask(022);
  signal(SIGCHLD, SIG_DFL);
  if (argc == 2 && !strcmp(argv[1], "--list")) {
    for (k = 0; k < kCount; k++) puts(strerrorname_np(kErrors[k]));
    return flush();
  }
  if (argc == 2 && !strcmp(argv[1], "--all")) {
    for (k = 0; k < kCount; k++) bad |= run(kErrors[k]);
    return bad;
  }
  for (i = 1; i < argc; i++) {
    for (k = 0; k < kCount; k++) {
      if (!strcmp(argv[i], strerrorname_np(kErrors[k]))) break;
    }
    if (k == kCount) {
      fprintf(stderr, "provoke: %s is not one of mine\n", argv[i]);
      return 2;
    }
  }
  if (argc < 2) {
    fprintf(stderr, "provoke: tell me an error\n");
    return 2;
  }
  for (i = 1; i < argc; i++) {
    for (k = 0; k < kCount; k++) {
      if (!strcmp(argv[i], strerrorname_np(kErrors[k]))) bad |= run(kErrors[k]);
    }
  }
  return bad;
}
