// One process, epoll, and buffers that grow; a client is read from while its
// answers are few.
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

// A line that cannot be printed is the end.
void Flush() {
  if (fflush(stdout) == 0) return;
  ipc::ReportErrno("write", "standard output");
  exit(1);
}

constexpr size_t kLineSize = 1024;
constexpr size_t kManyAnswers = 1 << 16;

struct Client {
  ipc::UniqueFd socket;
  int number = 0;
  int lines = 0;
  std::string in, out;
  bool ended = false, over = false, failed = false;
};

std::string NameBy(int (*get_name)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  char host[64], port[8];
  if (get_name(fd, generic, &size) < 0 ||
      getnameinfo(generic, size, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "(gone)";
  }
  const bool v6 = address.ss_family == AF_INET6;
  return (v6 ? "[" : "") + std::string(host) + (v6 ? "]:" : ":") + port;
}

void Fail(Client* client, const char* call, const std::string& problem) {
  const std::string who = "client " + std::to_string(client->number);
  if (problem.empty()) {
    ipc::ReportErrno(call, who.c_str());
  } else {
    ipc::Report(call, who.c_str(), problem.c_str());
  }
  client->over = client->failed = true;
}

void Send(Client* client) {
  size_t sent = 0;
  while (sent < client->out.size()) {
    const ssize_t count = write(client->socket.get(), &client->out[sent],
                                client->out.size() - sent);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) return Fail(client, "write", "");
    sent += count;
  }
  client->out.erase(0, sent);
}

void Read(Client* client) {
  char buffer[16384];
  const ssize_t count = read(client->socket.get(), buffer, sizeof(buffer));
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count < 0) return Fail(client, "read", "");
  client->ended = count == 0;
  client->in.append(buffer, count);
  size_t start = 0;
  while (true) {
    const size_t end = client->in.find('\n', start);
    const size_t size =
        (end == std::string::npos ? client->in.size() : end + 1) - start;
    if (size > kLineSize || (size == kLineSize && end == std::string::npos)) {
      return Fail(client, "read", "a line is longer than 1024 bytes");
    }
    if (end == std::string::npos) break;
    client->out += std::to_string(++client->lines) + ": ";
    client->out.append(client->in, start, size);
    start = end + 1;
  }
  client->in.erase(0, start);
}

}  // namespace

int main(int argc, char** argv) {
  const char* host = "127.0.0.1";
  const char* port = "0";
  int expected = 1;
  ipc::ParseFlags(argc, argv,
                  {{"address", &host, ""},
                   {"port", &port, ""},
                   {"clients", &expected, ""}});
  char* end;
  const unsigned long number = strtoul(port, &end, 10);
  if (*end || *port == '-' || end == port || number > 65535) {
    ipc::Report("--port", port, "no port");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  addrinfo hints = {}, *found;
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host, port, &hints, &found);
  if (error) {
    ipc::Report("getaddrinfo", host, gai_strerror(error));
    return 1;
  }
  const ipc::UniqueFd listener(
      socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1, off = 0;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(listener.get(), found->ai_addr, found->ai_addrlen) < 0 ||
      listen(listener.get(), 100) < 0) {
    ipc::ReportErrno("bind", host);
    return 1;
  }
  freeaddrinfo(found);
  printf("listening on %s\n", NameBy(getsockname, listener.get()).c_str());
  Flush();

  const ipc::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event = {EPOLLIN, {}};
  event.data.fd = listener.get();
  epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &event);
  std::map<int, Client> clients;
  int accepted = 0;
  bool all_well = true;
  while (accepted < expected || !clients.empty()) {
    epoll_event events[16];
    const int count = epoll_wait(epoll.get(), events, 16, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener.get()) {
        Client client;
        client.socket.reset(
            accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client.socket.valid()) continue;
        client.number = ++accepted;
        const int socket = client.socket.get();
        printf("client %d: %s connected to %s\n", accepted,
               NameBy(getpeername, socket).c_str(),
               NameBy(getsockname, socket).c_str());
        Flush();
        event.events = EPOLLIN;
        event.data.fd = socket;
        epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket, &event);
        clients[socket] = std::move(client);
        if (accepted == expected) {
          epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
        }
        continue;
      }
      Client& client = clients[fd];
      if (client.out.size() < kManyAnswers && !client.ended) Read(&client);
      if (!client.over || !client.out.empty()) Send(&client);
      if (client.ended && client.out.empty() && !client.over) {
        client.over = true;
        if (!client.in.empty()) {
          Fail(&client, "read",
               "ended after " + std::to_string(client.in.size()) +
                   " bytes of a line");
        }
      }
      if (client.over) {
        if (client.failed) all_well = false;
        printf("client %d: gone after %d lines\n", client.number, client.lines);
        Flush();
        clients.erase(fd);
        continue;
      }
      event.events = 0;
      if (client.out.size() < kManyAnswers && !client.ended) {
        event.events |= EPOLLIN;
      }
      if (!client.out.empty()) event.events |= EPOLLOUT;
      event.data.fd = fd;
      epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event);
    }
  }
  return all_well ? 0 : 1;
}
