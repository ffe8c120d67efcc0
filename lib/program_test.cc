#include "lib/program.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/testing.h"

namespace ipc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Result {
  int status;
  std::string out;
  std::string err;
};

// Runs `body` as the program "prog", in a child.
Result RunAsProgram(const std::function<void()>& body) {
  const auto close_file = [](FILE* file) { fclose(file); };
  using File = std::unique_ptr<FILE, decltype(close_file)>;
  const File out(tmpfile(), close_file), err(tmpfile(), close_file);
  Child child([&] {
    dup2(fileno(out.get()), STDOUT_FILENO);
    dup2(fileno(err.get()), STDERR_FILENO);
    char name[] = "prog";
    program_invocation_short_name = name;
    body();
  });
  const auto content = [](FILE* file) {
    std::string text(4096, 0);
    rewind(file);
    text.resize(fread(&text[0], 1, text.size(), file));
    return text;
  };
  const int status = child.Wait();
  return {status, content(out.get()), content(err.get())};
}

class ProgramTest : public IpcTest {
 protected:
  // A program with two flags that prints what they are, and its arguments if it
  // takes any.
  static Result RunWith(std::vector<std::string> arguments,
                        const char* takes = nullptr) {
    return RunAsProgram([&arguments, takes] {
      std::string name = "prog";
      std::vector<char*> argv = {&name[0]};
      for (std::string& argument : arguments) argv.push_back(&argument[0]);
      const int argc = static_cast<int>(argv.size());
      argv.push_back(nullptr);

      const char* path = "/tmp/default";
      int clients = 7;
      const int first =
          ParseFlags(argc, argv.data(),
                     {{"socket", &path, "path of the socket file"},
                      {"clients", &clients, "how many clients to serve"}},
                     takes);
      printf("[%s] [%d]", path, clients);
      for (int i = first; i < argc; ++i) printf(" %s", argv[i]);
      printf("\n");
    });
  }

  static void ExpectValues(std::vector<std::string> arguments,
                           const std::string& values,
                           const char* takes = nullptr) {
    const Result result = RunWith(std::move(arguments), takes);
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.out, values + "\n");
    EXPECT_EQ(result.err, "");
  }

  static void ExpectRefused(std::vector<std::string> arguments,
                            const std::string& line) {
    const Result result = RunWith(std::move(arguments));
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, line + "\n");
  }
};

TEST_F(ProgramTest, FlagThatIsNotGivenKeepsItsDefault) {
  ExpectValues({}, "[/tmp/default] [7]");
  ExpectValues({"--"}, "[/tmp/default] [7]");
}

TEST_F(ProgramTest, ValueFollowsAnEqualsSignOrABlank) {
  ExpectValues({"--socket=/x", "--clients=3"}, "[/x] [3]");
  ExpectValues({"--clients", "3", "--socket", "/x"}, "[/x] [3]");
}

TEST_F(ProgramTest, TextMayBeEmptyOrHoldAnything) {
  ExpectValues({"--socket="}, "[] [7]");
  ExpectValues({"--socket=a=b --clients=1"}, "[a=b --clients=1] [7]");
}

TEST_F(ProgramTest, LastOfSeveralValuesCounts) {
  ExpectValues({"--clients=3", "--clients=4"}, "[/tmp/default] [4]");
}

TEST_F(ProgramTest, ArgumentsStandAnywhere) {
  ExpectValues({}, "[/tmp/default] [7]", "TEXT...");
  ExpectValues({"a", "--socket=/x", "", "-", "b"}, "[/x] [7] a  - b",
               "TEXT...");
  ExpectValues({"--clients=2", "--", "--socket=/x"},
               "[/tmp/default] [2] --socket=/x", "TEXT...");
}

TEST_F(ProgramTest, HelpNamesTheArguments) {
  EXPECT_THAT(
      RunWith({"--help"}, "TEXT...").out,
      StartsWith("Usage: prog [--socket=TEXT] [--clients=N] TEXT...\n"));
}

