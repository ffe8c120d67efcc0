#include "tests/support/unflushed.h"

#include <dlfcn.h>
#include <sys/uio.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace harness {
namespace {

// Where `pid` has the file `library` in its memory; 0 if it has not.
uintptr_t BaseOf(pid_t pid, const std::string& library) {
  std::ifstream maps(absl::StrCat("/proc/", pid, "/maps"));
  for (std::string line; std::getline(maps, line);) {
    // 7f0c8a000000-7f0c8a026000 r--p 00000000 fe:00 1234   /lib/.../libc.so.6
    std::istringstream fields(line);
    uintptr_t start = 0, end = 0, offset = 0;
    char dash;
    std::string mode, device, inode, path;
    fields >> std::hex >> start >> dash >> end >> mode >> offset >> device >>
        inode >> path;
    if (offset == 0 && absl::EndsWith(path, library)) return start;
  }
  return 0;
}

bool ReadMemory(pid_t pid, uintptr_t address, void* to, size_t size) {
  const iovec local = {to, size};
  const iovec remote = {reinterpret_cast<void*>(address), size};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) ==
         static_cast<ssize_t>(size);
}

}  // namespace

std::string Unflushed(pid_t pid) {
  // The object that `stdout` points to lies at the same place of the C library
  // in every process.
  Dl_info library;
  if (!dladdr(stdout, &library)) return "";
  const std::string path = library.dli_fname;
  const uintptr_t base = BaseOf(pid, path.substr(path.rfind('/')));
  const uintptr_t offset = reinterpret_cast<uintptr_t>(stdout) -
                           reinterpret_cast<uintptr_t>(library.dli_fbase);
  FILE theirs;
  if (base == 0 || !ReadMemory(pid, base + offset, &theirs, sizeof(theirs))) {
    return "";
  }
  constexpr ptrdiff_t kTooMuch = 1 << 20;
  const ptrdiff_t size = theirs._IO_write_ptr - theirs._IO_write_base;
  if (size <= 0 || size > kTooMuch) return "";
  std::string bytes(size, '\0');
  const auto start = reinterpret_cast<uintptr_t>(theirs._IO_write_base);
  return ReadMemory(pid, start, &bytes[0], bytes.size()) ? bytes : "";
}

}  // namespace harness
