// The requests in a map, and in a queue for when to forget them; each datagram
// in a string of just its length.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <queue>
#include <string>
#include <utility>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

constexpr size_t kRemembered = 500;

struct Address {
  Address() : size(sizeof(storage)) {}
  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&storage); }
  std::string Text() {
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    getnameinfo(generic(), size, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    const std::string shown = host;
    return (storage.ss_family == AF_INET ? shown : "[" + shown + "]") + ":" +
           port;
  }
  sockaddr_storage storage;
  socklen_t size;
};

[[noreturn]] void Die(const char* operation, const char* object) {
  ipc::ReportErrno(operation, object);
  exit(1);
}

ipc::UniqueFd Bind(const char* host, const char* port) {
  addrinfo hints = {}, *found;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST;
  const int error = getaddrinfo(host, port, &hints, &found);
  if (error != 0) {
    ipc::Report("getaddrinfo", host, gai_strerror(error));
    exit(1);
  }
  ipc::UniqueFd fd(socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) Die("socket", host);
  const int off = 0;
  if (found->ai_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(fd.get(), found->ai_addr, found->ai_addrlen) < 0) Die("bind", host);
  freeaddrinfo(found);
  return fd;
}

class Memory {
 public:
  using Key = std::pair<std::string, std::string>;  // Who, and which.

  // The number of that request; whether it is new.
  bool Number(const Key& key, unsigned* number) {
    const auto known = numbers_.find(key);
    if (known != numbers_.end()) {
      *number = known->second;
      return false;
    }
    if (keys_.size() == kRemembered) {
      numbers_.erase(keys_.front());
      keys_.pop();
    }
    keys_.push(key);
    *number = numbers_[key] = ++count_;
    return true;
  }
  unsigned count() const { return count_; }

 private:
  std::map<Key, unsigned> numbers_;
  std::queue<Key> keys_;
  unsigned count_ = 0;
};

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
  char* end;
  const long number = strtol(port, &end, 10);
  if (*end || !*port || number < 0 || number > 65535) {
    ipc::Report("--port", port, "not a number from 0 to 65535");
    return 2;
  }
  const ipc::UniqueFd server = Bind(host, port);
  Address name;
  getsockname(server.get(), name.generic(), &name.size);
  setvbuf(stdout, nullptr, _IOLBF, 0);
  printf("waiting at %s\n", name.Text().c_str());

  Memory memory;
  long passed = 0;
  const auto lost = [&](size_t size, const char* how, const std::string& who) {
    if (lose == 0 || ++passed % lose != 0) return false;
    printf("lost %zu bytes %s %s\n", size, how, who.c_str());
    return true;
  };
  int status = 0;
  std::string datagram;
  while (memory.count() < static_cast<unsigned>(requests)) {
    // First how long it is, then all of it.
    const ssize_t waiting =
        recv(server.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (waiting < 0 && errno == EINTR) continue;
    if (waiting < 0) Die("recv", "");
    datagram.resize(waiting);
    Address from;
    ssize_t count;
    do {
      count = recvfrom(server.get(), &datagram[0], datagram.size(), 0,
                       from.generic(), &from.size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) Die("recvfrom", "");
    const std::string who = from.Text();
    if (lost(datagram.size(), "from", who)) continue;
    if (datagram.size() < 8 ||
        datagram.compare(4, 4, std::string(4, '\0')) != 0) {
      ipc::Report("recvfrom", who.c_str(), "that is no request");
      status = 1;
      continue;
    }

    unsigned index;
    if (memory.Number({who, datagram.substr(0, 4)}, &index)) {
      printf("request %u: %zu bytes from %s\n", index, datagram.size(),
             who.c_str());
    } else {
      printf("request %u: again from %s\n", index, who.c_str());
    }
    for (int i = 0; i < 4; ++i) {
      datagram[4 + i] = static_cast<char>(index >> (24 - 8 * i));
    }
    if (lost(datagram.size(), "to", who)) continue;
    ssize_t sent;
    do {
      sent = sendto(server.get(), datagram.data(), datagram.size(), 0,
                    from.generic(), from.size);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
      ipc::ReportErrno("sendto", who.c_str());
      status = 1;
    }
  }
  if (ferror(stdout)) {
    ipc::Report("printf", "stdout", "a line could not be printed");
    return 1;
  }
  return status;
}
