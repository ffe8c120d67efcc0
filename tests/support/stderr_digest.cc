#include "tests/support/stderr_digest.h"

#include <fstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace harness {

std::string StderrDigest(const std::string& text) {
  constexpr size_t kLines = 6, kWidth = 160;
  const bool sanitizer = absl::StrContains(text, "Sanitizer: ");
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (sanitizer && !absl::StrContains(line, "ERROR: ") &&
        !absl::StrContains(line, ".cc:") &&
        !absl::StrContains(line, "<== Memory access")) {
      continue;
    }
    lines.emplace_back(absl::StripAsciiWhitespace(line.substr(0, kWidth)));
  }
  // A sanitizer begins with the reason; all others end with it.
  if (lines.size() > kLines) {
    if (sanitizer) {
      lines.resize(kLines);
      lines.push_back("...");
    } else {
      lines.erase(lines.begin(), lines.end() - kLines);
      lines.insert(lines.begin(), "...");
    }
  }
  return absl::StrJoin(lines, "\n");
}

std::string CatalogueEntries(const std::string& text) {
  std::string entries;
  std::ifstream catalogue(kCatalogue);
  for (std::string line; std::getline(catalogue, line);) {
    absl::string_view name = line;
    if (absl::ConsumePrefix(&name, "## ") &&
        absl::StrContains(text, absl::StrCat("(", name, ")"))) {
      absl::StrAppend(&entries, " ", name);
    }
  }
  return entries;
}

}  // namespace harness
