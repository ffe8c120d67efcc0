// A trace as one self-contained page: page.html, page.css and page.js, and
// data.
#ifndef TOOLS_TRACE_HTML_H_
#define TOOLS_TRACE_HTML_H_

#include <string>

#include "tools/trace/trace.h"

namespace trace {

std::string DrawHtml(const Trace& trace, const std::string& title);

}  // namespace trace

#endif  // TOOLS_TRACE_HTML_H_
