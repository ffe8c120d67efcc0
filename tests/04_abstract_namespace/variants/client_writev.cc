// A variant that sends the same record four times with one writev.
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "lib/program.h"

namespace {

constexpr size_t kRecord = 1024;
constexpr int kRecords = 4;

bool MakeAddress(const char* name, sockaddr_un* address, socklen_t* size) {
  const size_t length = strlen(name);
  if (length == 0) {
    errno = EINVAL;
    return false;
  }
  if (length > sizeof(address->sun_path) - 1) {
    errno = ENAMETOOLONG;
    return false;
  }
  memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  for (size_t i = 0; i < length; ++i) {
    address->sun_path[1 + i] = name[i] == '@' ? '\0' : name[i];
  }
  *size = offsetof(sockaddr_un, sun_path) + 1 + length;
  return true;
}

bool SendAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes += count;
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
  if (strlen(message) > kRecord) {
    ipc::Report("send", name, "the message has more than 1024 bytes");
    return 2;
  }

  sockaddr_un address;
  socklen_t size;
  if (!MakeAddress(name, &address, &size)) {
    ipc::ReportErrno("connect", name);
    return 1;
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    ipc::ReportErrno("socket", name);
    return 1;
  }
  while (connect(fd, reinterpret_cast<sockaddr*>(&address), size) < 0) {
    if (errno == EINTR) continue;
    ipc::ReportErrno("connect", name);
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);  // writev has no MSG_NOSIGNAL.
  std::vector<char> record(kRecord);
  memcpy(record.data(), message, strlen(message));
  const iovec parts[kRecords] = {{record.data(), kRecord},
                                 {record.data(), kRecord},
                                 {record.data(), kRecord},
                                 {record.data(), kRecord}};
  ssize_t count;
  do {
    count = writev(fd, parts, kRecords);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    ipc::ReportErrno("writev", name);
    return 1;
  }
  // What a signal cut short.
  for (size_t at = count; at < kRecords * kRecord;) {
    const size_t left = kRecord - at % kRecord;
    if (!SendAll(fd, &record[at % kRecord], left)) {
      ipc::ReportErrno("send", name);
      return 1;
    }
    at += left;
  }
  close(fd);
  return 0;
}
