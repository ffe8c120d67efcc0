#include "tests/10_errors/errors_check.h"

#include <dirent.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/support/story.h"

using harness::Handout;
using harness::Place;
using harness::Process;

namespace {

// What is wrong with a line that should tell an error.
struct Problem {
  std::string expected, why;
  Place place;
};

// Reads `line`, "ENAME: call object: Message", into `told`. False, with the
// `problem`, when it has not that form.
bool ParseError(absl::string_view line, Told* told, Problem* problem) {
  told->error = CallIn(line);
  const auto known = Catalogue().find(told->error);
  problem->place = Handout(1, {4}, "man 3 strerrorname_np");
  if (known == Catalogue().end()) {
    problem->expected =
        "a line of a call begins with two spaces, a line of an error with its "
        "name: \"ENAME: call object: Message\"";
    problem->why =
        "The name comes first: the name that the list of the handout has, as "
        "strerrorname_np tells it. (Of EOPNOTSUPP and ENOTSUP, which are one "
        "number, the list has the first; of EAGAIN and EWOULDBLOCK too.) All "
        "other lines are those of the calls that led there.";
    return false;
  }
  const std::string message = strerrordesc_np(known->second.error);
  absl::string_view rest = line.substr(told->error.size());
  told->injected = absl::ConsumeSuffix(&rest, " (injected)");
  if (!absl::ConsumePrefix(&rest, ": ")) {
    problem->expected =
        absl::StrCat("\"", told->error, ": call object: ", message, "\"");
    problem->why =
        "A line that begins with the name of an error tells all of it: the "
        "call that returned the error, what it was made on, and the message.";
    return false;
  }
  if (absl::EndsWith(rest, absl::StrCat(message, "(injected)"))) {
    problem->expected = absl::StrCat("\"", message, " (injected)\"");
    problem->why = "There is one space before (injected).";
    problem->place = Handout(6, {5}, "");
    return false;
  }
  if (rest != message &&
      !absl::ConsumeSuffix(&rest, absl::StrCat(": ", message))) {
    problem->expected = absl::StrCat(
        "strerror's message behind \": \" at the end of the "
        "line: \"",
        message, "\"");
    problem->why =
        "strerrordesc_np tells the message, in English whatever the locale. "
        "It is the last part of the line. Only an error that was injected has "
        "something behind it.";
    problem->place = Handout(1, {4}, "man 3 strerrordesc_np");
    return false;
  }
  told->call = rest == message ? "" : CallIn(rest);
  if (told->call.empty()) {
    problem->expected =
        absl::StrCat("the name of the call behind \"", told->error, ": \"");
    problem->why =
        "The line says which call returned the error, and what the call was "
        "made on: \"connect @provoke.12345\".";
    return false;
  }
  if (absl::StripAsciiWhitespace(rest.substr(told->call.size())).empty() ||
      absl::StartsWith(rest.substr(told->call.size()), ":")) {
    problem->expected =
        absl::StrCat("what ", told->call, " was made on, behind a space");
    problem->why =
        "Behind the call stands its object: a name, a type, what was sent. An "
        "abstract name begins with a NUL byte in sun_path: printf(\"%s\") "
        "stops there, so print an '@' and what is behind the NUL.";
    return false;
  }
  return true;
}

}  // namespace

Place Errors::PlaceOf(const std::string& error, std::vector<int> promises) {
  const CatalogueEntry& entry = Catalogue().at(error);
  return Handout(entry.step, std::move(promises), entry.manual);
}

void Errors::BecauseOf(const std::string& error) {
  Because(Catalogue().at(error).why, PlaceOf(error, {5}));
}

