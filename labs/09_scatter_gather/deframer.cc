// Lab 09, the deframer. README.md in this folder leads through it step by step
// and states the contract; `./lab check 09` tells how far you are.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr size_t kMostBytes = 65536;  // In a body.

// The start of a frame; behind it come the body and the checksum. All numbers
// are in network byte order.
struct Start {
  uint32_t length;  // Bytes of the body.
  uint32_t number;  // Of the frame, from 1 on each connection.
};

// Adler-32, as in RFC 1950, of what `sum` is the sum of, and `data` behind it.
// That of nothing is 1. This much is given.
[[maybe_unused]] uint32_t Adler32(uint32_t sum, const void* data, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  uint32_t low = sum & 0xffff, high = sum >> 16;
  for (size_t i = 0; i < size; ++i) {
    low = (low + bytes[i]) % 65521;
    high = (high + low) % 65521;
  }
  return high << 16 | low;
}

// The listening socket; -1 after reporting why not. As in lab 01;
// this much is given.
int Listen(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("bind", path, ENAMETOOLONG);
    return -1;
  }
  strcpy(address.sun_path, path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) {
    ipc::ReportErrno("socket", path);
    return -1;
  }
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) < 0) {
    ipc::ReportErrno("bind", path);
    close(listener);
    return -1;
  }
  if (listen(listener, 1) < 0) {
    ipc::ReportErrno("listen", path);
    unlink(path);
    close(listener);
    return -1;
  }
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/deframer.socket";
  const char* call = "readv";
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"call", &call, "what reads the frames: readv or recvmsg"}});

  // TODO delete these two lines when you begin.
  ipc::Report("start", path, "not written yet; begin with step 1 of README.md");
  return 1;

  const int listener = Listen(path);
  if (listener < 0) return 1;
  printf("listening on %s\n", path);
  fflush(stdout);
  // TODO step 6: accept a framer, and read the start of its first frame.
  // TODO step 7: read the rest of a frame, and the start of the next, by one
  // readv; print the frame.
  // TODO step 8: believe nothing before you have looked at it.
  // TODO step 9: the same by recvmsg.
  close(listener);
  unlink(path);
  return 0;
}
