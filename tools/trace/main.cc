// What ./lab trace runs.
//
//   trace [FLAG...] -- COMMAND [ARGS...]
//   trace [FLAG...] --from=FILE
//
// See kUsage, and docs/trace.md.
#include <unistd.h>
#include <wordexp.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/support/strace.h"
#include "tools/trace/against.h"
#include "tools/trace/brief.h"
#include "tools/trace/html.h"
#include "tools/trace/json.h"
#include "tools/trace/run.h"
#include "tools/trace/svg.h"
#include "tools/trace/text.h"
#include "tools/trace/trace.h"

namespace trace {
namespace {

constexpr int kFailed = 2;

constexpr char kUsage[] =
    R"(Usage: trace [FLAG...] -- COMMAND [ARGS...]   runs a command and draws it
       trace [FLAG...] --from=FILE           draws what strace wrote before

  --svg=FILE  --html=FILE  --perfetto=FILE   a picture in this file
  --json  --mermaid                          on standard output, instead of text
  --against=COMMAND  a second run beside it, and the first call where they part
  --for=SECONDS      ends the command after that long (60)
  --rows=N           at most so many lines of text (400; 0: all)
  --end              of these, the last only
  --calls=N          reads at most so many calls (300000)
  --width=N          columns of the text (100)
  --color            colours in the text; --no-color: none
  --save=FILE        keeps what strace wrote, for --from
  --harness=NAME     the command only starts the programs that matter
  --title=TEXT       of the picture
)";

struct Flags {
  std::string from, save, svg, html, perfetto, against, harness, title;
  bool json = false, mermaid = false, end = false, color = false;
  int seconds = 60, rows = 400, width = 100, calls = 300000;
  std::vector<std::string> command;
};

int Complain(const std::string& what) {
  fprintf(stderr, "trace: %s\n", what.c_str());
  return kFailed;
}

// Reads a flag; says in `error` what is wrong with it.
bool ReadFlag(absl::string_view arg, Flags* flags, std::string* error) {
  const struct {
    const char* name;
    std::string* value;
  } texts[] = {
      {"--from=", &flags->from},         {"--save=", &flags->save},
      {"--svg=", &flags->svg},           {"--html=", &flags->html},
      {"--perfetto=", &flags->perfetto}, {"--against=", &flags->against},
      {"--harness=", &flags->harness},   {"--title=", &flags->title}};
  for (const auto& text : texts) {
    absl::string_view value = arg;
    if (!absl::ConsumePrefix(&value, text.name)) continue;
    if (value.empty()) *error = absl::StrCat(arg, " is empty");
    *text.value = std::string(value);
    return true;
  }
  const struct {
    const char* name;
    int *value, least;
  } numbers[] = {{"--for=", &flags->seconds, 1},
                 {"--rows=", &flags->rows, 0},
                 {"--calls=", &flags->calls, 1},
                 {"--width=", &flags->width, 40}};
  for (const auto& number : numbers) {
    absl::string_view value = arg;
    if (!absl::ConsumePrefix(&value, number.name)) continue;
    if (!absl::SimpleAtoi(value, number.value) ||
        *number.value < number.least) {
      *error =
          absl::StrCat(arg, " must be a number, ", number.least, " or more");
    }
    return true;
  }
  const struct {
    const char* name;
    bool *value, set;
  } switches[] = {{"--json", &flags->json, true},
                  {"--mermaid", &flags->mermaid, true},
                  {"--end", &flags->end, true},
                  {"--color", &flags->color, true},
                  {"--no-color", &flags->color, false}};
  for (const auto& each : switches) {
    if (arg != each.name) continue;
    *each.value = each.set;
    return true;
  }
  return false;
}

// Reads at most `most` events of a file.
bool Read(const std::string& path, int most,
          std::vector<harness::TraceEvent>* events, bool* cut) {
  std::ifstream file(path);
  if (!file) return false;
  harness::StraceParser parser;
  for (std::string line; std::getline(file, line);) {
    if (static_cast<int>(events->size()) >= most) {
      *cut = true;
      break;
    }
    if (auto event = parser.Parse(line)) events->push_back(*std::move(event));
  }
  for (harness::TraceEvent& event : parser.Unfinished()) {
    events->push_back(std::move(event));
  }
  return true;
}

// A file of its own name that goes with this object.
class TemporaryFile {
 public:
  TemporaryFile() {
    const char* folder = getenv("TMPDIR");
    path_ = absl::StrCat(folder && *folder ? folder : "/tmp", "/trace.XXXXXX");
    const int fd = mkstemp(&path_[0]);
    if (fd < 0) {
      path_.clear();
    } else {
      close(fd);
    }
  }
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Runs or reads, and understands. "" or what went wrong.
std::string Make(const Flags& flags, const std::vector<std::string>& command,
                 Trace* trace) {
  const TemporaryFile temporary;
  std::string file = command.empty() ? flags.from : flags.save;
  std::vector<std::string> warnings;
  if (!command.empty()) {
    if (file.empty()) file = temporary.path();
    if (file.empty()) return "no temporary file can be made: set TMPDIR";
    RunOptions options;
    options.command = command;
    options.output = file;
    options.silent = !flags.harness.empty();
    options.limit = absl::Seconds(flags.seconds);
    const RunResult result = Run(options);
    if (!result.error.empty()) return result.error;
    if (result.stopped) {
      warnings.push_back(
          absl::StrCat("It was ended after ", flags.seconds,
                       " seconds: --for=SECONDS gives it longer."));
    }
  }
  std::vector<harness::TraceEvent> events;
  bool cut = false;
  if (!Read(file, flags.calls, &events, &cut)) {
    return absl::StrCat(file, ": cannot be read");
  }
  if (events.empty()) {
    return command.empty() ? file + ": has no call that strace wrote"
                           : "strace saw no call: is the command a program of "
                             "this machine?";
  }
  if (cut) {
    warnings.push_back(absl::StrCat("Only the first ", flags.calls,
                                    " calls are drawn: --calls=N draws more."));
  }
  UnderstandOptions options;
  options.harness = flags.harness;
  *trace = Understand(std::move(events), options);
  trace->warnings.insert(trace->warnings.begin(), warnings.begin(),
                         warnings.end());
  return "";
}

bool Write(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  if (!file) Complain(path + ": cannot be written");
  return static_cast<bool>(file);
}

int Main(int argc, char** argv) {
  Flags flags;
  flags.color = isatty(STDOUT_FILENO) != 0 && !getenv("NO_COLOR");
  int i = 1;
  for (; i < argc && absl::string_view(argv[i]) != "--"; ++i) {
    std::string error;
    if (absl::string_view(argv[i]) == "--help") {
      fputs(kUsage, stdout);
      return 0;
    }
    if (!ReadFlag(argv[i], &flags, &error)) {
      error = absl::StrCat(argv[i], ": there is no such flag; see --help");
    }
    if (!error.empty()) return Complain(error);
  }
  for (++i; i < argc; ++i) flags.command.push_back(argv[i]);
  if (flags.command.empty() == flags.from.empty()) {
    return Complain(
        "give a command after --, or a file by --from=FILE; see --help");
  }
  if (flags.json && flags.mermaid) {
    return Complain("--json or --mermaid, not both");
  }

  Trace trace;
  std::string error = Make(flags, flags.command, &trace);
  if (!error.empty()) return Complain(error);
  if (flags.title.empty()) {
    flags.title =
        flags.command.empty() ? flags.from : absl::StrJoin(flags.command, " ");
  }
  if (!flags.against.empty()) {
    wordexp_t words = {};
    if (wordexp(flags.against.c_str(), &words, WRDE_NOCMD) != 0 ||
        words.we_wordc == 0) {
      return Complain("--against=" + flags.against + ": is no command");
    }
    std::vector<std::string> command(words.we_wordv,
                                     words.we_wordv + words.we_wordc);
    wordfree(&words);
    flags.save.clear();
    Trace second;
    error = Make(flags, command, &second);
    if (!error.empty()) return Complain(error);
    fputs(DrawAgainst(trace, second, flags.width).c_str(), stdout);
    return 0;
  }
  bool written = true;
  if (!flags.svg.empty()) {
    written &= Write(flags.svg, DrawSvg(trace, flags.title));
  }
  if (!flags.html.empty()) {
    written &= Write(flags.html, DrawHtml(trace, flags.title));
  }
  if (!flags.perfetto.empty()) {
    written &= Write(flags.perfetto, DrawPerfetto(trace));
  }
  if (flags.json) {
    fputs(DrawJson(trace).c_str(), stdout);
  } else if (flags.mermaid) {
    fputs(DrawMermaid(trace).c_str(), stdout);
  } else if (flags.svg.empty() && flags.html.empty() &&
             flags.perfetto.empty()) {
    TextOptions options;
    options.width = flags.width;
    options.color = flags.color;
    options.lines = flags.rows;
    options.only_end = flags.end;
    fputs(DrawText(trace, options).c_str(), stdout);
  }
  fflush(stdout);
  return written && !ferror(stdout) ? 0 : kFailed;
}

}  // namespace
}  // namespace trace

int main(int argc, char** argv) { return trace::Main(argc, argv); }
