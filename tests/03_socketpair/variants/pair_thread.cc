// A variant with a thread that sends, while the main one receives; recvmsg and
// sendmsg.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "lib/program.h"

namespace {

ssize_t Receive(int fd, char* buffer, size_t size) {
  iovec piece = {buffer, size};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  ssize_t count;
  while ((count = recvmsg(fd, &header, 0)) < 0 && errno == EINTR) {
  }
  return count;
}

bool Send(int fd, std::string text) {
  while (!text.empty()) {
    iovec piece = {text.data(), text.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    const ssize_t count = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.erase(0, count);
  }
  return true;
}

int Child(int fd) {
  char buffer[1000];
  size_t total = 0;
  ssize_t count;
  while ((count = Receive(fd, buffer, sizeof(buffer))) > 0) {
    total += count;
    for (int i = 0; i < count; ++i) {
      buffer[i] = toupper(static_cast<unsigned char>(buffer[i]));
    }
    if (!Send(fd, std::string(buffer, count))) return 1;
  }
  if (count < 0) return 1;
  return !Send(fd, "\n===== info =====\nBytes from parent: " +
                       std::to_string(total) + "\n");
}

// Sends the input, in a thread of its own.
void Feed(int fd) {
  char buffer[5000];
  while (true) {
    const ssize_t count = read(0, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("read", "stdin");
      _exit(1);
    }
    if (count == 0) break;
    if (!Send(fd, std::string(buffer, count))) return;  // Receiving tells.
  }
  shutdown(fd, SHUT_WR);
}

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  for (int fd : {0, 1}) {
    if (fcntl(fd, F_GETFD) < 0) {
      ipc::ReportErrno(fd == 0 ? "read" : "write",
                       fd == 0 ? "stdin" : "stdout");
      return 1;
    }
  }
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) return 1;
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    close(fds[0]);
    _exit(Child(fds[1]));
  }
  close(fds[1]);
  signal(SIGPIPE, SIG_IGN);
  std::thread(Feed, fds[0]).detach();
  char buffer[3000];
  ssize_t count;
  while ((count = Receive(fds[0], buffer, sizeof(buffer))) > 0) {
    for (ssize_t done = 0, now; done < count; done += now) {
      now = write(1, buffer + done, count - done);
      if (now < 0 && errno == EINTR) now = 0;
      if (now < 0) {
        ipc::ReportErrno("write", "stdout");
        _exit(1);
      }
    }
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    const std::string how =
        std::string("died of SIG") + sigabbrev_np(WTERMSIG(status));
    ipc::Report("the", "child", how.c_str());
  }
  _exit(status != 0);
}
