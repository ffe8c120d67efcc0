#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/strace.h"
#include "tools/trace/against.h"
#include "tools/trace/brief.h"
#include "tools/trace/html.h"
#include "tools/trace/json.h"
#include "tools/trace/svg.h"
#include "tools/trace/text.h"
#include "tools/trace/trace.h"

namespace trace {
namespace {

using Json = nlohmann::json;

Trace Of(const std::string& text) {
  std::istringstream in(text);
  return Understand(harness::ParseStrace(in));
}

// A parent that sends a word to its child, which waits for it.
constexpr char kTalk[] =
    R"(1 10.000000 execve("/k/pair", ["pair"], 0x1) = 0 <0.000100>
1 10.001000 socketpair(AF_UNIX, SOCK_STREAM, 0, [3<UNIX-STREAM:[7->8]>, 4<UNIX-STREAM:[8->7]>]) = 0 <0.000010>
1 10.002000 clone(child_stack=NULL, flags=SIGCHLD) = 2 <0.000100>
2 10.003000 close(3<UNIX-STREAM:[7->8]>) = 0 <0.000010>
2 10.003500 read(4<UNIX-STREAM:[8->7]>,  <unfinished ...>
1 10.004000 write(3<UNIX-STREAM:[7->8]>, "a </script> word", 16) = 16 <0.000010>
2 10.004500 <... read resumed>"a </script> word", 99) = 16 <0.001000>
2 10.005000 exit_group(3) = ?
2 10.005500 +++ exited with 3 +++
1 10.006000 close(3<UNIX-STREAM:[7->8]>) = 0 <0.000010>
1 10.007000 exit_group(0) = ?
1 10.007500 +++ exited with 0 +++
)";

TEST(Text, Swimlanes) {
  TextOptions options;
  options.width = 80;
  const std::string expected =
      R"(    0.00    ┬ pair begins, pid 1
    0.00    ├ execve(pair)
    1.00  34├ socketpair(UNIX STREAM, [3, 4…
    2.00  ││├ clone() = 2
    3.00  │││                                34┬ pair's child begins, pid 2
    3.00  │││                                ╵│├ close(3)
    3.50  │││                                 │┌ read(4) …
    4.00  ││├ write(3, "a </script> "…) = 16  │┊
          ││├──────────── 16 bytes ────────────▶
    4.50  │││                                 │└ read(4) = 16 "a </script> "…
          │││                                 ││ · waited 1.00 ms for pair
    5.00  │││                                 │├ exit_group(3)
    5.50  │││                                 │┴ exit status 3
    6.00  ╵│├ close(3)
    7.00   │├ exit_group(0)
    7.50   │┴ exit status 0
)";
  const std::string drawn = DrawText(Of(kTalk), options);
  EXPECT_EQ(drawn.substr(0, drawn.find("\ntime in ms")), expected);
}

TEST(Text, FitsItsWidthAndItsLength) {
  // Of two lanes and of twelve, in words and in colour.
  std::string many;
  for (int i = 2; i < 14; ++i) {
    absl::StrAppend(
        &many, "1 clone(flags=SIGCHLD) = ", i, "\n", i,
        " openat(AT_FDCWD, \"/a/long/name/of/a/file\", O_RDONLY) = -1 "
        "ENOENT (No such file or directory)\n");
  }
  for (const std::string& text : {std::string(kTalk), many}) {
    for (const int width : {60, 100}) {
      TextOptions options;
      options.width = width;
      for (const absl::string_view line :
           absl::StrSplit(DrawText(Of(text), options), '\n')) {
        if (absl::StrContains(line, "time in ms")) continue;
        EXPECT_LE(Columns(line), static_cast<size_t>(width)) << line;
      }
    }
  }
  TextOptions few;
  few.lines = 6;
  const std::string head_and_tail = DrawText(Of(kTalk), few);
  EXPECT_TRUE(absl::StrContains(head_and_tail, "rows are left out here"));
  EXPECT_TRUE(absl::StrContains(head_and_tail, "pair begins"));
  EXPECT_TRUE(absl::StrContains(head_and_tail, "exit status 0"));
  few.only_end = true;
  EXPECT_FALSE(absl::StrContains(DrawText(Of(kTalk), few), "pair begins"));
}

TEST(Text, Colors) {
  TextOptions options;
  options.color = true;
  EXPECT_TRUE(absl::StrContains(DrawText(Of(kTalk), options), "\033["));
  options.color = false;
  EXPECT_FALSE(absl::StrContains(DrawText(Of(kTalk), options), "\033["));
}

TEST(JsonForm, HoldsTheTrace) {
  const Json json = Json::parse(DrawJson(Of(kTalk)));
  EXPECT_EQ(json["version"], 1);
  ASSERT_EQ(json["lanes"].size(), 2U);
  EXPECT_EQ(json["lanes"][1]["ending"], "exit status 3");
  std::set<std::string> kinds;
  for (const Json& arrow : json["arrows"]) {
    kinds.insert(arrow["kind"]);
    EXPECT_LT(arrow["from"].get<size_t>(), json["events"].size());
    EXPECT_LT(arrow["to"].get<size_t>(), json["events"].size());
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"data", "start"}));
}

