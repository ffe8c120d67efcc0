// The framer with a socket that does not block: short counts are its daily
// bread, and poll says when to go on.
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "lib/program.h"

namespace {

class Sum {
 public:
  void Add(std::string_view bytes) {
    for (unsigned char byte : bytes) {
      low_ = (low_ + byte) % 65521;
      high_ = (high_ + low_) % 65521;
    }
  }
  uint32_t value() const { return high_ << 16 | low_; }

 private:
  uint32_t low_ = 1, high_ = 0;
};

std::string BigEndian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(value >> shift & 0xff);
  }
  return bytes;
}

class Connection {
 public:
  Connection(int fd, bool by_sendmsg) : fd_(fd), by_sendmsg_(by_sendmsg) {}
  ~Connection() { close(fd_); }

  // The number of calls it took; -1.
  int Send(std::deque<std::string_view> pieces) {
    int calls = 0;
    while (!pieces.empty()) {
      const ssize_t count = SendSome(pieces);
      if (count < 0 && errno == EAGAIN) {
        pollfd room = {fd_, POLLOUT, 0};
        if (poll(&room, 1, -1) < 0 && errno != EINTR) return -1;
        continue;
      }
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return -1;
      ++calls;
      size_t left = count;
      while (left > 0) {
        const size_t taken = std::min(left, pieces.front().size());
        pieces.front().remove_prefix(taken);
        left -= taken;
        if (pieces.front().empty()) pieces.pop_front();
      }
    }
    return calls;
  }

 private:
  ssize_t SendSome(const std::deque<std::string_view>& pieces) const {
    iovec parts[IOV_MAX];
    size_t count = 0;
    for (std::string_view piece : pieces) {
      if (count == IOV_MAX) break;
      parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    if (!by_sendmsg_) return writev(fd_, parts, static_cast<int>(count));
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    return sendmsg(fd_, &message, MSG_NOSIGNAL);
  }

  const int fd_;
  const bool by_sendmsg_;
};

std::deque<std::string_view> Words(std::string_view record) {
  std::deque<std::string_view> words;
  while (true) {
    record.remove_prefix(
        std::min(record.find_first_not_of(' '), record.size()));
    if (record.empty()) return words;
    const size_t end = std::min(record.find(' '), record.size());
    words.push_back(record.substr(0, end));
    record.remove_prefix(end);
  }
}

size_t SizeOf(const std::deque<std::string_view>& words) {
  size_t size = 0;
  for (std::string_view word : words) size += word.size();
  return size;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/deframer.socket";
  const char* call_flag = "writev";
  int next =
      ipc::ParseFlags(argc, argv,
                      {{"socket", &path, "path of the deframer's socket"},
                       {"call", &call_flag, "writev or sendmsg"}},
                      "RECORD...");
  const std::string call = call_flag;
  if (call != "writev" && call != "sendmsg") {
    ipc::Report("--call", call_flag, "unknown");
    return 2;
  }
  for (int i = next; i < argc; ++i) {
    if (SizeOf(Words(argv[i])) > 65536) {
      ipc::Report("RECORD", "", "too large");
      return 2;
    }
  }
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigprocmask(SIG_BLOCK, &pipe, nullptr);

  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
      static_cast<int>(sizeof(address.sun_path))) {
    ipc::ReportErrno("connect", path, ENAMETOOLONG);
    return 1;
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Connection deframer(fd, call == "sendmsg");
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    ipc::ReportErrno("connect", path);
    return 1;
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  for (uint32_t number = 1; next < argc; ++number, ++next) {
    std::deque<std::string_view> pieces = Words(argv[next]);
    const size_t words = pieces.size(), bytes = SizeOf(pieces);
    const std::string start =
        BigEndian(static_cast<uint32_t>(bytes)) + BigEndian(number);
    Sum sum;
    sum.Add(start);
    for (std::string_view word : pieces) sum.Add(word);
    const std::string checksum = BigEndian(sum.value());
    pieces.push_front(start);
    pieces.push_back(checksum);
    const int calls = deframer.Send(pieces);
    if (calls < 0) {
      ipc::ReportErrno(call_flag, "frame");
      return 1;
    }
    printf("frame %u: %zu words, %zu bytes, %d calls\n", number, words, bytes,
           calls);
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    ipc::ReportErrno("write", "stdout");
    return 1;
  }
  return 0;
}
