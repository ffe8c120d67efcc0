// Ports for checks that need a certain one. Whoever shares the network shares
// its ports: the tests that run beside this one, and everybody else on the
// machine.
#ifndef TESTS_SUPPORT_PORTS_H_
#define TESTS_SUPPORT_PORTS_H_

#include <string>

#include "lib/unique_fd.h"

namespace harness {

// A port for a program to bind. It is free, no other OwnPort has it, and the
// kernel gives it to no program that asks for any port. Its two bytes differ,
// and the port that they make the other way round is free as well, on
// 127.0.0.1.
class OwnPort {
 public:
  // `type` is SOCK_STREAM or SOCK_DGRAM. Ends the checker, with status 2, when
  // this machine has no such port.
  explicit OwnPort(int type);

  int number() const { return number_; }
  // What becomes of it without htons.
  int swapped() const { return Swapped(number_); }
  static int Swapped(int port) { return (port & 0xff) << 8 | port >> 8; }

 private:
  int number_ = 0;
  // An abstract name says that the port is taken: the programs that share the
  // ports share the abstract names too, and a name goes with its process.
  ipc::UniqueFd lock_;
};

// Keeps `port` of `host` closed: no program can bind it, and connect(2), or
// send(2) from a connected UDP socket, fails there with ECONNREFUSED. Not
// valid() where a program has that port.
ipc::UniqueFd Refuse(int type, const std::string& host, int port);

}  // namespace harness

#endif  // TESTS_SUPPORT_PORTS_H_
