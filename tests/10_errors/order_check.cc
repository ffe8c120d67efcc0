// The checks of lab 10 that ask for several errors: each is provoked as if it
// were the only one. The mutants beside this file show what each one is there
// to catch.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/10_errors/errors_check.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

TEST_F(Errors, InThatOrder) {
  About(Core(2), "the errors come in the order of the arguments",
        "Each argument is one error to provoke, also one that came before.",
        Handout(2, {1}, ""));
  SeenAlone({"ECONNREFUSED", "ENOTCONN", "ENOENT"});
  const Words names = {"ENOTCONN", "ECONNREFUSED", "ENOTCONN", "ENOENT"};
  Part("several, and one of them twice");
  Tells(Start("provoke", names), names);
}

TEST_F(Errors, TwiceTheSame) {
  About(Core(1), "the same error twice is provoked twice",
        "Each line \"ENAME: ...\" is what the kernel answered there, not what "
        "it had answered before.",
        Handout(2, {1, 5}, ""));
  SeenAlone({"ENOENT"});
  Part("twice");
  Process program = StartTraced("provoke", {"ENOENT", "ENOENT"}, trace());
  const std::vector<Told> told = Tells(program, {"ENOENT", "ENOENT"});
  if (over()) return;
  const std::vector<SystemCall> calls = Trace();
  const auto failed =
      std::count_if(calls.begin(), calls.end(), [&](const SystemCall& call) {
        return call.error == "ENOENT" && IsCall(told[0].call, call.name);
      });
  program.Expect(failed >= 2,
                 absl::StrCat("2 calls of ", told[0].call, " return ENOENT"),
                 absl::StrCat(failed));
}

TEST_F(Errors, ManyNames) {
  About(Robust(2), "there may be as many names as one likes",
        "argc says how many arguments there are: an array of a fixed size is "
        "full at some time.",
        Handout(2, {1}, ""));
  SeenAlone({"ESOCKTNOSUPPORT"});
  Part("40 names");
  const Words some(40, "ESOCKTNOSUPPORT");
  Tells(Start("provoke", some), some);
  Part("520 names");
  Because(
      "40 of them went well. What the program opens for each error (a pipe to "
      "the child, for example) it has to close again, and a child that has "
      "ended has to be waited for: both are limited.",
      Handout(4, {1, 7}, "man 2 close, man 2 wait"));
  const Words many(520, "ESOCKTNOSUPPORT");
  Tells(Start("provoke", many), many);
}

class Disturbed : public Errors {
 protected:
  struct Pair {
    const char *first, *second, *why;
  };
  // Each is seen alone, and the second one behind the first.
  void SeenBehind(const Words& names, const std::vector<Pair>& pairs) {
    SeenAlone(names);
    for (const auto& [first, second, why] : pairs) {
      Part(absl::StrCat(first, ", then ", second));
      Because(why, Handout(4, {7}, "man 2 fork"));
      Tells(Start("provoke", {first, second}), {first, second});
    }
  }
};

TEST_F(Disturbed, ByLimits) {
  About(Core(2), "what one error took does not disturb the next", "",
        Handout(4, {7}, "man 2 fork"));
  constexpr char kLimit[] =
      "A limit that a process has lowered stays until the process ends. Do it "
      "in a process of its own, which fork makes for this error.";
  SeenBehind(
      {"EMFILE", "ENOTSOCK", "ETOOMANYREFS", "ENOENT", "ENOMEM"},
      {{"EMFILE", "ENOTSOCK", kLimit},
       {"ETOOMANYREFS", "ENOENT", kLimit},
       {"ENOMEM", "ENOENT",
        "A filter stays until the process ends. Install it in a process of its "
        "own, which fork makes for this error, and not in the parent."}});
}

TEST_F(Disturbed, ByFiles) {
  About(Core(2), "the file of one error does not disturb the next", "",
        Handout(4, {7}, "man 2 unlink"));
  constexpr char kName[] =
      "A file that bind made keeps its name taken until unlink. The file of "
      "one error must be gone before the next one binds.";
  SeenBehind(
      {"EADDRINUSE", "EPROTOTYPE", "EACCES"},
      {{"EADDRINUSE", "EADDRINUSE", kName},
       {"EPROTOTYPE", "EADDRINUSE", kName},
       {"EACCES", "EPROTOTYPE",
        "What EACCES took away (by chmod, or by umask, which stays until the "
        "process ends) is missing for the next one; or the file of EACCES was "
        "not removed, and its name is taken."}});
}

TEST_F(Errors, AnyOrder) {
  About(Core(2), "all errors are seen twice, in any order",
        "A limit, a capability laid down, a filter, an open descriptor, a "
        "name: what a process has done to itself stays until it ends. Give "
        "each error a process of its own.",
        WholeHandout({1, 7}, "man 2 fork, man 2 setrlimit, man 2 seccomp"));
  Words names = Shuffled();
  const Words again = Shuffled();
  names.insert(names.end(), again.begin(), again.end());
  Tells(Start("provoke", names), names);
}

}  // namespace
