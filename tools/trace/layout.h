// Where everything stands in a picture: rows for time, columns for lanes.
#ifndef TOOLS_TRACE_LAYOUT_H_
#define TOOLS_TRACE_LAYOUT_H_

#include <cstddef>
#include <vector>

#include "tools/trace/trace.h"

namespace trace {

// A row is the moment at which an event begins, ends, or both.
struct Row {
  size_t line = 0;  // Of the trace.
  int event = kNone;
  bool begins = false, ends = false;
};

struct Layout {
  std::vector<Row> rows;
  std::vector<int> first_row, last_row;  // By event; kNone of one not shown.
  std::vector<int> column;               // By lane; kNone of one not shown.
  int columns = 0;
  std::vector<int>
      slot;  // By life: where its line is, beside others of its lane.
  std::vector<int> slots;                 // By lane.
  std::vector<int> begin_row, end_row;    // By lane.
  std::vector<int> life_begin, life_end;  // By life: rows.

  // The first row at `line` or later.
  int RowAt(size_t line) const;
};

// With `reuse`, a lane stands below one that ended before it began.
Layout LayOut(const Trace& trace, bool reuse);

// Whether a life has a line: those of sockets and pipes do.
bool IsShown(const Trace& trace, const Life& life);

// Arrows between the same two events are one in a picture.
struct ArrowGroup {
  int from = kNone, to = kNone;
  std::vector<int> arrows;
};
// Those that are shown, by their end. The end of a child is an arrow to the
// wait that tells it, and not to its SIGCHLD as well.
std::vector<ArrowGroup> GroupArrows(const Trace& trace, const Layout& layout);

// "12 bytes, 5 → 4: file notes".
std::string GroupLabel(const Trace& trace, const ArrowGroup& group);

}  // namespace trace

#endif  // TOOLS_TRACE_LAYOUT_H_
