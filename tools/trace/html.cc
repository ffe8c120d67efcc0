#include "tools/trace/html.h"

#include "absl/strings/str_replace.h"
#include "tools/trace/json.h"

namespace trace {

// From the files of these names; see BUILD.
extern const char kPageHtml[], kPageCss[], kPageJs[];

std::string DrawHtml(const Trace& trace, const std::string& title) {
  // In a script "</script" ends it, wherever it stands.
  const std::string data = absl::StrReplaceAll(
      PageData(trace, title), {{"</", "<\\/"}, {"<!--", "<\\!--"}});
  const std::string escaped = absl::StrReplaceAll(
      title, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
  return absl::StrReplaceAll(kPageHtml, {{"@TITLE@", escaped},
                                         {"@CSS@", kPageCss},
                                         {"@JS@", kPageJs},
                                         {"@DATA@", data}});
}

}  // namespace trace
