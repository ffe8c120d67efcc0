// The rows in plain system calls, as one writes them who has read the manual
// pages: each result is looked at, signals and short counts are taken care of.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tools/bench/rows.h"

namespace bench {
namespace {

struct Ends {
  int sender;
  int receiver;
};

void Close(Ends ends) {
  Check(!close(ends.sender) && !close(ends.receiver), "close");
}

Ends Pair() {
  int fds[2];
  Check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
  return {fds[0], fds[1]};
}

sockaddr_un UnixAddress(const char* name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = PathFor(name);
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

template <typename Address>
int Listen(const Address& address, void (*prepare)(int) = nullptr) {
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  const int fd = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Check(fd >= 0, "socket");
  Check(!bind(fd, any, sizeof(address)), "bind");
  if (prepare) prepare(fd);
  Check(!listen(fd, SOMAXCONN), "listen");
  return fd;
}

template <typename Address>
int Connect(const Address& address) {
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  const int fd = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Die("socket");
  while (connect(fd, any, sizeof(address)) < 0) {
    if (errno != EINTR) Die("connect");
  }
  return fd;
}

int Accept(int listener) {
  int fd;
  do {
    fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) Die("accept");
  return fd;
}

void SendAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = send(fd, data, size, MSG_NOSIGNAL);
    if (count >= 0) {
      data += count;
      size -= count;
    } else if (errno != EINTR) {
      Die("send");
    }
  }
}

void ReceiveAll(int fd, char* buffer, size_t size) {
  while (size > 0) {
    const ssize_t count = recv(fd, buffer, size, 0);
    if (count > 0) {
      buffer += count;
      size -= count;
    } else if (count == 0 || errno != EINTR) {
      Die("recv");
    }
  }
}

void PingPong(int count) {
  const Ends ends = Pair();
  std::string there(kPingSize, 0), back(kPingSize, 0);
  const char* const data = Payload().data();
  for (int i = 0; i < count; ++i) {
    SendAll(ends.sender, data, kPingSize);
    ReceiveAll(ends.receiver, &there[0], kPingSize);
    SendAll(ends.receiver, there.data(), kPingSize);
    ReceiveAll(ends.sender, &back[0], kPingSize);
  }
  Check(Payload().compare(0, kPingSize, back) == 0, "what came back");
  Close(ends);
}

void OneWay(Ends ends, int count) {
  std::string buffer(kBulkSize, 0);
  const char* const data = Payload().data();
  for (int i = 0; i < count; ++i) {
    SendAll(ends.sender, data, kBulkSize);
    ReceiveAll(ends.receiver, &buffer[0], kBulkSize);
  }
  Check(buffer == Payload(), "what arrived");
  Close(ends);
}

void UnixStream(int count) {
  const sockaddr_un address = UnixAddress("stream");
  const int listener = Listen(address);
  const int client = Connect(address);
  OneWay({client, Accept(listener)}, count);
  Check(!close(listener), "close");
}

void Socketpair(int count) { OneWay(Pair(), count); }

void Tcp(int count) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = Listen(address, PrepareTcp);
  socklen_t size = sizeof(address);
  Check(!getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size),
        "getsockname");
  const int client = Connect(address);
  PrepareTcp(client);
  OneWay({client, Accept(listener)}, count);
  Check(!close(listener), "close");
}

void Datagram(int count) {
  const sockaddr_un addresses[] = {UnixAddress("sender"),
                                   UnixAddress("receiver")};
  int fds[2];
  for (int i = 0; i < 2; ++i) {
    fds[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    Check(fds[i] >= 0, "socket");
    Check(!bind(fds[i], reinterpret_cast<const sockaddr*>(&addresses[i]),
                sizeof(addresses[i])),
          "bind");
  }
  const auto* to = reinterpret_cast<const sockaddr*>(&addresses[1]);
  std::string buffer(kDatagramSize, 0);
  const char* const data = Payload().data();
  for (int i = 0; i < count; ++i) {
    ssize_t sent, received;
    do {
      sent = sendto(fds[0], data, kDatagramSize, MSG_NOSIGNAL, to,
                    sizeof(addresses[1]));
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) Die("sendto");
    sockaddr_storage from;
    socklen_t size;
    do {
      size = sizeof(from);
      received = recvfrom(fds[1], &buffer[0], buffer.size(), MSG_TRUNC,
                          reinterpret_cast<sockaddr*>(&from), &size);
    } while (received < 0 && errno == EINTR);
    if (received < 0 || static_cast<size_t>(received) > buffer.size()) {
      Die("recvfrom");
    }
  }
  Check(Payload().compare(0, kDatagramSize, buffer) == 0, "what arrived");
  Close({fds[0], fds[1]});
}

void Fd(int count) {
  const Ends ends = Pair(), passed = Pair();
  char control[CMSG_SPACE(sizeof(int))];
  for (int i = 0; i < count; ++i) {
    char byte = 'F';
    iovec part = {&byte, 1};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(first), &passed.sender, sizeof(int));
    ssize_t sent, received;
    do {
      sent = sendmsg(ends.sender, &header, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) Die("sendmsg");

    header.msg_controllen = sizeof(control);
    do {
      received = recvmsg(ends.receiver, &header, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    first = CMSG_FIRSTHDR(&header);
    if (received < 1 || (header.msg_flags & MSG_CTRUNC) || !first ||
        first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_RIGHTS ||
        first->cmsg_len != CMSG_LEN(sizeof(int))) {
      Die("recvmsg");
    }
    int fd;
    memcpy(&fd, CMSG_DATA(first), sizeof(fd));
    if (close(fd) < 0) Die("close");
  }
  Close(ends);
  Close(passed);
}

void ConnectAndAccept(int count) {
  const sockaddr_un address = UnixAddress("connect");
  const int listener = Listen(address);
  for (int i = 0; i < count; ++i) {
    const int client = Connect(address);
    const int server = Accept(listener);
    if (close(client) < 0 || close(server) < 0) Die("close");
  }
  Check(!close(listener), "close");
}

}  // namespace

const Implementation kRaw = {"raw", PingPong, UnixStream, Socketpair,
                             Tcp,   Datagram, Fd,         ConnectAndAccept};

}  // namespace bench