std::vector<Told> Errors::ToldBy(Process program) {
  program.Exits(0);
  if (over()) return {};
  std::vector<Told> all;
  Told told;
  const std::string out = program.out();
  for (absl::string_view line :
       absl::StrSplit(absl::StripSuffix(out, "\n"), '\n')) {
    if (out.empty()) break;
    Problem problem;
    if (absl::StartsWith(line, "  ") && !CallIn(line.substr(2)).empty()) {
      told.before.push_back(CallIn(line.substr(2)));
      continue;
    }
    if (line.empty()) {
      problem = {"no empty line",
                 "The lines of one error follow those of the other. There are "
                 "no lines but these.",
                 Handout(1, {3}, "")};
    } else if (line[0] == ' ' || line[0] == '\t') {
      problem = {"two spaces, then the name of a call",
                 "Each call that led there has a line: two spaces, not one and "
                 "not a tab, then the name of the call.",
                 Handout(1, {3}, "")};
    } else if (ParseError(line, &told, &problem)) {
      all.push_back(told);
      told = Told();
      continue;
    }
    Because(problem.why, problem.place);
    program.Expect(false, problem.expected, harness::Escaped(line, 160));
    return {};
  }
  if (told.before.empty()) return all;
  Because(
      "The calls of an error come before its line, \"ENAME: ...\", which "
      "is on standard output too, and ends its part.",
      Handout(1, {3, 4}, ""));
  program.Expect(
      false, "a line \"ENAME: call object: Message\" behind those of the calls",
      absl::StrCat("none behind \"  ", told.before.back(), "\""));
  return {};
}

void Errors::AreThese(Process program, const Words& seen, const Words& wanted) {
  if (seen == wanted) return;
  std::string expected = "told: " + absl::StrJoin(wanted, " ");
  std::string told =
      seen.empty() ? "nothing is told" : "told: " + absl::StrJoin(seen, " ");
  Words sorted_seen = seen, sorted_wanted = wanted;
  std::sort(sorted_seen.begin(), sorted_seen.end());
  std::sort(sorted_wanted.begin(), sorted_wanted.end());
  if (seen.empty()) {
    Because(
        "When the program has ended, its lines are on standard output. printf "
        "keeps them in a buffer: exit writes that, _exit and exec do not, "
        "unless fflush(stdout) comes before. A program that does not wait for "
        "its child ends before the child has written.",
        Handout(1, {3, 4}, "man 3 exit, man 2 _exit"));
  } else if (sorted_seen == sorted_wanted) {
    Because(
        "The errors come in the order in which they are asked for, one after "
        "the other: wait for the process of one before you make that of the "
        "next.",
        Handout(2, {1}, "man 2 wait"));
  } else if (seen.size() > wanted.size()) {
    Because(
        "What stdio has not written at the time of fork is in the buffer of "
        "the child, too, and both write it. Call fflush(stdout) before fork, "
        "or print nothing in the parent.",
        Handout(4, {3}, "man 2 fork, man 3 fflush"));
  } else {
    Words missing;
    std::set_difference(sorted_wanted.begin(), sorted_wanted.end(),
                        sorted_seen.begin(), sorted_seen.end(),
                        std::back_inserter(missing));
    missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
    if (wanted.size() > 8) {
      told = absl::StrCat(seen.size(), " errors told; too few of: ",
                          absl::StrJoin(missing, " "));
    }
  }
  if (wanted.size() > 8) {
    expected = absl::StrCat(wanted.size(), " errors told");
    if (seen.size() > wanted.size()) {
      told = absl::StrCat(seen.size(), " errors told: ",
                          absl::StrJoin(seen.begin(), seen.begin() + 9, " "),
                          " ...");
    } else if (sorted_seen == sorted_wanted) {
      const auto [ours, theirs] =
          std::mismatch(wanted.begin(), wanted.end(), seen.begin());
      expected =
          absl::StrCat("error ", ours - wanted.begin() + 1, " is ", *ours);
      told = *theirs;
    }
  }
  program.Expect(false, expected, told);
}

std::vector<Told> Errors::Tells(Process program, const Words& errors) {
  std::vector<Told> all = ToldBy(program);
  if (over()) return {};
  Words seen;
  for (const Told& told : all) seen.push_back(told.error);
  AreThese(program, seen, errors);
  if (over()) return {};
  return all;
}

