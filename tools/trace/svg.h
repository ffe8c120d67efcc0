// A trace as a picture.
#ifndef TOOLS_TRACE_SVG_H_
#define TOOLS_TRACE_SVG_H_

#include <string>

#include "tools/trace/trace.h"

namespace trace {

// At most `rows` of them: the first and the last.
std::string DrawSvg(const Trace& trace, const std::string& title,
                    size_t rows = 2000);

// A sequence diagram for Mermaid, of at most `steps` calls and arrows.
std::string DrawMermaid(const Trace& trace, size_t steps = 150);

}  // namespace trace

#endif  // TOOLS_TRACE_SVG_H_
