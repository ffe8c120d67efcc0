// A variant with a process for each answer, which the server waits for.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>

#include "lib/program.h"
#include "lib/unique_fd.h"

namespace {

const char* path = "/tmp/unix.dgram";

void Stop(int) {
  unlink(path);
  _exit(0);
}

int Bind(int server) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (!*path || strlen(path) >= sizeof(address.sun_path)) {
    errno = *path ? ENAMETOOLONG : EINVAL;
    return -1;
  }
  strcpy(address.sun_path, path);
  const auto* generic = reinterpret_cast<sockaddr*>(&address);
  struct stat file;
  if (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode)) {
    const ipc::UniqueFd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (connect(probe.get(), generic, sizeof(address)) < 0 &&
        errno == ECONNREFUSED) {
      unlink(path);
    }
  }
  fchmod(server, S_IRUSR | S_IWUSR);
  return bind(server, generic, sizeof(address));
}

}  // namespace

int main(int argc, char** argv) {
  int datagrams = 1;
  int size = 1024;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"},
                   {"datagrams", &datagrams, "count"},
                   {"size", &size, "bytes"}});
  const ipc::UniqueFd server(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, nullptr);
  if (Bind(server.get()) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  signal(SIGINT, Stop);
  signal(SIGTERM, Stop);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_UNBLOCK, &stops, nullptr);

  bool lost = false;
  std::string buffer(size, '\0');
  while (datagrams-- > 0) {
    sockaddr_un from = {};
    socklen_t length = sizeof(from);
    ssize_t count;
    do {
      count = recvfrom(server.get(), &buffer[0], size, MSG_TRUNC,
                       reinterpret_cast<sockaddr*>(&from), &length);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
      ipc::ReportErrno("recvfrom", path);
      unlink(path);
      return 1;
    }
    if (length > sizeof(from)) length = sizeof(from);
    std::string name = "(unnamed)";
    if (length > offsetof(sockaddr_un, sun_path)) {
      name.assign(from.sun_path, length - offsetof(sockaddr_un, sun_path));
      if (name[0]) {
        name = name.c_str();
      } else {
        name[0] = '@';
      }
    }
    std::string line =
        std::to_string(count) + " bytes from " + name +
        (count > size ? ", cut to " + std::to_string(size) : "") + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) {
      ipc::ReportErrno("print", path);
      lost = true;
    }
    if (name == "(unnamed)") continue;

    const pid_t child = fork();
    if (child == 0) {
      std::string answer = buffer.substr(0, count);
      for (char& c : answer) c = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
      const ssize_t sent =
          sendto(server.get(), answer.data(), answer.size(), MSG_DONTWAIT,
                 reinterpret_cast<sockaddr*>(&from), length);
      if (sent < 0) ipc::ReportErrno("sendto", name.c_str());
      _exit(sent < 0);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0) lost = true;
  }
  unlink(path);
  return lost;
}
