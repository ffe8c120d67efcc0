// A trace as text, for a terminal.
#ifndef TOOLS_TRACE_TEXT_H_
#define TOOLS_TRACE_TEXT_H_

#include <string>

#include "tools/trace/trace.h"

namespace trace {

struct TextOptions {
  int width = 100;
  bool color = false;
  // At most so many lines of the picture: the first and the last, or the last
  // only. 0 for all.
  size_t lines = 400;
  bool only_end = false;
};

std::string DrawText(const Trace& trace, const TextOptions& options = {});

}  // namespace trace

#endif  // TOOLS_TRACE_TEXT_H_
