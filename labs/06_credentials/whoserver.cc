// Lab 06, the server. README.md in this folder leads through it step by step
// and states the contract; `./lab check 06` tells how far you are.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* name = "who";
  const char* allow = nullptr;
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "abstract name to listen at"},
                   {"allow", &allow, "the uid that is granted, else our own"},
                   {"clients", &clients, "how many clients to serve"}});

  // TODO step 1: listen at the abstract name; print who connected
  // (SO_PEERCRED).
  // TODO step 3: have the kernel say who sends (SO_PASSCRED), before the first
  // client; receive requests of 64 bytes by recvmsg.
  // TODO step 4: tell the end of the stream, and several authors, apart.
  // TODO step 5: grant or refuse, print and answer.
  // TODO step 6: a client may lie, stuff, or leave.
  // TODO step 7: tell whether the process that connected has ended.
  ipc::Report("start", name, "not written yet; begin with step 1 of README.md");
  return 1;
}
