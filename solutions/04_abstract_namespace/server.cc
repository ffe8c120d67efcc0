// Serves clients on an abstract UNIX stream socket, each in a process of its
// own, and prints the records of 1024 bytes that they send.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kRecordSize = 1024;
constexpr int kBacklog = 5;
constexpr socklen_t kNameOffset = offsetof(sockaddr_un, sun_path);

volatile sig_atomic_t child_failed = 0;

// Takes notice of every child that has ended: one signal may stand for several.
void ReapChildren(int) {
  const int saved_errno = errno;
  int status;
  while (waitpid(-1, &status, WNOHANG) > 0) {
    if (status != 0) child_failed = 1;
  }
  errno = saved_errno;
}

// The size of the address, which says where an abstract name ends; 0 when it is
// too long for one. An empty name is the wish that the kernel choose.
socklen_t FillAddress(const char* name, sockaddr_un* address) {
  const size_t length = strlen(name);
  if (length >= sizeof(address->sun_path)) return 0;
  *address = {};
  address->sun_family = AF_UNIX;
  if (length == 0) return sizeof(sa_family_t);
  // sun_path[0] stays NUL: that makes the name abstract.
  std::replace_copy(name, name + length, address->sun_path + 1, '@', '\0');
  return kNameOffset + 1 + length;
}

// Whether what was printed is out.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "standard output");
  return false;
}

// Prints the name that `listener` has, each of its NULs as @, and the size.
bool PrintName(int listener, const char* name) {
  sockaddr_un address;
  socklen_t size = sizeof(address);
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) < 0) {
    ipc::ReportErrno("getsockname", name);
    return false;
  }
  const int length = static_cast<int>(size - kNameOffset);
  std::replace(address.sun_path, address.sun_path + length, '\0', '@');
  printf("listening at %.*s, %u bytes of address\n", length, address.sun_path,
         size);
  return Flush();
}

// The listening socket; -1 after reporting why not.
int Listen(const char* name) {
  sockaddr_un address;
  const socklen_t size = FillAddress(name, &address);
  if (size == 0) {
    ipc::ReportErrno("bind", name, ENAMETOOLONG);
    return -1;
  }
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const char* failed = nullptr;
  if (listener < 0) {
    failed = "socket";
  } else if (bind(listener, reinterpret_cast<const sockaddr*>(&address), size) <
             0) {
    failed = "bind";
  } else if (listen(listener, kBacklog) < 0) {
    failed = "listen";
  }
  if (failed) {
    ipc::ReportErrno(failed, name);
  } else if (PrintName(listener, name)) {
    return listener;
  }
  if (listener >= 0) close(listener);
  return -1;
}

// Whether the peer has our uid: the name has no permissions to keep others out.
bool IsOurs(int client) {
  ucred peer;
  socklen_t size = sizeof(peer);
  if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    ipc::ReportErrno("getsockopt", "SO_PEERCRED");
    return false;
  }
  if (peer.uid == geteuid()) return true;
  char who[32];
  snprintf(who, sizeof(who), "client of uid %u", peer.uid);
  ipc::ReportErrno("refused", who, EPERM);
  return false;
}

// The next client that may be served; -1 on error.
int Accept(int listener) {
  while (true) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0 && errno == EINTR) continue;
    if (client < 0 || IsOurs(client)) return client;
    close(client);
  }
}

// Fills `record` from however many pieces it takes. The number of bytes that
// came before the end of the stream, kRecordSize if it did not end; -1 on
// error.
int ReadRecord(int client, char* record) {
  int got = 0;
  while (got < kRecordSize) {
    const ssize_t count = read(client, record + got, kRecordSize - got);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    got += static_cast<int>(count);
  }
  return got;
}

// Prints the client's records until it ends; whether that was between two.
bool ServeClient(int client, int number) {
  char record[kRecordSize];
  int got;
  while ((got = ReadRecord(client, record)) == kRecordSize) {
    printf("client %d: %.*s\n", number, kRecordSize, record);
    if (!Flush()) return false;
  }
  if (got < 0) {
    ipc::ReportErrno("read", "client");
  } else if (got > 0) {
    char problem[64];
    snprintf(problem, sizeof(problem), "end of file after %d of %d bytes", got,
             kRecordSize);
    ipc::Report("read", "client", problem);
  }
  return got == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "lab";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "abstract name, @ for a NUL"},
                   {"clients", &clients, "how many clients to serve"}});
  struct sigaction action = {};
  action.sa_handler = ReapChildren;
  sigaction(SIGCHLD, &action, nullptr);
  // A write that nobody reads then fails with EPIPE, which we can report.
  signal(SIGPIPE, SIG_IGN);

  const int listener = Listen(name);
  if (listener < 0) return 1;
  bool all_well = true;
  for (int number = 1; number <= clients; ++number) {
    const int client = Accept(listener);
    if (client < 0) {
      ipc::ReportErrno("accept", name);
      all_well = false;
      break;
    }
    const pid_t child = fork();
    if (child == 0) {
      close(listener);  // Or the name would be taken for as long as we live.
      _exit(ServeClient(client, number) ? 0 : 1);
    }
    if (child < 0) {
      ipc::ReportErrno("fork", "");
      all_well = false;
    }
    close(client);
  }
  close(listener);
  // What is left are children that still serve.
  signal(SIGCHLD, SIG_DFL);
  int status = 0;
  while (wait(&status) > 0 || errno == EINTR) {
    if (status != 0) all_well = false;
  }
  return all_well && !child_failed ? 0 : 1;
}
