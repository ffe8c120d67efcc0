// The system calls that the tracer knows, and what each does.
#ifndef TESTS_SUPPORT_SYSTEM_CALLS_H_
#define TESTS_SUPPORT_SYSTEM_CALLS_H_

#include "absl/strings/string_view.h"

namespace harness {

enum class Effect {
  kReads,   // Moves bytes into the program.
  kWrites,  // Moves bytes out of it.
  kMakes,   // Makes something: a descriptor, a name, a process.
  kSets,    // Changes something.
  kWaits,   // Waits for events, and moves nothing.
};

// How a call is told how much to move.
enum class Amount {
  kNone,
  kBytes,     // A number of bytes, in an argument.
  kVector,    // An iovec[] in argument 1, its length in argument 2.
  kMessage,   // A msghdr in argument 1.
  kMessages,  // A number of messages, in an argument.
};

struct SystemCall {
  long number;
  const char* name;        // As in C: "recv".
  const char* other_name;  // "recvfrom", for one number is both; or the same.
  Effect effect;
  int descriptor = -1;  // Which argument that is; -1: none.
  bool waits = false;   // It may.
  Amount amount = Amount::kNone;
  int amount_argument = -1;
  int flags = -1;  // The argument that may have MSG_DONTWAIT.
};

// One number is both, told apart by its flags.
constexpr absl::string_view kMakesProcess = "fork";
constexpr absl::string_view kMakesThread = "pthread_create";

// The call of that number; nullptr for one of no interest here.
const SystemCall* FindSystemCall(long number);

// Whether any call has that name.
bool IsSystemCallName(absl::string_view name);

}  // namespace harness

#endif  // TESTS_SUPPORT_SYSTEM_CALLS_H_
