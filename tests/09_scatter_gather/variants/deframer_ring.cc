// The deframer with a ring: each call fills its free room, which lies in one
// piece or in two, with as many frames as there are.
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "lib/program.h"

namespace {

constexpr size_t kMostBytes = 65536;
constexpr size_t kRoom = size_t{1} << 17;  // More than a whole frame.

class Ring {
 public:
  explicit Ring(bool by_recvmsg) : by_recvmsg_(by_recvmsg) {}

  size_t size() const { return size_; }
  unsigned char at(size_t i) const { return bytes_[(begin_ + i) % kRoom]; }
  uint32_t Number(size_t i) const {
    return uint32_t{at(i)} << 24 | at(i + 1) << 16 | at(i + 2) << 8 | at(i + 3);
  }
  void Drop(size_t count) {
    begin_ = (begin_ + count) % kRoom;
    size_ -= count;
  }

  // As read(2).
  ssize_t Fill(int fd) {
    const size_t end = (begin_ + size_) % kRoom, free = kRoom - size_;
    const size_t first = std::min(free, kRoom - end);
    iovec parts[] = {{bytes_ + end, first}, {bytes_, free - first}};
    ssize_t count;
    if (by_recvmsg_) {
      msghdr message = {};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } else {
      count = readv(fd, parts, 2);
    }
    if (count > 0) size_ += count;
    return count;
  }

  uint32_t Sum(size_t count) const {
    uint32_t low = 1, high = 0;
    for (size_t i = 0; i < count; ++i) {
      low = (low + at(i)) % 65521;
      high = (high + low) % 65521;
    }
    return high << 16 | low;
  }

 private:
  const bool by_recvmsg_;
  size_t begin_ = 0, size_ = 0;
  unsigned char bytes_[kRoom];
};

bool Complain(uint32_t number, const std::string& what, int error) {
  const std::string frame = std::to_string(number) + what;
  if (error) {
    ipc::ReportErrno("frame", frame.c_str(), error);
  } else {
    ipc::Report("frame", std::to_string(number).c_str(), what.c_str());
  }
  return false;
}

bool Serve(int fd, Ring* ring) {
  for (uint32_t number = 1;; ++number) {
    size_t wanted = 8;
    while (ring->size() < wanted || wanted == 8) {
      if (ring->size() >= 8) {
        const uint32_t length = ring->Number(0);
        if (length > kMostBytes) {
          return Complain(number,
                          " of " + std::to_string(length) + " bytes (65536)",
                          EMSGSIZE);
        }
        if (ring->Number(4) != number) return Complain(number, "", EPROTO);
        wanted = length + 12;
        if (ring->size() >= wanted) break;
      }
      const ssize_t count = ring->Fill(fd);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Complain(number, "", errno);
      if (count > 0) continue;
      if (ring->size() == 0) {
        printf("end after %u frames\n", number - 1);
        return true;
      }
      return Complain(number,
                      "it ended after " + std::to_string(ring->size()) +
                          " of " + std::to_string(wanted) + " bytes",
                      0);
    }
    const size_t length = wanted - 12;
    if (ring->Sum(8 + length) != ring->Number(8 + length)) {
      return Complain(number, "", EBADMSG);
    }
    printf("frame %u: %zu bytes: ", number, length);
    for (size_t i = 0; i < length; ++i) putchar(ring->at(8 + i));
    putchar('\n');
    fflush(stdout);
    ring->Drop(wanted);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/deframer.socket";
  const char* call = "readv";
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"call", &call, "readv or recvmsg"}});
  if (strcmp(call, "readv") != 0 && strcmp(call, "recvmsg") != 0) {
    ipc::Report("--call", call, "unknown");
    return 2;
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("bind", path, ENAMETOOLONG);
    return 1;
  }
  strcpy(address.sun_path, path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) <
      0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  listen(listener, 1);
  printf("listening on %s\n", path);
  fflush(stdout);
  int fd = -1;
  while (fd < 0) {
    fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && errno != EINTR) {
      ipc::ReportErrno("accept", path);
      break;
    }
  }
  // One framer only: its file has served its purpose.
  unlink(path);
  close(listener);
  static Ring ring(strcmp(call, "recvmsg") == 0);
  if (fd < 0 || !Serve(fd, &ring)) return 1;
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  ipc::Report("write", "stdout", "a line is lost");
  return 1;
}
