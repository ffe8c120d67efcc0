// A variant with a child for each client, whose end a signalfd tells: no
// handler interrupts a call.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <set>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

bool failed = false;
std::set<pid_t> children;

bool Line(int number, const char* record) {
  if (dprintf(1, "client %d: %.1024s\n", number, record) >= 0) return true;
  ipc::ReportErrno("dprintf", "standard output");
  return false;
}

[[noreturn]] void Serve(int fd, int number) {
  char record[1024];
  for (;;) {
    size_t have = 0;
    while (have < sizeof record) {
      ssize_t n = recv(fd, &record[have], sizeof record - have, MSG_WAITALL);
      if (n > 0) {
        have += n;
      } else if (n == 0) {
        if (have == 0) _exit(0);
        fprintf(stderr,
                "server: recv client %d: cut off at byte %zu of a record\n",
                number, have);
        _exit(1);
      } else if (errno != EINTR) {
        ipc::ReportErrno("recv", "client");
        _exit(1);
      }
    }
    if (!Line(number, record)) _exit(1);
  }
}

void Collect() {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (children.erase(pid) && status != 0) failed = true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "lab";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "abstract name, @ for a NUL"},
                   {"clients", &clients, "how many clients to serve"}});
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  ipc::UniqueFd signals(
      signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid()) {
    ipc::ReportErrno("signalfd", "");
    return 1;
  }

  const size_t length = strlen(name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (length > sizeof address.sun_path - 1) {
    ipc::ReportErrno("bind", name, ENAMETOOLONG);
    return 1;
  }
  for (size_t i = 0; i != length; ++i) {
    address.sun_path[1 + i] = name[i] != '@' ? name[i] : '\0';
  }
  ipc::UniqueFd listener(
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) {
    ipc::ReportErrno("socket", name);
    return 1;
  }
  socklen_t size = length == 0 ? offsetof(sockaddr_un, sun_path)
                               : offsetof(sockaddr_un, sun_path) + 1 + length;
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 ||
      listen(listener.get(), 20) < 0) {
    ipc::ReportErrno("bind", name);
    return 1;
  }
  size = sizeof address;
  getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const int shown = static_cast<int>(size - offsetof(sockaddr_un, sun_path));
  for (int i = 0; i < shown; ++i) {
    if (address.sun_path[i] == '\0') address.sun_path[i] = '@';
  }
  if (dprintf(1, "listening at %.*s, %u bytes of address\n", shown,
              address.sun_path, size) < 0) {
    ipc::ReportErrno("dprintf", "standard output");
    return 1;
  }

  int served = 0;
  while (served < clients || !children.empty()) {
    pollfd fds[2] = {{signals.get(), POLLIN, 0},
                     {served < clients ? listener.get() : -1, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("poll", "");
      return 1;
    }
    if (fds[0].revents) {
      signalfd_siginfo info;
      while (read(signals.get(), &info, sizeof info) > 0) {
      }
      Collect();
    }
    if (!fds[1].revents) continue;
    ipc::UniqueFd client(
        accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) {
      if (errno == EINTR || errno == EAGAIN) continue;
      ipc::ReportErrno("accept", name);
      failed = true;
      clients = served;
      continue;
    }
    ucred peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) <
        0) {
      ipc::ReportErrno("getsockopt", name);
      failed = true;
      continue;
    }
    if (peer.uid != geteuid()) {
      char problem[60];
      snprintf(problem, sizeof problem, "uid %u may not", peer.uid);
      ipc::Report("connect", name, problem);
      continue;
    }
    pid_t child = fork();
    if (child == 0) {
      listener.reset();
      signals.reset();
      Serve(client.get(), served + 1);
    }
    ++served;
    if (child < 0) {
      ipc::ReportErrno("fork", name);
      failed = true;
    } else {
      children.insert(child);
    }
  }
  return failed;
}
