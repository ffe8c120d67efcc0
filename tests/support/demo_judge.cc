// demo_judge DEMO TRANSCRIPT PROGRAM=PATH...
//
// Runs a lab's demo and compares what it shows with the documented transcript.
// Numbers of five digits (in names, ports) count as equal.
#include <cstdio>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "absl/time/clock.h"
#include "tests/support/story.h"
#include "tests/support/supervisor.h"

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
  const std::regex number("[0-9]{5,}");
  const auto comparable = [&](const std::string& text) {
    return std::regex_replace(text, number, "NUMBER");
  };
  const std::string difference = harness::Difference(
      comparable(documented.str()), comparable((*demo)->out()));
  printf("demo: %s\n%s%s\n", (*demo)->Ending().c_str(), (*demo)->err().c_str(),
         difference.c_str());
  return (*demo)->ended() && (*demo)->wait_status() == 0 && difference.empty()
             ? 0
             : 1;
}
