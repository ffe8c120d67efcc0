#include "tools/trace/text.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/trace/brief.h"
#include "tools/trace/layout.h"

namespace trace {
namespace {

constexpr int kTimeWidth = 10;
constexpr int kMostWideLanes = 3, kMostSlots = 5;
// Red is left for what fails.
constexpr int kColors[] = {36, 33, 35, 32, 34, 96, 93, 95, 92, 94};

// A line of characters, each with its colour.
class Line {
 public:
  explicit Line(int width) : cells_(width, " "), colors_(width, 0) {}

  void Put(int at, const std::string& cell, int color = 0) {
    if (at < 0 || at >= static_cast<int>(cells_.size())) return;
    cells_[at] = cell;
    colors_[at] = color;
  }

  // Puts the characters of UTF-8 text one by one.
  void Write(int at, const std::string& text, int color = 0) {
    for (size_t i = 0; i < text.size();) {
      size_t end = i + 1;
      while (end < text.size() && (text[end] & 0xc0) == 0x80) ++end;
      Put(at++, text.substr(i, end - i), color);
      i = end;
    }
  }

  std::string Text(bool color) const {
    size_t end = cells_.size();
    while (end > 0 && cells_[end - 1] == " ") --end;
    std::string text;
    int now = 0;
    for (size_t i = 0; i < end; ++i) {
      if (color && colors_[i] != now) {
        now = colors_[i];
        absl::StrAppend(&text, "\033[", now, "m");
      }
      text += cells_[i];
    }
    if (now != 0) text += "\033[0m";
    return text + "\n";
  }

 private:
  std::vector<std::string> cells_;
  std::vector<int> colors_;
};

class TextDrawer {
 public:
  TextDrawer(const Trace& trace, const TextOptions& options)
      : trace_(trace),
        options_(options),
        layout_(LayOut(trace, /*reuse=*/true)),
        groups_(GroupArrows(trace, layout_)) {
    for (size_t i = 0; i < groups_.size(); ++i) {
      arriving_[groups_[i].to].push_back(i);
      leaving_[groups_[i].from].push_back(i);
    }
    numbers_.resize(groups_.size());
    narrow_ = layout_.columns > kMostWideLanes;
    const int columns = std::max(layout_.columns, 1);
    if (narrow_) {
      // One character a lane and one between; the words stand to their right.
      shown_columns_ = std::min(columns, (options_.width - kTimeWidth) / 4);
      lane_width_ = 2;
      text_at_ = kTimeWidth + shown_columns_ * lane_width_ + 1;
    } else {
      shown_columns_ = columns;
      lane_width_ = (options_.width - kTimeWidth) / columns;
    }
  }

  std::string Draw() {
    for (size_t row = 0; row < layout_.rows.size(); ++row) {
      if (options_.lines > 0 && !Near(row)) {
        if (!left_out_) blocks_.push_back({});
        left_out_ = true;
        continue;
      }
      left_out_ = false;
      blocks_.push_back(DrawRow(static_cast<int>(row)));
    }
    std::string text;
    for (const std::string& warning : trace_.warnings) {
      absl::StrAppend(&text, warning, "\n");
    }
    const std::vector<bool> shown = Shown();
    size_t skipped = layout_.rows.size();
    for (const bool each : shown) skipped -= each;
    bool told = false;
    for (size_t i = 0, row = 0; i < blocks_.size(); ++i, ++row) {
      if (shown[i] && !blocks_[i].empty()) {
        text += blocks_[i];
      } else if (!told) {
        told = true;
        absl::StrAppend(&text, "      …   ", skipped,
                        " rows are left out here; --rows=0 shows all\n");
      }
    }
    return text + Legend();
  }

 private:
  std::string Legend() const {
    if (narrow_) return "";
    return "\ntime in ms; 3│ a descriptor while it is open; ┌┊└ a call that "
           "waits; "
           "─▶ what it did to whom\n";
  }

  // Rows that are certainly left out are not even drawn.
  bool Near(size_t row) const {
    return row < options_.lines || row + options_.lines >= layout_.rows.size();
  }

  // Which blocks fit into the lines that there may be.
  std::vector<bool> Shown() const {
    std::vector<bool> shown(blocks_.size(), options_.lines == 0);
    if (options_.lines == 0) return shown;
    size_t room = options_.lines;
    if (!options_.only_end) {
      size_t used = 0;
      for (size_t i = 0; i < blocks_.size(); ++i) {
        used += std::count(blocks_[i].begin(), blocks_[i].end(), '\n');
        if (blocks_[i].empty() || used > options_.lines / 2) break;
        shown[i] = true;
        room = options_.lines - used;
      }
    }
    size_t used = 0;
    for (size_t i = blocks_.size(); i-- > 0;) {
      used += std::count(blocks_[i].begin(), blocks_[i].end(), '\n');
      if (blocks_[i].empty() || used > room) break;
      shown[i] = true;
    }
    return shown;
  }

