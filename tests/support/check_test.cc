// Runs a whole checker, check_test_checker.cc, on programs that misbehave.
#include "tests/support/check.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/child.h"
#include "tests/support/misbehave.h"
#include "tests/support/proc.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/supervisor.h"
#include "tests/support/tracer.h"

namespace harness {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kChecker[] = "tests/support/check_test_checker";

// What a checker said and how it ended.
struct Judged {
  std::string out, err, ending, xml;
};

class CheckTest : public HarnessTest {
 protected:
  // What makes a program pass, as actions of misbehave; $1 is the socket.
  static constexpr char kListen[] = "listen=\"$1\"";
  static constexpr char kServe[] = "accept drain unlink=\"$1\"";
  static constexpr char kGood[] =
      "listen=\"$1\" accept drain unlink=\"$1\" out='served\n'";

  // The path of a program that, asked to serve, does `actions`.
  std::string Program(
      const std::string& actions,
      const std::string& refuse = "err='program: --bad: no\n' exit=2",
      const std::string& echo = "echo=\"$1\" unlink=\"$1\"") {
    char misbehave[PATH_MAX] = "";
    EXPECT_TRUE(realpath(kMisbehave, misbehave));
    std::string path = scratch_.File("program");
    std::ofstream(path) << "#!/bin/sh\ncase $1 in\n--bad) exec '" << misbehave
                        << "' " << refuse
                        << ";;\n--echo=*) set -- \"${1#*=}\"; exec '"
                        << misbehave << "' " << echo
                        << ";;\n--socket=*) set -- \"${1#*=}\""
                        << "; exec '" << misbehave << "' " << actions
                        << ";;\nesac\n";
    chmod(path.c_str(), 0700);
    return path;
  }

  // Runs the checker to its end. Without walls: the programs of these tests lie
  // in folders that no judged program may see, and write there.
  Judged RunChecker(std::vector<std::string> args) {
    args.insert(args.begin(), "--no-walls");
    return RunCheckerBehindWalls(std::move(args));
  }
  Judged RunCheckerBehindWalls(std::vector<std::string> args) {
    const std::string xml = scratch_.File("test.xml");
    unlink(xml.c_str());
    ChildOptions options;
    options.program = kChecker;
    options.name = "checker";
    options.args = std::move(args);
    options.environment = {"XML_OUTPUT_FILE=" + xml, "SECRET=of the parent"};
    options.folder = scratch_.path();
    options.limits.address_space = 0;
    Supervisor supervisor(absl::Now() + kPatience);
    auto checker = supervisor.Spawn(options);
    EXPECT_TRUE(checker.ok()) << checker.status();
    // What the programs do that it judges is for it to see.
    while (supervisor.WaitUntil([&] { return (*checker)->closed(); }) ==
           Waited::kSpins) {
    }
    std::ostringstream content;
    content << std::ifstream(xml).rdbuf();
    return {(*checker)->out(), (*checker)->err(), (*checker)->Ending(),
            content.str()};
  }

  // Judges a program by a check that is not among those for all.
  Judged JudgeByDisabled(const std::string& check, const std::string& actions) {
    return RunChecker({"--lab=sample", "--gtest_filter=*_" + check,
                       "--gtest_also_run_disabled_tests",
                       "program=" + Program(actions)});
  }

  // Judges a program by one check.
  Judged Judge(const std::string& check, const std::string& actions) {
    return RunChecker({"--lab=sample", "--gtest_filter=*." + check,
                       "program=" + Program(actions)});
  }

  // A file that names what catches a mutant.
  std::string Mutant(const std::string& header) {
    const std::string path = scratch_.File("mutant.patch");
    std::ofstream(path) << header << "--- a\n+++ b\n";
    return "--mutant=" + path;
  }

  static std::vector<pid_t> ProcessesNamed(const std::string& name) {
    std::vector<pid_t> found;
    DIR* proc = opendir("/proc");
    while (const dirent* entry = readdir(proc)) {
      int pid;
      if (absl::SimpleAtoi(entry->d_name, &pid) && CommandName(pid) == name) {
        found.push_back(pid);
      }
    }
    closedir(proc);
    return found;
  }

