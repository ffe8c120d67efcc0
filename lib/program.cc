#include "lib/program.h"

#include <getopt.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace ipc {
namespace {

constexpr int kUsageError = 2;

void PrintHelp(std::initializer_list<Flag> flags, const char* arguments) {
  printf("Usage: %s", program_invocation_short_name);
  for (const Flag& flag : flags) {
    printf(" [--%s=%s]", flag.name, flag.text ? "TEXT" : "N");
  }
  printf("%s%s\n", arguments ? " " : "", arguments ? arguments : "");
  for (const Flag& flag : flags) {
    printf("  --%-10s %s (default: ", flag.name, flag.meaning);
    if (flag.text) {
      printf("%s)\n", *flag.text);
    } else {
      printf("%d)\n", *flag.number);
    }
  }
}

[[noreturn]] void RefuseUsage(const char* what, const char* problem) {
  Report(what, "", problem);
  exit(kUsageError);
}

void SetNumber(const Flag& flag, const char* value) {
  char* end;
  errno = 0;
  const long number = strtol(value, &end, 10);
  if (errno || end == value || *end || number < 1 || number > INT_MAX) {
    fprintf(stderr, "%s: --%s=%s: must be a whole number of at least 1\n",
            program_invocation_short_name, flag.name, value);
    exit(kUsageError);
  }
  *flag.number = static_cast<int>(number);
}

}  // namespace

int ParseFlags(int argc, char** argv, std::initializer_list<Flag> flags,
               const char* arguments) {
  std::vector<option> options;
  for (const Flag& flag : flags) {
    options.push_back({flag.name, required_argument, nullptr, 0});
  }
  const int help = static_cast<int>(options.size());
  options.push_back({"help", no_argument, nullptr, 0});
  options.push_back({});

  opterr = 0;  // getopt's own messages do not say where help is.
  int index = -1;
  int result;
  while ((result = getopt_long(argc, argv, ":", options.data(), &index)) !=
         -1) {
    // Of letters in one argument, -xy, optind passes only the last.
    const char letter[] = {'-', static_cast<char>(optopt), '\0'};
    const char* given = optopt ? letter : argv[optind - 1];
    if (result == ':') RefuseUsage(given, "needs a value; see --help");
    if (result != 0) RefuseUsage(given, "no such flag; see --help");
    if (index == help) {
      PrintHelp(flags, arguments);
      exit(0);
    }
    const Flag& flag = flags.begin()[index];
    if (flag.text) {
      *flag.text = optarg;
    } else {
      SetNumber(flag, optarg);
    }
  }
  if (!arguments && optind < argc) {
    RefuseUsage(argv[optind], "takes flags only; see --help");
  }
  return optind;
}

void Report(const char* operation, const char* object, const char* problem) {
  const int saved_errno = errno;
  // One call, one write: lines of several processes do not mix.
  fprintf(stderr, "%s: %s%s%s: %s\n", program_invocation_short_name, operation,
          *object ? " " : "", object, problem);
  errno = saved_errno;
}

void ReportErrno(const char* operation, const char* object, int error) {
  const char* text = strerrordesc_np(error);
  const char* name = strerrorname_np(error);
  char problem[128];
  if (text && name) {
    snprintf(problem, sizeof(problem), "%s (%s)", text, name);
  } else {
    snprintf(problem, sizeof(problem), "Unknown error (errno %d)", error);
  }
  Report(operation, object, problem);
}

}  // namespace ipc
