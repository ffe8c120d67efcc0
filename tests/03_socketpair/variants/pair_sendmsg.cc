// A variant with sendmsg and recvmsg; a child that fails has a line of its own.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

ssize_t Receive(int fd, char* bytes, size_t size, int flags) {
  iovec part = {bytes, size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t count;
  do {
    count = recvmsg(fd, &message, flags);
  } while (count < 0 && errno == EINTR);
  return count;
}

ssize_t Send(int fd, const char* bytes, size_t size, int flags) {
  iovec part = {const_cast<char*>(bytes), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t count;
  do {
    count = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count;
}

bool SendAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t count = Send(fd, bytes, size, 0);
    if (count < 0) return false;
    bytes += count;
    size -= count;
  }
  return true;
}

int ChildFailure(const char* operation) {
  // The parent has gone, or says itself why it goes.
  if (errno != EPIPE && errno != ECONNRESET)
    ipc::ReportErrno(operation, "child");
  return 1;
}

int Child(ipc::UniqueFd fd) {
  constexpr size_t kSize = 8192;
  auto bytes = std::make_unique<char[]>(kSize);
  unsigned long long total = 0;
  ssize_t count;
  while ((count = Receive(fd.get(), bytes.get(), kSize, 0)) > 0) {
    total += count;
    for (ssize_t i = 0; i < count; ++i) {
      switch (bytes[i]) {
        case 'a' ... 'z':
          bytes[i] &= ~0x20;
      }
    }
    if (!SendAll(fd.get(), bytes.get(), count)) return ChildFailure("sendmsg");
  }
  if (count < 0) return ChildFailure("recvmsg");
  char* info;
  const int size =
      asprintf(&info, "\n===== info =====\nBytes from parent: %llu\n", total);
  if (size < 0) return 1;
  const bool sent = SendAll(fd.get(), info, size);
  free(info);
  return sent ? 0 : ChildFailure("sendmsg");
}

struct Talk {
  int fd;
  std::unique_ptr<char[]> in = std::make_unique<char[]>(kSize);
  std::unique_ptr<char[]> out = std::make_unique<char[]>(kSize);
  size_t at = 0, end = 0;
  bool input = true;
  unsigned long long due = 0;  // Bytes read that have not come back.
  bool broken = false;
  static constexpr size_t kSize = 30000;

  explicit Talk(int fd) : fd(fd) {}

  bool Failed(const char* operation, const char* object) {
    ipc::ReportErrno(operation, object);
    return false;
  }

  // False after a failure that has been told.
  bool Run() {
    while (!broken || due > 0) {
      pollfd fds[2] = {{fd, short(POLLIN | (at < end ? POLLOUT : 0)), 0},
                       {input && at == end ? STDIN_FILENO : -1, POLLIN, 0}};
      if (poll(fds, 2, -1) < 0) {
        if (errno == EINTR) continue;
        return Failed("poll", "");
      }
      if (fds[0].revents & POLLOUT) Push();
      if (fds[0].revents & ~POLLOUT) {
        ssize_t count = Receive(fd, out.get(), kSize, MSG_DONTWAIT);
        if (count == 0) return !broken;
        if (count < 0 && errno != EAGAIN) return !broken;
        if (count > 0 && !Print(count)) return false;
      }
      if (fds[1].revents) Pull();
    }
    return false;
  }

  void Push() {
    ssize_t count = Send(fd, &in[at], end - at, MSG_DONTWAIT);
    if (count > 0) at += count;
    if (count < 0 && errno != EAGAIN) {
      at = end;
      input = false;
    }
  }

  bool Print(size_t count) {
    due = due < count ? 0 : due - count;  // The total was never due.
    for (size_t done = 0; done < count;) {
      ssize_t written = write(STDOUT_FILENO, &out[done], count - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed("write", "standard output");
      done += written;
    }
    return true;
  }

  void Pull() {
    ssize_t count = read(STDIN_FILENO, in.get(), kSize);
    if (count > 0) {
      at = 0;
      end = count;
      due += count;
    } else if (count == 0) {
      input = false;
      shutdown(fd, SHUT_WR);
    } else if (errno != EINTR && errno != EAGAIN) {
      Failed("read", "standard input");
      input = false;
      broken = true;
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd ? O_RDONLY : O_WRONLY);
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
    ipc::ReportErrno("socketpair", "pair");
    return 1;
  }
  ipc::UniqueFd mine(pair[0]), other(pair[1]);
  const pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", "child");
    return 1;
  }
  if (child == 0) {
    mine.reset();
    _exit(Child(std::move(other)));
  }
  other.reset();
  const bool well = Talk(mine.get()).Run();
  mine.reset();
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    if (well) ipc::ReportErrno("waitpid", "child");
    return 1;
  }
  if (!well) return 1;
  if (WIFEXITED(status)) return WEXITSTATUS(status) ? 1 : 0;
  const char* name = sigabbrev_np(WTERMSIG(status));
  char problem[100];
  snprintf(problem, sizeof problem, "the child was killed by signal %d, SIG%s",
           WTERMSIG(status), name ? name : "RT");
  ipc::Report("waitpid", "child", problem);
  return 1;
}
