// A variant in one process: a loop around poll, which never waits for one
// reader. A file is looked at by O_PATH before it is opened.
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

using ipc::UniqueFd;

constexpr size_t kRequestSize = 1024;

struct Reader {
  int number;
  UniqueFd socket;
  std::vector<char> request;  // So far.
  std::map<int, UniqueFd> passed;
};

// A descriptor, or the errno that tells why there is none.
int Open(int root, const char* wish, UniqueFd* file) {
  if (*wish != 'r' && *wish != 'w') return EINVAL;
  if (strnlen(wish + 1, 255) == 255) return ENAMETOOLONG;
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH;
  UniqueFd found;
  for (int tries = 0; !found.valid() && tries < 50; ++tries) {
    found.reset(static_cast<int>(
        syscall(SYS_openat2, root, wish + 1, &how, sizeof(how))));
    if (!found.valid() && errno != EAGAIN) break;
  }
  if (!found.valid()) return errno;
  struct stat status;
  if (fstat(found.get(), &status) < 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (!S_ISREG(status.st_mode)) return EPERM;
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", found.get());
  file->reset(open(link, (*wish == 'r' ? O_RDONLY : O_WRONLY) | O_CLOEXEC));
  return file->valid() ? 0 : errno;
}

bool failed = false;  // To print.

void Flush() {
  if (fflush(stdout) == 0) return;
  ipc::ReportErrno("write", "stdout");
  failed = true;
}

void PrintOffsets(Reader* reader) {
  for (const auto& [place, file] : reader->passed) {
    printf("reader %d: file %d is at byte %jd\n", reader->number, place,
           static_cast<intmax_t>(lseek(file.get(), 0, SEEK_CUR)));
  }
  Flush();
  reader->passed.clear();
}

bool Answer(int root, Reader* reader) {
  int32_t errors[4];
  std::vector<int> fds;
  int wishes = 0;
  for (int i = 0; i < 4; ++i) {
    const char* wish = reader->request.data() + 256L * i;
    UniqueFd file;
    errors[i] = Open(root, wish, &file);
    wishes += *wish != '\0';
    if (errors[i]) continue;
    fds.push_back(file.get());
    reader->passed[i + 1] = std::move(file);
  }
  iovec part = {errors, sizeof(errors)};
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = {};
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  // Whoever lets answers pile up is not waited for, but left: EAGAIN.
  if (sendmsg(reader->socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) <
      0) {
    ipc::ReportErrno("sendmsg", "answer");
    return false;
  }
  printf("reader %d: passed %zu of %d files\n", reader->number, fds.size(),
         wishes);
  Flush();
  return true;
}

// Takes what has come; whether there will be more.
bool Serve(int root, Reader* reader) {
  char buffer[kRequestSize];
  const ssize_t count =
      recv(reader->socket.get(), buffer, kRequestSize - reader->request.size(),
           MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (count > 0) {  // A reset is an end, too.
    reader->request.insert(reader->request.end(), buffer, buffer + count);
  }
  if (reader->request.size() == kRequestSize) {
    PrintOffsets(reader);
    if (!Answer(root, reader)) return false;
    reader->request.clear();
  }
  if (count > 0) return true;
  PrintOffsets(reader);
  if (!reader->request.empty()) {
    fprintf(stderr, "opener: read request: it ends after %zu bytes\n",
            reader->request.size());
  }
  return false;
}

int Fail(const char* operation, const char* object) {
  ipc::ReportErrno(operation, object);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/opener.socket";
  const char* folder = ".";
  int readers = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, ""},
                   {"root", &folder, ""},
                   {"readers", &readers, ""}});
  const UniqueFd root(open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return Fail("open", folder);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  const UniqueFd listener(
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
           sizeof(address)) < 0) {
    return Fail("bind", path);
  }
  if (listen(listener.get(), 5) < 0) return Fail("listen", path);

  std::map<int, Reader> open_readers;
  for (int accepted = 0; accepted < readers || !open_readers.empty();) {
    std::vector<pollfd> waiting;
    if (accepted < readers) waiting.push_back({listener.get(), POLLIN, 0});
    for (const auto& [fd, reader] : open_readers) {
      waiting.push_back({fd, POLLIN, 0});
    }
    if (poll(waiting.data(), waiting.size(), -1) < 0) return Fail("poll", "");
    for (const pollfd& one : waiting) {
      if (!one.revents) continue;
      if (one.fd != listener.get()) {
        if (!Serve(root.get(), &open_readers[one.fd])) {
          open_readers.erase(one.fd);
        }
        continue;
      }
      const int fd = accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      open_readers[fd] = {++accepted, UniqueFd(fd), {}, {}};
    }
  }
  unlink(path);
  return failed ? 1 : 0;
}
