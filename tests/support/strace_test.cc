#include "tests/support/strace.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace harness {
namespace {

std::vector<TraceEvent> Parse(const std::string& text) {
  std::istringstream in(text);
  return ParseStrace(in);
}

TraceEvent ParseOne(const std::string& line) {
  const std::vector<TraceEvent> events = Parse(line + "\n");
  EXPECT_EQ(events.size(), 1U) << line;
  return events.empty() ? TraceEvent() : events[0];
}

TEST(Strace, CallWithAllThatCanStandBesideIt) {
  const TraceEvent event = ParseOne(
      "18435 1795577706.107578740 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = "
      "3<TCP:[385500]> <0.000025097>");
  EXPECT_EQ(event.kind, TraceEvent::kCall);
  EXPECT_EQ(event.pid, 18435);
  EXPECT_EQ(event.time, 1795577706107578740);
  EXPECT_EQ(event.length, 25097);
  EXPECT_EQ(event.name, "socket");
  EXPECT_EQ(event.arguments(), "AF_INET, SOCK_STREAM, IPPROTO_IP");
  EXPECT_EQ(event.result(), "3<TCP:[385500]>");
  EXPECT_TRUE(event.has_value);
  EXPECT_EQ(event.value, 3);
  EXPECT_FALSE(event.failed());
}

TEST(Strace, CallAsLab10HasIt) {
  const TraceEvent event = ParseOne(
      "712   connect(3, {sa_family=AF_UNIX, sun_path=\"x\"}, 4) = -1 ENOENT "
      "(No "
      "such file or directory)");
  EXPECT_EQ(event.pid, 712);
  EXPECT_EQ(event.time, -1);
  EXPECT_EQ(event.text.substr(0, 10), "connect(3,");
  EXPECT_EQ(event.error, "ENOENT");
  EXPECT_EQ(event.value, -1);
}

TEST(Strace, WithoutPidAndFromStderr) {
  EXPECT_EQ(ParseOne("close(3)                = 0").pid, 0);
  EXPECT_EQ(ParseOne("[pid    12] close(3) = 0").pid, 12);
  EXPECT_EQ(ParseOne("12 10:11:12.345678 close(3) = 0").time,
            ((10 * 60 + 11) * 60 + 12) * 1000000000LL + 345678000);
}

TEST(Strace, UnfinishedIsJoined) {
  const std::vector<TraceEvent> events = Parse(
      "1 read(4<UNIX-STREAM:[7->8]>,  <unfinished ...>\n"
      "2 write(3<UNIX-STREAM:[8->7]>, \"ab\", 2 <unfinished ...>\n"
      "1 <... read resumed>\"ab\", 9) = 2 <0.5>\n"
      "2 <... write resumed>) = 2\n");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].text, "read(4<UNIX-STREAM:[7->8]>, \"ab\", 9) = 2");
  EXPECT_EQ(events[0].begin, 0U);
  EXPECT_EQ(events[0].end, 2U);
  EXPECT_EQ(events[0].length, 500000000);
  EXPECT_EQ(events[1].arguments(), "3<UNIX-STREAM:[8->7]>, \"ab\", 2");
}

TEST(Strace, NeverFinished) {
  const std::vector<TraceEvent> events = Parse(
      "1 read(4, <unfinished ...>\n1 +++ killed by SIGKILL +++\n"
      "2 write(1, \"half a li");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].kind, TraceEvent::kExit);
  EXPECT_EQ(events[0].name, "SIGKILL");
  EXPECT_FALSE(events[1].finished);
  EXPECT_FALSE(events[2].finished);
  EXPECT_EQ(events[2].name, "read");
}

TEST(Strace, KilledInACall) {
  const std::vector<TraceEvent> events = Parse(
      "1 read(4, <unfinished ...>\n"
      "1 <... read resumed> <unfinished ...>) = ?\n"
      "1 kill(1, SIGKILL)                = ?\n"
      "1 exit_group(0)                   = ?\n");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_FALSE(events[0].finished);
  EXPECT_EQ(events[0].end, 1U);
  EXPECT_FALSE(events[1].finished);
  EXPECT_TRUE(events[2].finished);
}

TEST(Strace, SignalsStopsAndEnds) {
  EXPECT_EQ(ParseOne("1 --- SIGPIPE {si_signo=SIGPIPE, si_pid=7} ---").name,
            "SIGPIPE");
  EXPECT_EQ(ParseOne("1 --- stopped by SIGSTOP ---").kind, TraceEvent::kStop);
  const TraceEvent exit = ParseOne("1 +++ exited with 3 +++");
  EXPECT_EQ(exit.kind, TraceEvent::kExit);
  EXPECT_EQ(exit.value, 3);
}