  // A name for a process, unlike any other on this machine: 15 bytes.
  const std::string unique_ = absl::StrCat("left", getpid());
  const ScratchDir scratch_;
};

// Verdicts --------------------------------------------------------------------

TEST_F(CheckTest, GoodProgramPasses) {
  const Judged run = RunChecker({"--lab=sample", "program=" + Program(kGood)});
  EXPECT_EQ(run.ending, "exit status 0") << run.out;
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, StartsWith("sample: judging ("));
  EXPECT_THAT(run.out,
              HasSubstr("ok    Serves: the program serves a client\n"));
  EXPECT_THAT(run.out, HasSubstr("ok    Refuses: the program refuses\n"));
  EXPECT_THAT(run.out, HasSubstr("skip  ForAnotherMachine: something else\n"
                                 "      not run: no such machine\n"));
  EXPECT_THAT(run.out,
              HasSubstr("sample: 4 of 4 checks passed, 1 not run; core "
                        "6 of 6 points, robust 1 of 1\n"));
}

TEST_F(CheckTest, BadProgramFails) {
  const Judged run =
      RunChecker({"--lab=sample", "program=" + Program(kGood, "exit=2")});
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("FAIL  Refuses: the program refuses\n"));
  EXPECT_THAT(
      run.out,
      HasSubstr("    step 1    started program --bad 'two words' ''\n"));
  EXPECT_THAT(run.out, HasSubstr("    seen      on stderr: nothing\n"));
  EXPECT_THAT(run.out, HasSubstr("3 of 4 checks passed, 1 not run; core 6 of 6 "
                                 "points, robust 0 of 1\n"));
}

TEST_F(CheckTest, PointsAreInTheXml) {
  const Judged run =
      RunChecker({"--lab=sample", "program=" + Program(kGood, "exit=2")});
  const auto properties = [](const char* check, const char* kind, int points,
                             int possible) {
    return ContainsRegex(absl::StrCat(
        "name=\"", check, "\"[^~]*name=\"kind\" value=\"", kind,
        "\"/>[^~]*name=\"points\" value=\"", points,
        "\"/>[^~]*name=\"points_possible\" value=\"", possible, "\"/>"));
  };
  EXPECT_THAT(run.xml, properties("Serves", "core", 3, 3));
  EXPECT_THAT(run.xml, properties("Refuses", "robust", 0, 1));
  EXPECT_THAT(run.xml, properties("ForAnotherMachine", "core", 0, 0))
      << "what was not run earns nothing";
}

TEST_F(CheckTest, MutantMustFailByExactlyTheChecksItNames) {
  const std::string silent = "program=" + Program(kGood, "exit=2");
  const auto verdict = [&](const std::string& header,
                           const std::string& program) {
    return RunChecker({"--lab=sample", Mutant(header), program}).ending;
  };
  EXPECT_EQ(verdict("Caught-by: Refuses\n", silent), "exit status 0");
  EXPECT_EQ(verdict("Caught-by: Serves\n", silent), "exit status 1");
  EXPECT_EQ(verdict("Caught-by: Serves\nCaught-by: Refuses\n", silent),
            "exit status 1");
  EXPECT_EQ(verdict("", silent), "exit status 1");
  EXPECT_EQ(verdict("Caught-by: Refuses\nCaught-by: ...\n", silent),
            "exit status 0");
  EXPECT_EQ(verdict("Caught-by: Serves\nCaught-by: ...\n", silent),
            "exit status 1");
  EXPECT_EQ(verdict("Caught-by: Refuses\n", "program=" + Program(kGood)),
            "exit status 1");
  const std::string neither = "program=" + Program("exit=1", "exit=1");
  EXPECT_EQ(verdict("Caught-by: Refuses\nCaught-by: ...\n", neither),
            "exit status 0");
}

TEST_F(CheckTest, StarterMustFailFirstWhereItIsSaidTo) {
  const auto verdict = [&](const std::string& check,
                           const std::string& program) {
    return RunChecker({"--lab=sample", "--starter=" + check, program}).ending;
  };
  const std::string empty = "program=" + Program("exit=1", "exit=1");
  EXPECT_EQ(verdict("Serves", empty), "exit status 0");
  EXPECT_EQ(verdict("Refuses", empty), "exit status 1");
  EXPECT_EQ(verdict("Serves", "program=" + Program(kGood)), "exit status 1");
}

TEST_F(CheckTest, BadCallIsRefusedInOneLine) {
  for (const char* arg : {"--nonsense", "program", "program=/no/such/file",
                          "program=", "program=/etc/passwd"}) {
    const Judged run = RunChecker({"--lab=sample", arg});
    EXPECT_EQ(run.ending, "exit status 2") << arg;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, AllOf(StartsWith("checker: "), HasSubstr(arg)));
    EXPECT_EQ(run.err.find('\n'), run.err.size() - 1);
  }
}

