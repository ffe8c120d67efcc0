// Lab 08, the server. README.md in this folder leads through it step by step
// and states the contract; `./lab check 08` tells how far you are.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* address = "127.0.0.1";
  const char* port = "0";
  int requests = 1;
  int lose = 0;
  ipc::ParseFlags(argc, argv,
                  {{"address", &address, "IPv4 or IPv6 address, in numbers"},
                   {"port", &port, "0 to 65535; 0: the kernel chooses"},
                   {"requests", &requests, "how many requests to answer"},
                   {"lose", &lose, "loses every Kth datagram; default: none"}});

  // TODO step 1: bind a UDP socket to `address` and `port`; print its name.
  // TODO step 2: receive a request, and the name of who sent it.
  // TODO step 3: answer it, to that name.
  // TODO step 6: lose every `lose`th datagram, if that is not 0.
  // TODO step 8: do not carry out a request that comes again.
  ipc::Report("start", port, "not written yet; begin with step 1 of README.md");
  return 1;
}
