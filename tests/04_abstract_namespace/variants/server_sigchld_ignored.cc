// A variant that has the kernel reap its children, who report through a pipe.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>

#include "lib/program.h"

namespace {

// MSG_WAITALL waits for all 1024 bytes, unless a signal comes or the end.
ssize_t ReceiveRecord(int client, char* record) {
  ssize_t got = 0;
  while (got < 1024) {
    const ssize_t count = recv(client, record + got, 1024 - got, MSG_WAITALL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    got += count;
  }
  return got;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "lab";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"}, {"clients", &clients, "count"}});
  signal(SIGCHLD, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);

  std::string path = name;
  std::replace(path.begin(), path.end(), '@', '\0');
  if (!path.empty()) path.insert(path.begin(), '\0');
  sockaddr_un address = {};
  if (path.size() > sizeof(address.sun_path)) {
    ipc::ReportErrno("bind", name, ENAMETOOLONG);
    return 1;
  }
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = offsetof(sockaddr_un, sun_path) + path.size();
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, generic, size) < 0 ||
      listen(listener, 1) < 0) {
    ipc::ReportErrno("bind", name);
    return 1;
  }
  size = sizeof(address);
  getsockname(listener, generic, &size);
  path.assign(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  std::replace(path.begin(), path.end(), '\0', '@');
  if (dprintf(1, "listening at %s, %u bytes of address\n", path.c_str(), size) <
      0) {
    ipc::ReportErrno("write", "standard output");
    return 1;
  }

  int failures[2];
  if (pipe2(failures, O_CLOEXEC) < 0) return 1;
  bool failed = false;
  for (int number = 1; number <= clients;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0 && errno == EINTR) continue;
    if (client < 0) {
      ipc::ReportErrno("accept", name);
      failed = true;
      break;
    }
    ucred peer;
    socklen_t length = sizeof(peer);
    getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    if (peer.uid != geteuid()) {
      dprintf(2, "server: refused: a client of uid %u\n", peer.uid);
    } else if (const pid_t child = fork(); child < 0) {
      ipc::ReportErrno("fork", name);
      failed = true;
      ++number;
    } else if (child == 0) {
      close(listener);
      char record[1025] = {};
      ssize_t got;
      while ((got = ReceiveRecord(client, record)) == 1024) {
        if (dprintf(1, "client %d: %s\n", number, record) < 0) break;
      }
      if (got < 0 || got == 1024) {
        ipc::ReportErrno(got < 0 ? "recv" : "write", "client");
        if (write(failures[1], "x", 1) < 0) return 1;
      } else if (got > 0) {
        dprintf(2, "server: recv client: only %zd of 1024 bytes\n", got);
        if (write(failures[1], "x", 1) < 0) return 1;
      }
      _exit(0);
    } else {
      ++number;
    }
    close(client);
  }
  close(listener);
  close(failures[1]);
  char failure;  // The pipe ends when the last child has.
  ssize_t got;
  while ((got = read(failures[0], &failure, 1)) > 0 ||
         (got < 0 && errno == EINTR)) {
    if (got > 0) failed = true;
  }
  return failed ? 1 : 0;
}
