#include "tests/support/demo.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/support/proc.h"

namespace harness {
namespace {

// `arg` as one writes it at the prompt, if it has no ' in it.
std::string Quoted(const std::string& arg) {
  const bool plain = !arg.empty() && arg.find(' ') == std::string::npos;
  return plain ? arg : absl::StrCat("'", arg, "'");
}

}  // namespace

Demo::Demo(int argc, char** argv)
    : supervisor_(absl::Now() + absl::Seconds(10)) {
  BecomeSubreaper();
  for (int i = 1; i < argc; ++i) {
    programs_.insert(absl::StrSplit(argv[i], absl::MaxSplits('=', 1)));
  }
}

Demo::~Demo() { KillDescendants(supervisor_.deadline()); }

void Demo::Write(const std::string& file, const std::string& text) {
  if (failed_) return;
  printf("$ echo '%s' >%s\n", text.c_str(), file.c_str());
  std::ofstream(scratch_.File(file)) << text << '\n';
}

Child* Demo::Start(const std::string& program,
                   const std::vector<std::string>& args) {
  return Spawn(program, args, " &");
}

void Demo::AwaitListening(Child* child, const std::string& path) {
  Await("the server listens",
        [&] { return child && ListensAt(child->pid(), path); });
}

std::string Demo::AwaitPort(Child* child) {
  return AwaitPortOf(child, "the server listens", TcpListeners);
}

std::string Demo::AwaitUdpPort(Child* child) {
  return AwaitPortOf(child, "the server has its name", UdpNames);
}

std::string Demo::AwaitPortOf(
    Child* child, const char* what,
    absl::FunctionRef<std::vector<ipc::SocketAddress>(pid_t)> names_of) {
  int port = 0;
  Await(what, [&] {
    if (!child) return false;
    const auto names = names_of(child->pid());
    if (!names.empty()) port = names[0].port();
    return port != 0;
  });
  return absl::StrCat(port);
}

void Demo::AwaitReceiving(Child* child, const std::string& path) {
  Await("the server has its name",
        [&] { return child && ReceivesAt(child->pid(), path); });
}

void Demo::ShowLine(Child* child) {
  size_t& shown = shown_[child];
  size_t end = 0;
  Await("the program prints a line", [&] {
    return child && (end = child->out().find('\n', shown)) != std::string::npos;
  });
  if (failed_) return;
  fputs(child->out().substr(shown, end + 1 - shown).c_str(), stdout);
  shown = end + 1;
}

void Demo::Run(const std::string& program,
               const std::vector<std::string>& args) {
  Finish(Spawn(program, args, ""));
}

void Demo::RunOn(const std::string& text, const std::string& program) {
  Finish(Spawn(program, {}, "", text));
}

void Demo::Finish(Child* child) {
  Await("the program ends", [&] { return child && child->ended(); });
  if (failed_) return;
  fputs(child->out().substr(shown_[child]).c_str(), stdout);
  fputs(child->err().c_str(), stderr);
  if (child->wait_status() != 0) {
    fprintf(stderr, "demo: %s: %s\n", child->name().c_str(),
            child->Ending().c_str());
    failed_ = true;
  }
}

Child* Demo::Spawn(const std::string& program,
                   const std::vector<std::string>& args, const char* suffix,
                   const std::string& text) {
  if (failed_) return nullptr;
  printf(
      "$ %s%s%s%s\n",
      text.empty() ? "" : absl::StrCat("echo ", text, " | ").c_str(),
      program.c_str(),
      absl::StrCat(args.empty() ? "" : " ",
                   absl::StrJoin(args, " ",
                                 [](std::string* line, const std::string& arg) {
                                   *line += Quoted(arg);
                                 }))
          .c_str(),
      suffix);
  ChildOptions options;
  options.name = program;
  options.program = programs_[program];
  options.args = args;
  options.folder = scratch_.path();
  if (!text.empty()) options.input = "";
  absl::StatusOr<Child*> child = supervisor_.Spawn(options);
  if (child.ok()) {
    const std::string line = text + "\n";
    absl::string_view bytes = line;
    if (!text.empty()) (*child)->Feed(&bytes);
    (*child)->EndInput();
    return *child;
  }
  fprintf(stderr, "demo: %s\n", std::string(child.status().message()).c_str());
  failed_ = true;
  return nullptr;
}

void Demo::Await(const char* what, absl::FunctionRef<bool()> condition) {
  if (failed_ || supervisor_.WaitUntil(condition) == Waited::kMet) return;
  fprintf(stderr, "demo: waited in vain until %s\n", what);
  failed_ = true;
}

}  // namespace harness
