#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/trace/match.h"

namespace trace {
namespace {

// A call that took longer waited, or the machine was busy.
constexpr int64_t kLong = 10000000;  // ns
// As many bytes always have room in a socket that nobody has made smaller.
constexpr int64_t kFits = 16384;

class WaitTeller {
 public:
  explicit WaitTeller(Replay* replay)
      : replay_(*replay), trace_(replay->trace) {}

  void Run() {
    ByArrows();
    PutsThatWaited();
    Polls();
    for (size_t i = 0; i < trace_.events.size(); ++i) {
      Event& event = trace_.events[i];
      if (event.kind != Event::kCall || !event.waited.empty()) continue;
      if (!event.finished) {
        StillWaiting(static_cast<int>(i));
      } else if (event.stop - event.start >= kLong) {
        Slow(&event);
      }
    }
  }

 private:
  std::string NameOf(int event) const {
    return trace_.lanes[trace_.events[event].lane].name;
  }

  // What ended a call's wait began after the call did.
  void ByArrows() {
    for (const Arrow& arrow : trace_.arrows) {
      Event& to = trace_.events[arrow.to];
      const Event& from = trace_.events[arrow.from];
      if (to.kind != Event::kCall || to.begin >= from.begin ||
          from.lane == to.lane || arrow.kind == Arrow::kCredentials) {
        continue;
      }
      if (to.waited.empty()) to.waited = NameOf(arrow.from);
    }
  }

  static bool IsPoll(const std::string& name) {
    return absl::StrContains(name, "poll") || absl::StrContains(name, "select");
  }

  // A poll waited for the one who did what the next call got.
  void Polls() {
    std::map<int, int> source;  // Of an event's first arrow, its begin.
    for (const Arrow& arrow : trace_.arrows) {
      if (trace_.events[arrow.from].lane != trace_.events[arrow.to].lane) {
        source.insert({arrow.to, arrow.from});
      }
    }
    std::map<int, int> polls;  // By lane: the last one.
    for (size_t i = 0; i < trace_.events.size(); ++i) {
      const Event& event = trace_.events[i];
      if (event.kind != Event::kCall) continue;
      if (IsPoll(event.name) && event.finished && event.error.empty() &&
          event.value > 0) {
        polls[event.lane] = static_cast<int>(i);
        continue;
      }
      const auto poll = polls.find(event.lane);
      const auto from = source.find(static_cast<int>(i));
      if (poll == polls.end() || from == source.end()) continue;
      Event& waiting = trace_.events[poll->second];
      const Event& cause = trace_.events[from->second];
      if (cause.begin > waiting.begin && cause.begin < waiting.end) {
        waiting.waited = NameOf(from->second);
      }
      polls.erase(poll);
    }
  }

  // A write that was as long as a read of its peer waited for room.
  void PutsThatWaited() {
    for (const Arrow& arrow : trace_.arrows) {
      Event& from = trace_.events[arrow.from];
      const Event& to = trace_.events[arrow.to];
      if (arrow.kind == Arrow::kData && to.end < from.end &&
          to.lane != from.lane && from.waited.empty() && from.value > kFits) {
        from.waited = NameOf(arrow.to);
      }
    }
  }

  // The processes that have the file open at `line`, with their descriptors.
  std::string Holders(int file, size_t line, bool writers) const {
    std::set<std::string> names;
    for (const int index : replay_.refs_of[file]) {
      const Ref& ref = replay_.refs[index];
      if (ref.begin > line ||
          (ref.closed_by != kNone && ref.close_end < line)) {
        continue;
      }
      if (writers ? !ref.writes : !ref.reads) continue;
      names.insert(absl::StrCat(trace_.lanes[ref.lane].name, " (descriptor ",
                                ref.fd, ")"));
    }
    return absl::StrJoin(names, ", ");
  }

  void StillWaiting(int index) {
    Event& event = trace_.events[index];
    if (event.name == "exit_group" || event.name == "exit" ||
        absl::StrContains(event.name, "kill") ||
        absl::StartsWith(event.name, "execve")) {
      return;
    }
    event.waited = "nobody knows whom";
    if (event.file == kNone) {
      if (event.name == "wait4" || event.name == "waitid") {
        event.waited = "a child";
      }
      if (event.name == "futex") event.waited = "another thread";
      if (event.name == "pause" || event.name == "rt_sigsuspend") {
        event.waited = "a signal";
      }
      AddNote(&replay_, index, "it had not returned when the trace ended");
      return;
    }
    const File& file = trace_.files[event.file];
    const bool pipe = file.kind == File::kPipe;
    const bool writes = absl::StrContains(event.name, "send") ||
                        absl::StrContains(event.name, "write");
    const int other = pipe ? event.file : file.peer;
    if (event.name == "accept" || event.name == "accept4") {
      event.waited = "a connect";
    } else if (other != kNone) {
      const size_t end = trace_.lanes[event.lane].end;
      const std::string holders = Holders(other, end, pipe ? !writes : true);
      event.waited = holders.empty() ? "nobody" : holders;
      if (holders.empty()) return;
      AddNote(
          &replay_, index,
          absl::StrCat("it had not returned when the trace ended: ",
                       writes ? "the other end does not read. It is open in "
                              : "the other end is open in ",
                       holders,
                       writes ? "" : ", so there is neither data nor an end"));
      return;
    }
    AddNote(&replay_, index, "it had not returned when the trace ended");
  }

  void Slow(Event* event) {
    const bool clock = absl::StrContains(event->name, "sleep");
    event->waited = clock ? "the clock" : "unknown";
    if (IsPoll(event->name)) {
      event->waited = event->has_value && event->value == 0 ? "the clock"
                                                            : "its descriptors";
    } else if (event->name == "futex") {
      event->waited = "another thread";
    } else if (event->file == kNone && !clock) {
      event->waited.clear();
    }
  }

  Replay& replay_;
  Trace& trace_;
};

}  // namespace

void TellWaits(Replay* replay) { WaitTeller(replay).Run(); }

}  // namespace trace
