// Lab 01, the server. README.md in this folder leads through it step by step
// and states the contract; `./lab check 01` tells how far you are.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.domain";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"clients", &clients, "how many clients to serve"}});

  // TODO step 1: make a stream socket.
  // TODO step 2: bind it to `path`.
  // TODO step 3: listen.
  // TODO step 5: accept a client, `clients` times.
  // TODO step 6: read its records of 1024 bytes and print each one.
  // TODO step 8: remove the socket file, whatever ends the program.
  ipc::Report("start", path, "not written yet; begin with step 1 of README.md");
  return 1;
}
