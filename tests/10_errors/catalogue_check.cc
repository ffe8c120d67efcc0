// The checks of lab 10 that judge what the program prints, and for which names.
// The mutants beside this file show what each one is there to catch.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/10_errors/errors_check.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

TEST_F(Errors, OneError) {
  About(Core(3), "ECONNREFUSED is told in the form of the contract",
        "The calls that led there, two spaces before each, then the name of "
        "the error, the call that failed and strerror's message for it.",
        Handout(1, {3, 4}, "man 3 strerrorname_np, man 3 strerrordesc_np"));
  BecauseOf("ECONNREFUSED");
  Tells(Start("provoke", {"ECONNREFUSED"}), {"ECONNREFUSED"});
}

TEST_F(Errors, List) {
  About(Core(2), "--list names the 22 errors of the catalogue",
        "One name on each line of standard output, each once, and nothing "
        "else.",
        Handout(2, {2}, ""));
  Process program = Start("provoke", {"--list"});
  Because("The names are printed, so all went well: the exit status is 0.",
          Handout(2, {2, 10}, ""));
  program.Exits(0);
  BecauseOfTheWhole();
  if (over()) return;
  const std::string out = program.out();
  const Words listed = absl::StrSplit(out, '\n', absl::SkipEmpty());
  Words missing;
  for (const auto& [name, entry] : Catalogue()) {
    if (std::count(listed.begin(), listed.end(), name) != 1) {
      missing.push_back(name);
    }
  }
  for (const std::string& line : listed) {
    program.Expect(Catalogue().count(line) > 0,
                   "each line is one name of the list, and nothing else",
                   harness::Escaped(line, 160));
  }
  if (listed.empty()) {
    Because(
        "The names are on standard output. A program that ends by _exit "
        "has to flush before what printf keeps in its buffer.");
  }
  program.Expect(missing.empty(), "each of the 22 names on one line",
                 listed.empty()
                     ? "stdout is empty"
                     : "not on one line: " + absl::StrJoin(missing, " "));
}

TEST_F(Errors, All) {
  About(Core(3), "--all provokes each that --list names, in that order",
        "--all provokes one after the other, each as if it were the only one. "
        "What a process has done to itself (a limit, a filter, a file) stays "
        "until it ends.",
        WholeHandout({1, 2, 7}));
  Process list = Start("provoke", {"--list"});
  list.Exits(0);
  if (over()) return;
  const std::string out = list.out();
  const Words listed = absl::StrSplit(out, '\n', absl::SkipEmpty());
  list.Expect(!listed.empty(), "names on stdout", "nothing");
  Process program = Start("provoke", {"--all"});
  const std::vector<Told> all = ToldBy(program);
  if (over()) return;
  Words seen, sorted = listed;
  for (const Told& told : all) seen.push_back(told.error);
  Words sorted_seen = seen;
  std::sort(sorted.begin(), sorted.end());
  std::sort(sorted_seen.begin(), sorted_seen.end());
  if (seen != listed && sorted_seen == sorted) {
    Because(
        "--list and --all tell the same names in the same order, whichever "
        "that is. Make both from one table, and run through it the same way; "
        "and wait for the process of one error before you make the next.",
        Handout(2, {2}, "man 2 wait"));
    const auto [ours, theirs] =
        std::mismatch(listed.begin(), listed.end(), seen.begin());
    program.Expect(false,
                   absl::StrCat("error ", ours - listed.begin() + 1,
                                " of --all is that of --list, ", *ours),
                   *theirs);
  }
  if (seen.size() < listed.size()) {
    if (std::equal(seen.begin(), seen.end(), listed.begin())) {
      Because(
          "The program ended before its list did: one error ended the process "
          "that was to go on with the next. Give each error a process of its "
          "own.",
          Handout(4, {2, 7}, "man 2 fork"));
    } else {
      Because("--all provokes all that --list names: make both from one table.",
              Handout(2, {2}, ""));
    }
  }
  AreThese(program, seen, listed);
}

