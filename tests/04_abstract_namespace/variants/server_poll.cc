// A variant in one process: poll tells which client has something to read.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "lib/program.h"

namespace {

struct Client {
  int fd;
  int number;
  size_t got = 0;
  char record[1025] = {};
};

bool broken = false;

// Whether the client has ended.
bool Read(Client* client) {
  const ssize_t count =
      recv(client->fd, client->record + client->got, 1024 - client->got, 0);
  if (count < 0 && errno == EINTR) return false;
  if (count > 0) client->got += count;
  if (client->got == 1024) {
    if (dprintf(1, "client %d: %s\n", client->number, client->record) < 0) {
      ipc::ReportErrno("write", "standard output");
      broken = true;
    }
    client->got = 0;
  }
  if (count > 0) return false;
  if (count < 0) {
    ipc::ReportErrno("recv", "client");
    broken = true;
  }
  if (client->got) {
    dprintf(2, "server: recv: %zu bytes of a record\n", client->got);
    broken = true;
  }
  return close(client->fd) == 0;
}

bool IsStranger(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
      peer.uid == geteuid()) {
    return false;
  }
  dprintf(2, "server: uid %u: not one of us\n", peer.uid);
  return true;
}

int Listen(const char* name) {
  const size_t length = strlen(name);
  struct sockaddr_un address;
  memset(&address, 'x', sizeof address);  // Nothing beyond the name matters.
  address.sun_family = AF_UNIX;
  if (length > sizeof address.sun_path - 1) {
    ipc::ReportErrno("bind", name, ENAMETOOLONG);
    return -1;
  }
  address.sun_path[0] = '\0';
  for (size_t i = 0; i < length; ++i) {
    address.sun_path[i + 1] = name[i] == '@' ? '\0' : name[i];
  }
  socklen_t size = sizeof(sa_family_t) + (length ? length + 1 : 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr*)&address, size) < 0 ||
      listen(fd, 5) < 0) {
    ipc::ReportErrno("bind", name);
    return -1;
  }
  size = sizeof address;
  getsockname(fd, (struct sockaddr*)&address, &size);
  fputs("listening at ", stdout);
  for (size_t i = 0; i < size - sizeof(sa_family_t); ++i) {
    putchar(address.sun_path[i] ? address.sun_path[i] : '@');
  }
  printf(", %d bytes of address\n", static_cast<int>(size));
  if (fflush(stdout) == 0) return fd;
  ipc::ReportErrno("write", "standard output");
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "lab";
  int wanted = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"}, {"clients", &wanted, "count"}});
  signal(SIGPIPE, SIG_IGN);
  const int listener = Listen(name);
  if (listener < 0) return 1;
  std::vector<Client> clients;
  int accepted = 0;
  while (accepted < wanted || !clients.empty()) {
    std::vector<pollfd> fds = {{accepted < wanted ? listener : -1, POLLIN, 0}};
    for (const Client& client : clients) fds.push_back({client.fd, POLLIN, 0});
    if (poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("poll", name);
      return 1;
    }
    for (size_t i = clients.size(); i-- > 0;) {
      if (fds[i + 1].revents && Read(&clients[i])) {
        clients.erase(clients.begin() + static_cast<int>(i));
      }
    }
    if (!fds[0].revents) continue;
    const int client = accept(listener, nullptr, nullptr);
    if (client < 0 && errno == EINTR) continue;
    if (client < 0) {
      ipc::ReportErrno("accept", name);
      return 1;
    }
    if (IsStranger(client)) {
      close(client);
    } else {
      clients.push_back({client, ++accepted});
    }
  }
  return broken ? 1 : 0;
}
