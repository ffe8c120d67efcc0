// The commonest mistake of all, seen from outside: text that a program has
// printed by printf(3) or std::cout and not flushed.
#ifndef TESTS_SUPPORT_UNFLUSHED_H_
#define TESTS_SUPPORT_UNFLUSHED_H_

#include <sys/types.h>

#include <string>

namespace harness {

// The bytes that wait in the buffer of stdio's stdout in the process `pid`,
// which must run the C library that this process runs. Empty if none wait, if
// the kernel does not permit the look (see process_vm_readv(2)), or if the
// program has another C library or none.
std::string Unflushed(pid_t pid);

}  // namespace harness

#endif  // TESTS_SUPPORT_UNFLUSHED_H_