TEST(Strace, WhatWasInjected) {
  const TraceEvent event = ParseOne(
      "1 read(3, 0x7ff, 4) = -1 EINTR (Interrupted system call) (INJECTED)");
  EXPECT_TRUE(event.injected);
  EXPECT_EQ(event.error, "EINTR");
  EXPECT_FALSE(ParseOne("1 write(1, \"(INJECTED)\", 10) = 10").injected);
}

TEST(Strace, Interrupted) {
  const TraceEvent event = ParseOne(
      "1 accept(3, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART "
      "is set)");
  EXPECT_FALSE(event.has_value);
  EXPECT_EQ(event.error, "ERESTARTSYS");
}

TEST(Strace, ParenthesesAndQuotesInNamesDoNotMislead) {
  const TraceEvent event =
      ParseOne("1 write(3</tmp/a) = 5(\\\"\\74x>, \") = -1 E\\\"\", 9) = 9");
  EXPECT_EQ(event.value, 9);
  EXPECT_EQ(SplitArguments(event.arguments()).size(), 3U);
  const TraceEvent unix_socket = ParseOne(
      "1 accept(3<UNIX-STREAM:[5,\"a) = 7\"]>, NULL, NULL) = "
      "4<UNIX-STREAM:[6->9,\"a) = 7\"]>");
  EXPECT_EQ(unix_socket.value, 4);
  EXPECT_EQ(ParseDescriptor(unix_socket.result())->peer, 9U);
}

TEST(Strace, StrangeLinesAreCountedOnly) {
  StraceParser parser;
  EXPECT_FALSE(parser.Parse("strace: Process 12 attached"));
  EXPECT_FALSE(parser.Parse("1 <... read resumed>) = 0"));
  EXPECT_FALSE(parser.Parse(""));
  EXPECT_EQ(parser.strange_lines(), 2U);
}

TEST(Strace, Arguments) {
  const auto parts =
      SplitArguments("3<a,b>, {x=[1, 2], y=\", }\"}, 1<<2, NULL");
  ASSERT_EQ(parts.size(), 4U);
  EXPECT_EQ(parts[1], "{x=[1, 2], y=\", }\"}");
  EXPECT_EQ(Field(parts[1], "y"), "\", }\"");
  EXPECT_EQ(Field(parts[1], "z"), "");
  EXPECT_EQ(Elements("[5</dev/null<char 1:3>>, 6<pipe:[9]>]").size(), 2U);
  EXPECT_EQ(Number("110 => 2"), 2);
  EXPECT_EQ(Number("[128 => 16]"), 16);
  EXPECT_EQ(Number("NULL"), absl::nullopt);
}

TEST(Strace, Strings) {
  bool cut = true;
  EXPECT_EQ(Unquoted("\"a\\n\\0b\\\"\\377\"", &cut),
            std::string("a\n\0b\"\377", 6));
  EXPECT_FALSE(cut);
  EXPECT_EQ(Unquoted("\"\\1777\"..., 5", &cut), std::string("\1777"));
  EXPECT_TRUE(cut);
  EXPECT_EQ(Unquoted("0x7ffe"), absl::nullopt);
}

TEST(Strace, Descriptors) {
  const TracedDescriptor tcp = *ParseDescriptor("3<TCPv6:[[::1]:1->[::1]:2]>");
  EXPECT_EQ(tcp.kind, "TCPv6");
  EXPECT_EQ(tcp.local, "[::1]:1");
  EXPECT_EQ(tcp.remote, "[::1]:2");
  const TracedDescriptor file = *ParseDescriptor("5</dev/null<char 1:3>>");
  EXPECT_EQ(file.fd, 5);
  EXPECT_EQ(file.what, "/dev/null<char 1:3>");
  EXPECT_EQ(file.kind, "");
  EXPECT_EQ(ParseDescriptor("3<socket:[77]>")->inode, 77U);
  EXPECT_EQ(ParseDescriptor("7<UNIX:[5,@\"ab\"]>")->name, "@\"ab\"");
  EXPECT_FALSE(ParseDescriptor("-1"));
  EXPECT_EQ(ParseDescriptor("12")->what, "");
}

}  // namespace
}  // namespace harness
