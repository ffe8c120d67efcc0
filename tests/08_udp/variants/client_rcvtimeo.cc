// As in C: SO_RCVTIMEO, set anew to what is left before each recv; the datagram
// in one buffer, and the sequence number from /dev/urandom.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lib/program.h"

static double Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void PrintName(int (*get)(int, struct sockaddr*, socklen_t*), int fd,
                      const char* behind) {
  struct sockaddr_storage name;
  socklen_t size = sizeof(name);
  char host[100] = "?", port[10] = "?";
  get(fd, (struct sockaddr*)&name, &size);
  getnameinfo((struct sockaddr*)&name, size, host, sizeof(host), port,
              sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
  printf(name.ss_family == AF_INET ? "%s:%s%s" : "[%s]:%s%s", host, port,
         behind);
}

/* 1: answered. 0: not. -1: failed, with errno. */
static int Try(int fd, const char* request, size_t size, double seconds) {
  static char answer[65536];
  const double deadline = Now() + seconds;
  while (send(fd, request, size, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  for (;;) {
    const double left = deadline - Now();
    struct timeval wait;
    ssize_t count;
    uint32_t number;
    if (left <= 0) return 0;
    wait.tv_sec = (time_t)left;
    wait.tv_usec = (suseconds_t)((left - (double)wait.tv_sec) * 1e6) + 1;
    if (wait.tv_usec > 999999) wait.tv_usec = 999999;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0) {
      return -1;
    }
    count = recv(fd, answer, sizeof(answer), 0);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return -1;
    if (count < 8 || memcmp(answer, request, 4) != 0) continue;
    memcpy(&number, answer + 4, 4);
    if (number == 0) continue;
    printf("%lu: ", (unsigned long)ntohl(number));
    fwrite(answer + 8, count - 8, 1, stdout);
    putchar('\n');
    return 1;
  }
}

int main(int argc, char** argv) {
  const char* address = "127.0.0.1";
  const char* port = "";
  int timeout = 1000, tries = 5, fd, first, i;
  char* end;
  long number;
  uint32_t sequence;
  FILE* urandom;
  struct addrinfo hints, *found;

  first = ipc::ParseFlags(argc, argv,
                          {{"address", &address, "the server's machine"},
                           {"port", &port, "the server's port"},
                           {"timeout", &timeout, "milliseconds"},
                           {"tries", &tries, "how often to send"}},
                          "MESSAGE...");
  number = strtol(port, &end, 10);
  if (*end || number <= 0 || number > 65535) {
    ipc::Report("--port", port, "no port");
    return 2;
  }
  urandom = fopen("/dev/urandom", "re");
  if (!urandom || fread(&sequence, sizeof(sequence), 1, urandom) != 1) {
    ipc::ReportErrno("open", "/dev/urandom");
    return 1;
  }
  fclose(urandom);
  memset(&hints, 0, sizeof(hints));
  hints.ai_socktype = SOCK_DGRAM;
  i = getaddrinfo(address, port, &hints, &found);
  if (i != 0) {
    ipc::Report("getaddrinfo", address, gai_strerror(i));
    return 1;
  }
  fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
    ipc::ReportErrno("connect", address);
    return 1;
  }
  freeaddrinfo(found);
  setlinebuf(stdout);
  PrintName(getsockname, fd, " connected to ");
  PrintName(getpeername, fd, "\n");

  for (i = first; i < argc; ++i) {
    const size_t size = 8 + strlen(argv[i]);
    char* request = (char*)calloc(1, size + 1);
    const uint32_t order = htonl(sequence++);
    double wait = timeout / 1000.0;
    int tried = 0, result = 0;
    memcpy(request, &order, 4);
    strcpy(request + 8, argv[i]);
    for (;;) {
      result = Try(fd, request, size, wait);
      if (result != 0 || ++tried == tries) break;
      printf("no answer to request %d, again\n", i - first + 1);
      wait *= 2;
    }
    free(request);
    if (result != 1) {
      ipc::ReportErrno("request", argv[i][0] && size < 60 ? argv[i] : "",
                       result == 0 ? ETIMEDOUT : errno);
      return 1;
    }
  }
  if (ferror(stdout)) {
    ipc::Report("printf", "stdout", "a line could not be printed");
    return 1;
  }
  return 0;
}
