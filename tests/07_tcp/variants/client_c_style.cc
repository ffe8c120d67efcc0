// The C library's streams on a socket, and no getaddrinfo for numbers.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/program.h"

static int Try(int family, const char* host, int port) {
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr* address = (struct sockaddr*)&v4;
  socklen_t size = sizeof(v4);
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  memset(&v4, 0, sizeof(v4));
  memset(&v6, 0, sizeof(v6));
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (family == AF_INET) {
    if (inet_pton(AF_INET, host, &v4.sin_addr) != 1) goto invalid;
  } else {
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) goto invalid;
    address = (struct sockaddr*)&v6;
    size = sizeof(v6);
  }
  if (connect(fd, address, size) == 0) return fd;
  close(fd);
  return -1;
invalid:
  close(fd);
  errno = EINVAL;
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
  if (port <= 0 || port > 65535) {
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
  fd = Try(AF_INET, host ? host : "127.0.0.1", port);
  if (fd < 0 && (!host || strchr(host, ':'))) {
    fd = Try(AF_INET6, host ? host : "::1", port);
  }
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
  if (lines != argc - first || last != '\n') {
    ipc::Report("read", "server", "an answer is missing");
    return 1;
  }
  return 0;
}
