// A thread for each client, which may block as it likes; addresses by hand.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

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

std::atomic<bool> all_well{true};
std::mutex mutex;
std::condition_variable one_is_done;
int served_now = 0;  // Clients. Guarded by mutex.

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

std::string NameOf(const Address& address) {
  char host[INET6_ADDRSTRLEN];
  if (address.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof(host));
    return std::string(host) + ":" + std::to_string(ntohs(address.v4.sin_port));
  }
  inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof(host));
  return "[" + std::string(host) +
         "]:" + std::to_string(ntohs(address.v6.sin6_port));
}

std::string LocalName(int fd) {
  Address address;
  socklen_t size = sizeof(address);
  getsockname(fd, &address.any, &size);
  return NameOf(address);
}

bool SendAll(int fd, const std::string& text) {
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t count =
        send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    sent += count;
  }
  return true;
}

// Why it went wrong, "" if it did not.
std::string Talk(int fd, int* lines, int* error) {
  std::string waiting;
  char buffer[65536];
  while (true) {
    const ssize_t count = recv(fd, buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      *error = errno;
      return "recv";
    }
    if (count == 0) {
      if (waiting.empty()) return "";
      return "end of file after " + std::to_string(waiting.size()) + " bytes";
    }
    waiting.append(buffer, count);
    size_t start = 0, end;
    while ((end = waiting.find('\n', start)) != std::string::npos) {
      if (end - start >= kLineSize) return "a line of more than 1024 bytes";
      if (!SendAll(fd, std::to_string(++*lines) + ": " +
                           waiting.substr(start, end + 1 - start))) {
        *error = errno;
        return "send";
      }
      start = end + 1;
    }
    waiting.erase(0, start);
    if (waiting.size() >= kLineSize) return "a line of more than 1024 bytes";
  }
}

void Serve(ipc::UniqueFd client, int number) {
  int lines = 0, error = 0;
  const std::string who = "client " + std::to_string(number);
  const std::string problem = Talk(client.get(), &lines, &error);
  if (error) {
    ipc::ReportErrno(problem.c_str(), who.c_str(), error);
  } else if (!problem.empty()) {
    ipc::Report("recv", who.c_str(), problem.c_str());
  }
  if (!problem.empty()) all_well = false;
  printf("client %d: gone after %d lines\n", number, lines);
  Flush();
  client.reset();
  const std::lock_guard<std::mutex> lock(mutex);
  --served_now;
  one_is_done.notify_all();
}

}  // namespace

int main(int argc, char** argv) {
  const char* host = "127.0.0.1";
  const char* port = "0";
  int clients = 1;
  ipc::ParseFlags(
      argc, argv,
      {{"address", &host, ""}, {"port", &port, ""}, {"clients", &clients, ""}});
  char* end;
  const long number = strtol(port, &end, 10);
  if (*end || end == port || number < 0 || number > 65535) {
    ipc::Report("--port", port, "no port");
    return 2;
  }
  Address address = {};
  socklen_t size;
  if (inet_pton(AF_INET, host, &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(static_cast<uint16_t>(number));
    size = sizeof(address.v4);
  } else {
    address = {};
    if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) != 1) {
      ipc::Report("--address", host, "no address");
      return 1;
    }
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(static_cast<uint16_t>(number));
    size = sizeof(address.v6);
  }
  const ipc::UniqueFd listener(
      socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1, off = 0;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.any.sa_family == AF_INET6) {
    setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(listener.get(), &address.any, size) < 0 ||
      listen(listener.get(), SOMAXCONN) < 0) {
    ipc::ReportErrno("bind", host);
    return 1;
  }
  printf("listening on %s\n", LocalName(listener.get()).c_str());
  Flush();
  int k = 0;
  while (k < clients) {
    Address peer;
    socklen_t length = sizeof(peer);
    ipc::UniqueFd client(
        accept4(listener.get(), &peer.any, &length, SOCK_CLOEXEC));
    if (!client.valid() && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!client.valid()) {
      ipc::ReportErrno("accept", host);
      return 1;
    }
    ++k;
    printf("client %d: %s connected to %s\n", k, NameOf(peer).c_str(),
           LocalName(client.get()).c_str());
    Flush();
    {
      const std::lock_guard<std::mutex> lock(mutex);
      ++served_now;
    }
    // Detached: a thread that somebody is still to join keeps its stack.
    std::thread(Serve, std::move(client), k).detach();
  }
  std::unique_lock<std::mutex> lock(mutex);
  one_is_done.wait(lock, [] { return served_now == 0; });
  return all_well ? 0 : 1;
}
