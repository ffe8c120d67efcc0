// Prints files that the opener opens for it, or has a program read them.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kFiles = 4;  // In a request.

// What the opener is asked for, and what it answers: see opener.cc.
struct Wish {
  char access;
  char name[255];
};
struct Request {
  Wish wishes[kFiles];
};
struct Answer {
  int32_t errors[kFiles];
};

// The descriptors that came with an answer, in their order.
struct Received {
  int fds[kFiles];
  int count = 0;
};

// A socket connected to the opener; -1 after reporting why not. As in lab 01.
int Connect(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    ipc::ReportErrno("connect", path, ENAMETOOLONG);
    return -1;
  }
  strcpy(address.sun_path, path);
  const int opener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (opener < 0) {
    ipc::ReportErrno("socket", path);
    return -1;
  }
  if (connect(opener, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) < 0) {
    ipc::ReportErrno("connect", path);
    close(opener);
    return -1;
  }
  return opener;
}

// Sends all of `bytes`, in as many pieces as the kernel likes.
bool SendAll(int socket, const void* bytes, size_t size) {
  const char* next = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t count = send(socket, next, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    next += count;
    size -= count;
  }
  return true;
}

// The same for what need not be a socket.
bool WriteAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t count = write(fd, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes += count;
    size -= count;
  }
  return true;
}

// Takes the descriptors that came with `message`, and closes those beyond the
// number that can have been asked for: they are ours already, wanted or not.
void Take(msghdr* message, Received* received) {
  for (cmsghdr* one = CMSG_FIRSTHDR(message); one;
       one = CMSG_NXTHDR(message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(one) + i * sizeof(int), sizeof(int));
      if (received->count < kFiles) {
        received->fds[received->count++] = fd;
      } else {
        close(fd);
      }
    }
  }
}

// Receives an answer from however many pieces it takes. False with the reason
// in errno, which is EBADMSG at the end of the stream.
bool ReceiveAnswer(int opener, Answer* answer, Received* received) {
  iovec part = {answer, sizeof(*answer)};
  while (part.iov_len > 0) {
    // Surplus that does not fit is closed by the kernel: MSG_CTRUNC.
    alignas(cmsghdr) char control[CMSG_SPACE(kFiles * sizeof(int))];
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t got = recvmsg(opener, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    Take(&message, received);
    if (got == 0) {
      errno = EBADMSG;
      return false;
    }
    part.iov_base = static_cast<char*>(part.iov_base) + got;
    part.iov_len -= got;
  }
  return true;
}

// Copies the rest of `fd` to stdout, from wherever its offset is.
bool Print(int fd, const char* name) {
  char buffer[4096];
  ssize_t count;
  while ((count = read(fd, buffer, sizeof(buffer))) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("read", name);
      return false;
    }
    if (!WriteAll(STDOUT_FILENO, buffer, count)) {
      ipc::ReportErrno("write", "stdout");
      return false;
    }
  }
  return true;
}

// Has `program` read `fd` as its stdin; whether it ended with status 0.
bool Run(const char* program, int fd) {
  const pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", "");
    return false;
  }
  if (child == 0) {
    // The copy is not close-on-exec; all that came by MSG_CMSG_CLOEXEC is.
    dup2(fd, STDIN_FILENO);
    execlp(program, program, nullptr);
    ipc::ReportErrno("exec", program);
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0;
}

// Asks for the `count` files in `names`; false, after saying why, when there is
// no whole answer.
bool Ask(int opener, char** names, int count, Answer* answer,
         Received* received) {
  Request request = {};
  for (int i = 0; i < count; ++i) {
    request.wishes[i].access = 'r';
    strcpy(request.wishes[i].name, names[i]);  // Main has measured it.
  }
  if (!SendAll(opener, &request, sizeof(request))) {
    ipc::ReportErrno("send", "request");
    return false;
  }
  if (!ReceiveAnswer(opener, answer, received)) {
    ipc::ReportErrno("recvmsg", "answer");
    return false;
  }
  return true;
}

// Makes use of each file that has come; whether all came, and all went well.
bool Use(char** names, int count, const char* program, const Answer& answer,
         const Received& received) {
  bool all_well = true;
  int next = 0;
  for (int i = 0; i < count; ++i) {
    int error = answer.errors[i];
    if (error == 0 && next == received.count) error = EBADMSG;  // It lies.
    if (error != 0) {
      ipc::ReportErrno("open", names[i], error);
      all_well = false;
      continue;
    }
    const int fd = received.fds[next++];
    const bool used = *program ? Run(program, fd) : Print(fd, names[i]);
    all_well = all_well && used;
  }
  return all_well;
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/opener.socket";
  const char* program = "";
  const int first = ipc::ParseFlags(
      argc, argv,
      {{"socket", &path, "path of the opener's socket"},
       {"run", &program, "what reads each file as its stdin, if not we"}},
      "FILE...");
  if (first == argc) {
    ipc::Report("FILE", "", "at least one is needed; see --help");
    return 2;
  }
  for (int i = first; i < argc; ++i) {
    if (strlen(argv[i]) >= sizeof(Wish::name)) {
      ipc::ReportErrno("open", argv[i], ENAMETOOLONG);
      return 1;
    }
  }

  const int opener = Connect(path);
  if (opener < 0) return 1;
  bool all_well = true, answered = true;
  for (int i = first; i < argc && answered; i += kFiles) {
    const int count = std::min(kFiles, argc - i);
    Answer answer;
    Received received;
    answered = Ask(opener, argv + i, count, &answer, &received);
    all_well =
        answered && Use(argv + i, count, program, answer, received) && all_well;
    for (int k = 0; k < received.count; ++k) close(received.fds[k]);
  }
  close(opener);
  return all_well ? 0 : 1;
}
