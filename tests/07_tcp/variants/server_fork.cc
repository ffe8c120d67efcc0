// A process for each client, which reads its lines by stdio.
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

// A line that cannot be printed is the end.
static void Flush() {
  if (fflush(stdout) == 0) return;
  ipc::ReportErrno("write", "standard output");
  exit(1);
}

static volatile sig_atomic_t failed = 0;

static void Reap(int) {
  const int saved = errno;
  int status;
  while (waitpid(-1, &status, WNOHANG) > 0) {
    if (status != 0) failed = 1;
  }
  errno = saved;
}

static const char* Name(const sockaddr_storage* address, socklen_t size,
                        char* text) {
  char host[64], port[8];
  getnameinfo((const sockaddr*)address, size, host, sizeof(host), port,
              sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
  sprintf(text, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
          port);
  return text;
}

// Not by stdio: what a signal keeps it from writing, it throws away.
static bool WriteAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t count = write(fd, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes += count;
    size -= count;
  }
  return true;
}

static int Serve(int fd, int number) {
  char who[32], line[1024], count[32];
  bool written = true;
  int lines = 0, c = EOF, status = 1;
  size_t size = 0;
  FILE* in = fdopen(fd, "r");
  sprintf(who, "client %d", number);
  while (true) {
    c = getc_unlocked(in);
    if (c == EOF && ferror(in) && errno == EINTR) {
      clearerr(in);
      continue;
    }
    if (c == EOF) break;
    line[size++] = (char)c;
    if (c != '\n' && size == sizeof(line)) break;
    if (c != '\n') continue;
    sprintf(count, "%d: ", ++lines);
    written = WriteAll(fd, count, strlen(count)) && WriteAll(fd, line, size);
    size = 0;
    if (!written) break;
  }
  if (!written || ferror(in)) {
    ipc::ReportErrno("talk to", who);
  } else if (size == sizeof(line)) {
    ipc::Report("recv", who, "more than 1024 bytes");
  } else if (size > 0) {
    char problem[64];
    sprintf(problem, "ended after %zu bytes", size);
    ipc::Report("recv", who, problem);
  } else {
    status = 0;
  }
  printf("%s: gone after %d lines\n", who, lines);
  Flush();
  return status;
}

int main(int argc, char** argv) {
  const char* host = "127.0.0.1";
  const char* port = "0";
  int clients = 1, on = 1, off = 0;
  ipc::ParseFlags(
      argc, argv,
      {{"address", &host, ""}, {"port", &port, ""}, {"clients", &clients, ""}});
  if (strspn(port, "0123456789") != strlen(port) || strlen(port) > 5 ||
      !*port || atoi(port) > 65535) {
    ipc::Report("--port", port, "no port");
    return 2;
  }
  struct sigaction action = {};
  action.sa_handler = Reap;
  sigaction(SIGCHLD, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);

  addrinfo hints = {}, *found;
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, port, &hints, &found) != 0) {
    ipc::Report("getaddrinfo", host, "no address");
    return 1;
  }
  const int listener =
      socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (found->ai_family == AF_INET6) {
    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(listener, found->ai_addr, found->ai_addrlen) < 0 ||
      listen(listener, 16) < 0) {
    ipc::ReportErrno("bind", host);
    return 1;
  }
  freeaddrinfo(found);
  sockaddr_storage address;
  socklen_t size = sizeof(address);
  char ours[80], theirs[80];
  getsockname(listener, (sockaddr*)&address, &size);
  printf("listening on %s\n", Name(&address, size, ours));
  Flush();
  for (int number = 1; number <= clients;) {
    size = sizeof(address);
    const int client =
        accept4(listener, (sockaddr*)&address, &size, SOCK_CLOEXEC);
    if (client < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (client < 0) {
      ipc::ReportErrno("accept", host);
      return 1;
    }
    Name(&address, size, theirs);
    size = sizeof(address);
    getsockname(client, (sockaddr*)&address, &size);
    printf("client %d: %s connected to %s\n", number, theirs,
           Name(&address, size, ours));
    Flush();
    const pid_t child = fork();
    if (child == 0) {
      close(listener);
      _exit(Serve(client, number));
    }
    if (child < 0) failed = 1;
    close(client);
    ++number;
  }
  close(listener);
  signal(SIGCHLD, SIG_DFL);
  int status;
  while (true) {
    const pid_t child = wait(&status);
    if (child < 0 && errno == EINTR) continue;
    if (child < 0) break;
    if (status != 0) failed = 1;
  }
  return failed;
}
