// Lab 04, the client. README.md in this folder leads through it step by step
// and states the contract; `./lab check 04` tells how far you are.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* name = "lab";
  const char* message = "Message from client";
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "the server's abstract name, @ for a NUL"},
                   {"message", &message, "what to send, up to 1024 bytes"}});

  // TODO step 3: connect a stream socket to the abstract name, and send four
  // records of 1024 bytes: `message` padded with zeros.
  ipc::Report("start", name, "not written yet; begin with step 3 of README.md");
  return 1;
}
