// Serves clients on a UNIX stream socket, one after another, and prints the
// records of 1024 bytes that they send.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kRecordSize = 1024;
constexpr int kBacklog = 5;

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
  // One byte is kept for the NUL, so that the name is a C string everywhere.
  if (strlen(path) >= sizeof(address->sun_path)) {
    ipc::ReportErrno("bind", path, ENAMETOOLONG);
    return false;
  }
  // An empty name would make the kernel invent one, and no file.
  if (!*path) {
    ipc::ReportErrno("bind", "(empty path)", EINVAL);
    return false;
  }
  *address = {};
  address->sun_family = AF_UNIX;
  strcpy(address->sun_path, path);
  return true;
}

// Whether `address` is the file of a socket that nobody has open any more.
// Asked with a datagram socket, for that leaves a live stream server in peace:
// it gets no connection, and we get EPROTOTYPE.
bool IsStale(const sockaddr_un& address) {
  struct stat status;
  if (lstat(address.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) {
    return false;
  }
  const int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool stale = connect(probe, reinterpret_cast<const sockaddr*>(&address),
                             sizeof(address)) < 0 &&
                     errno == ECONNREFUSED;
  close(probe);
  return stale;
}

bool Bind(int listener, const sockaddr_un& address) {
  // Sets the mode that bind gives to the file: others may not connect.
  if (fchmod(listener, 0600) < 0) return false;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (bind(listener, generic, sizeof(address)) == 0) return true;
  if (errno != EADDRINUSE) return false;
  if (!IsStale(address)) {
    errno = EADDRINUSE;
    return false;
  }
  unlink(address.sun_path);
  return bind(listener, generic, sizeof(address)) == 0;
}

// The listening socket, its file guarded by the signal handlers; -1 after
// reporting why not.
int Listen(const char* path) {
  sockaddr_un address;
  if (!FillAddress(path, &address)) return -1;
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) {
    ipc::ReportErrno("socket", path);
    return -1;
  }

  // No signal may come between bind and the moment when it can be handled.
  struct sigaction action = {};
  action.sa_handler = StopOnSignal;
  sigset_t stops, before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, &before);
  const bool bound = Bind(listener, address);
  if (bound) {
    struct stat status;
    strcpy(socket_file, path);
    if (lstat(path, &status) == 0) socket_inode = status.st_ino;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
  } else {
    ipc::ReportErrno("bind", path);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (!bound) {
    close(listener);
    return -1;
  }

  if (listen(listener, kBacklog) < 0) {
    ipc::ReportErrno("listen", path);
    RemoveSocketFile();
    close(listener);
    return -1;
  }
  return listener;
}

int Accept(int listener) {
  int client;
  do {
    client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  } while (client < 0 && errno == EINTR);
  return client;
}

// Fills `record` from however many pieces it takes. The number of bytes that
// came before the end of the stream, kRecordSize if it did not end; -1 on
// error.
int ReadRecord(int client, char* record) {
  int got = 0;
  while (got < kRecordSize) {
    const ssize_t count = read(client, record + got, kRecordSize - got);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    got += static_cast<int>(count);
  }
  return got;
}

// stdout to a pipe or a file keeps back what is printed until this; whether it
// took it all. Reports why not.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "standard output");
  return false;
}

// Prints the client's records until it ends the connection; whether it ended
// between two records, as it should, and all was printed.
bool ServeClient(int client) {
  printf("\n===== info =====\n");
  if (!Flush()) return false;
  char record[kRecordSize];
  int got;
  while ((got = ReadRecord(client, record)) == kRecordSize) {
    // The text ends at the first NUL, but a full record need not have one.
    printf("Message from client (%d): %.*s\n", got, kRecordSize, record);
    if (!Flush()) return false;
  }
  if (got < 0) {
    ipc::ReportErrno("read", "client");
  } else if (got > 0) {
    char problem[64];
    snprintf(problem, sizeof(problem), "end of file after %d of %d bytes", got,
             kRecordSize);
    ipc::Report("read", "client", problem);
  }
  return got == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.domain";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"clients", &clients, "how many clients to serve"}});

  const int listener = Listen(path);
  if (listener < 0) return 1;
  bool all_well = true;
  for (int served = 0; served < clients; ++served) {
    const int client = Accept(listener);
    if (client < 0) {
      ipc::ReportErrno("accept", path);
      all_well = false;
      break;
    }
    if (!ServeClient(client)) all_well = false;
    close(client);
  }
  close(listener);
  RemoveSocketFile();
  return all_well ? 0 : 1;
}
