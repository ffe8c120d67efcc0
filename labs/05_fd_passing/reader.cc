// Lab 05, the reader. README.md in this folder leads through it step by step
// and states the contract; `./lab check 05` tells how far you are.
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

// A socket connected to the opener; -1 after reporting why not. As in lab 01;
// this much is given.
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

}  // namespace

int main(int argc, char** argv) {
  const char* path = "/tmp/opener.socket";
  const char* program = "";
  const int first = ipc::ParseFlags(
      argc, argv,
      {{"socket", &path, "path of the opener's socket"},
       {"run", &program, "what reads each file as its stdin, if not we"}},
      "FILE...");

  // TODO delete these two lines when you begin.
  ipc::Report("start", path, "not written yet; begin with step 1 of README.md");
  return 1;

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
  // TODO step 1: ask for the files argv[first] and on, four in a Request.
  // TODO step 6: receive the Answer and its descriptors, by recvmsg.
  // TODO step 6: print what each descriptor has to be read, and close it.
  // TODO step 7: with --run, have `program` read it instead.
  close(opener);
  return 0;
}
