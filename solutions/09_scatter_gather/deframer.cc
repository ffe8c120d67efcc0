// Prints the frames that come on a UNIX stream socket. One system call brings
// the rest of a frame and the start of the next, each to where it belongs.
#include <arpa/inet.h>
#include <signal.h>
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

// The listening socket; -1 after reporting why not. As in lab 01.
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

// A call that scatters: readv, or this.
using Scatter = ssize_t (*)(int fd, const iovec* parts, int count);

ssize_t ReceiveMessage(int fd, const iovec* parts, int count) {
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  return recvmsg(fd, &message, 0);
}

// Takes `bytes` off the front of the `*count` elements at `*parts`: whole
// elements, and the beginning of the one where they end.
void Advance(iovec** parts, int* count, size_t bytes) {
  while (*count > 0 && bytes >= (*parts)->iov_len) {
    bytes -= (*parts)->iov_len;
    ++*parts;
    --*count;
  }
  if (*count == 0) return;
  (*parts)->iov_base = static_cast<char*>((*parts)->iov_base) + bytes;
  (*parts)->iov_len -= bytes;
}

// Reads into `parts`, which it uses up, until at least `wanted` bytes are there
// or the stream ends. How many came, or -1 with the error in errno.
ssize_t ReadAtLeast(size_t wanted, int fd, Scatter scatter, iovec* parts,
                    int count) {
  size_t got = 0;
  while (got < wanted) {
    const ssize_t size = scatter(fd, parts, count);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return -1;
    if (size == 0) break;
    got += size;
    Advance(&parts, &count, size);
  }
  return static_cast<ssize_t>(got);
}

// Where a connection ended, if not between two frames.
bool EndsInside(uint32_t number, size_t got, size_t size) {
  char frame[16], problem[64];
  snprintf(frame, sizeof(frame), "%u", number);
  snprintf(problem, sizeof(problem), "end of file after %zu of %zu bytes", got,
           size);
  ipc::Report("frame", frame, problem);
  return false;
}

// Whether the start of the frame that should have `number` can be believed: it
// is all that we know, and somebody else wrote it.
bool IsPlausible(const Start& start, uint32_t number) {
  char frame[80];
  if (ntohl(start.length) > kMostBytes) {
    snprintf(frame, sizeof(frame), "%u of %u bytes, limit %zu", number,
             ntohl(start.length), kMostBytes);
    ipc::ReportErrno("frame", frame, EMSGSIZE);
    return false;
  }
  if (ntohl(start.number) != number) {
    snprintf(frame, sizeof(frame), "%u has number %u", number,
             ntohl(start.number));
    ipc::ReportErrno("frame", frame, EPROTO);
    return false;
  }
  return true;
}

// Whether all that was printed is out; reports why not.
bool Flush() {
  if (fflush(stdout) == 0 && !ferror(stdout)) return true;
  ipc::ReportErrno("write", "stdout");
  return false;
}

// Prints each frame of a connection; whether it ended well.
bool Serve(int framer, Scatter scatter, const char* call) {
  static char body[kMostBytes];
  Start next;
  size_t have = 0;  // Bytes of `next` that came with the frame before it.
  for (uint32_t number = 1;; ++number) {
    iovec missing = {reinterpret_cast<char*>(&next) + have,
                     sizeof(next) - have};
    ssize_t got = ReadAtLeast(missing.iov_len, framer, scatter, &missing, 1);
    if (got < 0) {
      ipc::ReportErrno(call, "framer");
      return false;
    }
    have += got;
    if (have == 0) {
      printf("end after %u frames\n", number - 1);
      return Flush();
    }
    if (have < sizeof(next)) return EndsInside(number, have, sizeof(next));

    const Start start = next;
    if (!IsPlausible(start, number)) return false;
    const size_t length = ntohl(start.length);
    uint32_t checksum;
    const size_t rest = length + sizeof(checksum);
    iovec parts[] = {
        {body, length}, {&checksum, sizeof(checksum)}, {&next, sizeof(next)}};
    // The next frame need not be on its way yet: the rest of this is enough.
    got = ReadAtLeast(rest, framer, scatter, parts, 3);
    if (got < 0) {
      ipc::ReportErrno(call, "framer");
      return false;
    }
    if (static_cast<size_t>(got) < rest) {
      return EndsInside(number, sizeof(start) + got, sizeof(start) + rest);
    }
    have = got - rest;

    if (Adler32(Adler32(1, &start, sizeof(start)), body, length) !=
        ntohl(checksum)) {
      char frame[16];
      snprintf(frame, sizeof(frame), "%u", number);
      ipc::ReportErrno("frame", frame, EBADMSG);
      return false;
    }
    printf("frame %u: %zu bytes: ", number, length);
    fwrite(body, 1, length, stdout);
    putchar('\n');
    if (!Flush()) return false;
  }
}

// Serves one framer; whether all went well.
bool ServeOne(int listener, Scatter scatter, const char* call) {
  int framer;
  do {
    framer = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  } while (framer < 0 && errno == EINTR);
  if (framer < 0) {
    ipc::ReportErrno("accept", "");
    return false;
  }
  const bool all_well = Serve(framer, scatter, call);
  close(framer);
  return all_well;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/deframer.socket";
  const char* call = "readv";
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"call", &call, "what reads the frames: readv or recvmsg"}});
  const bool by_recvmsg = strcmp(call, "recvmsg") == 0;
  if (!by_recvmsg && strcmp(call, "readv") != 0) {
    ipc::Report("--call", call, "neither readv nor recvmsg");
    return 2;
  }

  signal(SIGPIPE, SIG_IGN);  // If nobody reads stdout, the file must go.
  const int listener = Listen(path);
  if (listener < 0) return 1;
  printf("listening on %s\n", path);
  const bool all_well =
      Flush() && ServeOne(listener, by_recvmsg ? ReceiveMessage : readv, call);
  close(listener);
  unlink(path);
  return all_well ? 0 : 1;
}
