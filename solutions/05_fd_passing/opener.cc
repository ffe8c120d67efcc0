// Opens files below its root for readers on a UNIX stream socket, each reader
// in a process of its own, and passes them the descriptors.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kBacklog = 5;
constexpr int kFiles = 4;  // In a request.
constexpr int kTries = 100;

// What a reader sends: what it wants to open, and for what.
struct Wish {
  char access;  // 'r' or 'w'; NUL where there is no wish.
  char name[255];
};
struct Request {
  Wish wishes[kFiles];
};

// What it gets: an errno for each wish, 0 for those whose descriptors come
// along with the first byte.
struct Answer {
  int32_t errors[kFiles];
};

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
  if (listen(listener, kBacklog) < 0) {
    ipc::ReportErrno("listen", path);
    unlink(path);
    close(listener);
    return -1;
  }
  return listener;
}

// Fills `request` from however many pieces it takes; the number of bytes that
// came before the end of the stream, or -1 on error. Descriptors that come
// along are nothing to us: read, which cannot take them, has the kernel close
// them.
ssize_t ReadRequest(int reader, Request* request) {
  char* bytes = reinterpret_cast<char*>(request);
  size_t got = 0;
  while (got < sizeof(*request)) {
    const ssize_t count = read(reader, bytes + got, sizeof(*request) - got);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    got += count;
  }
  return static_cast<ssize_t>(got);
}

// What `wish` asks for, open; -1 with the reason in errno. Nothing in a wish
// can be trusted.
int Open(int root, const Wish& wish) {
  if (wish.access != 'r' && wish.access != 'w') {
    errno = EINVAL;
    return -1;
  }
  if (!memchr(wish.name, '\0', sizeof(wish.name))) {
    errno = ENAMETOOLONG;
    return -1;
  }
  open_how how = {};
  // Opening a FIFO would wait for its other end, were it not for O_NONBLOCK. On
  // a regular file that has no effect.
  how.flags = (wish.access == 'r' ? O_RDONLY : O_WRONLY) | O_NONBLOCK |
              O_NOCTTY | O_CLOEXEC;
  // The kernel itself sees to it that no step of the way leaves the root, be it
  // .., a symbolic link or one that is put there while we look.
  how.resolve = RESOLVE_BENEATH;
  int fd;
  int tries = 0;
  do {  // EAGAIN: a rename came between; the kernel cannot vouch for a "..".
    fd = static_cast<int>(
        syscall(SYS_openat2, root, wish.name, &how, sizeof(how)));
  } while (fd < 0 && errno == EAGAIN && ++tries < kTries);
  if (fd < 0) return -1;
  struct stat status = {};
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return fd;
  close(fd);
  // From a directory's descriptor, ".." leads out of the root.
  errno = S_ISDIR(status.st_mode) ? EISDIR : EACCES;
  return -1;
}

// Sends `answer`, and the `count` descriptors in `fds` with its first byte.
bool SendAnswer(int reader, const Answer& answer, const int* fds, int count) {
  const size_t size = count * sizeof(int);
  alignas(cmsghdr) char control[CMSG_SPACE(kFiles * sizeof(int))] = {};
  iovec part = {const_cast<Answer*>(&answer), sizeof(answer)};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(size);  // With the padding: one fd too many.
    memcpy(CMSG_DATA(rights), fds, size);
  }
  while (part.iov_len > 0) {
    const ssize_t sent = sendmsg(reader, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    part.iov_base = static_cast<char*>(part.iov_base) + sent;
    part.iov_len -= sent;
    message.msg_control = nullptr;  // They are gone with the first byte.
    message.msg_controllen = 0;
  }
  return true;
}

// The files that were passed last, by their place in the request. Ours are
// descriptors of the same open file descriptions: what the reader does with its
// own moves the offset of these.
struct Passed {
  int fds[kFiles] = {-1, -1, -1, -1};
};

// Whether what was printed is out.
bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "stdout");
  return false;
}

