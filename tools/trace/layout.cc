#include "tools/trace/layout.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"

namespace trace {
namespace {

// A call that waited has two rows, so that it is as long as it waited. Others
// have one: that strace saw something else before they ended means nothing.
void MakeRows(const Trace& trace, Layout* layout) {
  for (size_t i = 0; i < trace.events.size(); ++i) {
    const Event& event = trace.events[i];
    const int index = static_cast<int>(i);
    if (event.hidden || trace.lanes[event.lane].hidden) continue;
    if (event.kind == Event::kStart) {
      layout->rows.push_back({event.end, index, true, true});
    } else if (event.waited.empty() || event.begin == event.end) {
      layout->rows.push_back({event.begin, index, true, true});
    } else {
      layout->rows.push_back({event.begin, index, true, false});
      if (event.finished) {
        layout->rows.push_back({event.end, index, false, true});
      }
    }
  }
  std::stable_sort(
      layout->rows.begin(), layout->rows.end(),
      [&](const Row& a, const Row& b) {
        if (a.line != b.line) return a.line < b.line;
        const bool starts = trace.events[a.event].kind == Event::kStart;
        return starts && trace.events[b.event].kind != Event::kStart;
      });
  layout->first_row.assign(trace.events.size(), kNone);
  layout->last_row.assign(trace.events.size(), kNone);
  for (size_t i = 0; i < layout->rows.size(); ++i) {
    const Row& row = layout->rows[i];
    if (row.begins) layout->first_row[row.event] = static_cast<int>(i);
    layout->last_row[row.event] = static_cast<int>(i);
  }
}

void PlaceLanes(const Trace& trace, bool reuse, Layout* layout) {
  std::vector<int> last_of_column;
  layout->column.assign(trace.lanes.size(), kNone);
  layout->begin_row.assign(trace.lanes.size(), 0);
  layout->end_row.assign(trace.lanes.size(), -1);
  for (size_t i = 0; i < layout->rows.size(); ++i) {
    const int lane = trace.events[layout->rows[i].event].lane;
    if (layout->end_row[lane] < 0) {
      layout->begin_row[lane] = static_cast<int>(i);
    }
    layout->end_row[lane] = static_cast<int>(i);
  }
  std::vector<int> by_begin;
  for (size_t i = 0; i < trace.lanes.size(); ++i) {
    const Lane& lane = trace.lanes[i];
    if (lane.hidden || layout->end_row[i] < 0) continue;
    if (!lane.ended) {
      layout->end_row[i] = static_cast<int>(layout->rows.size()) - 1;
    }
    by_begin.push_back(static_cast<int>(i));
  }
  std::stable_sort(by_begin.begin(), by_begin.end(), [&](int a, int b) {
    return layout->begin_row[a] < layout->begin_row[b];
  });
  for (const int lane : by_begin) {
    size_t column = reuse ? 0 : last_of_column.size();
    while (column < last_of_column.size() &&
           last_of_column[column] >= layout->begin_row[lane] - 1) {
      ++column;
    }
    if (column == last_of_column.size()) last_of_column.push_back(0);
    last_of_column[column] = layout->end_row[lane];
    layout->column[lane] = static_cast<int>(column);
  }
  layout->columns = static_cast<int>(last_of_column.size());
}

void PlaceLives(const Trace& trace, Layout* layout) {
  layout->slot.assign(trace.lives.size(), kNone);
  layout->slots.assign(trace.lanes.size(), 0);
  layout->life_begin.assign(trace.lives.size(), 0);
  layout->life_end.assign(trace.lives.size(), 0);
  std::vector<int> order;
  for (size_t i = 0; i < trace.lives.size(); ++i) {
    const Life& life = trace.lives[i];
    if (!IsShown(trace, life) || layout->column[life.lane] == kNone) continue;
    int begin = layout->RowAt(life.begin), end = layout->RowAt(life.end);
    if (life.opened_by != kNone && layout->last_row[life.opened_by] != kNone) {
      begin = layout->last_row[life.opened_by];
    }
    if (life.closed && layout->first_row[life.closed_by] != kNone) {
      end = layout->first_row[life.closed_by];
    }
    layout->life_begin[i] = std::max(begin, layout->begin_row[life.lane]);
    layout->life_end[i] = std::min(end, layout->end_row[life.lane]);
    order.push_back(static_cast<int>(i));
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return layout->life_begin[a] < layout->life_begin[b];
  });
  std::map<int, std::vector<int>> ends;  // By lane: of each slot's last life.
  for (const int life : order) {
    const int lane = trace.lives[life].lane;
    std::vector<int>& slots = ends[lane];
    size_t slot = 0;
    while (slot < slots.size() && slots[slot] >= layout->life_begin[life]) {
      ++slot;
    }
    if (slot == slots.size()) slots.push_back(0);
    slots[slot] = layout->life_end[life];
    layout->slot[life] = static_cast<int>(slot);
    layout->slots[lane] = static_cast<int>(slots.size());
  }
}

}  // namespace

int Layout::RowAt(size_t line) const {
  return static_cast<int>(
      std::partition_point(rows.begin(), rows.end(),
                           [&](const Row& row) { return row.line < line; }) -
      rows.begin());
}

bool IsShown(const Trace& trace, const Life& life) {
  const File& file = trace.files[life.file];
  return file.kind != File::kOther && !file.hidden && !life.hidden &&
         !trace.lanes[life.lane].hidden;
}

Layout LayOut(const Trace& trace, bool reuse) {
  Layout layout;
  MakeRows(trace, &layout);
  PlaceLanes(trace, reuse, &layout);
  PlaceLives(trace, &layout);
  return layout;
}

std::vector<ArrowGroup> GroupArrows(const Trace& trace, const Layout& layout) {
  std::vector<ArrowGroup> groups;
  std::map<std::pair<int, int>, size_t> known;
  for (size_t i = 0; i < trace.arrows.size(); ++i) {
    const Arrow& arrow = trace.arrows[i];
    if (layout.first_row[arrow.from] == kNone ||
        layout.first_row[arrow.to] == kNone) {
      continue;
    }
    if (arrow.kind == Arrow::kSignal &&
        trace.events[arrow.from].kind == Event::kExit) {
      continue;
    }
    const auto entry = known.insert({{arrow.from, arrow.to}, groups.size()});
    if (entry.second) groups.push_back({arrow.from, arrow.to, {}});
    groups[entry.first->second].arrows.push_back(static_cast<int>(i));
  }
  return groups;
}

std::string GroupLabel(const Trace& trace, const ArrowGroup& group) {
  // What may be cut comes last.
  std::string label, others;
  for (const int index : group.arrows) {
    const Arrow& arrow = trace.arrows[index];
    std::string* part = arrow.kind == Arrow::kDescriptor ? &label : &others;
    absl::StrAppend(part, part->empty() || arrow.label.empty() ? "" : ", ",
                    arrow.label);
  }
  return absl::StrCat(label, label.empty() || others.empty() ? "" : ", ",
                      others);
}

}  // namespace trace
