// What the checks and other_uid.cc agree on.
#ifndef TESTS_SUPPORT_OTHER_UID_H_
#define TESTS_SUPPORT_OTHER_UID_H_

#include <sys/types.h>

namespace harness {

// The abstract name of a socket whose owner is to look like another user begins
// with this.
constexpr char kStranger[] = "stranger-";
constexpr uid_t kStrangerUid = 4242;

}  // namespace harness

#endif  // TESTS_SUPPORT_OTHER_UID_H_
