// Sends and receives at the same time, so that any number of lines will do.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

std::string NameBy(int (*get_name)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  char host[64], port[8];
  get_name(fd, generic, &size);
  getnameinfo(generic, size, host, sizeof(host), port, sizeof(port),
              NI_NUMERICHOST | NI_NUMERICSERV);
  const bool v6 = address.ss_family == AF_INET6;
  return (v6 ? "[" : "") + std::string(host) + (v6 ? "]:" : ":") + port;
}

}  // namespace

int main(int argc, char** argv) {
  const char* host = nullptr;
  const char* port = "";
  const int first = ipc::ParseFlags(
      argc, argv, {{"address", &host, ""}, {"port", &port, ""}}, "MESSAGE...");
  const std::string digits = port;
  if (digits.empty() || digits.size() > 5 ||
      digits.find_first_not_of("0123456789") != digits.npos ||
      std::stoi(digits) == 0 || std::stoi(digits) > 65535) {
    ipc::Report("--port", port, "no port");
    return 2;
  }
  std::string lines;
  for (int i = first; i < argc; ++i) {
    const std::string message = argv[i];
    if (message.size() > 1023 || message.find('\n') != message.npos) {
      ipc::Report("MESSAGE", "", "no line");
      return 2;
    }
    lines += message + "\n";
  }

  addrinfo hints = {}, *found;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host, port, &hints, &found);
  if (error) {
    ipc::Report("getaddrinfo", host ? host : "", gai_strerror(error));
    return 1;
  }
  ipc::UniqueFd fd;
  for (addrinfo* one = found; one; one = one->ai_next) {
    fd.reset(socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) break;
    if (!one->ai_next) {
      ipc::ReportErrno("connect", host ? host : "this machine");
      return 1;
    }
  }
  freeaddrinfo(found);
  printf("%s connected to %s\n", NameBy(getsockname, fd.get()).c_str(),
         NameBy(getpeername, fd.get()).c_str());
  Flush();

  fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  size_t sent = 0;
  std::string answers;
  if (lines.empty()) shutdown(fd.get(), SHUT_WR);
  while (true) {
    const bool sending = sent < lines.size();
    pollfd waiting = {fd.get(),
                      static_cast<short>(POLLIN | (sending ? POLLOUT : 0)), 0};
    if (poll(&waiting, 1, -1) < 0 && errno != EINTR) return 1;
    if (sending && (waiting.revents & POLLOUT)) {
      const ssize_t count =
          send(fd.get(), &lines[sent],
               std::min<size_t>(lines.size() - sent, 700), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN && errno != EINTR) {
        ipc::ReportErrno("send", "server");
        return 1;
      }
      if (count > 0) sent += count;
      if (sent == lines.size()) shutdown(fd.get(), SHUT_WR);
    }
    if (waiting.revents & (POLLIN | POLLHUP | POLLERR)) {
      char buffer[100];
      const ssize_t count = read(fd.get(), buffer, sizeof(buffer));
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (count < 0) {
        ipc::ReportErrno("read", "server");
        return 1;
      }
      if (count == 0) break;
      answers.append(buffer, count);
      fwrite(buffer, 1, count, stdout);
    }
  }
  if (std::count(answers.begin(), answers.end(), '\n') != argc - first ||
      (!answers.empty() && answers.back() != '\n')) {
    ipc::Report("read", "server", "an answer is missing");
    return 1;
  }
  return 0;
}
