// A variant that prints by std::cout, flushed after each answer, and blocks
// SIGPIPE.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

bool SendAll(int fd, const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    done += n;
  }
  return true;
}

void Upper(std::string& bytes) {
  static const std::string kSmall = "abcdefghijklmnopqrstuvwxyz";
  for (size_t at = bytes.find_first_of(kSmall); at != std::string::npos;
       at = bytes.find_first_of(kSmall, at + 1)) {
    bytes[at] -= 32;
  }
}

[[noreturn]] void Child(int fd) {
  unsigned long long total = 0;
  std::string bytes;
  while (true) {
    bytes.resize(20000);
    const ssize_t n = recv(fd, &bytes[0], bytes.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) _exit(2);
    if (n == 0) break;
    bytes.resize(n);
    total += n;
    Upper(bytes);
    if (!SendAll(fd, bytes)) _exit(2);
  }
  std::ostringstream info;
  info << "\n===== info =====\nBytes from parent: " << total << "\n";
  _exit(SendAll(fd, info.str()) ? 0 : 2);
}

// Without stdio between, std::cout writes again after EINTR.
bool Print(const char* bytes, size_t size) {
  errno = 0;
  if (std::cout.write(bytes, size).flush()) return true;
  ipc::ReportErrno("write", "standard output", errno ? errno : EIO);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  std::ios::sync_with_stdio(false);
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd ? O_RDONLY : O_WRONLY);
  }
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigprocmask(SIG_BLOCK, &pipe_signal, nullptr);  // As good as ignoring it.
  signal(SIGCHLD, SIG_DFL);

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    ipc::ReportErrno("socketpair", "");
    return 1;
  }
  ipc::UniqueFd socket(ends[0]);
  const pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", "");
    return 1;
  }
  if (child == 0) {
    socket.reset();
    Child(ends[1]);
  }
  close(ends[1]);

  std::string waiting, buffer(60000, '\0');
  bool input = true, told = false, unreadable = false;
  unsigned long long due = 0;
  while (true) {
    if (unreadable && due == 0) break;
    pollfd fds[2] = {{socket.get(), POLLIN, 0}, {-1, POLLIN, 0}};
    if (!waiting.empty()) fds[0].events |= POLLOUT;
    if (waiting.empty() && input) fds[1].fd = 0;
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("poll", "");
      told = true;
      break;
    }
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
      const ssize_t n =
          recv(socket.get(), &buffer[0], buffer.size(), MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) break;
      if (n > 0) {
        due -= std::min<unsigned long long>(due, n);
        if (!Print(buffer.data(), n)) {
          told = true;
          break;
        }
      }
    }
    if (fds[0].revents & POLLOUT) {
      const ssize_t n = send(socket.get(), waiting.data(), waiting.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) {
        waiting.erase(0, n);
      } else if (errno != EAGAIN && errno != EINTR) {
        waiting.clear();
        input = false;
      }
    }
    if (fds[1].revents) {
      const ssize_t n = read(0, &buffer[0], buffer.size());
      if (n > 0) {
        waiting.assign(buffer, 0, n);
        due += n;
      } else if (n == 0) {
        input = false;
        shutdown(socket.get(), SHUT_WR);
      } else if (errno != EINTR && errno != EAGAIN) {
        ipc::ReportErrno("read", "standard input");
        input = false;
        told = unreadable = true;
      }
    }
  }
  socket.reset();
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    if (!told) ipc::ReportErrno("waitpid", "child");
    return 1;
  }
  if (told) return 1;
  if (WIFSIGNALED(status)) {
    const char* name = sigabbrev_np(WTERMSIG(status));
    std::cerr << (std::string("pair: waitpid child: got SIG") +
                  (name ? name : "?") + "\n");
    return 1;
  }
  if (WEXITSTATUS(status)) {
    std::cerr << "pair: waitpid child: its own failure\n";
    return 1;
  }
  return 0;
}
