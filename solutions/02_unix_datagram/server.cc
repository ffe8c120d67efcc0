// Answers each datagram that comes to a UNIX datagram socket with its text in
// capitals, and prints who sent it and how long it was.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

// The socket file that is ours to remove. Global, since a signal handler gets
// at nothing else.
char socket_file[sizeof(sockaddr_un::sun_path)];
ino_t socket_inode;

// Removes the file unless somebody has put another in its place. Only calls
// that are safe in a signal handler: see signal-safety(7).
void RemoveSocketFile() {
  struct stat status;
  if (lstat(socket_file, &status) == 0 && status.st_ino == socket_inode) {
    unlink(socket_file);
  }
}

void StopOnSignal(int) {
  RemoveSocketFile();
  _exit(0);
}

bool FillAddress(const char* path, sockaddr_un* address) {
  if (strlen(path) >= sizeof(address->sun_path)) {
    ipc::ReportErrno("bind", path, ENAMETOOLONG);
    return false;
  }
  if (!*path) {
    ipc::ReportErrno("bind", "(empty path)", EINVAL);
    return false;
  }
  *address = {};
  address->sun_family = AF_UNIX;
  strcpy(address->sun_path, path);
  return true;
}

// Whether `address` is the file of a socket that nobody has open any more. A
// live server does not notice: to connect a datagram socket sends nothing.
bool IsStale(const sockaddr_un& address) {
  struct stat status;
  if (lstat(address.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) {
    return false;
  }
  const ipc::UniqueFd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) < 0 &&
         errno == ECONNREFUSED;
}

bool Bind(int server, const sockaddr_un& address) {
  // Sets the mode that bind gives to the file: others may not send.
  if (fchmod(server, 0600) < 0) return false;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (bind(server, generic, sizeof(address)) == 0) return true;
  if (errno != EADDRINUSE) return false;
  if (!IsStale(address)) {
    errno = EADDRINUSE;
    return false;
  }
  unlink(address.sun_path);
  return bind(server, generic, sizeof(address)) == 0;
}

// The server's socket, its file guarded by the signal handlers; not valid after
// reporting why not.
ipc::UniqueFd OpenServer(const char* path) {
  sockaddr_un address;
  if (!FillAddress(path, &address)) return ipc::UniqueFd();
  ipc::UniqueFd server(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!server.valid()) {
    ipc::ReportErrno("socket", path);
    return server;
  }

  // No signal may come between bind and the moment when it can be handled.
  struct sigaction action = {};
  action.sa_handler = StopOnSignal;
  sigset_t stops, before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, &before);
  if (Bind(server.get(), address)) {
    struct stat status;
    strcpy(socket_file, path);
    if (lstat(path, &status) == 0) socket_inode = status.st_ino;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
  } else {
    ipc::ReportErrno("bind", path);
    server.reset();
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return server;
}

// Who sent a datagram, as recvfrom tells it. Only the first `length` bytes of
// `address` mean anything.
struct Sender {
  sockaddr_un address;
  socklen_t length;

  // A sender that never called bind has no name, and cannot be answered.
  bool named() const { return length > offsetof(sockaddr_un, sun_path); }
};

// The sender's name as people write it: a path, or "@name" for an abstract one,
// which begins with a NUL and has no NUL at its end.
void FormatName(const Sender& sender, char* text, size_t size) {
  const char* name = sender.address.sun_path;
  // A path of 108 bytes is reported with the NUL that did not fit.
  const int length =
      static_cast<int>(std::min<size_t>(sender.length, sizeof(sender.address)) -
                       offsetof(sockaddr_un, sun_path));
  if (!sender.named()) {
    snprintf(text, size, "(unnamed)");
  } else if (*name) {
    snprintf(text, size, "%.*s", length, name);
  } else {
    snprintf(text, size, "@%.*s", length - 1, name + 1);
  }
}

// Waits for the next datagram. Its size before it was cut to fit in `buffer`,
// which is what MSG_TRUNC asks for; -1 on error.
ssize_t Receive(int server, char* buffer, size_t size, Sender* sender) {
  ssize_t count;
  do {
    // Says how much room there is, and becomes how long the name was.
    sender->length = sizeof(sender->address);
    count = recvfrom(server, buffer, size, MSG_TRUNC,
                     reinterpret_cast<sockaddr*>(&sender->address),
                     &sender->length);
  } while (count < 0 && errno == EINTR);
  return count;
}

// Sends `data` back, unless that would mean to wait: a client that never reads
// its answers must not keep us from the others.
bool Reply(int server, const char* data, size_t size, const Sender& sender) {
  return sendto(server, data, size, MSG_DONTWAIT,
                reinterpret_cast<const sockaddr*>(&sender.address),
                std::min<socklen_t>(sender.length, sizeof(sender.address))) >=
         0;
}

// Capital letters for a to z; every other byte, NUL too, stays as it is.
void Capitalize(char* data, size_t size) {
  for (char* c = data; c < data + size; ++c) {
    if (*c >= 'a' && *c <= 'z') *c += 'A' - 'a';
  }
}

// Serves one datagram. 1 if it was answered or cannot be, 0 if the answer was
// lost, -1 if nothing more can be received or printed.
int Serve(int server, char* buffer, size_t size) {
  Sender sender;
  char name[sizeof(sockaddr_un)];
  const ssize_t count = Receive(server, buffer, size, &sender);
  if (count < 0) {
    ipc::ReportErrno("recvfrom", socket_file);
    return -1;
  }
  const size_t kept = std::min<size_t>(count, size);
  FormatName(sender, name, sizeof(name));
  printf("%zd bytes from %s", count, name);
  if (kept < static_cast<size_t>(count)) printf(", cut to %zu", kept);
  printf("\n");
  // stdout to a pipe or a file would keep it back.
  if (fflush(stdout) != 0 || ferror(stdout)) {
    ipc::ReportErrno("print", "stdout");
    return -1;
  }

  if (!sender.named()) return 1;
  Capitalize(buffer, kept);
  if (Reply(server, buffer, kept, sender)) return 1;
  ipc::ReportErrno("sendto", name);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.dgram";
  int datagrams = 1;
  int size = 1024;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"datagrams", &datagrams, "how many datagrams to serve"},
                   {"size", &size, "bytes of the largest datagram taken"}});

  const std::unique_ptr<char[]> buffer(new (std::nothrow) char[size]);
  if (!buffer) {
    ipc::ReportErrno("new", "--size", ENOMEM);
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);  // A stdout that nobody reads is EPIPE.
  const ipc::UniqueFd server = OpenServer(path);
  if (!server.valid()) return 1;
  int status = 0;
  for (int served = 0; served < datagrams; ++served) {
    const int result = Serve(server.get(), buffer.get(), size);
    if (result != 1) status = 1;
    if (result < 0) break;
  }
  RemoveSocketFile();
  return status;
}