// Programs that misbehave -----------------------------------------------------

TEST_F(CheckTest, HangIsToldWithThePlace) {
  const Judged run = Judge("Serves", absl::StrCat(kListen, " receive"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out,
              ContainsRegex("expected  the program reads all that a client "
                            "sent\n    seen      this never "
                            "happens: misbehave waits in recv on"));
}

TEST_F(CheckTest, SpinIsToldAtOnce) {
  const Judged run = Judge("Serves", absl::StrCat(kListen, " accept spin"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("seen      misbehave computes"));
  EXPECT_THAT(run.out, HasSubstr("why       The program never sleeps"));
}

TEST_F(CheckTest, AnotherDatagramIsShown) {
  const Judged run =
      RunChecker({"--lab=sample", "--gtest_filter=*.Echoes",
                  "program=" + Program(kGood, "exit=2", "echo=\"$1\"")});
  EXPECT_EQ(run.ending, "exit status 0");
  EXPECT_THAT(run.out, HasSubstr("note: the program ended and left its socket "
                                 "file behind\n"));
  const Judged other =
      RunChecker({"--lab=sample", "--gtest_filter=*.Echoes",
                  "program=" + Program(kGood, "exit=2", "echo-cut=\"$1\"")});
  EXPECT_EQ(other.ending, "exit status 1");
  EXPECT_THAT(other.out,
              HasSubstr("    expected  a client receives them, 11 bytes\n"
                        "    seen      10 bytes\n"));
}

TEST_F(CheckTest, StoppingItselfIsTold) {
  const Judged run = Judge("Serves", absl::StrCat(kListen, " stop"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("misbehave is stopped by a signal"));
}

TEST_F(CheckTest, ExitingWith0AtOnceGainsNothing) {
  const Judged run = Judge("Serves", "exit=0");
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("it ended first: program, exit status 0\n"));
}

TEST_F(CheckTest, DyingBeforeItListensIsToldWithItsStderr) {
  const Judged run = Judge("Serves", "err='my bind failed\n' raise=6");
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("it ended first: program, killed by SIGABRT"));
  EXPECT_THAT(run.out, HasSubstr("    stderr    program wrote:\n"
                                 "              my bind failed\n"));
}

TEST_F(CheckTest, ErrorsOfTheCatalogueAreLinked) {
  ASSERT_EQ(mkdir(scratch_.File("docs").c_str(), 0700), 0);
  std::ofstream(scratch_.File("docs/errors.md")) << "## EADDRINUSE\n";
  const Judged run = Judge(
      "Serves", "err='program: bind x: Address in use (EADDRINUSE)\n' exit=1");
  EXPECT_THAT(run.out, HasSubstr("    read      man 2 accept; docs/errors.md, "
                                 "EADDRINUSE\n"));
  EXPECT_THAT(Judge("Serves", "err='EPIPE (ENONE)\n' exit=1").out,
              HasSubstr("    read      man 2 accept\n"));
}

TEST_F(CheckTest, AProgramThatIsNotWrittenIsToldByItsOwnStep) {
  const auto starter = [](int step) {
    return absl::StrCat(
        "err='program: start: not written yet; begin with step ", step,
        " of README.md\n' exit=1");
  };
  EXPECT_THAT(JudgeByDisabled("NeedsWhatIsNotWritten", starter(5)).out,
              AllOf(HasSubstr("program is the starter still"),
                    HasSubstr("handout, step 5\n")));
  EXPECT_THAT(
      JudgeByDisabled("NeedsWhatIsNotWritten", starter(2)).out,
      AllOf(HasSubstr("Because."), HasSubstr("handout, step 2 (promise 1)")));
}

TEST_F(CheckTest, SystemCallsAreTraced) {
  EXPECT_THAT(JudgeByDisabled("Traced", "exit=0").out,
              ContainsRegex("(ok  |skip)  DISABLED_Traced: "));
}

TEST_F(CheckTest, WhoIsHeldIsNotWaitedForInVain) {
  EXPECT_THAT(JudgeByDisabled("Held", "listen=\"$1\"").out,
              ContainsRegex("seen      this never happens: misbehave is "
                            "stopped by a signal|skip  DISABLED_Held"));
}

TEST_F(CheckTest, SweepNamesTheCallAndWhatWasDoneToIt) {
  if (!CanTrace().ok()) GTEST_SKIP() << CanTrace();
  char program[PATH_MAX] = "";
  ASSERT_TRUE(realpath("tests/support/tracee_program", program));
  const auto swept = [&](const std::string& check) {
    const std::string out =
        RunChecker({"--lab=sample", "--gtest_filter=*_SweepOf" + check,
                    "--gtest_also_run_disabled_tests",
                    absl::StrCat("program=", program)})
            .out;
    // Wherever its lines end.
    return absl::StrJoin(
        absl::StrSplit(out, absl::ByAnyChar(" \n"), absl::SkipEmpty()), " ");
  };
  EXPECT_THAT(swept("Demand"), HasSubstr("ok DISABLED_SweepOfDemand: "));
  EXPECT_THAT(swept("DemandAtOnce"),
              AllOf(HasSubstr("started program stream fill=9 demand-at-once=9 "
                              "say=done, whose 1st recv is interrupted by a "
                              "signal (EINTR) expected"),
                    HasSubstr("fault the 1st recv of program, on descriptor 3 "
                              "(a UNIX stream socket), was interrupted by a "
                              "signal (EINTR) why")));
  EXPECT_THAT(swept("DemandBlindly"),
              AllOf(HasSubstr("whose 1st recv is made to fail with EIO"),
                    HasSubstr("starting with \"program: \" and containing EIO "
                              "seen exit status 0")));
  EXPECT_THAT(swept("Failure"),
              AllOf(HasSubstr("started program stream fill=9 exit=4 say=done "
                              "expected"),
                    HasSubstr("is: (nothing more)")))
      << "without any fault";
}

TEST_F(CheckTest, WhoReadsNoMoreTakesSomeIn) {
  EXPECT_THAT(
      JudgeByDisabled("TakesAllIn", absl::StrCat(kListen, " ", kServe)).out,
      HasSubstr("ok    DISABLED_TakesAllIn"));
  EXPECT_THAT(
      JudgeByDisabled("TakesAllIn", absl::StrCat(kListen, " accept hang")).out,
      HasSubstr("    expected  all is taken in\n    seen      some is\n"));
}

TEST_F(CheckTest, UdpSocketIsAwaited) {
  const auto verdict = [&](const std::string& echo) {
    return RunChecker({"--lab=sample", "--gtest_filter=*OnUdp",
                       "--gtest_also_run_disabled_tests",
                       "program=" + Program(kGood, "exit=2", echo)})
        .out;
  };
  EXPECT_THAT(verdict("echo-udp"), HasSubstr("1 of 1 checks passed"));
  EXPECT_THAT(verdict("exit=0"),
              HasSubstr("expected  a UDP socket of program is bound\n"));
}

TEST_F(CheckTest, FakedReportGainsNothing) {
  const std::string fake =
      "'[==========] 4 tests ran.\n[  PASSED  ] 4 tests.\nok    Serves: the "
      "program serves a client\n\x1b[2J'";
  const Judged run =
      Judge("Serves", absl::StrCat("out=", fake, " err=", fake, " exit=0"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, Not(HasSubstr("\nok  ")));
  EXPECT_THAT(run.out, Not(HasSubstr("\n[")));
  EXPECT_THAT(run.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(run.out, HasSubstr("core 0 of 3 points"));
  EXPECT_THAT(run.xml, HasSubstr("name=\"points\" value=\"0\""));
}

TEST_F(CheckTest, DaemonIsToldAndKilled) {
  const Judged run = Judge(
      "Serves", absl::StrCat(kListen, " name=", unique_,
                             " fork setsid fork close=1 close=2 hang . . ",
                             kServe, " out='served\n' exit=0"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, ContainsRegex(
                           absl::StrCat("seen      still there, now killed: .*",
                                        unique_, " .pid [0-9]+.")));
  EXPECT_THAT(ProcessesNamed(unique_), IsEmpty());
}

TEST_F(CheckTest, ServerThatGoesIntoTheBackgroundDoesNotListen) {
  const Judged run =
      Judge("Serves", absl::StrCat("name=", unique_, " fork setsid orphaned ",
                                   kGood, " . exit=0"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out,
              HasSubstr("expected  a stream socket of program listens"));
  EXPECT_THAT(ProcessesNamed(unique_), IsEmpty());
}

TEST_F(CheckTest, ChildLeftRunningIsToldAndKilled) {
  const Judged run =
      Judge("Serves", absl::StrCat("name=", unique_, " fork hang . ", kGood));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("still there, now killed: " + unique_));
  EXPECT_THAT(ProcessesNamed(unique_), IsEmpty());
}

TEST_F(CheckTest, WhoIsLeftAfterAFailureIsKilledToo) {
  const Judged run = Judge(
      "Serves",
      absl::StrCat("name=", unique_, " fork setsid ignore=15 hang . exit=1"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(ProcessesNamed(unique_), IsEmpty());
}

TEST_F(CheckTest, FloodIsTold) {
  const Judged run = Judge("Serves", absl::StrCat(kListen, " flood"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out,
              HasSubstr("program wrote more than 1048576 bytes of output"));
}

TEST_F(CheckTest, SocketFileLeftBehindIsNoted) {
  const Judged run =
      Judge("Serves", absl::StrCat(kListen, " accept drain out='served\n'"));
  EXPECT_EQ(run.ending, "exit status 0");
  EXPECT_THAT(run.out, HasSubstr("      note: the program ended and left its "
                                 "socket file behind\n"));
}

TEST_F(CheckTest, SocketsThatAreHiddenAreNotFew) {
  if (geteuid() == 0) GTEST_SKIP() << "nobody can hide from root";
  const Judged run = Judge("KeepsFewDescriptors",
                           absl::StrCat(kListen, " accept undumpable drain"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("hidden from the checker"));
}

TEST_F(CheckTest, ProgramCannotReadTheCheckersEnvironment) {
  if (geteuid() == 0) GTEST_SKIP() << "nobody can hide from root";
  const Judged run = Judge("Serves", "parents-environment");
  EXPECT_THAT(run.out, HasSubstr("Permission denied"));
  EXPECT_THAT(run.out, Not(HasSubstr("SECRET")));
}

TEST_F(CheckTest, CheckerWithoutDescriptorsLetsNobodyPass) {
  const std::string where = scratch_.File("where");
  const Judged run =
      Judge("KeepsFewDescriptors",
            absl::StrCat(kListen, " out=\"$PWD\" starve-parent accept drain >",
                         where));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.err, ContainsRegex("checker: open /proc/.*: Too many open "
                                     "files\n$"));
  EXPECT_THAT(run.out,
              HasSubstr("????  KeepsFewDescriptors: the program has one "
                        "socket\n      not judged: the checker did "
                        "not get to its end: exit status 2\n"));
  std::string left;
  std::ifstream(where) >> left;
  ASSERT_THAT(left, StartsWith("/tmp/lab"));
  EXPECT_NE(access(left.c_str(), F_OK), 0) << "it is tidied up all the same";
}

TEST_F(CheckTest, KillingTheCheckerIsToldAndCostsTheCheckOnly) {
  const Judged run =
      RunChecker({"--lab=sample", "program=" + Program("kill-parent hang")});
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out,
              HasSubstr("????  Serves: the program serves a client\n"
                        "      not judged: the checker did not get to its "
                        "end: killed by SIGKILL\n"));
  EXPECT_THAT(run.out, HasSubstr("ok    Refuses: the program refuses\n"));
  EXPECT_THAT(
      run.out,
      HasSubstr(
          "2 of 4 checks passed, 2 not judged, 1 not run; core 1 of 6 points"));
}

TEST_F(CheckTest, MissingFlushIsNamed) {
  const Judged run = Judge(
      "Serves", absl::StrCat(kListen, " accept drain print='served\n' hang"));
  EXPECT_EQ(run.ending, "exit status 1");
  EXPECT_THAT(run.out, HasSubstr("    unflushed program keeps 7 bytes in the "
                                 "buffer of stdout: \"served\\n\"\n"));
  EXPECT_THAT(run.out, HasSubstr("Call fflush(stdout)"));
}

TEST_F(CheckTest, FoldersThatNobodyMayEnterAreRemoved) {
  const Judged run = Judge(
      "Serves", absl::StrCat("lock-folder ", kGood, " out=\"$PWD\" exit=0"));
  const size_t at = run.out.find("/tmp/lab");
  ASSERT_NE(at, run.out.npos) << run.out;
  EXPECT_NE(access(run.out.substr(at, 14).c_str(), F_OK), 0);
}

}  // namespace
}  // namespace harness
