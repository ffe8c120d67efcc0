// What ./lab bench measures: for each implementation the same rows, each an
// operation to be done so many times.
//
// Both ends are in one thread, so that the same calls come in the same order
// each time and two runs differ by their counts only. Whatever one end sends
// must fit into the kernel's buffers, then, before the other end receives it.
#ifndef TOOLS_BENCH_ROWS_H_
#define TOOLS_BENCH_ROWS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

constexpr size_t kPingSize = 64;
constexpr size_t kBulkSize = 64 * 1024;
constexpr size_t kDatagramSize = 1024;

struct Implementation {
  const char* name;
  // One for each row; nullptr where the library has no such thing.
  void (*ping_pong)(int count);    // kPingSize there and back.
  void (*unix_stream)(int count);  // kBulkSize one way; listen and connect,
  void (*socketpair)(int count);   // socketpair,
  void (*tcp)(int count);          // TCP over the loopback device.
  void (*datagram)(int count);     // kDatagramSize, between two UNIX names.
  void (*fd)(int count);           // Sent with one byte, received, closed.
  void (*connect)(int count);      // Connected, accepted, both ends closed.
};

struct Row {
  const char* name;
  void (*Implementation::*run)(int count);
};

const std::vector<Row>& Rows();

// Those that were built in. A peer's rows are all nullptr when it was not.
const std::vector<Implementation>& Implementations();

extern const Implementation kRaw;
extern const Implementation kOurs;
extern const Implementation kAsio;
extern const Implementation kUv;

// Ends the program: "bench: what: Text of errno".
[[noreturn]] void Die(const char* what);

// Dies of what cannot be.
void Check(bool condition, const char* what);

// Paths for sockets in a folder that goes with the program.
std::string PathFor(const char* name);

// Makes TCP socket `fd` send without delay and hold kBulkSize; before listen,
// so that the accepted sockets inherit it, or after connect.
void PrepareTcp(int fd);

// What is sent: not the same in any two pages.
const std::string& Payload();

}  // namespace bench

#endif  // TOOLS_BENCH_ROWS_H_
