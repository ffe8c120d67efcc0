// A variant that forks a child for each client and waits for it; the child
// reads through stdio.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "lib/program.h"

namespace {

std::string path;
pid_t child = 0;

void Stop(int) {
  if (child > 0) kill(child, SIGKILL);
  unlink(path.c_str());
  _exit(0);
}

int ServeAndExit(int client) {
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  FILE* in = fdopen(client, "r");
  puts("\n===== info =====");
  char record[1024];
  size_t got;
  while ((got = fread(record, 1, sizeof(record), in)) == sizeof(record)) {
    fputs("Message from client (1024): ", stdout);
    fwrite(record, 1, strnlen(record, sizeof(record)), stdout);
    putchar('\n');
    fflush(stdout);
  }
  fflush(stdout);
  if (got) {
    fprintf(stderr, "server: fread client: %zu bytes of a record\n", got);
  }
  return got != 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* flag = "/tmp/unix.domain";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &flag, "path"}, {"clients", &clients, "count"}});
  path = flag;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() > sizeof(address.sun_path) - 1) {
    ipc::ReportErrno("bind", flag, path.empty() ? EINVAL : ENAMETOOLONG);
    return 1;
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  struct stat file;
  const int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (lstat(flag, &file) == 0 && S_ISSOCK(file.st_mode) &&
      connect(probe, generic, sizeof(address)) < 0 && errno == ECONNREFUSED) {
    unlink(flag);
  }
  close(probe);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  fcntl(listener, F_SETFD, FD_CLOEXEC);
  fchmod(listener, 0600);
  if (bind(listener, generic, sizeof(address)) < 0) {
    ipc::ReportErrno("bind", flag);
    return 1;
  }
  struct sigaction action {};
  action.sa_handler = Stop;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  listen(listener, 16);
  int status = 0;
  for (; clients > 0; --clients) {
    const int client = accept(listener, nullptr, nullptr);
    fcntl(client, F_SETFD, FD_CLOEXEC);
    child = fork();
    if (child == 0) {
      close(listener);
      exit(ServeAndExit(client));
    }
    close(client);
    int ended;
    waitpid(child, &ended, 0);
    child = 0;
    if (ended) status = 1;
  }
  unlink(flag);
  return status;
}
