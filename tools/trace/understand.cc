#include <algorithm>

#include "tools/trace/brief.h"
#include "tools/trace/match.h"
#include "tools/trace/trace.h"

namespace trace {

Trace Understand(std::vector<harness::TraceEvent> events,
                 const UnderstandOptions& options) {
  Replay replay = ReplayEvents(std::move(events), options);
  MatchConnections(&replay);
  MatchTransfers(&replay);
  MatchEnds(&replay);
  MatchSignals(&replay);
  TellWaits(&replay);
  Trace trace = std::move(replay.trace);
  std::stable_sort(trace.arrows.begin(), trace.arrows.end(),
                   [&](const Arrow& a, const Arrow& b) {
                     return trace.events[a.to].end < trace.events[b.to].end;
                   });
  for (Event& event : trace.events) event.brief = Brief(trace, event);
  HideNoise(options.harness, &trace);
  return trace;
}

}  // namespace trace
