// Sends each of its arguments as one datagram to the server on a UNIX datagram
// socket, and prints the replies.
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

// Reports what failed. A send or receive that ran into its time-out says
// EAGAIN, which would tell the reader nothing.
void ReportFailure(const char* operation, const char* path) {
  ipc::ReportErrno(operation, path, errno == EAGAIN ? ETIMEDOUT : errno);
}

// A socket with a name that a reply can be sent to, connected to the server at
// `path`: that chooses where we send to, and lets nobody else send to us. Not
// valid after reporting why not.
ipc::UniqueFd OpenClient(const char* path, int timeout_ms) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("connect", path, ENAMETOOLONG);
    return ipc::UniqueFd();
  }
  strcpy(address.sun_path, path);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000L};

  ipc::UniqueFd client(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const char* failed = nullptr;
  if (!client.valid()) {
    failed = "socket";
  } else if (bind(client.get(), generic, sizeof(sa_family_t)) < 0) {
    failed = "bind";  // An address that ends before the name: autobind.
  } else if (setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout,
                        sizeof(timeout)) < 0 ||
             setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout,
                        sizeof(timeout)) < 0) {
    failed = "setsockopt";
  } else if (connect(client.get(), generic, sizeof(address)) < 0) {
    failed = "connect";
  }
  if (failed) {
    ipc::ReportErrno(failed, path);
    client.reset();
  }
  return client;
}

// Sends `message` and receives the reply into `reply`, which has as many bytes.
// Whether the reply is as long as the message; if not, says why.
bool Ask(int server, const char* path, const char* message, char* reply) {
  const size_t size = strlen(message);
  ssize_t count;
  do {
    count = send(server, message, size, 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    ReportFailure("send", path);
    return false;
  }
  do {  // MSG_TRUNC: the size of the whole reply, however much of it fits.
    count = recv(server, reply, size, MSG_TRUNC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    ReportFailure("recv", path);
    return false;
  }
  if (static_cast<size_t>(count) != size) {
    char problem[80];
    snprintf(problem, sizeof(problem), "reply of %zd bytes to a message of %zu",
             count, size);
    ipc::Report("recv", path, problem);
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.dgram";
  int timeout_ms = 5000;
  const int first = ipc::ParseFlags(
      argc, argv,
      {{"socket", &path, "path of the server's socket"},
       {"timeout", &timeout_ms, "milliseconds to wait for a reply"}},
      "MESSAGE...");
  if (first == argc) {
    ipc::Report("MESSAGE", "", "at least one is needed; see --help");
    return 2;
  }

  signal(SIGPIPE, SIG_IGN);  // A stdout that nobody reads is EPIPE.
  const ipc::UniqueFd client = OpenClient(path, timeout_ms);
  if (!client.valid()) return 1;
  for (int i = first; i < argc; ++i) {
    const size_t size = strlen(argv[i]);
    char* const reply = static_cast<char*>(malloc(size + 1));
    if (!reply) {
      ipc::ReportErrno("malloc", "reply");
      return 1;
    }
    const bool answered = Ask(client.get(), path, argv[i], reply);
    if (answered) {
      fwrite(reply, 1, size, stdout);  // A reply may have NULs in it.
      putchar('\n');
    }
    free(reply);
    if (!answered) return 1;
    if (fflush(stdout) != 0 || ferror(stdout)) {
      ipc::ReportErrno("print", path);
      return 1;
    }
  }
  return 0;
}