TEST_F(Errors, RefusesNames) {
  About(Robust(2), "a name that is not in the catalogue gets status 2",
        "Status 2, and one line on stderr that says what is wrong: no name at "
        "all is a wrong call, and so is a name that the list does not have.",
        Handout(2, {10}, ""));
  SeenAlone({"ECONNREFUSED"});
  const auto refused = [&](const Words& names, const std::string& title) {
    Part(title);
    Process program = Start("provoke", names);
    program.Refuses({}, /*status=*/2);
    Because(
        "Look up all names before you provoke the first error: status 2 says "
        "that the call was wrong, and that nothing was tried.");
    program.Expect(program.out().empty(), "nothing on stdout",
                   harness::Escaped(program.out()));
    BecauseOfTheWhole();
  };
  refused({"E" + RandomText(8)}, "one name that is not in the list");
  refused({}, "no name");
  refused({"ECONNREFUSED", "EXDEV"}, "a wrong name behind a right one");
  refused({"EXDEV", "ECONNREFUSED"}, "a wrong name before a right one");
  refused({"--no-such-flag"}, "a flag that does not exist");
}

TEST_F(Errors, RefusesSimilarNames) {
  About(Robust(1), "a name that resembles one of the list is not one", "",
        Handout(2, {10}, "man 3 strcmp"));
  SeenAlone({"ENOENT"});
  const struct {
    const char* name;
    const char* why;
  } similar[] = {
      {"",
       "An empty name is not in the list. A program that compares as many "
       "letters as were given takes it, or EIN, for a name."},
      {"ENO",
       "A part of a name is not the name: strcmp compares all of it, "
       "strncmp as much as it is told."},
      {"ENOENTX",
       "A name with something behind it is another one: strcmp "
       "compares all of it, strncmp as much as it is told."},
      {"enoent",
       "The names are in capital letters; others are not in the "
       "list."},
      {"2", "A number is not a name: ENOENT is in the list, 2 is not."},
      {"ENOENT,EPIPE",
       "Each argument is one name. With a comma it is another "
       "one, which the list does not have."},
      {"ENOTSUP",
       "The list has EOPNOTSUPP. ENOTSUP is the same number, but "
       "not a name of the list."},
      {"EWOULDBLOCK",
       "The list has EAGAIN. EWOULDBLOCK is the same number, "
       "but not a name of the list."}};
  for (const auto& [name, why] : similar) {
    Because(why, Handout(2, {10}, "man 3 strcmp"));
    Part(absl::StrCat("\"", name, "\""));
    Process program = Start("provoke", {name});
    program.Refuses({}, /*status=*/2);
    program.Expect(program.out().empty(), "nothing on stdout",
                   harness::Escaped(program.out()));
  }
}

TEST_F(Errors, FullDisk) {
  About(Robust(1), "a line that cannot be printed is a failure",
        "printf and puts write into a buffer. Whether that went out is known "
        "when fflush has returned 0. (Here stdout is /dev/full: ENOSPC.)",
        WholeHandout({11}, "man 3 fflush, man 4 full"));
  SeenAlone({"ECONNREFUSED"});
  for (const char* argument : {"--list", "ECONNREFUSED"}) {
    Part(absl::StrCat("provoke ", argument));
    Process program = StartOnFullDisk("provoke", {argument});
    program.Exits(1);
    program.Expect(!program.err().empty(), "a line on stderr", "nothing");
  }
}

TEST_F(Errors, StaysInItsMemory) {
  About(Core(2), "no byte outside its buffers is touched",
        "sun_path has room for 108 bytes, a control buffer for what "
        "CMSG_SPACE says. That the kernel was to look at a bad address is no "
        "reason for the program to do so.",
        WholeHandout({5}, "man 3 cmsg"));
  const Words names = Shuffled();
  Tells(Start("provoke", names, /*sanitized=*/true), names);
}

}  // namespace
