// Lab 04, the server. README.md in this folder leads through it step by step
// and states the contract; `./lab check 04` tells how far you are.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* name = "lab";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "abstract name, @ for a NUL"},
                   {"clients", &clients, "how many clients to serve"}});

  // TODO step 1: bind a stream socket to the abstract name, and listen.
  // TODO step 2: print the name that it has, and the size of its address.
  // TODO step 4: accept a client, `clients` times, and serve it in a child.
  // TODO step 5: let go of the name in the child.
  // TODO step 6: refuse clients of another uid.
  ipc::Report("start", name, "not written yet; begin with step 1 of README.md");
  return 1;
}
