#include "tools/trace/lanes.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace trace {
namespace {

using harness::TraceEvent;

bool MakesTask(const std::string& name) {
  return name == "clone" || name == "clone3" || name == "fork" ||
         name == "vfork";
}

std::string ProgramOf(const TraceEvent& exec) {
  const std::vector<absl::string_view> args =
      harness::SplitArguments(exec.arguments());
  if (args.empty()) return "";
  const std::string path = harness::Unquoted(args[0]).value_or("");
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

void LaneBuilder::Build() {
  std::vector<size_t> by_begin(traced_.size());
  std::iota(by_begin.begin(), by_begin.end(), 0);
  std::stable_sort(by_begin.begin(), by_begin.end(), [&](size_t a, size_t b) {
    return traced_[a].begin < traced_[b].begin;
  });
  for (const size_t i : by_begin) {
    const TraceEvent& event = traced_[i];
    trace_.lines = std::max(trace_.lines, event.end + 1);
    if (MakesTask(event.name) && event.has_value && event.value > 0) {
      clones_[static_cast<pid_t>(event.value)].push_back(i);
    }
  }
  for (const size_t i : by_begin) {
    const TraceEvent& traced = traced_[i];
    if (origin_ < 0) origin_ = traced.time;
    Event event;
    event.lane = LaneOf(traced);
    event.begin = traced.begin;
    event.end = traced.end;
    event.start =
        traced.time < 0 ? 0 : std::max<int64_t>(traced.time - origin_, 0);
    event.stop = event.start + std::max<int64_t>(traced.length, 0);
    trace_.length = std::max(trace_.length, event.stop);
    event.finished = traced.finished;
    event.name = traced.name;
    event.text = traced.text;
    event.error = traced.error;
    event.has_value = traced.has_value;
    event.value = traced.value;
    event.injected = traced.injected;
    Lane& lane = trace_.lanes[event.lane];
    lane.end = std::max(lane.end, traced.finished ? traced.end : traced.begin);
    switch (traced.kind) {
      case TraceEvent::kCall:
        event.kind = Event::kCall;
        if (MakesTask(traced.name)) {
          lane_of_clone_[i] = event.lane;
          event_of_clone_[i] = static_cast<int>(trace_.events.size());
        }
        if (absl::StartsWith(traced.name, "execve") && traced.finished &&
            !traced.failed()) {
          lane.program = ProgramOf(traced);
        }
        break;
      case TraceEvent::kSignal:
        event.kind = Event::kSignal;
        break;
      case TraceEvent::kStop:
        event.kind = Event::kStop;
        break;
      case TraceEvent::kExit:
        event.kind = Event::kExit;
        lane.ended = true;
        lane.ending = traced.has_value
                          ? absl::StrCat("exit status ", traced.value)
                          : traced.text;
        current_.erase(traced.pid);
        break;
    }
    AddEvent(std::move(event), i);
  }
  // A start has the line of its clone, so it is not where it was put.
  std::vector<size_t> order(trace_.events.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return trace_.events[a].begin < trace_.events[b].begin;
  });
  std::vector<size_t> place(order.size());
  std::vector<Event> events;
  std::vector<size_t> source;
  for (size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    events.push_back(std::move(trace_.events[order[i]]));
    source.push_back(source_[order[i]]);
  }
  for (Arrow& arrow : trace_.arrows) {
    arrow.from = static_cast<int>(place[arrow.from]);
    arrow.to = static_cast<int>(place[arrow.to]);
  }
  trace_.events = std::move(events);
  source_ = std::move(source);
  NameLanes();
}

void LaneBuilder::AddEvent(Event event, size_t source) {
  trace_.events.push_back(std::move(event));
  source_.push_back(source);
}

int LaneBuilder::LaneOf(const TraceEvent& traced) {
  const auto found = current_.find(traced.pid);
  return found != current_.end() ? found->second : AddLane(traced);
}

// A pid is seen for the first time, or again after its process has ended.
int LaneBuilder::AddLane(const TraceEvent& traced) {
  const int index = static_cast<int>(trace_.lanes.size());
  Lane lane;
  lane.pid = traced.pid;
  lane.process = index;
  lane.begin = traced.begin;
  int clone = kNone;
  bool shares = false;
  std::vector<size_t>& clones = clones_[traced.pid];
  for (size_t i = clones.size(); i-- > 0;) {
    if (traced_[clones[i]].begin > traced.begin) continue;
    const TraceEvent& made_by = traced_[clones[i]];
    lane.parent = lane_of_clone_[clones[i]];
    clone = event_of_clone_[clones[i]];
    const absl::string_view arguments = made_by.arguments();
    shares = absl::StrContains(arguments, "CLONE_FILES");
    if (absl::StrContains(arguments, "CLONE_THREAD")) {
      lane.process = trace_.lanes[lane.parent].process;
    }
    lane.program = trace_.lanes[lane.parent].program;
    clones.erase(clones.begin(),
                 clones.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    break;
  }
  if (clone != kNone) lane.begin = trace_.events[clone].begin;
  trace_.lanes.push_back(lane);
  current_[traced.pid] = index;

  Event start;
  start.kind = Event::kStart;
  start.lane = index;
  start.begin = clone == kNone ? traced.begin : trace_.events[clone].begin;
  start.end = traced.begin;
  start.start = start.stop =
      traced.time < 0 ? 0 : std::max<int64_t>(traced.time - origin_, 0);
  start.value = shares ? 1 : 0;
  if (clone != kNone) {
    Arrow arrow;
    arrow.kind = Arrow::kStart;
    arrow.from = clone;
    arrow.to = static_cast<int>(trace_.events.size());
    trace_.arrows.push_back(arrow);
  }
  AddEvent(std::move(start), 0);
  return index;
}

void LaneBuilder::NameLanes() {
  std::map<std::string, int> count;
  for (Lane& lane : trace_.lanes) {
    const std::string program = lane.program.empty() ? "process" : lane.program;
    lane.name = program;
    if (lane.parent != kNone) {
      const bool thread =
          lane.process != static_cast<int>(&lane - trace_.lanes.data());
      const std::string& above = trace_.lanes[lane.parent].program;
      if (thread) {
        lane.name = program + "'s thread";
      } else if (above == lane.program) {
        lane.name = program + "'s child";
      }
    }
    ++count[lane.name];
  }
  for (Lane& lane : trace_.lanes) {
    if (count[lane.name] > 1) absl::StrAppend(&lane.name, " ", lane.pid);
  }
}

}  // namespace trace
