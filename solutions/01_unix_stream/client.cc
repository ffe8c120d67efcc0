// Sends four records of 1024 bytes to the server on a UNIX stream socket.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kRecordSize = 1024;
constexpr int kRecords = 4;

// A socket connected to the server at `path`; -1 after reporting why not.
int Connect(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("connect", path, ENAMETOOLONG);
    return -1;
  }
  if (!*path) {
    ipc::ReportErrno("connect", "(empty path)", EINVAL);
    return -1;
  }
  strcpy(address.sun_path, path);

  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0) {
    ipc::ReportErrno("socket", path);
    return -1;
  }
  int result;
  do {
    result = connect(server, reinterpret_cast<const sockaddr*>(&address),
                     sizeof(address));
  } while (result < 0 && errno == EINTR);
  if (result < 0) {
    ipc::ReportErrno("connect", path);
    close(server);
    return -1;
  }
  return server;
}

// Sends all of `data`, in as many pieces as the kernel likes. MSG_NOSIGNAL: a
// server that has gone is an error to report, not a SIGPIPE to die of.
bool SendAll(int server, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = send(server, data, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    data += count;
    size -= count;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.domain";
  const char* message = "Message from client";
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the server's socket"},
                   {"message", &message, "what to send, up to 1024 bytes"}});
  char record[kRecordSize] = {};  // What the text leaves free is zero.
  if (strlen(message) > kRecordSize) {
    ipc::Report("--message", "", "longer than a record of 1024 bytes");
    return 2;
  }
  memcpy(record, message, strlen(message));

  const int server = Connect(path);
  if (server < 0) return 1;
  for (int sent = 0; sent < kRecords; ++sent) {
    if (!SendAll(server, record, sizeof(record))) {
      ipc::ReportErrno("send", path);
      close(server);
      return 1;
    }
  }
  close(server);
  return 0;
}
