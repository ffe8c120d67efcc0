// A variant with a thread for each client, one at a time, that reads with
// recvmsg; and one more thread that waits for signals.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <thread>

#include "lib/program.h"

namespace {

const char* path = "/tmp/unix.domain";
std::atomic<bool> broken{false};

void Print(const char* start, const char* text) {
  if (dprintf(1, "%s%s\n", start, text) >= 0) return;
  ipc::ReportErrno("write", "standard output");
  broken = true;
}

void Serve(int client) {
  Print("\n", "===== info =====");
  char first[100], rest[924];
  size_t got = 0;
  while (true) {
    iovec parts[2] = {{first + got, sizeof(first) - got}, {rest, sizeof(rest)}};
    iovec* from = parts;
    int count = 2;
    if (got >= sizeof(first)) {
      const size_t in_rest = got - sizeof(first);
      parts[1] = {rest + in_rest, sizeof(rest) - in_rest};
      from = parts + 1;
      count = 1;
    }
    msghdr message{};
    message.msg_iov = from;
    message.msg_iovlen = count;
    const ssize_t bytes = recvmsg(client, &message, 0);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) {
      ipc::ReportErrno("recvmsg", "client");
      broken = true;
      got = 0;
    }
    if (bytes <= 0) break;
    got += bytes;
    if (got < 1024) continue;
    char text[1025];
    memcpy(text, first, sizeof(first));
    memcpy(text + sizeof(first), rest, sizeof(rest));
    text[1024] = '\0';
    Print("Message from client (1024): ", text);
    got = 0;
  }
  if (got) {
    dprintf(2, "server: recvmsg client: end of file after %zu of 1024 bytes\n",
            got);
    broken = true;
  }
  close(client);
}

bool Dead(const sockaddr_un& address) {
  struct stat file;
  if (lstat(address.sun_path, &file) || !S_ISSOCK(file.st_mode)) return false;
  const int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const bool refused =
      connect(probe, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) < 0 &&
      errno == ECONNREFUSED;
  close(probe);
  return refused;
}

// Once the file is there.
[[noreturn]] void Fail(const char* call) {
  ipc::ReportErrno(call, path);
  unlink(path);
  _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"}, {"clients", &clients, "count"}});
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = strnlen(path, sizeof(address.sun_path));
  if (length == 0 || length == sizeof(address.sun_path)) {
    ipc::ReportErrno("bind", path, length ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  memcpy(address.sun_path, path, length);

  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);

  if (Dead(address)) unlink(path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) {
    ipc::ReportErrno("socket", path);
    return 1;
  }
  umask(077);
  // Exactly as long as the name and its NUL, where others pass the whole
  // struct.
  const socklen_t size = offsetof(sockaddr_un, sun_path) + length + 1;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  std::thread([stops] {
    int signal;
    sigwait(&stops, &signal);
    unlink(path);
    _exit(0);
  }).detach();
  if (listen(listener, SOMAXCONN) < 0) Fail("listen");
  for (int i = 0; i < clients; ++i) {
    int client;
    do {
      client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    } while (client < 0 && errno == EINTR);
    if (client < 0) Fail("accept");
    std::thread(Serve, client).join();
  }
  unlink(path);
  _exit(broken ? 1 : 0);
}
