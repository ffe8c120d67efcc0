#include "tools/trace/against.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/trace/brief.h"

namespace trace {
namespace {

constexpr size_t kBefore = 8, kAfter = 5;  // Calls shown around the parting.

// Digits that stand together are one N where they are a pid, a port or a name.
std::string Normalised(const Event& event) {
  std::string text;
  const std::string& brief = event.brief;
  const bool pid = absl::StartsWith(event.name, "clone") ||
                   absl::StrContains(event.name, "fork") ||
                   absl::StartsWith(event.name, "wait") ||
                   absl::StrContains(event.name, "kill") ||
                   event.kind == Event::kStart;
  for (size_t i = 0; i < brief.size();) {
    size_t end = i;
    while (end < brief.size() &&
           isdigit(static_cast<unsigned char>(brief[end]))) {
      ++end;
    }
    if (end - i >= 4 || (pid && end > i)) {
      text += 'N';
    } else {
      text += brief.substr(i, std::max<size_t>(end - i, 1));
    }
    i = std::max(end, i + 1);
  }
  return text;
}

struct Calls {
  std::string name;
  std::vector<const Event*> events;
};

// The visible lanes with what they did, by begin.
std::vector<Calls> ByLane(const Trace& trace) {
  std::vector<Calls> lanes(trace.lanes.size());
  for (size_t i = 0; i < trace.lanes.size(); ++i) {
    lanes[i].name = trace.lanes[i].name;
  }
  for (const Event& event : trace.events) {
    if (event.hidden || trace.lanes[event.lane].hidden) continue;
    lanes[event.lane].events.push_back(&event);
  }
  lanes.erase(
      std::remove_if(lanes.begin(), lanes.end(),
                     [](const Calls& calls) { return calls.events.empty(); }),
      lanes.end());
  return lanes;
}

std::string Side(const Calls& calls, size_t at, size_t width) {
  std::string text;
  if (at < calls.events.size()) {
    text = Cut(calls.events[at]->brief, width);
  }
  return text + std::string(width - Columns(text), ' ');
}

}  // namespace

std::string DrawAgainst(const Trace& one, const Trace& two, int width) {
  const std::vector<Calls> left = ByLane(one), right = ByLane(two);
  const size_t half = static_cast<size_t>(std::max(width, 40) - 7) / 2;
  std::string text;
  bool parted = false;
  const Calls none;
  for (size_t lane = 0; lane < std::max(left.size(), right.size()); ++lane) {
    const Calls& a = lane < left.size() ? left[lane] : none;
    const Calls& b = lane < right.size() ? right[lane] : none;
    const size_t size = std::max(a.events.size(), b.events.size());
    const size_t both = std::min(a.events.size(), b.events.size());
    size_t part = 0;
    while (part < both && (part == 0 || Normalised(*a.events[part]) ==
                                            Normalised(*b.events[part]))) {
      ++part;
    }
    const std::string& name = a.events.empty() ? b.name : a.name;
    if (part == size) {
      absl::StrAppend(&text, name, ": the same ", size, " calls\n\n");
      continue;
    }
    parted = true;
    absl::StrAppend(&text, name,
                    both > 0 ? absl::StrCat(": they part at call ", part + 1)
                    : a.events.empty() ? ": only in the second run"
                                       : ": only in the first run",
                    "\n");
    const size_t first = part > kBefore ? part - kBefore : 0;
    for (size_t i = first; i < std::min(size, part + kAfter + 1); ++i) {
      std::string line = absl::StrCat(i == part ? "≠ " : "  ", Side(a, i, half),
                                      " │ ", Side(b, i, half));
      line.erase(line.find_last_not_of(' ') + 1);
      absl::StrAppend(&text, line, "\n");
    }
    absl::StrAppend(&text, "\n");
  }
  absl::StrAppend(
      &text, parted ? "The first run is on the left, the second on the right.\n"
                    : "The two runs do the same.\n");
  return text;
}

}  // namespace trace
