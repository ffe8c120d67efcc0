// As in C: poll and a socket that does not block, recvmsg and sendmsg, header
// and text in two buffers, and addresses compared by their parts.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/program.h"

enum { kMemory = 128 };

struct Seen {
  struct sockaddr_in6 who; /* Big enough, and the same start as sockaddr_in. */
  uint32_t sequence;
  uint32_t number;
};

static struct Seen seen[kMemory];
static uint32_t answered;
static int lose;
static unsigned long passed;

static int Same(const struct sockaddr_in6* a, const struct sockaddr_in6* b) {
  const struct sockaddr_in* a4 = (const struct sockaddr_in*)a;
  const struct sockaddr_in* b4 = (const struct sockaddr_in*)b;
  if (a->sin6_family != b->sin6_family) return 0;
  if (a->sin6_family == AF_INET) {
    return a4->sin_port == b4->sin_port &&
           a4->sin_addr.s_addr == b4->sin_addr.s_addr;
  }
  return a->sin6_port == b->sin6_port &&
         memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)) == 0 &&
         a->sin6_scope_id == b->sin6_scope_id;
}

static void Format(const struct sockaddr_in6* who, char* text, size_t size) {
  const struct sockaddr_in* v4 = (const struct sockaddr_in*)who;
  char host[INET6_ADDRSTRLEN] = "?";
  if (who->sin6_family == AF_INET) {
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
    snprintf(text, size, "%s:%d", host, ntohs(v4->sin_port));
  } else {
    inet_ntop(AF_INET6, &who->sin6_addr, host, sizeof(host));
    snprintf(text, size, "[%s]:%d", host, ntohs(who->sin6_port));
  }
}

static int Loses(size_t size, const char* how, const char* who) {
  if (!lose || ++passed % lose) return 0;
  printf("lost %zu bytes %s %s\n", size, how, who);
  return 1;
}

/* Whether all went well. */
static int Serve(int fd) {
  static char text[65536];
  uint32_t header[2], number = 0;
  struct sockaddr_in6 who;
  char name[80];
  struct iovec parts[2];
  struct msghdr message;
  ssize_t size;
  uint32_t i;

  memset(&message, 0, sizeof(message));
  parts[0].iov_base = header;
  parts[0].iov_len = sizeof(header);
  parts[1].iov_base = text;
  parts[1].iov_len = sizeof(text);
  message.msg_name = &who;
  message.msg_namelen = sizeof(who);
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  size = recvmsg(fd, &message, 0);
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return 1;
    ipc::ReportErrno("recvmsg", "");
    exit(1);
  }
  Format(&who, name, sizeof(name));
  if (Loses(size, "from", name)) return 1;
  if (size < 8 || header[1] != 0) {
    ipc::Report("request", name, "what came is none");
    return 0;
  }
  for (i = 0; i < kMemory && !number; ++i) {
    if (seen[i].number && seen[i].sequence == header[0] &&
        Same(&seen[i].who, &who)) {
      number = seen[i].number;
    }
  }
  if (number) {
    printf("request %u: again from %s\n", number, name);
  } else {
    struct Seen* next = &seen[answered % kMemory];
    number = ++answered;
    next->who = who;
    next->sequence = header[0];
    next->number = number;
    printf("request %u: %zd bytes from %s\n", number, size, name);
  }
  if (Loses(size, "to", name)) return 1;
  header[1] = htonl(number);
  parts[1].iov_len = size - 8;
  while (sendmsg(fd, &message, 0) < 0) {
    struct pollfd room = {fd, POLLOUT, 0};
    if (errno == EAGAIN) {
      poll(&room, 1, -1);
    } else if (errno != EINTR) {
      ipc::ReportErrno("sendmsg", name);
      return 0;
    }
  }
  return 1;
}

int main(int argc, char** argv) {
  const char* address = "127.0.0.1";
  const char* port = "0";
  int requests = 1, all_well = 1, fd, off = 0;
  struct sockaddr_in6 name;
  struct sockaddr_in* v4 = (struct sockaddr_in*)&name;
  socklen_t size;
  char text[80];
  char* end;
  long number;

  ipc::ParseFlags(argc, argv,
                  {{"address", &address, "IPv4 or IPv6 address, in numbers"},
                   {"port", &port, "0 to 65535; 0: the kernel chooses"},
                   {"requests", &requests, "how many requests to answer"},
                   {"lose", &lose, "loses every Kth datagram"}});
  number = strtol(port, &end, 10);
  if (!*port || *end || number < 0 || number > 65535) {
    ipc::Report("--port", port, "no port");
    return 2;
  }
  memset(&name, 0, sizeof(name));
  if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(number);
    size = sizeof(*v4);
  } else if (inet_pton(AF_INET6, address, &name.sin6_addr) == 1) {
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(number);
    size = sizeof(name);
  } else {
    ipc::Report("inet_pton", address, "not an address");
    return 1;
  }
  fd = socket(name.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    ipc::ReportErrno("socket", address);
    return 1;
  }
  if (name.sin6_family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(fd, (struct sockaddr*)&name, size) < 0) {
    ipc::ReportErrno("bind", address);
    return 1;
  }
  getsockname(fd, (struct sockaddr*)&name, &size);
  Format(&name, text, sizeof(text));
  setlinebuf(stdout);
  printf("waiting at %s\n", text);
  while (answered < (uint32_t)requests) {
    struct pollfd waiting = {fd, POLLIN, 0};
    if (poll(&waiting, 1, -1) > 0 && !Serve(fd)) all_well = 0;
  }
  if (ferror(stdout)) {
    ipc::Report("printf", "stdout", "a line could not be printed");
    return 1;
  }
  return all_well ? 0 : 1;
}
