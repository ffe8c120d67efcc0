// Sends lines to the server by TCP, and prints its answers.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr size_t kLineSize = 1024;  // At most, with its newline.

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

// A socket connected to `address`; -1 with errno.
int ConnectTo(const addrinfo& address) {
  const int server =
      socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, 0);
  if (server < 0) return -1;
  if (connect(server, address.ai_addr, address.ai_addrlen) == 0) return server;
  const int error = errno;
  close(server);
  errno = error;
  return -1;
}

// A socket connected to the first address of `host` where somebody listens; -1
// after reporting why not.
int Connect(const char* host, const char* port) {
  const char* shown = host ? host : "localhost";
  addrinfo hints = {}, *addresses;
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host, port, &hints, &addresses);
  if (error != 0) {
    ipc::Report("getaddrinfo", shown, gai_strerror(error));
    return -1;
  }
  int server = -1;
  for (const addrinfo* one = addresses; one && server < 0; one = one->ai_next) {
    server = ConnectTo(*one);
  }
  if (server < 0) ipc::ReportErrno("connect", shown);
  freeaddrinfo(addresses);
  return server;
}

bool SendAll(int server, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = send(server, data, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    data += count;
    size -= count;
  }
  return true;
}

// stdout to a pipe or a file keeps back what is printed until this; whether it
// took it all. Reports why not.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "standard output");
  return false;
}

// Prints what the server sends until it ends the connection; whether that was
// `expected` lines.
bool PrintAnswers(int server, int expected) {
  char buffer[4096];
  int lines = 0;
  char last = '\n';
  while (true) {
    const ssize_t count = recv(server, buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("recv", "server");
      return false;
    }
    if (count == 0) break;
    for (ssize_t i = 0; i < count; ++i) lines += buffer[i] == '\n';
    last = buffer[count - 1];
    fwrite(buffer, 1, count, stdout);
    if (!Flush()) return false;
  }
  if (lines == expected && last == '\n') return true;
  char problem[64];
  snprintf(problem, sizeof(problem), "end of file after %d of %d answers",
           lines, expected);
  ipc::Report("recv", "server", problem);
  return false;
}

bool IsPort(const char* text) {
  char* end;
  const long port = strtol(text, &end, 10);
  return *text >= '0' && *text <= '9' && !*end && port > 0 && port <= 65535;
}

// Asks the server, which is connected.
bool Talk(int server, char** messages, int count) {
  printf("%s connected to %s\n", Name(server, getsockname).text,
         Name(server, getpeername).text);
  if (!Flush()) return false;
  for (int i = 0; i < count; ++i) {
    char line[kLineSize];
    const size_t length = strlen(messages[i]);
    memcpy(line, messages[i], length);
    line[length] = '\n';
    if (!SendAll(server, line, length + 1)) {
      ipc::ReportErrno("send", "server");
      return false;
    }
  }
  // That was all: the server reads an end of file, and can still answer.
  if (shutdown(server, SHUT_WR) < 0) {
    ipc::ReportErrno("shutdown", "server");
    return false;
  }
  return PrintAnswers(server, count);
}

}  // namespace

int main(int argc, char** argv) {
  const char* host = nullptr;  // This machine, by IPv4 or IPv6.
  const char* port = "";
  const int first = ipc::ParseFlags(
      argc, argv,
      {{"address", &host, "address or name of the server's machine"},
       {"port", &port, "the server's port"}},
      "MESSAGE...");
  if (!IsPort(port)) {
    ipc::Report("--port", port, "not a number from 1 to 65535");
    return 2;
  }
  for (int i = first; i < argc; ++i) {
    if (strlen(argv[i]) >= kLineSize || strchr(argv[i], '\n')) {
      ipc::Report("MESSAGE", "", "more than a line of 1024 bytes");
      return 2;
    }
  }

  const int server = Connect(host, port);
  if (server < 0) return 1;
  const bool all_well = Talk(server, argv + first, argc - first);
  close(server);
  return all_well ? 0 : 1;
}
