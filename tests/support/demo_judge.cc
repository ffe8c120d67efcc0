// demo_judge DEMO TRANSCRIPT PROGRAM=PATH...
//
// Runs a lab's demo and compares what it shows with the documented transcript.
// Numbers of five digits (in names, ports), pids, uids and gids count as equal,
// and so do the names that the kernel chooses: see "Autobind feature" in
// unix(7).
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/time/clock.h"
#include "tests/support/story.h"
#include "tests/support/supervisor.h"

namespace {

// Whether `text` has "@0f65f" at `at`, or the like.
bool IsChosenName(const std::string& text, size_t at) {
  if (text[at] != '@') return false;
  const size_t end =
      std::min(text.size(), text.find_first_not_of("0123456789abcdef", at + 1));
  return end == at + 6 && !(end < text.size() && isalnum(text[end]));
}

// `text` with a word in place of whatever differs from run to run.
std::string Comparable(const std::string& text) {
  constexpr char kDigits[] = "0123456789";
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (IsChosenName(text, at)) {
      result += "@NAME";
      at += 6;
      continue;
    }
    const size_t end =
        std::min(text.size(), text.find_first_not_of(kDigits, at));
    const size_t next = std::max(end, at + 1);
    const bool id = end > at && at >= 3 && text.compare(at - 3, 3, "id ") == 0;
    result += id || end - at >= 5 ? "NUMBER" : text.substr(at, next - at);
    at = next;
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: demo_judge DEMO TRANSCRIPT PROGRAM=PATH...\n");
    return 2;
  }
  std::ostringstream documented;
  documented << std::ifstream(argv[2]).rdbuf();

  harness::ChildOptions options;
  options.program = argv[1];
  options.name = "demo";
  options.args.assign(argv + 3, argv + argc);
  options.folder = ".";
  harness::Supervisor supervisor(absl::Now() + absl::Seconds(20));
  const auto demo = supervisor.Spawn(options);
  if (!demo.ok()) {
    fprintf(stderr, "%s\n", std::string(demo.status().message()).c_str());
    return 1;
  }
  supervisor.WaitUntil([&] { return (*demo)->ended(); });
  const std::string difference = harness::Difference(
      Comparable(documented.str()), Comparable((*demo)->out()));
  printf("demo: %s\n%s%s\n", (*demo)->Ending().c_str(), (*demo)->err().c_str(),
         difference.c_str());
  return (*demo)->ended() && (*demo)->wait_status() == 0 && difference.empty()
             ? 0
             : 1;
}
