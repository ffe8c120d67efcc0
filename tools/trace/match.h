// The second half of Understand: what the calls did to each other. Each
// function adds arrows, and notes where the trace does not tell; in this order,
// since each needs what those before it found out.
#ifndef TOOLS_TRACE_MATCH_H_
#define TOOLS_TRACE_MATCH_H_

#include <string>

#include "tools/trace/replay.h"

namespace trace {

// Finds the two ends of each connection, and which accept took which connect.
void MatchConnections(Replay* replay);
// Bytes, messages, passed descriptors, and the credentials that came along.
void MatchTransfers(Replay* replay);
// What made a read return 0, and a call fail with EPIPE or ECONNRESET.
void MatchEnds(Replay* replay);
// Signals, and the children that were waited for.
void MatchSignals(Replay* replay);
// On whom each call waited that did not come back at once.
void TellWaits(Replay* replay);

// "pid 12, uid 0, gid 0" of "{pid=12, uid=0, gid=0}".
std::string CredentialsLabel(absl::string_view text);

void AddArrow(Replay* replay, Arrow::Kind kind, int from, int to,
              std::string label);
void AddNote(Replay* replay, int event, std::string note);

}  // namespace trace

#endif  // TOOLS_TRACE_MATCH_H_
