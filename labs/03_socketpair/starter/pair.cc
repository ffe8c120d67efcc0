// Lab 03. README.md in this folder leads through it step by step and states the
// contract; `./lab check 03` tells how far you are.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lib/program.h"
#include "lib/unique_fd.h"

int main(int argc, char** argv) {
  ipc::ParseFlags(argc, argv, {});

  // TODO step 1: make a pair of connected sockets.
  // TODO step 2: fork; each process closes the end that is the other's.
  // TODO step 3: the child answers in capitals, the parent prints the answer.
  // TODO step 4: shutdown when standard input ends; the child adds the total.
  // TODO step 5: send and receive at the same time.
  // TODO step 6: wait for the child, and tell how it ended if it did not well.
  // TODO step 7: survive what signals do.
  ipc::Report("start", "", "not written yet; begin with step 1 of README.md");
  return 1;
}
