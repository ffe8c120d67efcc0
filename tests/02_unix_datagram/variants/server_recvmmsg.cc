// A variant that takes up to four datagrams by one recvmmsg, and prints the
// line of each after its answer.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kBatch = 4;
sockaddr_un own;

void Bye(int) {
  unlink(own.sun_path);
  _exit(0);
}

char* Memory(size_t size) {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<char*>(p);
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.dgram";
  int datagrams = 1, size = 1024;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"},
                   {"datagrams", &datagrams, "how many"},
                   {"size", &size, "bytes"}});
  int fd;
  while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && fd <= 2) {
  }
  close(fd);
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  const size_t n = strlen(path);
  if (n == 0 || n > 107) {
    ipc::ReportErrno("bind", path, n == 0 ? EINVAL : ENAMETOOLONG);
    return 1;
  }
  own.sun_family = AF_UNIX;
  memcpy(own.sun_path, path, n);
  fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    ipc::ReportErrno("socket", path);
    return 1;
  }
  struct stat st;
  if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
    const int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connect(probe, reinterpret_cast<sockaddr*>(&own), sizeof(own)) < 0 &&
        errno == ECONNREFUSED)
      unlink(path);
    close(probe);
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  umask(0177);
  if (bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof(own)) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  action.sa_handler = Bye;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigprocmask(SIG_UNBLOCK, &ends, nullptr);

  int status = 0;
  static mmsghdr box[kBatch];
  static iovec parts[kBatch];
  static sockaddr_un from[kBatch];
  for (auto& part : parts) {
    part.iov_base = Memory(size);
    part.iov_len = size;
    if (part.iov_base == nullptr) {
      ipc::ReportErrno("mmap", "", ENOMEM);
      unlink(path);
      return 1;
    }
  }
  while (datagrams > 0 && status != 3) {
    for (int i = 0; i < kBatch; i++) {
      memset(&box[i], 0, sizeof(box[i]));
      box[i].msg_hdr.msg_name = &from[i];
      box[i].msg_hdr.msg_namelen = sizeof(from[i]);
      box[i].msg_hdr.msg_iov = &parts[i];
      box[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = recvmmsg(fd, box, datagrams < kBatch ? datagrams : kBatch,
                               MSG_WAITFORONE | MSG_TRUNC, nullptr);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("recvmmsg", path);
      status = 1;
      break;
    }
    datagrams -= count;
    for (int i = 0; i < count; i++) {
      const unsigned length = box[i].msg_len, most = size;
      const unsigned kept = length < most ? length : most;
      char* bytes = static_cast<char*>(parts[i].iov_base);
      const socklen_t named = box[i].msg_hdr.msg_namelen;
      int error = 0;
      if (named > 2) {
        for (char* p = bytes; p < bytes + kept; p++) {
          if (*p >= 'a' && *p <= 'z') *p = 'A' + (*p - 'a');
        }
        if (sendto(fd, bytes, kept, MSG_DONTWAIT,
                   reinterpret_cast<sockaddr*>(&from[i]),
                   named > sizeof(from[i]) ? sizeof(from[i]) : named) < 0)
          error = errno;
      }
      char name[112] = "(unnamed)";
      size_t chars = 9;
      if (named > 2) {
        chars =
            from[i].sun_path[0] ? strnlen(from[i].sun_path, 108) : named - 2;
        memset(name, 0, sizeof(name));
        memcpy(name, from[i].sun_path, chars);
        if (name[0] == 0) name[0] = '@';
      }
      printf("%u bytes from ", length);
      fwrite(name, chars, 1, stdout);
      if (length > most) printf(", cut to %u", most);
      putchar('\n');
      if (fflush(stdout) == EOF) {
        ipc::ReportErrno("fflush", "stdout");
        status = 3;
        break;
      }
      if (error != 0) {
        ipc::ReportErrno("sendto", name, error);
        status = 1;
      }
    }
  }
  unlink(path);
  return status != 0;
}
