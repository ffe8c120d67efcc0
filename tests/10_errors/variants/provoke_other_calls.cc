// A right program that provokes nearly every error by another call than the
// handout: accept, getpeername, setsockopt, shutdown, open; one switch, one
// buffer of text for each error.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/program.h"

static const int table[] = {
    ENOMEM,          ECONNREFUSED, EINVAL,     EOPNOTSUPP,   EPROTONOSUPPORT,
    ESOCKTNOSUPPORT, EPROTOTYPE,   EADDRINUSE, EISCONN,      ENOTCONN,
    ECONNRESET,      EPIPE,        EFAULT,     EPERM,        ENOENT,
    EACCES,          EAGAIN,       EMSGSIZE,   ETOOMANYREFS, ENOBUFS,
    EMFILE,          ENOTSOCK};
enum { COUNT = sizeof(table) / sizeof(table[0]) };

static char text[4096];  // What this error shows; written at its end.
static size_t used;
static char file[40];
static int goal;

static void add(const char* format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char* format, ...) {
  va_list list;
  va_start(list, format);
  used += vsnprintf(text + used, sizeof(text) - used, format, list);
  va_end(list);
}

static int flush(void) {
  size_t at = 0;
  while (at < used) {
    ssize_t n = write(1, text + at, used - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      ipc::ReportErrno("write", "stdout");
      return -1;
    }
    at += n;
  }
  return 0;
}

/* A call that must work. */
static int ok(long result, const char* what) {
  if (result < 0) {
    int e = errno;
    dprintf(2, "provoke: %s: %s (%s), while going for %s\n", what,
            strerrordesc_np(e), strerrorname_np(e), strerrorname_np(goal));
    exit(1);
  }
  add("  %s\n", what);
  return result;
}

/* The call that must fail. */
static void bad(long result, const char* what) {
  int e = errno;
  if (result >= 0) {
    dprintf(2, "provoke: %s: no error came, %s was wanted\n", what,
            strerrorname_np(goal));
    exit(1);
  }
  if (e != goal) {
    dprintf(2, "provoke: %s: %s (%s) came, %s was wanted\n", what,
            strerrordesc_np(e), strerrorname_np(e), strerrorname_np(goal));
    exit(1);
  }
  add("%s: %s: %s%s\n", strerrorname_np(e), what, strerrordesc_np(e),
      e == ENOMEM ? " (injected)" : "");
  exit(flush() ? 1 : 0);
}

static void remove_file(void) { unlink(file); }

static void drop(void) {
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2];
  memset(d, 0, sizeof(d));
  ok(syscall(SYS_capset, &h, d), "capset all down");
}

