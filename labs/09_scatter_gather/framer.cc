// Lab 09, the framer. README.md in this folder leads through it step by step
// and states the contract; `./lab check 09` tells how far you are.
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

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

// A socket connected to the deframer; -1 after reporting why not. As in lab 01;
// this much is given.
int Connect(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("connect", path, ENAMETOOLONG);
    return -1;
  }
  strcpy(address.sun_path, path);
  const int deframer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (deframer < 0) {
    ipc::ReportErrno("socket", path);
    return -1;
  }
  if (connect(deframer, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) < 0) {
    ipc::ReportErrno("connect", path);
    close(deframer);
    return -1;
  }
  return deframer;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/deframer.socket";
  const char* call = "writev";
  const int first = ipc::ParseFlags(
      argc, argv,
      {{"socket", &path, "path of the deframer's socket"},
       {"call", &call, "what sends the frames: writev or sendmsg"}},
      "RECORD...");

  // TODO delete these three lines when you begin.
  (void)first;
  ipc::Report("start", path, "not written yet; begin with step 1 of README.md");
  return 1;

  // TODO step 1: find the words in each record, argv[first] and on; refuse a
  // record of more than kMostBytes.
  const int deframer = Connect(path);
  if (deframer < 0) return 1;
  // TODO step 2: gather the start, the words and the checksum of each record in
  // one writev, and print what it took.
  // TODO step 3: go on from where a short count ended.
  // TODO step 4: no more than IOV_MAX elements a call.
  // TODO step 5: the same by sendmsg; and a deframer that has left.
  close(deframer);
  return 0;
}
