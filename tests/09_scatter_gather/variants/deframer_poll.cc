// The deframer with a socket that does not block, as a machine that is fed by
// poll: what it wants next is a list of elements.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "lib/program.h"

namespace {

constexpr size_t kMostBytes = 65536;

struct Failure {
  std::string object;
  int error;
  std::string problem;
};

class Deframer {
 public:
  Deframer(int fd, bool by_recvmsg) : fd_(fd), by_recvmsg_(by_recvmsg) {}

  // True at the end of the stream. Throws what is wrong.
  bool Step() {
    std::vector<iovec> parts;
    const size_t rest = in_body_ ? body_.size() + sizeof(sum_) : 0;
    size_t skip = got_;
    const auto want = [&](void* base, size_t size) {
      if (skip >= size) {
        skip -= size;
      } else {
        parts.push_back({static_cast<char*>(base) + skip, size - skip});
        skip = 0;
      }
    };
    if (in_body_) {
      want(body_.data(), body_.size());
      want(&sum_, sizeof(sum_));
    }
    want(start_, sizeof(start_));
    const ssize_t count = Receive(&parts);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    if (count < 0) throw Failure{"connection", errno, ""};
    if (count == 0 && !in_body_ && got_ == 0) return true;
    if (count == 0) {
      throw Failure{std::to_string(number_), 0,
                    "end after " + std::to_string(got_ + (in_body_ ? 8 : 0)) +
                        " of " + std::to_string(in_body_ ? rest + 8 : 8) +
                        " bytes"};
    }
    got_ += count;
    if (in_body_ && got_ >= rest) FinishBody(rest);
    if (!in_body_ && got_ == sizeof(start_)) BeginBody();
    return false;
  }

  uint32_t number() const { return number_; }

 private:
  ssize_t Receive(std::vector<iovec>* parts) const {
    if (!by_recvmsg_) {
      return readv(fd_, parts->data(), static_cast<int>(parts->size()));
    }
    msghdr message = {};
    message.msg_iov = parts->data();
    message.msg_iovlen = parts->size();
    return recvmsg(fd_, &message, 0);
  }

  void BeginBody() {
    const uint32_t length = ntohl(start_[0]);
    const std::string which = std::to_string(number_);
    if (length > kMostBytes) {
      throw Failure{which + ", " + std::to_string(length) + " > 65536",
                    EMSGSIZE, ""};
    }
    if (ntohl(start_[1]) != number_) throw Failure{which, EPROTO, ""};
    low_ = 1;
    high_ = 0;
    Add(start_, sizeof(start_));
    body_.resize(length);
    in_body_ = true;
    got_ = 0;
  }

  void FinishBody(size_t rest) {
    Add(body_.data(), body_.size());
    if (ntohl(sum_) != (high_ << 16 | low_)) {
      throw Failure{std::to_string(number_), EBADMSG, ""};
    }
    const std::string line = "frame " + std::to_string(number_) + ": " +
                             std::to_string(body_.size()) + " bytes: " +
                             std::string(body_.data(), body_.size()) + "\n";
    if (fwrite(line.data(), 1, line.size(), stdout) < line.size() ||
        fflush(stdout) != 0) {
      throw Failure{std::to_string(number_), errno, ""};
    }
    ++number_;
    in_body_ = false;
    got_ -= rest;
  }

  void Add(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; ++i) {
      low_ = (low_ + bytes[i]) % 65521;
      high_ = (high_ + low_) % 65521;
    }
  }

  const int fd_;
  const bool by_recvmsg_;
  uint32_t number_ = 1;
  bool in_body_ = false;
  size_t got_ = 0;  // Of the body, its checksum and the next start, or of that.
  uint32_t start_[2], sum_ = 0, low_ = 1, high_ = 0;
  std::vector<char> body_;
};

int Listen(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("bind", path, ENAMETOOLONG);
    return -1;
  }
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    ipc::ReportErrno("bind", path);
    return -1;
  }
  if (listen(fd, 1) < 0) {
    ipc::ReportErrno("listen", path);
    return -1;
  }
  printf("listening on %s\n", path);
  fflush(stdout);
  return fd;
}

bool Serve(int listener, bool by_recvmsg) {
  int fd;
  while ((fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) < 0) {
    if (errno == EINTR) continue;
    ipc::ReportErrno("accept", "");
    return false;
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  Deframer deframer(fd, by_recvmsg);
  try {
    do {
      pollfd waiting = {fd, POLLIN, 0};
      while (poll(&waiting, 1, -1) < 0 && errno == EINTR) {
      }
    } while (!deframer.Step());
  } catch (const Failure& failure) {
    if (failure.error) {
      ipc::ReportErrno("frame", failure.object.c_str(), failure.error);
    } else {
      ipc::Report("frame", failure.object.c_str(), failure.problem.c_str());
    }
    return false;
  }
  printf("end after %u frames\n", deframer.number() - 1);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/deframer.socket";
  const char* call = "readv";
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"call", &call, "readv or recvmsg"}});
  const std::string name = call;
  if (name != "readv" && name != "recvmsg") {
    ipc::Report("--call", call, "unknown");
    return 2;
  }
  const int listener = Listen(path);
  if (listener < 0) return 1;
  bool all_well = Serve(listener, name == "recvmsg");
  if (all_well && (fflush(stdout) != 0 || ferror(stdout))) {
    ipc::Report("write", "stdout", "a line is lost");
    all_well = false;
  }
  unlink(path);
  return all_well ? 0 : 1;
}