static void attempt(int e) {
  struct sockaddr_un a;
  int s[2], t;
  char b = 'b', what[200];
  struct iovec io = {&b, 1};
  struct msghdr m;
  union {
    struct cmsghdr align;
    char bytes[128];
  } c;
  memset(&a, 0, sizeof(a));
  memset(&m, 0, sizeof(m));
  memset(&c, 0, sizeof(c));
  a.sun_family = AF_UNIX;
  strcpy(a.sun_path, file);
  m.msg_iov = &io;
  m.msg_iovlen = 1;
  m.msg_control = c.bytes;
  struct cmsghdr* h = (struct cmsghdr*)c.bytes;
  const struct sockaddr* sa = (const struct sockaddr*)&a;
  switch (e) {
    case ENOMEM: {
      struct sock_filter f[] = {
          {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
          {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_socket},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOMEM},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
      struct sock_fprog p = {4, f};
      ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl no new privileges");
      ok(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p),
         "seccomp a filter for socket");
      bad(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      break;
    }
    case ECONNREFUSED:
      t = ok(socket(AF_UNIX, SOCK_STREAM, 0), "socket of a stream");
      ok(bind(t, sa, sizeof(a)), "bind without a listen behind it");
      atexit(remove_file);
      t = ok(socket(AF_UNIX, SOCK_STREAM, 0), "socket of a stream");
      bad(connect(t, sa, sizeof(a)), "connect to a file nobody listens at");
      break;
    case EINVAL:
      t = ok(socket(AF_UNIX, SOCK_STREAM, 0), "socket of a stream");
      bad(recv(t, &b, 1, 0), "recv from nobody");
      break;
    case EOPNOTSUPP:
      t = ok(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      bad(accept(t, NULL, NULL), "accept on datagrams");
      break;
    case EPROTONOSUPPORT:
      bad(socketpair(AF_UNIX, SOCK_STREAM, 77, s), "socketpair of protocol 77");
      break;
    case ESOCKTNOSUPPORT:
      bad(socketpair(AF_UNIX, SOCK_RDM, 0, s), "socketpair SOCK_RDM");
      break;
    case EPROTOTYPE:
      t = ok(socket(AF_UNIX, SOCK_STREAM, 0), "socket of a stream");
      ok(bind(t, sa, sizeof(a)), "bind");
      atexit(remove_file);
      ok(listen(t, 0), "listen");
      t = ok(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      bad(sendto(t, &b, 1, 0, sa, sizeof(a)), "sendto the path of a stream");
      break;
    case EADDRINUSE:
      t = ok(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      memset(a.sun_path, 0, sizeof(a.sun_path));
      strcpy(a.sun_path + 1, file);
      ok(bind(t, sa, sizeof(a)), "bind an abstract name");
      t = ok(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      bad(bind(t, sa, sizeof(a)), "bind the same");
      break;
    case EISCONN:
      ok(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair of streams");
      m.msg_control = NULL;
      m.msg_name = &a;
      m.msg_namelen = sizeof(a);
      bad(sendmsg(s[0], &m, 0), "sendmsg with an address");
      break;
    case ENOTCONN: {
      socklen_t len = sizeof(a);
      t = ok(socket(AF_UNIX, SOCK_STREAM, 0), "socket of a stream");
      bad(getpeername(t, (struct sockaddr*)&a, &len), "getpeername of no peer");
      break;
    }
    case ECONNRESET:
      ok(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair of streams");
      ok(write(s[0], &b, 1) == 1 ? 0 : -1, "write a byte");
      ok(close(s[1]), "close the end that did not read");
      bad(read(s[0], &b, 1), "read a byte");
      break;
    case EPIPE:
      signal(SIGPIPE, SIG_IGN);
      ok(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair of streams");
      ok(shutdown(s[0], SHUT_WR), "shutdown for writing");
      bad(write(s[0], &b, 1), "write after that");
      break;
    case EFAULT:
      ok(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair of streams");
      bad(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, (void*)16, sizeof(int)),
          "setsockopt of an int at 16");
      break;
    case EPERM: {
      struct ucred u = {getppid(), getuid(), getgid()};
      ok(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), "socketpair of datagrams");
      drop();
      h->cmsg_level = SOL_SOCKET;
      h->cmsg_type = SCM_CREDENTIALS;
      h->cmsg_len = CMSG_LEN(sizeof(u));
      memcpy(CMSG_DATA(h), &u, sizeof(u));
      m.msg_controllen = CMSG_SPACE(sizeof(u));
      bad(sendmsg(s[0], &m, 0), "sendmsg as my parent");
      break;
    }
    case ENOENT:
      t = ok(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      bad(sendto(t, &b, 1, 0, sa, sizeof(a)),
          "sendto a path that is not there");
      break;
    case EACCES:
      t = ok(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      ok(fchmod(t, 0), "fchmod 0 before bind");
      ok(bind(t, sa, sizeof(a)), "bind");
      atexit(remove_file);
      drop();
      t = ok(socket(AF_UNIX, SOCK_DGRAM, 0), "socket of datagrams");
      bad(connect(t, sa, sizeof(a)), "connect without permission");
      break;
    case EAGAIN:
      t = ok(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0),
             "socket of datagrams, SOCK_NONBLOCK");
      bad(recvfrom(t, &b, 1, 0, NULL, NULL), "recvfrom nobody");
      break;
    case EMSGSIZE: {
      static char big[300000];
      int small = 1;
      ok(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), "socketpair of packets");
      ok(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
         "setsockopt SO_SNDBUF as small as can be");
      bad(write(s[0], big, sizeof(big)), "write 300000 bytes");
      break;
    }
    case ETOOMANYREFS: {
      struct rlimit none = {0, 0};
      int i, zero;
      ok(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), "socketpair of datagrams");
      zero = s[0];
      ok(setrlimit(RLIMIT_NOFILE, &none), "setrlimit RLIMIT_NOFILE to 0");
      drop();
      h->cmsg_level = SOL_SOCKET;
      h->cmsg_type = SCM_RIGHTS;
      h->cmsg_len = CMSG_LEN(sizeof(int));
      memcpy(CMSG_DATA(h), &zero, sizeof(zero));
      m.msg_controllen = CMSG_SPACE(sizeof(int));
      for (i = 0; i < 5; i++) {
        long r = sendmsg(s[0], &m, 0);
        if (r < 0) bad(r, "sendmsg a descriptor");
        ok(r, "sendmsg a descriptor");
      }
      bad(0, "sendmsg a descriptor");
      break;
    }
    case ENOBUFS:
      t = ok(socket(AF_UNIX, SOCK_STREAM, 0), "socket of a stream");
      m.msg_controllen = 0x80000000u;
      bad(sendmsg(t, &m, 0), "sendmsg 2147483648 bytes of control");
      break;
    case EMFILE: {
      struct rlimit r;
      ok(getrlimit(RLIMIT_NOFILE, &r), "getrlimit RLIMIT_NOFILE");
      r.rlim_cur = 0;
      ok(setrlimit(RLIMIT_NOFILE, &r), "setrlimit RLIMIT_NOFILE, soft, to 0");
      bad(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair too many");
      break;
    }
    case ENOTSOCK:
      t = open("/", O_RDONLY | O_DIRECTORY);
      ok(t, "open the root directory");
      snprintf(what, sizeof(what), "shutdown of a directory");
      bad(shutdown(t, SHUT_RD), what);
      break;
  }
}

int main(int argc, char** argv) {
  int list[4096], n = 0, i, k, first, rc = 0;
  if (fcntl(1, F_GETFD) < 0) {
    ipc::ReportErrno("fcntl", "stdout");
    return 1;
  }
  if (argc == 2 && !strcmp(argv[1], "--list")) {
    for (i = 0; i < COUNT; i++) add("%s\n", strerrorname_np(table[i]));
    return flush() ? 1 : 0;
  }
  if (argc == 2 && !strcmp(argv[1], "--all")) {
    for (i = 0; i < COUNT; i++) list[n++] = table[i];
  } else {
    first = ipc::ParseFlags(argc, argv, {}, "ERRNO... | --all | --list");
    for (i = first; i < argc; i++) {
      for (k = 0; k < COUNT && strcmp(argv[i], strerrorname_np(table[k]));
           k++) {
      }
      if (k == COUNT || n == 4096) {
        ipc::Report("start", argv[i], "no such error here");
        return 2;
      }
      list[n++] = table[k];
    }
    if (!n) {
      ipc::Report("start", "", "nothing to provoke");
      return 2;
    }
  }
  signal(SIGCHLD, SIG_DFL);
  umask(077);
  for (i = 0; i < n; i++) {
    int status;
    pid_t pid;
    snprintf(file, sizeof(file), "provoke-%ld-%d", (long)getpid(), i);
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
      ipc::ReportErrno("fork", strerrorname_np(list[i]));
      rc = 1;
      continue;
    }
    if (pid == 0) {
      goal = list[i];
      attempt(goal);
      abort();
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (list[i] == EACCES) unlink(file); /* the child may have no right to */
    if (WIFSIGNALED(status))
      dprintf(2, "provoke: %s: killed by signal %d\n", strerrorname_np(list[i]),
              WTERMSIG(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status)) rc = 1;
  }
  return rc;
}
