// What ./lab bench runs, under strace, under valgrind, and plainly.
//
//   bench                           lists "IMPLEMENTATION ROW", as built in
//   bench IMPLEMENTATION ROW COUNT  does it, prints how many nanoseconds it
//   took
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tools/bench/rows.h"

namespace {

int Usage() {
  fprintf(stderr,
          "bench: takes nothing, or IMPLEMENTATION ROW COUNT as listed then; "
          "COUNT from 1 to 999999999\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 1 && argc != 4) return Usage();
  for (const bench::Implementation& implementation : bench::Implementations()) {
    for (const bench::Row& row : bench::Rows()) {
      void (*const run)(int count) = implementation.*row.run;
      if (!run) continue;
      if (argc == 1) {
        printf("%s %s\n", implementation.name, row.name);
      } else if (std::string(argv[1]) == implementation.name &&
                 std::string(argv[2]) == row.name) {
        char* end;
        const long count = strtol(argv[3], &end, 10);
        if (*end || count < 1 || count > 999999999) return Usage();
        const auto start = std::chrono::steady_clock::now();
        run(static_cast<int>(count));
        const std::chrono::nanoseconds took =
            std::chrono::steady_clock::now() - start;
        printf("%lld\n", static_cast<long long>(took.count()));
        return 0;
      }
    }
  }
  return argc == 1 ? 0 : Usage();
}