void Errors::SeenAlone(const Words& errors) {
  for (const std::string& error : errors) {
    Part(absl::StrCat(error, " alone"));
    BecauseOf(error);
    Tells(Start("provoke", {error}), {error});
  }
  BecauseOfTheWhole();
}

// The call in `calls` that failed as `told`; nullptr after telling that there
// is none.
const SystemCall* Errors::Failing(Process program,
                                  const std::vector<SystemCall>& calls,
                                  const Told& told) {
  const SystemCall* another = nullptr;
  for (const SystemCall& call : calls) {
    if (!call.failed || call.error != told.error) continue;
    if (IsCall(told.call, call.name)) return &call;
    another = &call;
  }
  Because(another ? "The line names the call that returned the error, by its "
                    "name in section 2 of the manual. strace saw another one."
                  : "The line tells what the kernel returned, this time, from "
                    "this call. strace, which sees what the kernel returns, "
                    "did not see that: the program made the line up, or took "
                    "an errno that no call had set.",
          PlaceOf(told.error, {4, 5}));
  program.Expect(false,
                 absl::StrCat("a call of ", told.call, " that returned ",
                              told.error, ", as the line says"),
                 another ? absl::StrCat("it was ", another->name, ": ",
                                        harness::Escaped(another->text, 160))
                         : absl::StrCat("no call returned ", told.error));
  return nullptr;
}

Errors::Provoked Errors::Provoke(const std::string& error,
                                 const Words& options) {
  Provoked provoked = {
      StartTraced("provoke", {error}, trace(), options), {}, {}, nullptr};
  const std::vector<Told> told = Tells(provoked.program, {error});
  if (over()) return provoked;
  provoked.told = told[0];
  provoked.calls = Trace();
  provoked.failing = Failing(provoked.program, provoked.calls, provoked.told);
  return provoked;
}

bool Errors::MakesFilters(const std::vector<SystemCall>& calls) {
  return std::any_of(calls.begin(), calls.end(), [](const SystemCall& call) {
    return !call.failed && IsFilter(call);
  });
}

bool Errors::HasProcesses(const Words& errors, const std::string& call) {
  Process program = StartTraced("provoke", errors, trace());
  const std::vector<Told> told = Tells(program, errors);
  if (over()) return false;
  const std::vector<SystemCall> calls = Trace();
  if (!call.empty()) {
    return std::all_of(told.begin(), told.end(),
                       [&](const Told& one) { return one.call == call; }) &&
           static_cast<size_t>(std::count_if(calls.begin(), calls.end(),
                                             [&](const SystemCall& made) {
                                               return made.name == call;
                                             })) == errors.size();
  }
  return static_cast<size_t>(std::count_if(
             calls.begin(), calls.end(), [](const SystemCall& made) {
               return !made.failed &&
                      !absl::StrContains(made.text, "CLONE_THREAD") &&
                      (made.name == "fork" || made.name == "vfork" ||
                       absl::StartsWith(made.name, "clone"));
             })) == errors.size();
}

std::string Errors::Inject(const SystemCall& call, const std::string& how) {
  return absl::StrCat("--inject=", call.name, ":", how, ":when=", call.ordinal);
}

bool Errors::TellsAny(const std::string& out) {
  for (absl::string_view line : absl::StrSplit(out, '\n')) {
    if (Catalogue().count(CallIn(line)) > 0) return true;
  }
  return false;
}

Words Errors::Shuffled() {
  static auto& engine = *new std::mt19937(std::random_device{}());
  Words names;
  for (const auto& [name, entry] : Catalogue()) names.push_back(name);
  std::shuffle(names.begin(), names.end(), engine);
  return names;
}

std::string Errors::Leftovers() const {
  std::string found;
  DIR* const folder = opendir(scratch().path().c_str());
  if (!folder) return found;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && name != "trace") {
      absl::StrAppend(&found, found.empty() ? "" : " ", name);
    }
  }
  closedir(folder);
  return found;
}
