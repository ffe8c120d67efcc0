#include "tools/trace/svg.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/trace/brief.h"
#include "tools/trace/layout.h"

namespace trace {
namespace {

constexpr int kRow = 20, kTop = 46, kTime = 70, kText = 270, kSlot = 8;
constexpr int kColors = 8;
constexpr size_t kLetters = 36;  // Of a call that fit into kText.

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char byte : text) {
    switch (byte) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        // XML has no other control characters, not even escaped.
        escaped += static_cast<unsigned char>(byte) < 32 ? ' ' : byte;
    }
  }
  return escaped;
}

constexpr char kStyle[] = R"(
  svg { background: #fff; font: 12px ui-monospace, "DejaVu Sans Mono", monospace }
  text { fill: #1c2430 } .dim { fill: #5b6675 } .bad { fill: #b3261e }
  .spine { stroke: #9aa5b4; stroke-width: 1 } .wait { fill: #e7ecf3; stroke: #9aa5b4 }
  .box { fill: #f6f8fb; stroke: #c6ced9 } .arrow { fill: none; stroke-width: 1.4 }
  .thick { stroke-width: 4 } .halo { stroke: #fff; stroke-width: 4; paint-order: stroke }
  .life { stroke-width: 3 } .leak { stroke-dasharray: 2 3 }
  .c0 { stroke: #0b6bcb } .c1 { stroke: #a8480b } .c2 { stroke: #7a3fb8 }
  .c3 { stroke: #1b7a3d } .c4 { stroke: #b0256a } .c5 { stroke: #0f7c80 }
  .c6 { stroke: #7d6a00 } .c7 { stroke: #4b5bd1 } .c { stroke: #5b6675 }
  @media (prefers-color-scheme: dark) {
    svg { background: #12161c } text { fill: #e3e8ef } .dim { fill: #9aa7b8 }
    .bad { fill: #ff8a80 } .spine { stroke: #56616f }
    .wait { fill: #28313d; stroke: #56616f } .box { fill: #1b222b; stroke: #3a4553 }
    .halo { stroke: #12161c }
    .c0 { stroke: #6cb2ff } .c1 { stroke: #f0a35e } .c2 { stroke: #c79bff }
    .c3 { stroke: #6fd08c } .c4 { stroke: #ff8fc0 } .c5 { stroke: #5fd0d4 }
    .c6 { stroke: #d8c14a } .c7 { stroke: #a3adff } .c { stroke: #9aa7b8 }
  }
)";

class SvgDrawer {
 public:
  SvgDrawer(const Trace& trace, const std::string& title, size_t rows)
      : trace_(trace), title_(title), layout_(LayOut(trace, /*reuse=*/false)) {
    const int all = static_cast<int>(layout_.rows.size());
    const int most = static_cast<int>(std::max<size_t>(rows, 2));
    head_ = all <= most ? all : most / 2;
    tail_ = all <= most ? 0 : most - most / 2;
    int x = kTime;
    std::vector<int> lanes;
    for (size_t i = 0; i < trace.lanes.size(); ++i) {
      if (layout_.column[i] != kNone) lanes.push_back(static_cast<int>(i));
    }
    std::sort(lanes.begin(), lanes.end(), [&](int a, int b) {
      return layout_.column[a] < layout_.column[b];
    });
    lane_x_.assign(trace.lanes.size(), 0);
    for (const int lane : lanes) {
      lane_x_[lane] = x;
      x += layout_.slots[lane] * kSlot + kText + 70;
    }
    width_ = x;
    height_ = kTop + (head_ + tail_ + 2) * kRow;
  }

  std::string Draw() {
    std::string svg = absl::StrCat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", width_,
        "\" height=\"", height_, "\" viewBox=\"0 0 ", width_, " ", height_,
        "\" role=\"img\" aria-labelledby=\"t\"><title id=\"t\">",
        Escaped(title_), "</title><style>", kStyle, "</style>\n<defs>");
    for (int color = -1; color < kColors; ++color) {
      absl::StrAppend(
          &svg, "<marker id=\"", MarkerOf(color),
          "\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" "
          "markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" "
          "orient=\"auto\"><path d=\"M0 0L8 4L0 8\" class=\"arrow ",
          ClassOf(color), "\"/></marker>");
    }
    absl::StrAppend(&svg, "</defs>\n");
    DrawLanes(&svg);
    DrawLives(&svg);
    DrawEvents(&svg);
    for (const ArrowGroup& group : GroupArrows(trace_, layout_)) {
      DrawArrow(group, &svg);
    }
    if (tail_ > 0) {
      absl::StrAppend(&svg, "<text class=\"dim\" x=\"8\" y=\"",
                      kTop + head_ * kRow + 14, "\">… ",
                      layout_.rows.size() - head_ - tail_,
                      " rows are left out here</text>");
    }
    return svg + "</svg>\n";
  }

 private:
  static std::string ClassOf(int connection) {
    return connection < 0 ? "c" : absl::StrCat("c", connection % kColors);
  }
  static std::string MarkerOf(int connection) {
    return "m" + ClassOf(connection);
  }

  bool IsDrawn(int row) const {
    return row < head_ || row >= static_cast<int>(layout_.rows.size()) - tail_;
  }
  int Y(int row) const {
    const int all = static_cast<int>(layout_.rows.size());
    if (row >= head_) row = std::max(head_, row - (all - tail_) + head_ + 1);
    return kTop + row * kRow;
  }
  int Spine(int lane) const {
    return lane_x_[lane] + layout_.slots[lane] * kSlot + 6;
  }

  void DrawLanes(std::string* svg) const {
    for (size_t i = 0; i < trace_.lanes.size(); ++i) {
      if (layout_.column[i] == kNone) continue;
      const int lane = static_cast<int>(i), x = Spine(lane);
      absl::StrAppend(svg, "<text x=\"", x, "\" y=\"20\" font-weight=\"bold\">",
                      Escaped(Cut(trace_.lanes[i].name, 34)),
                      "</text><text class=\"dim\" x=\"", x, "\" y=\"36\">pid ",
                      trace_.lanes[i].pid, "</text><path class=\"spine\" d=\"M",
                      x, " ", Y(layout_.begin_row[i]), "V",
                      Y(layout_.end_row[i]) + kRow / 2, "\"/>\n");
    }
  }

  void DrawLives(std::string* svg) const {
    for (size_t i = 0; i < trace_.lives.size(); ++i) {
      const Life& life = trace_.lives[i];
      if (layout_.slot[i] == kNone) continue;
      const File& file = trace_.files[life.file];
      const int x = lane_x_[life.lane] + layout_.slot[i] * kSlot + 2;
      absl::StrAppend(
          svg, "<path class=\"life ", ClassOf(file.connection),
          life.closed ? "" : " leak", "\" d=\"M", x, " ",
          Y(layout_.life_begin[i]) + 4, "V", Y(layout_.life_end[i]) + kRow / 2,
          "\"><title>descriptor ", life.fd, ": ", Escaped(file.what),
          life.closed ? "" : ", never closed", "</title></path><text x=\"",
          x - 3, "\" y=\"", Y(layout_.life_begin[i]) + 2, "\" font-size=\"9\">",
          life.fd, "</text>\n");
    }
  }

  void DrawEvents(std::string* svg) const {
    const int64_t origin =
        layout_.rows.empty() ? 0 : trace_.events[layout_.rows[0].event].start;
    for (size_t i = 0; i < layout_.rows.size(); ++i) {
      const Row& row = layout_.rows[i];
      const int at = static_cast<int>(i);
      if (!row.begins || !IsDrawn(at)) continue;
      const Event& event = trace_.events[row.event];
      const int x = Spine(event.lane), y = Y(at);
      const int end = layout_.last_row[row.event];
      const int bottom = event.finished || event.waited.empty()
                             ? Y(end) + kRow - 4
                             : Y(layout_.end_row[event.lane]) + kRow - 4;
      absl::StrAppend(
          svg, "<text class=\"dim\" x=\"62\" y=\"", y + 13,
          "\" text-anchor=\"end\">",
          absl::StrFormat("%.2f",
                          static_cast<double>(event.start - origin) / 1e6),
          "</text><g><title>", Escaped(Tooltip(event)),
          "</title><rect class=\"", event.waited.empty() ? "box" : "wait",
          "\" x=\"", x - 4, "\" y=\"", y, "\" width=\"", kText, "\" height=\"",
          bottom - y, "\" rx=\"3\"/><text",
          event.error.empty() && event.kind != Event::kSignal
              ? ""
              : " class=\"bad\"",
          " x=\"", x + 2, "\" y=\"", y + 13, "\">",
          Escaped(Cut(event.brief, kLetters)), "</text>");
      if (!event.waited.empty() && bottom - y > kRow) {
        absl::StrAppend(svg, "<text class=\"dim\" x=\"", x + 2, "\" y=\"",
                        y + 13 + kRow, "\">",
                        Escaped(Cut(WaitWords(event), kLetters)), "</text>");
      }
      absl::StrAppend(svg, "</g>\n");
    }
  }

  static std::string WaitWords(const Event& event) {
    return absl::StrCat(
        event.finished
            ? absl::StrCat("waited ", Duration(event.stop - event.start))
            : "waits",
        " for ", event.waited);
  }

  static std::string Tooltip(const Event& event) {
    std::vector<std::string> lines = {event.text.empty() ? event.brief
                                                         : event.text};
    if (!event.error.empty()) lines.push_back(ErrorInWords(event));
    if (!event.waited.empty()) lines.push_back(WaitWords(event));
    lines.insert(lines.end(), event.notes.begin(), event.notes.end());
    return absl::StrJoin(lines, " | ");
  }

  void DrawArrow(const ArrowGroup& group, std::string* svg) const {
    const Event &from = trace_.events[group.from],
                &to = trace_.events[group.to];
    const int begin = layout_.first_row[group.from],
              end = layout_.last_row[group.to];
    if (from.lane == to.lane || !IsDrawn(begin) || !IsDrawn(end)) return;
    const Arrow& first = trace_.arrows[group.arrows[0]];
    bool thick = false;
    for (const int arrow : group.arrows) {
      thick |= trace_.arrows[arrow].kind == Arrow::kDescriptor;
    }
    const bool right = layout_.column[from.lane] < layout_.column[to.lane];
    const int x1 = Spine(from.lane) + (right ? kText - 4 : -4);
    const int x2 = Spine(to.lane) + (right ? -5 : kText - 3);
    // A start, and what is given and taken at once, would be flat.
    const int y1 = Y(begin) + kRow / 2 - 2;
    const int y2 = std::max(Y(end) + kRow / 2 - 2, y1 + 2);
    absl::StrAppend(svg, "<path class=\"arrow ", ClassOf(first.connection),
                    thick ? " thick" : "", "\" marker-end=\"url(#",
                    MarkerOf(first.connection), ")\" d=\"M", x1, " ", y1, "L",
                    x2, " ", y2, "\"/>");
    const std::string label = GroupLabel(trace_, group);
    // Beside the target, where the arrows of one call stand apart.
    absl::StrAppend(svg, "<text class=\"halo\" font-size=\"10\" x=\"",
                    right ? x2 - 6 : x2 + 8, "\" y=\"", y2 - 5,
                    "\" text-anchor=\"", right ? "end" : "start", "\">",
                    Escaped(Cut(label, 40)), "</text>\n");
  }

  const Trace& trace_;
  const std::string& title_;
  const Layout layout_;
  std::vector<int> lane_x_;
  int head_ = 0, tail_ = 0, width_ = 0, height_ = 0;
};

// Mermaid takes ; and # for its own.
std::string MermaidText(const std::string& text) {
  return absl::StrReplaceAll(Cut(text, 60), {{"#", "#35;"},
                                             {";", "#59;"},
                                             {"\"", "#quot;"},
                                             {"\n", " "},
                                             {"<", "#lt;"},
                                             {">", "#gt;"}});
}

}  // namespace

std::string DrawSvg(const Trace& trace, const std::string& title, size_t rows) {
  return SvgDrawer(trace, title, rows).Draw();
}

std::string DrawMermaid(const Trace& trace, size_t steps) {
  const Layout layout = LayOut(trace, /*reuse=*/false);
  std::map<int, std::vector<const ArrowGroup*>> arriving;
  const std::vector<ArrowGroup> groups = GroupArrows(trace, layout);
  for (const ArrowGroup& group : groups) arriving[group.to].push_back(&group);
  std::string text = "sequenceDiagram\n";
  for (size_t i = 0; i < trace.lanes.size(); ++i) {
    if (layout.column[i] == kNone) continue;
    absl::StrAppend(&text, "  participant L", i, " as ",
                    MermaidText(trace.lanes[i].name), "\n");
  }
  size_t drawn = 0;
  for (const Row& row : layout.rows) {
    if (!row.ends && trace.events[row.event].finished) continue;
    const Event& event = trace.events[row.event];
    if (drawn >= steps) {
      absl::StrAppend(&text, "  Note over L", event.lane,
                      ": the rest is left out\n");
      break;
    }
    for (const ArrowGroup* group : arriving[row.event]) {
      const Event& from = trace.events[group->from];
      const Arrow::Kind kind = trace.arrows[group->arrows[0]].kind;
      const bool ends = kind == Arrow::kEnd || kind == Arrow::kSignal;
      const std::string label = GroupLabel(trace, *group);
      absl::StrAppend(&text, "  L", from.lane, ends ? "--x" : "->>", "L",
                      event.lane, ": ",
                      label.empty() ? "makes" : MermaidText(label), "\n");
      ++drawn;
    }
    absl::StrAppend(&text, "  Note over L", event.lane, ": ",
                    MermaidText(event.brief),
                    event.waited.empty()
                        ? ""
                        : MermaidText(" (waited for " + event.waited + ")"),
                    "\n");
    ++drawn;
  }
  return text;
}

}  // namespace trace
