// A trace for other programs: as JSON of our own, and as Chrome's trace events.
#ifndef TOOLS_TRACE_JSON_H_
#define TOOLS_TRACE_JSON_H_

#include <string>

#include "tools/trace/trace.h"

namespace trace {

// What docs/trace.md describes.
std::string DrawJson(const Trace& trace);

// For ui.perfetto.dev and the Performance panel of Chrome's developer tools.
std::string DrawPerfetto(const Trace& trace);

// What page.js draws: the trace and its layout, in short.
std::string PageData(const Trace& trace, const std::string& title);

}  // namespace trace

#endif  // TOOLS_TRACE_JSON_H_
