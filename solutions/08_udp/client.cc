// Asks the server by UDP, which may lose what is asked and what is answered: so
// it asks again, and knows the answers by their sequence numbers.
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr size_t kMostBytes = 65536;  // More than any datagram has.
constexpr int kLongWaitMs = 60 * 1000;

// What is in front of the text, in network byte order.
struct Header {
  uint32_t sequence;
  uint32_t number;
};

// The name of one end, as people write it. `get_name` is getsockname or
// getpeername.
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
  char text[80] = "(no name)";
};

// A UDP socket connected to the first address of `host` that can be; -1 after
// reporting why not. Nothing is sent: that nobody is there shows later. But
// from now on the kernel lets in what that one sends, and nobody else.
int Connect(const char* host, const char* port) {
  addrinfo hints = {}, *addresses;
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_socktype = SOCK_DGRAM;
  const int error = getaddrinfo(host, port, &hints, &addresses);
  if (error != 0) {
    ipc::Report("getaddrinfo", host, gai_strerror(error));
    return -1;
  }
  int server = -1;
  for (const addrinfo* one = addresses; one && server < 0; one = one->ai_next) {
    server = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, 0);
    if (server < 0 || connect(server, one->ai_addr, one->ai_addrlen) == 0) {
      continue;
    }
    const int why = errno;
    close(server);
    server = -1;
    errno = why;
  }
  if (server < 0) ipc::ReportErrno("connect", host);
  freeaddrinfo(addresses);
  return server;
}

// Of a clock that nobody sets.
int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

bool Failed(const char* operation, int server) {
  const int error = errno;
  ipc::ReportErrno(operation, Name(server, getpeername).text, error);
  return false;
}

// One datagram of two pieces, so that the text need not be copied.
bool Send(int server, const Header& header, char* text) {
  iovec pieces[] = {{const_cast<Header*>(&header), sizeof(header)},
                    {text, strlen(text)}};
  ssize_t count;
  do {
    count = writev(server, pieces, 2);
  } while (count < 0 && errno == EINTR);
  return count >= 0 || Failed("writev", server);
}

// Waits until `deadline` for the answer to `request`, and prints it. Whether
// nothing failed; `answered` is whether it came.
bool AwaitAnswer(int server, const Header& request, int64_t deadline,
                 bool* answered) {
  static char bytes[kMostBytes];
  while (!*answered) {
    // The deadline stands, whatever else comes meanwhile.
    const int64_t left = deadline - NowMs();
    if (left <= 0) return true;
    pollfd waiting = {server, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return Failed("poll", server);
    if (ready <= 0) continue;

    // A datagram with a wrong checksum wakes poll, and is not there after all.
    const ssize_t count = recv(server, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) return Failed("recv", server);
    Header answer = {};
    if (count < static_cast<ssize_t>(sizeof(answer))) continue;
    memcpy(&answer, bytes, sizeof(answer));
    // Late, or there already: the answer to another request.
    if (answer.sequence != request.sequence || answer.number == 0) continue;
    printf("%u: ", ntohl(answer.number));
    fwrite(bytes + sizeof(answer), 1, count - sizeof(answer), stdout);
    printf("\n");
    fflush(stdout);
    *answered = true;
  }
  return true;
}

// Sends request `index` until it is answered, `tries` times at most.
bool Ask(int server, int index, uint32_t sequence, char* text, int timeout_ms,
         int tries) {
  const Header request = {htonl(sequence), 0};
  for (int i = 0; i < tries; ++i) {
    if (i > 0) {
      printf("no answer to request %d, again\n", index);
      fflush(stdout);
      // Who is too busy to answer is not helped by being asked more often.
      if (timeout_ms < kLongWaitMs) timeout_ms *= 2;
    }
    if (!Send(server, request, text)) return false;
    bool answered = false;
    if (!AwaitAnswer(server, request, NowMs() + timeout_ms, &answered)) {
      return false;
    }
    if (answered) return true;
  }
  errno = ETIMEDOUT;
  return Failed("recv", server);
}

bool AskAll(int server, char** messages, int count, int timeout_ms, int tries) {
  printf("%s connected to %s\n", Name(server, getsockname).text,
         Name(server, getpeername).text);
  fflush(stdout);
  // Our port may have been somebody else's a moment ago: the server shall not
  // take our requests for his, nor we his answers for ours.
  uint32_t sequence;
  if (getrandom(&sequence, sizeof(sequence), 0) < 0) {
    ipc::ReportErrno("getrandom", "");
    return false;
  }
  for (int i = 0; i < count; ++i) {
    if (!Ask(server, i + 1, sequence++, messages[i], timeout_ms, tries)) {
      return false;
    }
  }
  return true;
}

// Whether `text` is a port: getaddrinfo would take 65536 for 0.
bool IsPort(const char* text) {
  char* end;
  const long port = strtol(text, &end, 10);
  return *text >= '0' && *text <= '9' && !*end && port > 0 && port <= 65535;
}

}  // namespace

int main(int argc, char** argv) {
  const char* host = "127.0.0.1";
  const char* port = "";
  int timeout_ms = 1000;
  int tries = 5;
  const int first = ipc::ParseFlags(
      argc, argv,
      {{"address", &host, "address or name of the server's machine"},
       {"port", &port, "the server's port"},
       {"timeout", &timeout_ms, "milliseconds to wait for the first answer"},
       {"tries", &tries, "how often to send a request"}},
      "MESSAGE...");
  if (!IsPort(port)) {
    ipc::Report("--port", port, "not a number from 1 to 65535");
    return 2;
  }

  const int server = Connect(host, port);
  if (server < 0) return 1;
  const bool all_well =
      AskAll(server, argv + first, argc - first, timeout_ms, tries);
  close(server);
  if (ferror(stdout)) {
    ipc::Report("write", "stdout", "a line could not be printed");
    return 1;
  }
  return all_well ? 0 : 1;
}
