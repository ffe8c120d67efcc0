// The C library's streams on a socket, and no getaddrinfo.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/program.h"

static int Try(const struct sockaddr* address, socklen_t size) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, address, size) < 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

static int TryIpv6(const struct in6_addr* host, int port) {
  struct sockaddr_in6 address;
  memset(&address, 0, sizeof(address));
  address.sin6_family = AF_INET6;
  address.sin6_addr = *host;
  address.sin6_port = htons(port);
  return Try((struct sockaddr*)&address, sizeof(address));
}

static int TryIpv4(const struct in_addr* host, int port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr = *host;
  address.sin_port = htons(port);
  return Try((struct sockaddr*)&address, sizeof(address));
}

// Numbers go to inet_pton, names to gethostbyname2.
static int Connect(const char* host, int port) {
  struct in_addr v4 = {htonl(INADDR_LOOPBACK)};
  struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
  int fd, i, family, known = 0;
  if (!host) return (fd = TryIpv4(&v4, port)) < 0 ? TryIpv6(&v6, port) : fd;
  if (inet_pton(AF_INET, host, &v4) == 1) return TryIpv4(&v4, port);
  if (inet_pton(AF_INET6, host, &v6) == 1) return TryIpv6(&v6, port);
  for (family = AF_INET;; family = AF_INET6) {
    struct hostent* found = gethostbyname2(host, family);
    for (i = 0; found && found->h_addr_list[i]; i++, known = 1) {
      memcpy(family == AF_INET ? (void*)&v4 : (void*)&v6, found->h_addr_list[i],
             found->h_length);
      fd = family == AF_INET ? TryIpv4(&v4, port) : TryIpv6(&v6, port);
      if (fd >= 0) return fd;
    }
    if (family == AF_INET6) break;
  }
  if (!known) errno = EADDRNOTAVAIL;
  return -1;
}

static void PrintName(int (*get_name)(int, struct sockaddr*, socklen_t*),
                      int fd, const char* end) {
  char text[INET6_ADDRSTRLEN];
  struct sockaddr_in6 address;
  struct sockaddr_in* v4 = (struct sockaddr_in*)&address;
  socklen_t size = sizeof(address);
  get_name(fd, (struct sockaddr*)&address, &size);
  if (address.sin6_family == AF_INET) {
    printf("%s:%d%s", inet_ntoa(v4->sin_addr), ntohs(v4->sin_port), end);
  } else {
    printf("[%s]:%d%s",
           inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof(text)),
           ntohs(address.sin6_port), end);
  }
}

int main(int argc, char** argv) {
  const char* host = NULL;
  const char* port_text = "";
  int first = ipc::ParseFlags(
      argc, argv, {{"address", &host, ""}, {"port", &port_text, ""}},
      "MESSAGE...");
  int port = atoi(port_text), lines = 0, c, last = '\n', i, fd;
  FILE *in, *out;
  if (strlen(port_text) > 5 || port <= 0 || port > 65535 ||
      port_text[strspn(port_text, "0123456789")]) {
    ipc::Report("--port", port_text, "no port");
    return 2;
  }
  for (i = first; i < argc; i++) {
    if (strlen(argv[i]) > 1023 || strchr(argv[i], '\n')) {
      ipc::Report("MESSAGE", "", "no line");
      return 2;
    }
  }
  signal(SIGPIPE, SIG_IGN);
  fd = Connect(host, port);
  if (fd < 0) {
    ipc::ReportErrno("connect", host ? host : "this machine");
    return 1;
  }
  PrintName(getsockname, fd, " connected to ");
  PrintName(getpeername, fd, "\n");
  in = fdopen(fd, "r");
  out = fdopen(dup(fd), "w");
  for (i = first; i < argc; i++) {
    if (fprintf(out, "%s\n", argv[i]) < 0 || fflush(out) != 0) {
      ipc::ReportErrno("send", "server");
      return 1;
    }
  }
  if (shutdown(fd, SHUT_WR) < 0) {
    ipc::ReportErrno("shutdown", "server");
    return 1;
  }
  while ((c = getc(in)) != EOF) {
    putchar(c);
    last = c;
    if (c == '\n') lines++;
  }
  if (ferror(in)) {
    ipc::ReportErrno("read", "server");
    return 1;
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    ipc::ReportErrno("write", "standard output");
    return 1;
  }
  if (lines != argc - first || last != '\n') {
    ipc::Report("read", "server", "an answer is missing");
    return 1;
  }
  return 0;
}
