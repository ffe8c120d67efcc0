// Sends records as frames on a UNIX stream socket, each gathered from where its
// pieces lie: one system call, no copy.
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
// That of nothing is 1.
uint32_t Adler32(uint32_t sum, const void* data, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  uint32_t low = sum & 0xffff, high = sum >> 16;
  for (size_t i = 0; i < size; ++i) {
    low = (low + bytes[i]) % 65521;
    high = (high + low) % 65521;
  }
  return high << 16 | low;
}

// A socket connected to the deframer; -1 after reporting why not. As in lab 01.
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

// A call that gathers: writev, or this.
using Gather = ssize_t (*)(int fd, const iovec* parts, int count);

ssize_t SendMessage(int fd, const iovec* parts, int count) {
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

// Takes `bytes` off the front of the `*count` elements at `*parts`: whole
// elements, and the beginning of the one where they end.
void Advance(iovec** parts, size_t* count, size_t bytes) {
  while (*count > 0 && bytes >= (*parts)->iov_len) {
    bytes -= (*parts)->iov_len;
    ++*parts;
    --*count;
  }
  if (*count == 0) return;
  (*parts)->iov_base = static_cast<char*>((*parts)->iov_base) + bytes;
  (*parts)->iov_len -= bytes;
}

// Writes all of `parts`, which it uses up; the number of calls that it took, or
// -1 with the error in errno.
int WriteAll(int fd, Gather gather, std::vector<iovec>* all) {
  iovec* parts = all->data();
  size_t count = all->size();
  int calls = 0;
  while (count > 0) {
    const ssize_t sent =
        gather(fd, parts, static_cast<int>(std::min<size_t>(count, IOV_MAX)));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return -1;
    ++calls;
    Advance(&parts, &count, sent);
  }
  return calls;
}

// Where the words of `record` lie.
std::vector<iovec> Words(char* record) {
  std::vector<iovec> words;
  for (char* word = record + strspn(record, " "); *word;) {
    const size_t size = strcspn(word, " ");
    words.push_back({word, size});
    word += size;
    word += strspn(word, " ");
  }
  return words;
}

size_t SizeOf(const std::vector<iovec>& parts) {
  size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  return size;
}

// Sends `words` as the frame of that number; the number of calls, or -1.
int SendFrame(int deframer, Gather gather, uint32_t number,
              const std::vector<iovec>& words) {
  Start start = {htonl(static_cast<uint32_t>(SizeOf(words))), htonl(number)};
  uint32_t sum = Adler32(1, &start, sizeof(start));
  for (const iovec& word : words) {
    sum = Adler32(sum, word.iov_base, word.iov_len);
  }
  uint32_t checksum = htonl(sum);

  std::vector<iovec> parts;
  parts.reserve(words.size() + 2);
  parts.push_back({&start, sizeof(start)});
  parts.insert(parts.end(), words.begin(), words.end());
  parts.push_back({&checksum, sizeof(checksum)});
  return WriteAll(deframer, gather, &parts);
}

// Sends each of `records`, and says what it took.
bool SendAll(int deframer, Gather gather, const char* call,
             const std::vector<std::vector<iovec>>& records) {
  uint32_t number = 0;
  for (const std::vector<iovec>& words : records) {
    const int calls = SendFrame(deframer, gather, ++number, words);
    if (calls < 0) {
      char frame[32];
      const int error = errno;
      snprintf(frame, sizeof(frame), "frame %u", number);
      ipc::ReportErrno(call, frame, error);
      return false;
    }
    printf("frame %u: %zu words, %zu bytes, %d calls\n", number, words.size(),
           SizeOf(words), calls);
    if (fflush(stdout) != 0 || ferror(stdout)) {
      ipc::ReportErrno("write", "stdout");
      return false;
    }
  }
  return true;
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
  const bool by_sendmsg = strcmp(call, "sendmsg") == 0;
  if (!by_sendmsg && strcmp(call, "writev") != 0) {
    ipc::Report("--call", call, "neither writev nor sendmsg");
    return 2;
  }
  std::vector<std::vector<iovec>> records;
  for (int i = first; i < argc; ++i) {
    records.push_back(Words(argv[i]));
    if (SizeOf(records.back()) > kMostBytes) {
      ipc::Report("RECORD", "", "more than 65536 bytes");
      return 2;
    }
  }

  // writev has no flags, so no MSG_NOSIGNAL: who has left would kill us.
  signal(SIGPIPE, SIG_IGN);
  const int deframer = Connect(path);
  if (deframer < 0) return 1;
  const bool sent =
      SendAll(deframer, by_sendmsg ? SendMessage : writev, call, records);
  close(deframer);
  return sent ? 0 : 1;
}
