// Which process or thread did what, and who made it: the lanes of a trace.
#ifndef TOOLS_TRACE_LANES_H_
#define TOOLS_TRACE_LANES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/strace.h"
#include "tools/trace/trace.h"

namespace trace {

class LaneBuilder {
 public:
  // Puts lanes and events into `trace`.
  LaneBuilder(const std::vector<harness::TraceEvent>& traced, Trace* trace)
      : traced_(traced), trace_(*trace) {}

  void Build();

  // What strace said of trace->events[event], which must be no kStart.
  const harness::TraceEvent& traced(int event) const {
    return traced_[source_[event]];
  }
  int64_t origin() const { return origin_; }

 private:
  struct Birth {
    int event;  // The clone.
    bool used;
  };

  int LaneOf(const harness::TraceEvent& traced);
  int AddLane(const harness::TraceEvent& traced);
  void AddStart(int lane, int clone, const harness::TraceEvent& first);
  void AddEvent(Event event, size_t source);
  void NameLanes();

  const std::vector<harness::TraceEvent>& traced_;
  Trace& trace_;
  std::vector<size_t> source_;  // By event: what strace said, or 0.
  std::map<pid_t, std::vector<size_t>> clones_;  // By child: in traced_.
  std::map<size_t, int> lane_of_clone_;          // By place in traced_.
  std::map<size_t, int> event_of_clone_;
  std::map<pid_t, int> current_;
  int64_t origin_ = -1;
};

}  // namespace trace

#endif  // TOOLS_TRACE_LANES_H_
