// Sends its standard input to a child over a socket pair, and prints what the
// child makes of it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

// Any size is right; big ones take fewer system calls.
constexpr size_t kBufferSize = 65536;

// Writes all of `data` to a socket or a file, in as many pieces as it takes.
bool WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = write(fd, data, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    data += count;
    size -= count;
  }
  return true;
}

// How a call fails when the process at the other end of the pair is gone, for a
// write, and for a read when it left something unread.
bool OtherEndIsGone() { return errno == EPIPE || errno == ECONNRESET; }

// The child: answers what comes in capitals until it ends, then says how much
// it was. Returns its exit status.
int Answer(int parent) {
  char bytes[kBufferSize];
  unsigned long long total = 0;
  ssize_t count;
  while ((count = read(parent, bytes, sizeof(bytes))) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    for (char* byte = bytes; byte < bytes + count; ++byte) {
      if ('a' <= *byte && *byte <= 'z') *byte += 'A' - 'a';
    }
    total += count;
    if (!WriteAll(parent, bytes, count)) break;
  }
  if (count == 0) {
    const int length =
        snprintf(bytes, sizeof(bytes),
                 "\n===== info =====\nBytes from parent: %llu\n", total);
    if (WriteAll(parent, bytes, length)) return 0;
  }
  // A parent that is gone knows why, and has said so.
  if (!OtherEndIsGone()) ipc::ReportErrno("answer", "parent");
  return 1;
}

// The parent: sends the child what comes from standard input and prints what
// comes back, whichever is first, until the child ends. Doing one after the
// other would end in both waiting for each other, with all buffers full.
// Returns whether all went well on this side.
bool Relay(int child) {
  char input[kBufferSize];
  ssize_t begin = 0, end = 0;  // Of what is read and not yet sent.
  bool more_input = true;
  while (true) {
    const bool unsent = begin < end;
    pollfd ready[] = {
        // poll overlooks a descriptor of -1. No reading ahead of the child.
        {more_input && !unsent ? STDIN_FILENO : -1, POLLIN, 0},
        {child, static_cast<short>(unsent ? POLLIN | POLLOUT : POLLIN), 0}};
    if (poll(ready, 2, -1) < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("poll", "");
      return false;
    }

    if (ready[1].revents & ~POLLOUT) {  // Also an end or an error.
      char answer[kBufferSize];
      const ssize_t count = recv(child, answer, sizeof(answer), 0);
      if (count == 0 || (count < 0 && OtherEndIsGone())) return true;
      if (count < 0 && errno != EINTR) {
        ipc::ReportErrno("recv", "child");
        return false;
      }
      if (count > 0 && !WriteAll(STDOUT_FILENO, answer, count)) {
        ipc::ReportErrno("write", "standard output");
        return false;
      }
    }

    if (ready[1].revents & POLLOUT) {
      // There is room, but how much? Waiting for more would be waiting for a
      // child that may wait for us.
      const ssize_t count =
          send(child, input + begin, end - begin, MSG_DONTWAIT);
      if (count > 0) {
        begin += count;
      } else if (errno != EINTR && errno != EAGAIN && !OtherEndIsGone()) {
        ipc::ReportErrno("send", "child");
        return false;
      }
    }

    if (ready[0].revents) {
      const ssize_t count = read(STDIN_FILENO, input, sizeof(input));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        ipc::ReportErrno("read", "standard input");
        return false;
      }
      begin = 0;
      end = count;
      if (count == 0) {
        more_input = false;
        shutdown(child, SHUT_WR);  // The child's end of file; it may go on.
      }
    }
  }
}

// Waits for the end of the child; its status, as of waitpid(2).
int Reap(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno == EINTR) continue;
    ipc::ReportErrno("waitpid", "child");
    return -1;
  }
  if (WIFSIGNALED(status)) {
    const char* name = sigabbrev_np(WTERMSIG(status));
    char problem[64];
    snprintf(problem, sizeof(problem), "killed by signal %d (SIG%s)",
             WTERMSIG(status), name ? name : "?");
    ipc::Report("wait", "child", problem);
  }
  return status;
}

// The pair would take the number of a descriptor that is closed, and talk to
// itself.
bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});
  if (!IsOpen(STDIN_FILENO)) {
    ipc::ReportErrno("read", "standard input");
    return 1;
  }
  if (!IsOpen(STDOUT_FILENO)) {
    ipc::ReportErrno("write", "standard output");
    return 1;
  }
  // Writing to who is gone is an error to report, not a signal to die of.
  signal(SIGPIPE, SIG_IGN);

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    ipc::ReportErrno("socketpair", "");
    return 1;
  }
  ipc::UniqueFd to_child(ends[0]), to_parent(ends[1]);
  const pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", "");
    return 1;
  }
  // Both have both ends now. An end of file comes when nobody has the other
  // end any more, so each closes the one that is not its own.
  if (child == 0) {
    to_child.reset();
    _exit(Answer(to_parent.get()));
  }
  to_parent.reset();

  const bool relayed = Relay(to_child.get());
  to_child.reset();
  const int status = Reap(child);
  return relayed && status == 0 ? 0 : 1;
}
