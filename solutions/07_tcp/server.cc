// Answers the lines of many TCP clients at once, in one process that waits only
// in poll.
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kLineSize = 1024;  // At most, with its newline.
constexpr int kMostClients = 64;
constexpr int kBacklog = 64;

struct Client {
  int socket;
  int number;
  int lines;                 // How many it has sent.
  char in[kLineSize];        // What it sent and was not answered yet.
  int got;                   // Bytes of that.
  char out[kLineSize + 16];  // The answer that is on its way.
  int out_size, sent;        // Bytes of that.
};

// The name of one end of a connection, as people write it. `get_name` is
// getsockname or getpeername.
struct Name {
  Name(int fd, int (*get_name)(int, sockaddr*, socklen_t*)) {
    sockaddr_storage address;  // Of whatever family.
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    char host[INET6_ADDRSTRLEN], port[sizeof("65535")];
    if (get_name(fd, generic, &size) == 0 &&
        getnameinfo(generic, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
      snprintf(text, sizeof(text),
               address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
  }
  char text[80] = "(gone)";
};

// A non-blocking socket that listens at `address`; -1 after reporting why not.
int ListenAt(const addrinfo& address, const char* host) {
  const int listener = socket(
      address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) {
    ipc::ReportErrno("socket", host);
    return -1;
  }
  // What is left of connections of our last run shall not keep us from our
  // port. And :: is to mean IPv4 too, whatever this machine's default.
  const int on = 1, off = 0;
  const char* failed = nullptr;
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
      (address.ai_family == AF_INET6 &&
       setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) <
           0)) {
    failed = "setsockopt";
  } else if (bind(listener, address.ai_addr, address.ai_addrlen) < 0) {
    failed = "bind";
  } else if (listen(listener, kBacklog) < 0) {
    failed = "listen";
  }
  if (!failed) return listener;
  ipc::ReportErrno(failed, host);
  close(listener);
  return -1;
}

int Listen(const char* host, const char* port) {
  addrinfo hints = {}, *address;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host, port, &hints, &address);
  if (error != 0) {
    ipc::Report("getaddrinfo", host, gai_strerror(error));
    return -1;
  }
  const int listener = ListenAt(*address, host);
  freeaddrinfo(address);
  return listener;
}

// Sends the rest of the answer, or as much of it as there is room for now.
// False when the connection is no good any more.
bool SendAnswer(Client* client) {
  while (client->sent < client->out_size) {
    const ssize_t count = send(client->socket, client->out + client->sent,
                               client->out_size - client->sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    client->sent += static_cast<int>(count);
  }
  return true;
}

// Takes the first line from what the client sent, and makes its answer. False
// when there is no whole line.
bool TakeLine(Client* client) {
  const void* newline = memchr(client->in, '\n', client->got);
  if (!newline) return false;
  const int size =
      static_cast<int>(static_cast<const char*>(newline) - client->in) + 1;
  const int prefix =
      snprintf(client->out, sizeof(client->out), "%d: ", ++client->lines);
  memcpy(client->out + prefix, client->in, size);
  client->out_size = prefix + size;
  client->sent = 0;
  client->got -= size;
  memmove(client->in, client->in + size, client->got);
  return true;
}

enum class State { kGoesOn, kEnded, kFailed };

State Problem(const Client& client, const char* operation, const char* what) {
  char who[32];
  snprintf(who, sizeof(who), "client %d", client.number);
  if (what) {
    ipc::Report(operation, who, what);
  } else {
    ipc::ReportErrno(operation, who);
  }
  return State::kFailed;
}

// Does what can be done for the client without waiting. Reads but once, so that
// nobody who sends and sends keeps the others from their turn.
State Serve(Client* client) {
  bool ended = false;
  if (client->sent == client->out_size) {
    const ssize_t count = recv(client->socket, client->in + client->got,
                               kLineSize - client->got, 0);
    if (count < 0) {
      return errno == EAGAIN || errno == EINTR
                 ? State::kGoesOn
                 : Problem(*client, "recv", nullptr);
    }
    ended = count == 0;
    client->got += static_cast<int>(count);
  }
  do {
    if (!SendAnswer(client)) return Problem(*client, "send", nullptr);
    // The next line is for when this answer has gone out: a client that does
    // not read is not read from either, or its answers would fill our memory.
    if (client->sent < client->out_size) return State::kGoesOn;
  } while (TakeLine(client));

  char problem[64];
  if (client->got == kLineSize) {
    snprintf(problem, sizeof(problem), "a line of more than %d bytes",
             kLineSize);
    return Problem(*client, "recv", problem);
  }
  if (ended && client->got > 0) {
    snprintf(problem, sizeof(problem), "end of file after %d bytes of a line",
             client->got);
    return Problem(*client, "recv", problem);
  }
  return ended ? State::kEnded : State::kGoesOn;
}

// stdout to a pipe or a file keeps back what is printed until this; whether it
// took it all. Reports why not.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "standard output");
  return false;
}

