// Answers the requests that come by UDP, each with its number, and carries out
// none of them twice, however often it comes.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr size_t kMostBytes = 65536;  // More than any datagram has.
constexpr uint32_t kRemembered = 64;

// What is in front of the text, in network byte order.
struct Header {
  uint32_t sequence;
  uint32_t number;
};

// A socket's name: for the kernel, and as people write it.
struct Name {
  void Write() {
    char host[INET6_ADDRSTRLEN], port[sizeof("65535")];
    if (getnameinfo(generic(), size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
      snprintf(text, sizeof(text),
               address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
  }
  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address); }

  sockaddr_storage address;          // Of whatever family.
  socklen_t size = sizeof(address);  // At first, how much room there is.
  char text[80] = "(no name)";
};

// A request that was carried out.
struct Request {
  char client[sizeof(Name::text)];
  uint32_t sequence;
  uint32_t number;  // 0: there is none here.
};

// A UDP socket bound to `host` and `port`; -1 after reporting why not.
int Bind(const char* host, const char* port) {
  addrinfo hints = {}, *address;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_DGRAM;
  const int error = getaddrinfo(host, port, &hints, &address);
  if (error != 0) {
    ipc::Report("getaddrinfo", host, gai_strerror(error));
    return -1;
  }
  // No SO_REUSEADDR: UDP leaves nothing behind that would keep the port, and
  // two servers could have it with that, one of which hears nothing.
  int server =
      socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, 0);
  const int off = 0;
  const char* failed = nullptr;
  if (server < 0) {
    failed = "socket";
  } else if (address->ai_family == AF_INET6 &&
             setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) <
                 0) {
    failed = "setsockopt";
  } else if (bind(server, address->ai_addr, address->ai_addrlen) < 0) {
    failed = "bind";
  }
  if (failed) {
    ipc::ReportErrno(failed, host);
    if (server >= 0) close(server);
    server = -1;
  }
  freeaddrinfo(address);
  return server;
}

class Server {
 public:
  // Every `lose`th datagram gets lost, if that is not 0.
  Server(int socket, int lose) : socket_(socket), lose_(lose) {}

  // Serves until `expected` requests have been answered; whether all went well.
  bool Serve(uint32_t expected) {
    bool all_well = true;
    while (answered_ < expected) {
      Name client;
      const ssize_t count = recvfrom(socket_, bytes_, sizeof(bytes_), 0,
                                     client.generic(), &client.size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        ipc::ReportErrno("recvfrom", "");
        return false;
      }
      client.Write();
      if (!Loses(count, "from", client) && !Answer(count, &client)) {
        all_well = false;
      }
    }
    return all_well;
  }

 private:
  // Whether this datagram is one that gets lost.
  bool Loses(size_t size, const char* direction, const Name& client) {
    if (lose_ == 0 || ++datagrams_ % lose_ != 0) return false;
    printf("lost %zu bytes %s %s\n", size, direction, client.text);
    fflush(stdout);
    return true;
  }

  // The number of a request that has been carried out; 0 if it is new.
  uint32_t Find(const Name& client, uint32_t sequence) const {
    for (const Request& known : requests_) {
      if (known.number != 0 && known.sequence == sequence &&
          strcmp(known.client, client.text) == 0) {
        return known.number;
      }
    }
    return 0;
  }

  // Carries out a new request, which is to count it. Its number.
  uint32_t CarryOut(const Name& client, uint32_t sequence) {
    Request* const oldest = &requests_[answered_ % kRemembered];
    strcpy(oldest->client, client.text);
    oldest->sequence = sequence;
    oldest->number = ++answered_;
    return oldest->number;
  }

  // Answers the `size` bytes that came from `client`. Whether they were a
  // request, and the answer is on its way.
  bool Answer(size_t size, Name* client) {
    Header header = {};
    if (size >= sizeof(header)) memcpy(&header, bytes_, sizeof(header));
    if (size < sizeof(header) || header.number != 0) {
      ipc::Report("recvfrom", client->text, "not a request");
      return false;
    }
    uint32_t number = Find(*client, header.sequence);
    if (number != 0) {
      // Our answer was lost, or is late. Another one, and that is all.
      printf("request %u: again from %s\n", number, client->text);
    } else {
      number = CarryOut(*client, header.sequence);
      printf("request %u: %zu bytes from %s\n", number, size, client->text);
    }
    fflush(stdout);

    header.number = htonl(number);
    memcpy(bytes_, &header, sizeof(header));
    if (Loses(size, "to", *client)) return true;
    ssize_t sent;
    do {
      sent = sendto(socket_, bytes_, size, 0, client->generic(), client->size);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) ipc::ReportErrno("sendto", client->text);
    return sent >= 0;
  }

  const int socket_;
  const int lose_;
  uint64_t datagrams_ = 0;  // That came or went.
  uint32_t answered_ = 0;   // Requests, each once.
  Request requests_[kRemembered] = {};
  char bytes_[kMostBytes];
};

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
  int requests = 1;
  int lose = 0;
  ipc::ParseFlags(argc, argv,
                  {{"address", &host, "IPv4 or IPv6 address, in numbers"},
                   {"port", &port, "0 to 65535; 0: the kernel chooses"},
                   {"requests", &requests, "how many requests to answer"},
                   {"lose", &lose, "loses every Kth datagram; default: none"}});
  if (!IsPort(port)) {
    ipc::Report("--port", port, "not a number from 0 to 65535");
    return 2;
  }

  const int socket = Bind(host, port);
  if (socket < 0) return 1;
  Name name;
  if (getsockname(socket, name.generic(), &name.size) == 0) name.Write();
  printf("waiting at %s\n", name.text);
  fflush(stdout);
  const bool all_well = Server(socket, lose).Serve(requests);
  close(socket);
  if (ferror(stdout)) {
    ipc::Report("write", "stdout", "a line could not be printed");
    return 1;
  }
  return all_well ? 0 : 1;
}
