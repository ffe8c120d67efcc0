// A process for each client, MSG_WAITALL, a control buffer with room for
// descriptors, which are closed, and pidfd_open instead of SO_PEERPIDFD.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstddef>

#include "lib/program.h"

namespace {

constexpr size_t kSize = 64;

// recvmsg until `size` bytes are there; which are by how many senders?
ssize_t ReceiveAll(int fd, char* text, size_t size, ucred* first, bool* mixed) {
  *mixed = false;
  size_t got = 0;
  while (got < size) {
    union {
      char bytes[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(253 * sizeof(int))];
      cmsghdr align;
    } control;
    iovec part = {text + got, size - got};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    const ssize_t count = recvmsg(fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    ucred sender = {0, 65534, 65534};
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr;
         one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_type == SCM_RIGHTS) {
        for (size_t at = CMSG_LEN(0); at < one->cmsg_len; at += sizeof(int)) {
          int extra;
          memcpy(&extra, reinterpret_cast<char*>(one) + at, sizeof(extra));
          close(extra);
        }
      } else if (one->cmsg_type == SCM_CREDENTIALS) {
        memcpy(&sender, CMSG_DATA(one), sizeof(sender));
      }
    }
    if (count == 0) break;
    if (got == 0) {
      *first = sender;
    } else if (sender.pid != first->pid || sender.uid != first->uid ||
               sender.gid != first->gid) {
      *mixed = true;
    }
    got += static_cast<size_t>(count);
  }
  return static_cast<ssize_t>(got);
}

int Serve(int fd, int number, uid_t allowed) {
  ucred peer;
  socklen_t length = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return 1;
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0));
  printf("client %d: connected by pid %d, uid %u, gid %u\n", number, peer.pid,
         peer.uid, peer.gid);
  bool printed = fflush(stdout) == 0;
  while (true) {
    char text[kSize + 1] = {};
    ucred sender;
    bool mixed;
    const ssize_t got = ReceiveAll(fd, text, kSize, &sender, &mixed);
    if (got == 0) return printed ? 0 : 1;
    if (got < 0) {
      ipc::ReportErrno("recvmsg", "client");
      return 1;
    }
    if (got < static_cast<ssize_t>(kSize)) {
      fprintf(stderr, "whoserver: client %d: only %zd bytes\n", number, got);
      return 1;
    }
    for (size_t i = 0; text[i] != 0; ++i) {
      if (!isprint(static_cast<unsigned char>(text[i]))) text[i] = '?';
    }
    const bool granted = !mixed && peer.pid != 0 && sender.pid != 0 &&
                         peer.uid == allowed && sender.uid == allowed;
    char who[48];
    if (mixed) {
      strcpy(who, "more than one");
    } else {
      snprintf(who, sizeof(who), "pid %d, uid %u, gid %u", sender.pid,
               sender.uid, sender.gid);
    }
    pollfd entry = {pidfd, POLLIN, 0};
    printf("client %d: %s, by %s: %s", number, text, who,
           granted ? "granted" : "refused");
    if (pidfd < 0 || poll(&entry, 1, 0) == 1) {
      printf(" (pid %d has ended)", peer.pid);
    }
    putchar('\n');
    printed &= fflush(stdout) == 0;
    char answer[kSize + 1] = {};
    snprintf(answer, sizeof(answer), "%s: you are %s",
             granted ? "granted" : "refused", who);
    for (size_t sent = 0; sent < kSize;) {
      const ssize_t count = send(fd, answer + sent, kSize - sent, MSG_NOSIGNAL);
      if (count < 0) {
        ipc::ReportErrno("send", "client");
        return 1;
      }
      sent += static_cast<size_t>(count);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "who";
  const char* allow = "";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"},
                   {"allow", &allow, "uid"},
                   {"clients", &clients, "how many"}});
  uid_t allowed = geteuid();
  for (int i = 1; i < argc; ++i) {
    if (strncmp(argv[i], "--allow", 7) != 0) continue;
    const bool digits =
        *allow != 0 && strspn(allow, "0123456789") == strlen(allow);
    const long long number = digits ? atoll(allow) : -1;
    if (number < 0 || number == 65534 || number >= 0xffffffffLL) {
      ipc::Report("--allow", allow, "cannot be");
      return 2;
    }
    allowed = static_cast<uid_t>(number);
  }

  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(name) >= sizeof(address.sun_path)) {
    ipc::Report("--name", name, "more than 107 bytes");
    return 2;
  }
  memcpy(address.sun_path + 1, name, strlen(name));
  const socklen_t length = static_cast<socklen_t>(
      offsetof(sockaddr_un, sun_path) + 1 + strlen(name));
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) < 0 ||
      setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
      listen(listener, 5) < 0) {
    ipc::ReportErrno("listen", name);
    return 1;
  }
  int failures = 0;
  for (int number = 1; number <= clients; ++number) {
    int fd;
    do {
      fd = accept(listener, nullptr, nullptr);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
      ipc::ReportErrno("accept", name);
      return 1;
    }
    const pid_t child = fork();
    if (child == 0) _exit(Serve(fd, number, allowed));
    close(fd);
    int status;
    waitpid(child, &status, 0);
    if (status != 0) ++failures;
  }
  return failures == 0 ? 0 : 1;
}