  int LaneAt(int lane) const {
    return kTimeWidth + layout_.column[lane] * lane_width_;
  }
  int SlotsOf(int lane) const {
    return narrow_ ? 0 : std::min(layout_.slots[lane], kMostSlots);
  }
  // Where the lane's own line is.
  int SpineAt(int lane) const { return LaneAt(lane) + SlotsOf(lane); }
  int TextAt(int lane) const { return narrow_ ? text_at_ : SpineAt(lane) + 2; }
  int TextWidth(int lane) const {
    return narrow_ ? options_.width - text_at_
                   : lane_width_ - SlotsOf(lane) - 3;
  }

  int ColorOf(int file) const {
    if (file == kNone) return 0;
    const int connection = trace_.files[file].connection;
    return connection == kNone
               ? 0
               : kColors[connection % (sizeof(kColors) / sizeof(*kColors))];
  }

  // The lines that run down through `row`: lanes and descriptors.
  Line Background(int row, bool between) {
    Line line(options_.width);
    for (size_t i = 0; i < trace_.lanes.size(); ++i) {
      const int lane = static_cast<int>(i);
      if (layout_.column[i] == kNone || layout_.begin_row[i] > row ||
          layout_.end_row[i] < row ||
          (between && layout_.begin_row[i] == row)) {
        continue;
      }
      line.Put(SpineAt(lane), waiting_.count(lane) > 0 ? "┊" : "│");
    }
    if (narrow_) return line;
    for (const int index : LivesAt(row)) {
      const Life& life = trace_.lives[index];
      const int slot = layout_.slot[index];
      if (slot >= kMostSlots) continue;
      const bool begins = layout_.life_begin[index] == row && !between;
      const bool ends = layout_.life_end[index] == row && life.closed;
      if (between && (layout_.life_begin[index] == row)) continue;
      const int color = ColorOf(life.file);
      line.Put(LaneAt(life.lane) + slot,
               begins             ? absl::StrCat(life.fd % 10)
               : ends && !between ? "╵"
                                  : "│",
               color);
    }
    return line;
  }

  // The lives that are open at `row`; rows come in order.
  const std::set<int>& LivesAt(int row) {
    if (lives_by_begin_.empty()) {
      for (size_t i = 0; i < trace_.lives.size(); ++i) {
        if (layout_.slot[i] != kNone) {
          lives_by_begin_.push_back(static_cast<int>(i));
        }
      }
      std::stable_sort(lives_by_begin_.begin(), lives_by_begin_.end(),
                       [&](int a, int b) {
                         return layout_.life_begin[a] < layout_.life_begin[b];
                       });
    }
    for (; next_life_ < lives_by_begin_.size() &&
           layout_.life_begin[lives_by_begin_[next_life_]] <= row;
         ++next_life_) {
      open_.insert(lives_by_begin_[next_life_]);
    }
    for (auto life = open_.begin(); life != open_.end();) {
      life =
          layout_.life_end[*life] < row ? open_.erase(life) : std::next(life);
    }
    return open_;
  }

  std::string DrawRow(int row) {
    const Row& place = layout_.rows[row];
    const Event& event = trace_.events[place.event];
    std::string block;
    if (place.ends || !event.finished) {
      if (place.ends && !place.begins) waiting_.erase(event.lane);
      for (const size_t group : arriving_[place.event]) {
        if (event.kind != Event::kStart) block += DrawArrow(row, group);
      }
    }
    Line line = Background(row, false);
    const int64_t time =
        place.begins && event.kind != Event::kStart ? event.start : event.stop;
    if (first_time_ < 0) first_time_ = time;
    line.Write(0, absl::StrFormat(
                      "%8.2f", static_cast<double>(time - first_time_) / 1e6));
    line.Put(SpineAt(event.lane), Marker(place, event));
    const int color =
        !event.error.empty() || event.kind == Event::kSignal ? 31 : 0;
    line.Write(TextAt(event.lane),
               Cut(Words(place, event), TextWidth(event.lane)), color);
    block += line.Text(options_.color);
    if (place.begins && !place.ends) waiting_.insert(event.lane);
    if (place.ends || !event.finished) {
      for (const std::string& note : Notes(place.event)) {
        block += DrawNote(row, event.lane, note);
      }
    }
    return block;
  }

  static std::string Marker(const Row& place, const Event& event) {
    if (event.kind == Event::kStart) return "┬";
    if (event.kind == Event::kExit) return "┴";
    if (event.kind == Event::kSignal) return "!";
    if (place.begins && place.ends) return "├";
    return place.begins ? "┌" : "└";
  }

  std::string Words(const Row& place, const Event& event) {
    std::string text = narrow_ ? trace_.lanes[event.lane].name + ": " : "";
    if (place.begins && !place.ends && event.finished) {
      // Of a call that waits: what was asked for, without what came of it.
      const std::string& brief = event.brief;
      const size_t end = brief.find(") ");
      absl::StrAppend(
          &text, brief.substr(0, end == brief.npos ? brief.size() : end + 1));
      if (!event.waited.empty()) absl::StrAppend(&text, " …");
    } else {
      absl::StrAppend(&text, event.brief);
    }
    if (place.begins) {
      std::string tags;
      for (const size_t group : leaving_[place.event]) {
        if (!IsFar(group)) continue;
        absl::StrAppend(&tags, " →", NumberOf(group));
      }
      if (!tags.empty()) {
        text = Cut(text, std::max<int>(TextWidth(event.lane) -
                                           static_cast<int>(Columns(tags)),
                                       4)) +
               tags;
      }
    }
    return text;
  }

