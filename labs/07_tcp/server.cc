// Lab 07, the server. README.md in this folder leads through it step by step
// and states the contract; `./lab check 07` tells how far you are.
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* address = "127.0.0.1";
  const char* port = "0";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"address", &address, "IPv4 or IPv6 address, in numbers"},
                   {"port", &port, "0 to 65535; 0: the kernel chooses"},
                   {"clients", &clients, "how many clients to serve"}});

  // TODO step 2: bind a TCP socket to `address` and `port`, both given as text.
  // TODO step 3: listen; print where, as the kernel says it.
  // TODO step 4: accept; print the names of both ends.
  // TODO step 5: find the lines in what arrives, and answer each.
  // TODO step 6: serve all clients at once, with poll.
  // TODO step 7: a client that does not read.
  // TODO step 8: the end of a client, of three kinds.
  ipc::Report("start", port, "not written yet; begin with step 1 of README.md");
  return 1;
}
