// A variant as one writes it in C: select over a table of clients, by
// descriptor.
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/program.h"

static struct {
  int number;  // 0: not in use
  int got;
  char record[1024];
} table[FD_SETSIZE];  // by descriptor

static int failed;

static int out(const char *bytes, int size) {
  while (size > 0) {
    ssize_t n = write(1, bytes, size);
    if (n < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("write", "standard output");
      failed = 1;
      return -1;
    }
    bytes += n;
    size -= (int)n;
  }
  return 0;
}

static void done(int fd) {
  close(fd);
  table[fd].number = 0;
}

static void serve(int fd) {
  char line[1100], who[30];
  ssize_t n = recv(fd, table[fd].record + table[fd].got, 1024 - table[fd].got,
                   MSG_DONTWAIT);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  sprintf(who, "client %d", table[fd].number);
  if (n < 0) {
    ipc::ReportErrno("recv", who);
    failed = 1;
    done(fd);
    return;
  }
  if (n == 0) {
    if (table[fd].got) {
      fprintf(stderr, "server: recv %s: gone after %d bytes\n", who,
              table[fd].got);
      failed = 1;
    }
    done(fd);
    return;
  }
  table[fd].got += (int)n;
  if (table[fd].got == 1024) {
    table[fd].got = 0;
    int size = sprintf(line, "%s: %.*s\n", who, 1024, table[fd].record);
    if (out(line, size) < 0) done(fd);
  }
}

int main(int argc, char **argv) {
  const char *name = "lab";
  int clients = 1, number = 0, open_ones = 0;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "abstract name, @ for a NUL"},
                   {"clients", &clients, "how many clients to serve"}});
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_un sun;
  memset(&sun, 0, sizeof sun);
  sun.sun_family = AF_UNIX;
  size_t len = strlen(name);
  if (len >= sizeof sun.sun_path) {
    ipc::ReportErrno("name", name, ENAMETOOLONG);
    return 1;
  }
  memcpy(sun.sun_path + 1, name, len);
  for (size_t i = 1; i <= len; i++) {
    if (sun.sun_path[i] == '@') sun.sun_path[i] = '\0';
  }
  int lfd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (lfd < 0) {
    ipc::ReportErrno("socket", name);
    return 1;
  }
  if (bind(lfd, (struct sockaddr *)&sun, len ? 2 + 1 + len : 2) < 0) {
    ipc::ReportErrno("bind", name);
    return 1;
  }
  if (listen(lfd, 5) < 0) {
    ipc::ReportErrno("listen", name);
    return 1;
  }
  socklen_t size = sizeof sun;
  if (getsockname(lfd, (struct sockaddr *)&sun, &size) < 0) {
    ipc::ReportErrno("getsockname", name);
    return 1;
  }
  char line[200];
  int at = sprintf(line, "listening at ");
  for (socklen_t i = 0; i < size - 2; i++) {
    line[at++] = sun.sun_path[i] ? sun.sun_path[i] : '@';
  }
  at += sprintf(line + at, ", %d bytes of address\n", (int)size);
  if (out(line, at) < 0) return 1;

  while (number < clients || open_ones > 0) {
    fd_set set;
    int top = -1, room = 0;
    FD_ZERO(&set);
    open_ones = 0;
    for (int fd = 0; fd < FD_SETSIZE; fd++) {
      if (table[fd].number) {
        FD_SET(fd, &set);
        top = fd;
        open_ones++;
      }
    }
    room = open_ones < FD_SETSIZE - 20;
    if (number < clients && room) {
      FD_SET(lfd, &set);
      if (lfd > top) top = lfd;
    }
    if (top < 0) break;
    if (select(top + 1, &set, nullptr, nullptr, nullptr) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("select", "");
      return 1;
    }
    for (int fd = 0; fd <= top; fd++) {
      if (table[fd].number && FD_ISSET(fd, &set)) serve(fd);
    }
    if (number < clients && FD_ISSET(lfd, &set)) {
      int fd = accept(lfd, nullptr, nullptr);
      if (fd < 0) {
        if (errno == EINTR || errno == EAGAIN) continue;
        ipc::ReportErrno("accept", name);
        failed = 1;
        clients = number;
        close(lfd);
        continue;
      }
      struct ucred peer;
      size = sizeof peer;
      if (fd >= FD_SETSIZE ||
          getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        ipc::ReportErrno("accept", name);
        failed = 1;
        close(fd);
      } else if (peer.uid != geteuid()) {
        fprintf(stderr, "server: accept %s: not for uid %u (pid %d)\n", name,
                peer.uid, peer.pid);
        close(fd);
      } else {
        table[fd].number = ++number;
        table[fd].got = 0;
        open_ones++;
        if (number == clients) close(lfd);
      }
    }
  }
  return failed;
}