// Takes in the next client; false when there is none after all, or on error.
bool Accept(int listener, int number, Client* client) {
  const int socket =
      accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket < 0) return false;
  client->socket = socket;
  client->number = number;
  client->lines = client->got = client->out_size = client->sent = 0;
  printf("client %d: %s connected to %s\n", number,
         Name(socket, getpeername).text, Name(socket, getsockname).text);
  return true;
}

// Serves `expected` clients; whether all went well.
bool ServeClients(int listener, int expected) {
  static Client clients[kMostClients];
  bool all_well = true;
  int accepted = 0, count = 0;
  while (accepted < expected || count > 0) {
    pollfd waiting[kMostClients + 1];
    for (int i = 0; i < count; ++i) {
      const bool unsent = clients[i].sent < clients[i].out_size;
      waiting[i] = {clients[i].socket,
                    static_cast<short>(unsent ? POLLOUT : POLLIN), 0};
    }
    // A negative descriptor is none to poll: no room, or nobody to come.
    const bool accepts = accepted < expected && count < kMostClients;
    waiting[count] = {accepts ? listener : -1, POLLIN, 0};
    if (poll(waiting, count + 1, -1) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("poll", "");
      return false;
    }

    const bool somebody_comes = waiting[count].revents != 0;
    for (int i = count - 1; i >= 0; --i) {  // The last takes a free place.
      if (waiting[i].revents == 0) continue;
      const State state = Serve(&clients[i]);
      if (state == State::kGoesOn) continue;
      if (state == State::kFailed) all_well = false;
      printf("client %d: gone after %d lines\n", clients[i].number,
             clients[i].lines);
      close(clients[i].socket);
      clients[i] = clients[--count];
      if (!Flush()) return false;
    }
    if (!somebody_comes) continue;
    if (Accept(listener, accepted + 1, &clients[count])) {
      ++accepted;
      ++count;
      if (!Flush()) return false;
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      ipc::ReportErrno("accept", "");
      return false;
    }
  }
  return all_well;
}

// Whether `text` is a port: getaddrinfo would take 65536 for 0.
bool IsPort(const char* text) {
  char* end;
  const long port = strtol(text, &end, 10);
  return *text >= '0' && *text <= '9' && !*end && port <= 65535;
}

}  // namespace

int main(int argc, char** argv) {
  const char* host = "127.0.0.1";
  const char* port = "0";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"address", &host, "IPv4 or IPv6 address, in numbers"},
                   {"port", &port, "0 to 65535; 0: the kernel chooses"},
                   {"clients", &clients, "how many clients to serve"}});
  if (!IsPort(port)) {
    ipc::Report("--port", port, "not a number from 0 to 65535");
    return 2;
  }

  const int listener = Listen(host, port);
  if (listener < 0) return 1;
  printf("listening on %s\n", Name(listener, getsockname).text);
  const bool all_well = Flush() && ServeClients(listener, clients);
  close(listener);
  return all_well ? 0 : 1;
}
