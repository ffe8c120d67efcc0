// Lab 07, the client. README.md in this folder leads through it step by step
// and states the contract; `./lab check 07` tells how far you are.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

int main(int argc, char** argv) {
  const char* address = nullptr;  // This machine, by IPv4 or IPv6.
  const char* port = "";
  const int first = ipc::ParseFlags(
      argc, argv,
      {{"address", &address, "address or name of the server's machine"},
       {"port", &port, "the server's port"}},
      "MESSAGE...");

  // TODO step 4: connect to `address` and `port`; print the names of both ends.
  // TODO step 5: send each of the messages, argv[first] and on, as a line.
  // TODO step 8: end your half of the connection, and print the answers.
  // TODO step 9: try each address that getaddrinfo finds.
  (void)first;
  ipc::Report("start", port, "not written yet; begin with step 4 of README.md");
  return 1;
}
