// Which cases a sweep has, and how it names them. What it does with them is
// tested by check_test.
#include "tests/support/sweep.h"

#include <cerrno>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tracer.h"

namespace harness {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TracedCall Call(const char* name, DescriptorKind kind, uint64_t size) {
  static constexpr SystemCall kCall = {0, "", "", Effect::kReads};
  TracedCall call = {&kCall, name, 1, 1};
  call.fd = 4;
  call.kind = kind;
  call.size = size;
  call.may_be_interrupted = true;
  call.may_be_cut = size > 1;
  return call;
}

std::vector<std::string> Words(const std::vector<TracedCall>& calls,
                               const SweepOptions& options) {
  std::vector<std::string> words;
  for (const Fault& fault : PlanSweep(calls, options)) {
    words.push_back(Ordinal(fault.occurrence) + " " + fault.calls[0] + ": " +
                    fault.Words());
  }
  return words;
}

TEST(SweepTest, EachCallHasItsCases) {
  TracedCall failed = Call("recv", DescriptorKind::kTcp, 9);
  failed.result = -EAGAIN;
  TracedCall output = Call("write", DescriptorKind::kPipe, 9);
  output.output = true;
  SweepOptions options;
  options.interrupted = {};
  options.errors = {{"recv", EIO, {DescriptorKind::kTcp}},
                    {"recv", ENOMEM, {}}};
  EXPECT_THAT(Words({Call("poll", DescriptorKind::kNone, 0),
                     Call("recv", DescriptorKind::kUnixStream, 9), output,
                     Call("recv", DescriptorKind::kTcp, 2), failed},
                    options),
              ElementsAre("1st poll: interrupted by a signal (EINTR)",
                          "1st recv: interrupted by a signal (EINTR)",
                          "1st recv: cut short to 1 byte",
                          "1st recv: cut short to half of its bytes",
                          "1st recv: made to fail with ENOMEM",
                          "2nd recv: interrupted by a signal (EINTR)",
                          "2nd recv: cut short to 1 byte",
                          "2nd recv: made to fail with EIO",
                          "3rd recv: interrupted by a signal (EINTR)",
                          "3rd recv: cut short to 1 byte",
                          "3rd recv: cut short to half of its bytes"));
}

TEST(SweepTest, UsuallyOnlyReadsAreInterrupted) {
  SweepOptions options;
  options.cut = false;
  options.errors = {};
  EXPECT_THAT(Words({Call("connect", DescriptorKind::kTcp, 0),
                     Call("write", DescriptorKind::kTcp, 9),
                     Call("read", DescriptorKind::kTcp, 9)},
                    options),
              ElementsAre("1st read: interrupted by a signal (EINTR)"));
}

TEST(SweepTest, ALoopIsTriedItsFirstTimesOnly) {
  SweepOptions options;
  options.cut = false;
  options.errors = {};
  const std::vector<TracedCall> calls(1000,
                                      Call("read", DescriptorKind::kTcp, 1));
  EXPECT_EQ(PlanSweep(calls, options).size(), 4U);
}

TEST(SweepTest, OnlyWhatIsAskedFor) {
  SweepOptions options;
  options.interrupt = options.cut = false;
  options.errors = {};
  EXPECT_THAT(Words({Call("recv", DescriptorKind::kTcp, 9)}, options),
              IsEmpty());
}

TEST(SweepTest, UsualErrorsAreOfCallsThatThereAre) {
  for (const CallError& error : UsualErrors()) {
    EXPECT_TRUE(IsSystemCallName(error.call)) << error.call;
  }
}

TEST(SweepTest, CallIsNamed) {
  EXPECT_EQ(Tell("server", Fault::Interrupt({"recvmsg"}, 2),
                 Call("recvmsg", DescriptorKind::kUnixStream, 9)),
            "the 2nd recvmsg of server, on descriptor 4 (a UNIX stream "
            "socket), was interrupted by a signal (EINTR)");
  EXPECT_EQ(Tell("server", Fault::Fail({"socket"}, 1, EMFILE),
                 Call("socket", DescriptorKind::kNone, 0)),
            "the 1st socket of server was made to fail with EMFILE");
}

TEST(SweepTest, Ordinals) {
  EXPECT_EQ(Ordinal(1), "1st");
  EXPECT_EQ(Ordinal(2), "2nd");
  EXPECT_EQ(Ordinal(3), "3rd");
  EXPECT_EQ(Ordinal(11), "11th");
  EXPECT_EQ(Ordinal(12), "12th");
  EXPECT_EQ(Ordinal(23), "23rd");
  EXPECT_EQ(Ordinal(112), "112th");
}

}  // namespace
}  // namespace harness
