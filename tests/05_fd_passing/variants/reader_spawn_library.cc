// A variant with what the labs before earned, MSG_WAITALL, room for all that
// may ever come, and posix_spawn.
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/errno_status.h"
#include "lib/program.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/stream_io.h"
#include "lib/unique_fd.h"

extern char** environ;

namespace {

using ipc::UniqueFd;

struct Answer {
  std::array<int32_t, 4> errors;
  std::deque<UniqueFd> fds;
};

int Fail(const absl::Status& status) {
  fprintf(stderr, "reader: %s\n", std::string(status.message()).c_str());
  return 1;
}

absl::Status Receive(int opener, Answer* answer) {
  char* bytes = reinterpret_cast<char*>(answer->errors.data());
  for (size_t got = 0; got < sizeof(answer->errors);) {
    alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
    iovec part = {bytes + got, sizeof(answer->errors) - got};
    msghdr message = {nullptr, 0, &part, 1, control, sizeof(control), 0};
    const ssize_t count =
        recvmsg(opener, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ipc::ErrnoStatus("recvmsg", "answer");
    if (count == 0) return ipc::ErrnoStatus("recvmsg", "answer", EBADMSG);
    got += count;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one;
         one = CMSG_NXTHDR(&message, one)) {
      const auto* fds = reinterpret_cast<const int*>(CMSG_DATA(one));
      const size_t size = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < size; ++i) answer->fds.emplace_back(fds[i]);
    }
  }
  return absl::OkStatus();
}

absl::Status Copy(int fd) {
  while (true) {
    char buffer[300];
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ipc::ErrnoStatus("read", "file");
    if (count == 0) return absl::OkStatus();
    for (ssize_t done = 0; done < count;) {
      const ssize_t more = write(1, buffer + done, count - done);
      if (more < 0 && errno == EINTR) continue;
      if (more < 0) return ipc::ErrnoStatus("write", "stdout");
      done += more;
    }
  }
}

absl::Status Run(const char* program, int fd) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fd, 0);
  char* args[] = {const_cast<char*>(program), nullptr};
  pid_t pid;
  const int error =
      posix_spawnp(&pid, program, &actions, nullptr, args, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error) return ipc::ErrnoStatus("posix_spawn", program, error);
  int status = 0;
  waitpid(pid, &status, 0);
  return status == 0 ? absl::OkStatus() : absl::UnknownError("it failed");
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/opener.socket";
  const char* program = "";
  int next = ipc::ParseFlags(
      argc, argv, {{"socket", &path, ""}, {"run", &program, ""}}, "FILE...");
  if (next == argc) {
    fprintf(stderr, "reader: which files?\n");
    return 2;
  }
  for (int i = next; i < argc; ++i) {
    if (std::string(argv[i]).size() > 254) {
      return Fail(ipc::ErrnoStatus("open", "a long name", ENAMETOOLONG));
    }
  }
  const auto address = ipc::SocketAddress::UnixPath(path);
  if (!address.ok()) return Fail(address.status());
  const absl::StatusOr<UniqueFd> opener = ipc::Connect(*address);
  if (!opener.ok()) return Fail(ipc::ErrnoStatus("connect", path));

  int status = 0;
  while (next < argc) {
    std::string request;
    const int first = next;
    for (; next < argc && next < first + 4; ++next) {
      request += 'r';
      request += argv[next];
      request.resize(256UL * (next - first + 1));
    }
    request.resize(1024);
    const absl::Status sent = ipc::WriteAll(opener->get(), request);
    if (!sent.ok()) return Fail(sent);
    Answer answer;
    const absl::Status received = Receive(opener->get(), &answer);
    if (!received.ok()) return Fail(received);
    for (int i = first; i < next; ++i) {
      int error = answer.errors[i - first];
      if (error == 0 && answer.fds.empty()) error = EBADMSG;
      if (error != 0) {
        status = Fail(ipc::ErrnoStatus("open", argv[i], error));
        continue;
      }
      const UniqueFd fd = std::move(answer.fds.front());
      answer.fds.pop_front();
      const absl::Status used =
          *program ? Run(program, fd.get()) : Copy(fd.get());
      if (!used.ok()) status = Fail(used);
    }
  }
  return status;
}
