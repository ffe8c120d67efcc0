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

// stdio keeps what came before a signal.
size_t ReadRecord(FILE* in, char* record) {
  size_t got = 0;
  do {
    clearerr(in);
    got += fread(record + got, 1, 1024 - got, in);
  } while (got < 1024 && ferror(in) && errno == EINTR);
  return got;
}

int ServeAndExit(int client) {
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  FILE* in = fdopen(client, "r");
  puts("\n===== info =====");
  char record[1024];
  size_t got;
  while ((got = ReadRecord(in, record)) == sizeof(record)) {
    fputs("Message from client (1024): ", stdout);
    fwrite(record, 1, strnlen(record, sizeof(record)), stdout);
    putchar('\n');
    fflush(stdout);
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    ipc::ReportErrno("write", "standard output");
    return 1;
  }
  if (ferror(in)) {
    ipc::ReportErrno("fread", "client");
    return 1;
  }
  if (got) {
    fprintf(stderr, "server: fread client: %zu bytes of a record\n", got);
  }
  return got != 0;
}

// Once the file is there.
int Fail(const char* call) {
  ipc::ReportErrno(call, path.c_str());
  unlink(path.c_str());
  return 1;
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
  if (listener < 0) {
    ipc::ReportErrno("socket", flag);
    return 1;
  }
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
  if (listen(listener, 16) < 0) return Fail("listen");
  int status = 0;
  for (; clients > 0; --clients) {
    int client;
    do {
      client = accept(listener, nullptr, nullptr);
    } while (client < 0 && errno == EINTR);
    if (client < 0) return Fail("accept");
    fcntl(client, F_SETFD, FD_CLOEXEC);
    child = fork();
    if (child < 0) return Fail("fork");
    if (child == 0) {
      close(listener);
      exit(ServeAndExit(client));
    }
    close(client);
    int ended;
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
    }
    child = 0;
    if (ended) status = 1;
  }
  unlink(flag);
  return status;
}