TEST_F(ProgramTest, NumbersGoFromOneToIntMax) {
  ExpectValues({"--clients=1"}, "[/tmp/default] [1]");
  ExpectValues({"--clients=2147483647"}, "[/tmp/default] [2147483647]");
}

TEST_F(ProgramTest, OtherNumbersAreRefused) {
  for (const std::string value : {"0", "-1", "x", "", "3x", "1.5", "2147483648",
                                  "99999999999", "99999999999999999999"}) {
    ExpectRefused(
        {"--clients=" + value},
        "prog: --clients=" + value + ": must be a whole number of at least 1");
  }
}

TEST_F(ProgramTest, UnknownFlagIsRefused) {
  ExpectRefused({"--colour=red"},
                "prog: --colour=red: no such flag; see --help");
  ExpectRefused({"--clients=2", "-x"}, "prog: -x: no such flag; see --help");
  ExpectRefused({"-xy"}, "prog: -x: no such flag; see --help");
}

TEST_F(ProgramTest, FlagWithoutItsValueIsRefused) {
  ExpectRefused({"--clients"}, "prog: --clients: needs a value; see --help");
}

TEST_F(ProgramTest, WhatIsNoFlagIsRefused) {
  ExpectRefused({"stray", "--clients=2"},
                "prog: stray: takes flags only; see --help");
  ExpectRefused({"--", "--clients=2"},
                "prog: --clients=2: takes flags only; see --help");
}

TEST_F(ProgramTest, HelpGoesToStdoutAndNamesEveryFlagWithItsDefault) {
  const Result result = RunWith({"--help"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(
      result.out,
      AllOf(StartsWith("Usage: prog [--socket=TEXT] [--clients=N]\n"),
            HasSubstr("path of the socket file (default: /tmp/default)\n"),
            HasSubstr("how many clients to serve (default: 7)\n")));
}

TEST_F(ProgramTest, ReportNamesProgramOperationObjectAndProblem) {
  EXPECT_EQ(RunAsProgram([] { Report("read", "/tmp/x", "too short"); }).err,
            "prog: read /tmp/x: too short\n");
  EXPECT_EQ(RunAsProgram([] { Report("read", "", "too short"); }).err,
            "prog: read: too short\n");
}

TEST_F(ProgramTest, ReportErrnoNamesTheErrno) {
  EXPECT_EQ(
      RunAsProgram([] { ReportErrno("connect", "/tmp/x", ECONNREFUSED); }).err,
      "prog: connect /tmp/x: Connection refused (ECONNREFUSED)\n");
}

TEST_F(ProgramTest, ReportErrnoUsesErrnoUnlessToldOtherwise) {
  const Result result = RunAsProgram([] {
    errno = EMFILE;
    ReportErrno("accept", "");
  });
  EXPECT_EQ(result.err, "prog: accept: Too many open files (EMFILE)\n");
}

TEST_F(ProgramTest, ReportsLeaveErrnoAsItWas) {
  const Result result = RunAsProgram([] {
    close(STDERR_FILENO);  // The reports themselves fail with EBADF.
    errno = EPIPE;
    Report("read", "", "too short");
    EXPECT_EQ(errno, EPIPE);
    ReportErrno("connect", "", ECONNREFUSED);
    EXPECT_EQ(errno, EPIPE);
  });
  EXPECT_EQ(result.status, 0) << result.out;
}

TEST_F(ProgramTest, LineIsOneWriteSoThatLinesDoNotMix) {
  UniqueFd ours, theirs;
  std::tie(ours, theirs) = SocketPair(SOCK_DGRAM).value();
  const Result result = RunAsProgram([&] {
    dup2(theirs.get(), STDERR_FILENO);  // Each write is a message of its own.
    ReportErrno("connect", "/tmp/x", ECONNREFUSED);
  });
  EXPECT_EQ(result.status, 0);
  char line[200];
  const ssize_t length = read(ours.get(), line, sizeof(line));
  EXPECT_EQ(std::string(line, length < 0 ? 0 : length),
            "prog: connect /tmp/x: Connection refused (ECONNREFUSED)\n");
}

}  // namespace
}  // namespace ipc
