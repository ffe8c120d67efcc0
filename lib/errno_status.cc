#include "lib/errno_status.h"

#include <cstring>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ipc {
namespace {

constexpr char kErrnoPayload[] = "socket_lab_kit/errno";

}  // namespace

absl::Status ErrnoStatus(absl::string_view operation, absl::string_view object,
                         int error) {
  // strerrordesc_np, unlike strerror, is thread-safe and never translated.
  const char* text = strerrordesc_np(error);
  absl::Status status(
      absl::ErrnoToStatusCode(error),
      absl::StrCat(operation, object.empty() ? "" : " ", object, ": ",
                   text ? text : "Unknown error", " (", ErrnoName(error), ")"));
  // Not of the string itself: clang and g++ name that constructor differently,
  // and the Abseil of a distribution is compiled with the other one.
  const std::string number = absl::StrCat(error);
  status.SetPayload(kErrnoPayload, absl::Cord(absl::string_view(number)));
  return status;
}

int StatusErrno(const absl::Status& status) {
  if (status.ok()) return 0;  // Before the search: most are.
  int error = 0;
  if (auto payload = status.GetPayload(kErrnoPayload)) {
    (void)absl::SimpleAtoi(std::string(*payload), &error);
  }
  return error;
}

std::string ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return name ? name : absl::StrCat("errno ", error);
}

}  // namespace ipc
