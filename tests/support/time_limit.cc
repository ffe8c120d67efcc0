#include "tests/support/time_limit.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/unique_fd.h"
#include "tests/support/proc.h"
#include "tests/support/traced_call.h"

namespace harness {

bool HasTimeLimit(int socket, int option) {
  timeval limit = {};
  socklen_t size = sizeof(limit);
  return getsockopt(socket, SOL_SOCKET, option, &limit, &size) == 0 &&
         (limit.tv_sec != 0 || limit.tv_usec != 0);
}

bool WaitsWithTimeLimit(pid_t pid) {
  const std::filesystem::path process = absl::StrCat("/proc/", pid);
  std::error_code error;
  for (const auto& thread :
       std::filesystem::directory_iterator(process / "task", error)) {
    std::ifstream line(thread.path() / "syscall");
    long number = -1;
    unsigned long arguments[6] = {};
    line >> number >> std::hex;
    for (unsigned long& argument : arguments) {
      std::string word;
      line >> word;
      argument = strtoul(word.c_str(), nullptr, 16);
    }
    const auto at_most = [&](int index) {
      return static_cast<int>(arguments[index]) >= 0;
    };
    switch (number) {
#ifdef SYS_nanosleep
      case SYS_nanosleep:
#endif
      case SYS_clock_nanosleep:
        return true;
#ifdef SYS_poll
      case SYS_poll:
        if (at_most(2)) return true;
        break;
#endif
#ifdef SYS_epoll_wait
      case SYS_epoll_wait:
#endif
      case SYS_epoll_pwait:
        if (at_most(3)) return true;
        break;
      case SYS_ppoll:
        if (arguments[2]) return true;
        break;
#ifdef SYS_select
      case SYS_select:
#endif
      case SYS_pselect6:
        if (arguments[4]) return true;
        break;
      default:
        break;
    }
  }
  for (const Descriptor& open : Descriptors(pid)) {
    if (!absl::StartsWith(open.target, "socket:")) continue;
    const ipc::UniqueFd copy = CopyDescriptor(pid, open.number);
    if (HasTimeLimit(copy.get(), SO_RCVTIMEO) ||
        HasTimeLimit(copy.get(), SO_SNDTIMEO)) {
      return true;
    }
  }
  return false;
}

}  // namespace harness
