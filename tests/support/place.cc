#include "tests/support/place.h"

#include "absl/strings/str_cat.h"

namespace harness {

std::string Place::ToString() const {
  if (step == 0 && promises.empty()) return manual;
  std::string out = "handout";
  if (step == kWhole) {
    absl::StrAppend(&out, ", all steps");
  } else if (step > 0) {
    absl::StrAppend(&out, ", step ", step);
  }
  for (size_t i = 0; i < promises.size(); ++i) {
    const char* before = i == 0 && promises.size() == 1 ? " (promise "
                         : i == 0                       ? " (promises "
                         : i + 1 == promises.size()     ? " and "
                                                        : ", ";
    absl::StrAppend(&out, before, promises[i]);
  }
  if (!promises.empty()) absl::StrAppend(&out, ")");
  if (!manual.empty()) absl::StrAppend(&out, "; ", manual);
  return out;
}

}  // namespace harness