// Opens what is wished for, answers, and prints how much was passed. False when
// the reader did not wait for its answer, which is its own affair; `all_well`
// tells of failures of ours.
bool Serve(int reader, int number, int root, const Request& request,
           Passed* passed, bool* all_well) {
  Answer answer = {};
  int fds[kFiles];
  int count = 0, wishes = 0;
  for (int i = 0; i < kFiles; ++i) {
    passed->fds[i] = Open(root, request.wishes[i]);
    if (request.wishes[i].access != '\0') ++wishes;
    if (passed->fds[i] < 0) {
      answer.errors[i] = errno;
    } else {
      fds[count++] = passed->fds[i];
    }
  }
  if (!SendAnswer(reader, answer, fds, count)) {
    if (errno != EPIPE && errno != ECONNRESET) *all_well = false;
    ipc::ReportErrno("sendmsg", "answer");
    for (int i = 0; i < count; ++i) close(fds[i]);
    return false;
  }
  printf("reader %d: passed %d of %d files\n", number, count, wishes);
  if (!Flush()) *all_well = false;
  return true;
}

// The reader is done with what it got: prints how far it read, and closes ours.
bool Finish(int number, Passed* passed) {
  for (int i = 0; i < kFiles; ++i) {
    if (passed->fds[i] < 0) continue;
    const off_t offset = lseek(passed->fds[i], 0, SEEK_CUR);
    printf("reader %d: file %d is at byte %lld\n", number, i + 1,
           static_cast<long long>(offset));
    close(passed->fds[i]);
    passed->fds[i] = -1;
  }
  return Flush();
}

// Answers the reader's requests until it ends the connection. False if the
// opener failed; what the reader does wrong is reported, and is not a failure.
bool ServeReader(int reader, int number, int root) {
  Passed passed;
  Request request;
  bool all_well = true;
  ssize_t got;
  while ((got = ReadRequest(reader, &request)) == sizeof(request)) {
    if (!Finish(number, &passed)) all_well = false;
    if (!Serve(reader, number, root, request, &passed, &all_well)) {
      return all_well;
    }
  }
  const int error = errno;
  if (!Finish(number, &passed)) all_well = false;
  if (got < 0) {
    if (error != ECONNRESET) all_well = false;  // It did not read its answer.
    ipc::ReportErrno("read", "request", error);
  } else if (got > 0) {
    char problem[64];
    snprintf(problem, sizeof(problem), "end of file after %zd of %zu bytes",
             got, sizeof(request));
    ipc::Report("read", "request", problem);
  }
  return all_well;
}

// Buries the children that have ended; all of them, when it has them awaited.
// Whether these had no failure.
bool Bury(int options) {
  bool all_well = true;
  int status;
  pid_t child;
  while ((child = waitpid(-1, &status, options)) > 0 ||
         (child < 0 && errno == EINTR)) {
    if (child > 0 && status != 0) all_well = false;
  }
  return all_well;
}

// Serves as many readers as `readers`, side by side.
bool ServeReaders(int listener, int readers, int root) {
  bool all_well = true;
  for (int number = 1; number <= readers; ++number) {
    const int reader = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (reader < 0) {
      ipc::ReportErrno("accept", "");
      return false;
    }
    const pid_t child = fork();
    if (child == 0) {
      close(listener);
      _exit(ServeReader(reader, number, root) ? 0 : 1);
    }
    close(reader);
    if (child < 0) {
      ipc::ReportErrno("fork", "");
      return false;
    }
    if (!Bury(WNOHANG)) all_well = false;
  }
  return all_well;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/opener.socket";
  const char* root_path = ".";
  int readers = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"root", &root_path, "the folder whose files are passed"},
                   {"readers", &readers, "how many readers to serve"}});

  const int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) {
    ipc::ReportErrno("open", root_path);
    return 1;
  }
  const int listener = Listen(path);
  if (listener < 0) return 1;
  const bool served = ServeReaders(listener, readers, root);
  close(listener);
  unlink(path);
  const bool all_well = Bury(0);  // Until none is left: ECHILD.
  return served && all_well ? 0 : 1;
}
