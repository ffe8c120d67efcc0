// Sends four records of 1024 bytes to the server on an abstract UNIX stream
// socket.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kRecordSize = 1024;
constexpr int kRecords = 4;

// The errno that tells why `name` is none; 0 after filling `address` and
// `size`, which says where an abstract name ends.
int FillAddress(const char* name, sockaddr_un* address, socklen_t* size) {
  const size_t length = strlen(name);
  if (length == 0) return EINVAL;
  if (length >= sizeof(address->sun_path)) return ENAMETOOLONG;
  *address = {};
  address->sun_family = AF_UNIX;
  // sun_path[0] stays NUL: that makes the name abstract.
  std::replace_copy(name, name + length, address->sun_path + 1, '@', '\0');
  *size = offsetof(sockaddr_un, sun_path) + 1 + length;
  return 0;
}

// A socket connected to the server called `name`; -1 after reporting why not.
int Connect(const char* name) {
  sockaddr_un address;
  socklen_t size;
  if (const int error = FillAddress(name, &address, &size)) {
    ipc::ReportErrno("connect", name, error);
    return -1;
  }
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0) {
    ipc::ReportErrno("socket", name);
    return -1;
  }
  int result;
  do {
    result = connect(server, reinterpret_cast<const sockaddr*>(&address), size);
  } while (result < 0 && errno == EINTR);
  if (result < 0) {
    ipc::ReportErrno("connect", name);
    close(server);
    return -1;
  }
  return server;
}

// Sends all of `data`, in as many pieces as the kernel likes.
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
  const char* name = "lab";
  const char* message = "Message from client";
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "the server's abstract name, @ for a NUL"},
                   {"message", &message, "what to send, up to 1024 bytes"}});
  char record[kRecordSize] = {};  // What the text leaves free is zero.
  if (strlen(message) > kRecordSize) {
    ipc::Report("--message", "", "longer than a record of 1024 bytes");
    return 2;
  }
  memcpy(record, message, strlen(message));

  const int server = Connect(name);
  if (server < 0) return 1;
  for (int sent = 0; sent < kRecords; ++sent) {
    if (!SendAll(server, record, sizeof(record))) {
      ipc::ReportErrno("send", name);
      close(server);
      return 1;
    }
  }
  close(server);
  return 0;
}
