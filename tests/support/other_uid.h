// What the checks and other_uid.cc agree on.
#ifndef TESTS_SUPPORT_OTHER_UID_H_
#define TESTS_SUPPORT_OTHER_UID_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>

namespace harness {

// A user who is not us.
constexpr uid_t kStrangerUid = 4242;

// A process that is to look like somebody else. This variable of the
// environment names a file with an array of them; pid 0 is a free place.
constexpr char kDisguises[] = "LAB_DISGUISES";
constexpr size_t kMostDisguises = 16;
struct Disguise {
  pid_t pid;
  ucred connected;  // What SO_PEERCRED tells of it,
  ucred sent;       // and SCM_CREDENTIALS.
};

}  // namespace harness

#endif  // TESTS_SUPPORT_OTHER_UID_H_
