#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/strace.h"
#include "tools/trace/trace.h"

namespace trace {
namespace {

Trace Of(const std::string& text, const std::string& harness = "") {
  std::istringstream in(text);
  UnderstandOptions options;
  options.harness = harness;
  return Understand(harness::ParseStrace(in), options);
}

std::string Told(const Trace& trace) {
  std::string told;
  for (const Arrow& arrow : trace.arrows) {
    if (arrow.kind == Arrow::kStart) continue;
    absl::StrAppend(&told, trace.events[arrow.from].name, ">",
                    trace.events[arrow.to].name, ": ", arrow.label, "\n");
  }
  return told;
}

std::string Notes(const Trace& trace) {
  std::string all;
  for (const Event& event : trace.events) {
    for (const std::string& note : event.notes) {
      absl::StrAppend(&all, event.name, ": ", note, "\n");
    }
  }
  return all;
}

constexpr char kPair[] =
    "1 socketpair(AF_UNIX, SOCK_STREAM, 0, [3<UNIX-STREAM:[7->8]>, "
    "4<UNIX-STREAM:[8->7]>]) = 0\n";

TEST(Understand, AcceptTookConnectThoughTheClientHasGone) {
  EXPECT_EQ(Told(Of("1 socket(AF_UNIX, SOCK_STREAM, 0) = 3<UNIX-STREAM:[5]>\n"
                    "1 bind(3<UNIX-STREAM:[5]>, {sa_family=AF_UNIX, "
                    "sun_path=@\"s\"}, 4) = 0\n"
                    "1 listen(3<UNIX-STREAM:[5,@\"s\"]>, 1) = 0\n"
                    "2 socket(AF_UNIX, SOCK_STREAM, 0) = 3<UNIX-STREAM:[6]>\n"
                    "2 connect(3<UNIX-STREAM:[6]>, {sa_family=AF_UNIX, "
                    "sun_path=@\"s\"}, 4) = 0\n"
                    "2 close(3<UNIX-STREAM:[6]>) = 0\n"
                    "1 accept(3<UNIX-STREAM:[5,@\"s\"]>, NULL, NULL) = "
                    "4<UNIX-STREAM:[9,@\"s\"]>\n"
                    "1 read(4<UNIX-STREAM:[9,@\"s\"]>, \"\", 5) = 0\n")),
            "connect>accept: connect\nclose>read: end\n");
}

TEST(Understand, TheLastCloseEndsAStream) {
  const std::string forked = std::string(kPair) +
                             "1 clone(child_stack=NULL, flags=SIGCHLD) = 2\n"
                             "1 close(3<UNIX-STREAM:[7->8]>) = 0\n";
  // The child still has a copy.
  EXPECT_EQ(Told(Of(forked + "2 close(3<UNIX-STREAM:[7->8]>) = 0\n"
                             "1 read(4<UNIX-STREAM:[8->7]>, \"\", 5) = 0\n")),
            "close>read: end\n");
  const Trace trace = Of(forked +
                         "2 getpid() = 2\n"
                         "1 read(4<UNIX-STREAM:[8->7]>,  <unfinished ...>\n");
  EXPECT_EQ(Told(trace), "");
  EXPECT_EQ(trace.events.back().waited, "process's child (descriptor 3)");
}

TEST(Understand, ClosesAtTheSameTimeAreUnknown) {
  const Trace trace = Of(std::string(kPair) +
                         "1 clone(child_stack=NULL, flags=SIGCHLD) = 2\n"
                         "2 close(3<UNIX-STREAM:[7->8]> <unfinished ...>\n"
                         "1 close(3<UNIX-STREAM:[7->8]>) = 0\n"
                         "2 <... close resumed>) = 0\n"
                         "1 read(4<UNIX-STREAM:[8->7]>, \"\", 5) = 0\n");
  EXPECT_EQ(Told(trace), "");
  EXPECT_EQ(Notes(trace),
            "read: unknown: the trace does not tell which close made this 0\n");
}

TEST(Understand, PassedDescriptorsAndCredentials) {
  EXPECT_EQ(
      Told(Of(
          std::string(kPair) +
          "1 sendmsg(3<UNIX-STREAM:[7->8]>, {msg_name=NULL, msg_namelen=0, "
          "msg_iov=[{iov_base=\"F\", iov_len=1}], msg_iovlen=1, "
          "msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, "
          "cmsg_type=SCM_RIGHTS, cmsg_data=[5</tmp/notes.txt>]}], "
          "msg_controllen=24, msg_flags=0}, 0) = 1\n"
          "1 recvmsg(4<UNIX-STREAM:[8->7]>, {msg_name=NULL, msg_namelen=0, "
          "msg_iov=[{iov_base=\"F\", iov_len=9}], msg_iovlen=1, "
          "msg_control=[{cmsg_len=28, cmsg_level=SOL_SOCKET, "
          "cmsg_type=SCM_CREDENTIALS, cmsg_data={pid=1, uid=2, gid=3}}, "
          "{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, "
          "cmsg_data=[6</tmp/notes.txt>]}], msg_controllen=56, msg_flags=0}, "
          "0) = 1\n")),
      "sendmsg>recvmsg: 1 byte\nsendmsg>recvmsg: pid 1, uid 2, gid 3\n"
      "sendmsg>recvmsg: 5 → 6: file notes.txt\n");
}

TEST(Understand, DatagramsGoToTheirName) {
  EXPECT_EQ(
      Told(
          Of("1 socket(AF_UNIX, SOCK_DGRAM, 0) = 3<UNIX:[5]>\n"
             "1 bind(3<UNIX:[5]>, {sa_family=AF_UNIX, sun_path=\"a\"}, 4) = 0\n"
             "1 socket(AF_UNIX, SOCK_DGRAM, 0) = 4<UNIX:[6]>\n"
             "1 sendto(4<UNIX:[6]>, \"xy\", 2, 0, {sa_family=AF_UNIX, "
             "sun_path=\"a\"}, 4) = 2\n"
             "1 sendto(4<UNIX:[6]>, \"\", 0, 0, {sa_family=AF_UNIX, "
             "sun_path=\"a\"}, 4) = 0\n"
             "1 recvfrom(3<UNIX:[5,\"a\"]>, \"x\", 1, 0, NULL, NULL) = 1\n"
             "1 recvfrom(3<UNIX:[5,\"a\"]>, \"\", 9, 0, NULL, NULL) = 0\n")),
      "sendto>recvfrom: 1 byte\nsendto>recvfrom: 0 bytes\n");
}

TEST(Understand, Signals) {
  const std::string sent =
      "1 clone(child_stack=NULL, flags=SIGCHLD) = 2\n2 getpid() = 2\n"
      "1 kill(2, SIGUSR1) = 0\n";
  const std::string came =
      "2 --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=1, si_uid=0} "
      "---\n";
  EXPECT_EQ(Told(Of(sent + came)), "kill>SIGUSR1: SIGUSR1\n");
  // The second one was lost if it came while the first was pending.
  EXPECT_EQ(Told(Of(sent + "1 kill(2, SIGUSR1) = 0\n" + came)),
            "kill>SIGUSR1: SIGUSR1\n");
  EXPECT_EQ(Told(Of("1 clone(flags=SIGCHLD) = 2\n1 kill(2, SIGKILL) = 0\n"
                    "2 +++ killed by SIGKILL +++\n")),
            "kill>SIGKILL: SIGKILL\n");
}

TEST(Understand, SomebodyElsesBytesAreUnknown) {
  const Trace trace =
      Of("1 read(0<pipe:[5]>, \"ab\", 9) = 2\n"
         "1 write(4<UNIX-STREAM:[8->7]>, \"x\", 1) = 1\n");
  EXPECT_EQ(Told(trace), "");
  EXPECT_NE(Notes(trace).find("read: unknown"), std::string::npos);
  EXPECT_NE(Notes(trace).find("write: unknown"), std::string::npos);
}

TEST(Understand, TheHarnessIsNotInThePicture) {
  const Trace trace =
      Of("1 execve(\"/k/demo\", [\"demo\"], 0x1) = 0\n"
         "1 clone(child_stack=NULL, flags=SIGCHLD) = 2\n"
         "2 dup2(9</dev/null<char 1:3>>, 0) = 0\n"
         "2 execve(\"/k/server\", [\"server\", \"--socket=x\"], 0x1) = 0\n"
         "2 exit_group(0) = ?\n2 +++ exited with 0 +++\n",
         "demo");
  ASSERT_EQ(trace.lanes.size(), 2U);
  EXPECT_TRUE(trace.lanes[0].hidden);
  EXPECT_EQ(trace.lanes[1].name, "server");
  std::string shown;
  for (const Event& event : trace.events) {
    if (!event.hidden && event.lane == 1) {
      absl::StrAppend(&shown, event.brief, "; ");
    }
  }
  EXPECT_EQ(shown, "server --socket=x; exit_group(0); exit status 0; ");
}

TEST(Understand, NothingAndNonsense) {
  EXPECT_TRUE(Of("").events.empty());
  EXPECT_TRUE(Of("this is\nno trace\n").events.empty());
  // Lines that end anywhere.
  const std::string line =
      "1 1.5 sendmsg(3<UNIX-STREAM:[7->8,\"a\"]>, {msg_iov=[{iov_base=\"F\", "
      "iov_len=1}], msg_control=[{cmsg_type=SCM_RIGHTS, cmsg_data=[5<x>]}]}, "
      "0) = "
      "1 <0.1>";
  for (size_t length = 0; length <= line.size(); ++length) {
    Of(kPair + line.substr(0, length) + "\n1 close(3<" +
       line.substr(0, length));
  }
}

}  // namespace
}  // namespace trace
