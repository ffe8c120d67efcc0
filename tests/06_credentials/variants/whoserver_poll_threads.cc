// Sockets that do not block, waited for by poll, a thread for each client, and
// one byte at a time.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

#include "lib/program.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace {

constexpr size_t kSize = 64;

void AwaitInput(int fd) {
  pollfd entry = {fd, POLLIN, 0};
  while (poll(&entry, 1, -1) < 0 && errno == EINTR) {
  }
}

std::string Ids(const ucred& who) {
  return "pid " + std::to_string(who.pid) + ", uid " + std::to_string(who.uid) +
         ", gid " + std::to_string(who.gid);
}

bool Same(const ucred& a, const ucred& b) {
  return a.pid == b.pid && a.uid == b.uid && a.gid == b.gid;
}

// One byte and its author: 1, 0 at the end, -1 on error.
int Next(int fd, char* byte, ucred* author) {
  while (true) {
    alignas(8) char control[CMSG_SPACE(sizeof(ucred))];
    iovec part = {byte, 1};
    msghdr message = {nullptr, 0, &part, 1, control, sizeof(control), 0};
    const ssize_t count = recvmsg(fd, &message, 0);
    if (count < 0 && errno == EAGAIN) {
      AwaitInput(fd);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return static_cast<int>(count);
    cmsghdr* first = CMSG_FIRSTHDR(&message);
    if (!first || first->cmsg_type != SCM_CREDENTIALS) return -1;
    memcpy(author, CMSG_DATA(first), sizeof(*author));
    return 1;
  }
}

bool SendAll(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count =
        send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

bool Serve(int fd, int number, uid_t allowed) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  int pidfd = -1;
  size = sizeof(pidfd);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
    // A kernel before Linux 6.5.
    pidfd = static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0));
  }
  const std::string head = "client " + std::to_string(number) + ": ";
  printf("%sconnected by %s\n", head.c_str(), Ids(peer).c_str());
  bool well = fflush(stdout) == 0;
  std::string request;
  ucred author = {}, one = {};
  bool several = false;
  char byte;
  int got;
  while ((got = Next(fd, &byte, &one)) == 1) {
    if (request.empty()) {
      author = one;
      several = false;
    } else {
      several |= !Same(author, one);
    }
    request += byte;
    if (request.size() < kSize) continue;
    std::string text = request.substr(0, request.find('\0'));
    for (char& c : text) {
      if (c < 32 || c > 126) c = '?';
    }
    const bool granted = !several && peer.pid && author.pid &&
                         peer.uid == allowed && author.uid == allowed;
    const std::string verdict = granted ? "granted" : "refused";
    const std::string who = several ? "more than one" : Ids(author);
    pollfd entry = {pidfd, POLLIN, 0};
    const bool ended = pidfd < 0 || poll(&entry, 1, 0) > 0;
    const std::string tail =
        ended ? " (pid " + std::to_string(peer.pid) + " has ended)" : "";
    std::string answer = verdict;
    answer += ": you are ";
    answer += who;
    answer.resize(kSize);
    // The answer first, the line after it.
    const bool sent = SendAll(fd, answer);
    printf("%s%s, by %s: %s%s\n", head.c_str(), text.c_str(), who.c_str(),
           verdict.c_str(), tail.c_str());
    well &= fflush(stdout) == 0;
    request.clear();
    if (sent) continue;
    ipc::ReportErrno("send", "client");
    well = false;
    break;
  }
  if (got < 0) {
    ipc::ReportErrno("recvmsg", "client");
    well = false;
  } else if (got == 0 && !request.empty()) {
    ipc::Report("recvmsg", "client",
                ("only " + std::to_string(request.size()) + " bytes").c_str());
    well = false;
  }
  if (pidfd >= 0) close(pidfd);
  close(fd);
  return well;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "who";
  const char* allow = nullptr;
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"},
                   {"allow", &allow, "uid"},
                   {"clients", &clients, "how many"}});
  uid_t allowed = geteuid();
  if (allow) {
    int end = 0;
    long long number = 0;
    uid_t overflow = 65534;
    std::ifstream("/proc/sys/kernel/overflowuid") >> overflow;
    if (sscanf(allow, "%10lld%n", &number, &end) != 1 || allow[end] != 0 ||
        allow[0] < '0' || number >= 4294967295 || number == overflow) {
      ipc::Report("--allow", allow, "not a uid that can be allowed");
      return 2;
    }
    allowed = static_cast<uid_t>(number);
  }
  const std::string path = std::string(1, '\0') + name;
  sockaddr_un address = {};
  if (path.size() > sizeof(address.sun_path)) {
    ipc::ReportErrno("bind", name, ENAMETOOLONG);
    return 1;
  }
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  const int listener =
      socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  if (bind(listener, reinterpret_cast<sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                  path.size())) < 0 ||
      listen(listener, SOMAXCONN) < 0) {
    ipc::ReportErrno("bind", name);
    return 1;
  }
  bool well = true;
  for (int number = 1; number <= clients;) {
    AwaitInput(listener);
    const int fd =
        accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (fd < 0) {
      ipc::ReportErrno("accept", name);
      return 1;
    }
    bool served = false;
    std::thread([&] { served = Serve(fd, number, allowed); }).join();
    well &= served;
    ++number;
  }
  return well ? 0 : 1;
}
