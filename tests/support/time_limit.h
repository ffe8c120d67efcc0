// Whether a program waits for some time only, seen from outside.
#ifndef TESTS_SUPPORT_TIME_LIMIT_H_
#define TESTS_SUPPORT_TIME_LIMIT_H_

#include <sys/types.h>

namespace harness {

// Whether `option`, SO_RCVTIMEO or SO_SNDTIMEO, of `socket` is set.
bool HasTimeLimit(int socket, int option);

// Whether a thread of `pid` waits in a call that time ends, or a socket of it
// has a time limit.
bool WaitsWithTimeLimit(pid_t pid);

}  // namespace harness

#endif  // TESTS_SUPPORT_TIME_LIMIT_H_