  // Whether the two ends of an arrow stand so far apart that a number is
  // wanted.
  bool IsFar(size_t group) const {
    const ArrowGroup& arrow = groups_[group];
    return trace_.events[arrow.from].kind == Event::kCall &&
           trace_.events[arrow.to].kind != Event::kStart &&
           (layout_.last_row[arrow.to] - layout_.first_row[arrow.from] != 1 ||
            trace_.events[arrow.from].lane == trace_.events[arrow.to].lane);
  }

  int NumberOf(size_t group) {
    if (numbers_[group] == 0) numbers_[group] = ++last_number_;
    return numbers_[group];
  }

  std::string DrawArrow(int row, size_t index) {
    const ArrowGroup& group = groups_[index];
    const int from = trace_.events[group.from].lane;
    const int to = trace_.events[group.to].lane;
    std::string label = GroupLabel(trace_, group);
    if (IsFar(index)) label = absl::StrCat(NumberOf(index), ": ", label);
    bool thick = false;
    for (const int arrow : group.arrows) {
      thick |= trace_.arrows[arrow].kind == Arrow::kDescriptor;
    }
    Line line = Background(row, true);
    const int connection = trace_.arrows[group.arrows[0]].connection;
    const int color =
        connection == kNone
            ? 0
            : kColors[connection % (sizeof(kColors) / sizeof(*kColors))];
    if (from == to || layout_.column[from] == layout_.column[to]) {
      const std::string whence =
          from == to ? "from itself" : "from " + trace_.lanes[from].name;
      line.Write(TextAt(to),
                 Cut(absl::StrCat("↳ ", label, ", ", whence), TextWidth(to)),
                 color);
      return line.Text(options_.color);
    }
    const int left =
        SpineAt(layout_.column[from] < layout_.column[to] ? from : to);
    const int right =
        SpineAt(layout_.column[from] < layout_.column[to] ? to : from);
    const bool to_right = SpineAt(to) == right;
    for (int at = left; at <= right; ++at) {
      line.Put(at, thick ? "═" : "─", color);
    }
    line.Put(left, to_right ? (thick ? "╞" : "├") : "◀", color);
    line.Put(right, to_right ? "▶" : (thick ? "╡" : "┤"), color);
    if (narrow_) {
      line.Write(text_at_,
                 Cut(absl::StrCat(trace_.lanes[to].name, " ◀ ",
                                  trace_.lanes[from].name, ": ", label),
                     options_.width - text_at_),
                 color);
    } else {
      const std::string shown =
          absl::StrCat(" ", Cut(label, right - left - 6), " ");
      line.Write(
          left + (right - left - static_cast<int>(Columns(shown))) / 2 + 1,
          shown, color);
    }
    return line.Text(options_.color);
  }

  std::vector<std::string> Notes(int index) const {
    const Event& event = trace_.events[index];
    std::vector<std::string> notes = event.notes;
    if (!event.waited.empty() && event.finished) {
      notes.insert(notes.begin(),
                   absl::StrCat("waited ", Duration(event.stop - event.start),
                                " for ", event.waited));
    } else if (!event.waited.empty() && notes.empty()) {
      notes.push_back(absl::StrCat("it waits for ", event.waited));
    }
    return notes;
  }

  // A note, in as many lines as it takes.
  std::string DrawNote(int row, int lane, const std::string& note) {
    std::string text;
    std::string rest = "· " + note;
    const size_t width = std::max(TextWidth(lane), 8);
    while (!rest.empty()) {
      std::string part = rest;
      if (Columns(rest) > width) {
        size_t cut = rest.rfind(' ', width);
        if (cut == rest.npos || cut < 3) cut = width;
        part = rest.substr(0, cut);
        rest =
            "  " + rest.substr(std::min(rest.size(), cut + (rest[cut] == ' ')));
      } else {
        rest.clear();
      }
      Line line = Background(row, true);
      line.Write(TextAt(lane), Cut(part, width),
                 absl::StrContains(note, "unknown") ? 31 : 2);
      text += line.Text(options_.color);
    }
    return text;
  }

  const Trace& trace_;
  const TextOptions& options_;
  const Layout layout_;
  const std::vector<ArrowGroup> groups_;
  std::map<int, std::vector<size_t>> arriving_, leaving_;
  std::vector<int> numbers_;
  int last_number_ = 0;
  int64_t first_time_ = -1;
  bool narrow_ = false, left_out_ = false;
  int lane_width_ = 0, text_at_ = 0, shown_columns_ = 0;
  std::set<int> waiting_;            // Lanes.
  std::vector<std::string> blocks_;  // By row; "" for those left out.
  std::vector<int> lives_by_begin_;
  size_t next_life_ = 0;
  std::set<int> open_;
};

}  // namespace

std::string DrawText(const Trace& trace, const TextOptions& options) {
  return TextDrawer(trace, options).Draw();
}

}  // namespace trace
