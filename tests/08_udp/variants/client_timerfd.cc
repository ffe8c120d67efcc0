// One epoll waits for the socket and for a clock, a timerfd: no reckoning of
// what is left. recvmsg into two buffers.
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "lib/program.h"

namespace {

[[noreturn]] void Die(const char* operation, int error = errno) {
  ipc::ReportErrno(operation, "server", error);
  exit(1);
}

std::string Name(int fd, decltype(getpeername)* get) {
  sockaddr_storage address;
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (get(fd, generic, &size) < 0) Die("name");
  getnameinfo(generic, size, host, sizeof(host), port, sizeof(port),
              NI_NUMERICHOST | NI_NUMERICSERV);
  return (address.ss_family == AF_INET ? std::string(host)
                                       : "[" + std::string(host) + "]") +
         ":" + port;
}

struct Message {
  uint32_t header[2] = {};
  std::vector<char> text;
};

// The pieces of a message, for sendmsg and recvmsg.
struct Pieces {
  explicit Pieces(Message* message)
      : parts{{message->header, sizeof(message->header)},
              {message->text.data(), message->text.size()}} {
    both.msg_iov = parts;
    both.msg_iovlen = 2;
  }
  iovec parts[2];
  msghdr both = {};
};

class Client {
 public:
  explicit Client(int server)
      : server_(server),
        clock_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (clock_ < 0) Die("timerfd_create");
    if (epoll_ < 0) Die("epoll_create1");
    for (int fd : {server_, clock_}) {
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.fd = fd;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0) Die("epoll_ctl");
    }
    answer_.text.resize(65536);
  }

  // Whether it was answered in time.
  bool Ask(Message* request, int64_t ms) {
    Pieces pieces(request);
    while (sendmsg(server_, &pieces.both, 0) < 0) {
      if (errno != EINTR) Die("sendmsg");
    }
    itimerspec when = {};
    when.it_value.tv_sec = ms / 1000;
    when.it_value.tv_nsec = ms % 1000 * 1000000;
    if (timerfd_settime(clock_, 0, &when, nullptr) < 0) Die("timerfd_settime");
    while (true) {
      epoll_event events[2];
      const int count = epoll_wait(epoll_, events, 2, -1);
      bool over = false;
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == clock_) {
          over = true;
        } else if (Receive(*request)) {
          return true;
        }
      }
      if (over) return false;
    }
  }

 private:
  bool Receive(const Message& request) {
    Pieces pieces(&answer_);
    const ssize_t count = recvmsg(server_, &pieces.both, MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN && errno != EINTR) Die("recvmsg");
    if (count < 8 || answer_.header[0] != request.header[0]) return false;
    if (answer_.header[1] == 0) return false;
    printf("%u: ", ntohl(answer_.header[1]));
    fwrite(answer_.text.data(), 1, count - 8, stdout);
    printf("\n");
    fflush(stdout);
    return true;
  }

  int server_, clock_, epoll_;
  Message answer_;
};

}  // namespace

int main(int argc, char** argv) {
  const char* host = "127.0.0.1";
  const char* port = "";
  int timeout_ms = 1000, tries = 5;
  const int first = ipc::ParseFlags(argc, argv,
                                    {{"address", &host, "the server's host"},
                                     {"port", &port, "the server's port"},
                                     {"timeout", &timeout_ms, "milliseconds"},
                                     {"tries", &tries, "how often to send"}},
                                    "MESSAGE...");
  char* end;
  const unsigned long number = strtoul(port, &end, 10);
  if (*end || number == 0 || number > 65535) {
    ipc::Report("--port", port, "not a port");
    return 2;
  }
  addrinfo hints = {}, *address;
  hints.ai_socktype = SOCK_DGRAM;
  const int error = getaddrinfo(host, port, &hints, &address);
  if (error != 0) {
    ipc::Report("getaddrinfo", host, gai_strerror(error));
    return 1;
  }
  const int server = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (server < 0) Die("socket");
  if (connect(server, address->ai_addr, address->ai_addrlen) < 0) {
    Die("connect");
  }
  freeaddrinfo(address);
  printf("%s connected to %s\n", Name(server, getsockname).c_str(),
         Name(server, getpeername).c_str());
  fflush(stdout);

  Client client(server);
  uint32_t sequence = std::random_device{}();
  for (int i = first; i < argc; ++i) {
    Message request;
    request.header[0] = htonl(sequence++);
    request.text.assign(argv[i], argv[i] + strlen(argv[i]));
    int64_t wait = timeout_ms;
    for (int tried = 1; !client.Ask(&request, wait); ++tried, wait *= 2) {
      if (tried == tries) Die("recvmsg", ETIMEDOUT);
      printf("no answer to request %d, again\n", i - first + 1);
      fflush(stdout);
    }
  }
  if (ferror(stdout)) {
    ipc::Report("printf", "stdout", "a line could not be printed");
    return 1;
  }
  return 0;
}