TEST(Perfetto, EachFlowHasTwoEndsInSlices) {
  const Json json = Json::parse(DrawPerfetto(Of(kTalk)));
  std::map<int, std::vector<Json>> flows;
  std::vector<Json> slices;
  for (const Json& event : json["traceEvents"]) {
    const std::string phase = event["ph"];
    if (phase == "X") slices.push_back(event);
    if (phase == "s" || phase == "f") flows[event["id"]].push_back(event);
  }
  EXPECT_EQ(flows.size(), 2U);
  for (const auto& flow : flows) {
    ASSERT_EQ(flow.second.size(), 2U);
    for (const Json& end : flow.second) {
      int around = 0;
      for (const Json& slice : slices) {
        const double begin = slice["ts"], length = slice["dur"], at = end["ts"];
        around +=
            slice["tid"] == end["tid"] && begin <= at && at <= begin + length;
      }
      EXPECT_GE(around, 1) << end;
    }
  }
}

// Whether tags and quotes of XML fit each other.
bool IsWellFormed(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = xml.find('<'); at != std::string::npos;
       at = xml.find('<', at)) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
    at = end;
  }
  return open.empty();
}

TEST(Svg, IsWellFormedAndShort) {
  const std::string svg = DrawSvg(Of(kTalk), "A & <B>");
  EXPECT_TRUE(IsWellFormed(svg));
  EXPECT_TRUE(absl::StrContains(svg, "A &amp; &lt;B&gt;"));
  EXPECT_TRUE(absl::StrContains(svg, "16 bytes"));
  EXPECT_FALSE(absl::StrContains(svg, "http:") &&
               !absl::StrContains(svg, "w3.org"));
  EXPECT_LT(DrawSvg(Of(kTalk), "", 4).size(), svg.size());
}

TEST(Html, IsOneFileThatItsDataDoNotBreak) {
  const std::string html = DrawHtml(Of(kTalk), "A & <B>");
  EXPECT_FALSE(absl::StrContains(html, "a </script>"));
  EXPECT_TRUE(absl::StrContains(html, "a <\\/script>"));
  EXPECT_FALSE(absl::StrContains(html, "src=\"http"));
  EXPECT_FALSE(absl::StrContains(html, "@DATA@"));
  const std::string begin = "id=\"data\">";
  const size_t at = html.find(begin) + begin.size();
  const Json data =
      Json::parse(html.substr(at, html.find("</script>", at) - at));
  EXPECT_EQ(data["columns"], 2);
  EXPECT_EQ(data["arrows"].size(), 2U);
}

TEST(Mermaid, IsASequence) {
  const std::string text = DrawMermaid(Of(kTalk));
  EXPECT_TRUE(
      absl::StartsWith(text, "sequenceDiagram\n  participant L0 as pair\n"));
  EXPECT_TRUE(absl::StrContains(text, "  L0->>L1: 16 bytes\n"));
  EXPECT_FALSE(absl::StrContains(text, "</script>"));
  EXPECT_TRUE(
      absl::StrContains(DrawMermaid(Of(kTalk), 3), "the rest is left out"));
}

TEST(Against, TheFirstCallWhereTheyPart) {
  const std::string same = DrawAgainst(Of(kTalk), Of(kTalk));
  EXPECT_TRUE(absl::StrContains(same, "The two runs do the same."));
  std::string other = kTalk;
  other.replace(other.find("exit_group(3)"), 13, "exit_group(4)");
  const std::string parted = DrawAgainst(Of(kTalk), Of(other), 80);
  EXPECT_TRUE(absl::StrContains(parted, "pair: the same 8 calls"));
  EXPECT_TRUE(absl::StrContains(parted, "pair's child: they part at call 4"));
  EXPECT_TRUE(absl::StrContains(parted, "≠ exit_group(3)"));
}

TEST(Draw, NothingAtAll) {
  const Trace trace = Of("");
  DrawText(trace);
  DrawSvg(trace, "");
  DrawMermaid(trace);
  DrawHtml(trace, "");
  DrawPerfetto(trace);
  EXPECT_EQ(Json::parse(DrawJson(trace))["events"].size(), 0U);
}

}  // namespace
}  // namespace trace
