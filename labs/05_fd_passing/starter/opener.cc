// Lab 05, the opener. README.md in this folder leads through it step by step
// and states the contract; `./lab check 05` tells how far you are.
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
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

// The listening socket; -1 after reporting why not. As in lab 01;
// this much is given.
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

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/opener.socket";
  const char* root_path = ".";
  int readers = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"root", &root_path, "the folder whose files are passed"},
                   {"readers", &readers, "how many readers to serve"}});

  // TODO delete these two lines when you begin.
  ipc::Report("start", path, "not written yet; begin with step 1 of README.md");
  return 1;

  // TODO step 2: open the root.
  const int listener = Listen(path);
  if (listener < 0) return 1;
  // TODO step 1: accept a reader, and read a request of sizeof(Request) bytes.
  // TODO step 2: open what it wishes for, below the root only.
  // TODO step 3: send an Answer with the descriptors, by sendmsg.
  // TODO step 4: at the next request, or the reader's end, print the offsets.
  // TODO step 5: serve `readers` readers, side by side.
  close(listener);
  unlink(path);
  return 0;
}
