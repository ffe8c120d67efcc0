#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/trace/match.h"

namespace trace {
namespace {

// Something that can have ended a direction of a connection.
struct Cause {
  int event = kNone;
  size_t begin = 0, end = 0;
  bool own = false;  // The reader or writer ended it itself.
};

class EndMatcher {
 public:
  explicit EndMatcher(Replay* replay)
      : replay_(*replay), files_(replay->trace.files) {
    shutdowns_of_.resize(files_.size());
    for (const FileCall& shutdown : replay_.shutdowns) {
      shutdowns_of_[shutdown.file].push_back(&shutdown);
    }
  }

  void Run() {
    for (const FileCall& end : replay_.ends) {
      const File& file = files_[end.file];
      if (file.type == File::kDatagram || file.kind == File::kOther ||
          file.kind == File::kUdp) {
        continue;
      }
      Explain(end);
    }
  }

 private:
  void Explain(const FileCall& end) {
    const Event& event = replay_.trace.events[end.event];
    const bool writes = end.what == "w";
    const int peer =
        files_[end.file].kind == File::kPipe ? end.file : files_[end.file].peer;
    std::vector<Cause> causes;
    AddShutdowns(end.file, writes ? "SHUT_WR" : "SHUT_RD", event.end, true,
                 &causes);
    bool unknown = false;
    if (peer == kNone) {
      unknown = causes.empty();
    } else {
      // shutdown(SHUT_RD) of TCP is not told to the peer.
      if (!writes || files_[end.file].kind == File::kUnix) {
        AddShutdowns(peer, writes ? "SHUT_RD" : "SHUT_WR", event.end, false,
                     &causes);
      }
      unknown = !AddLastClose(peer, end.file, writes, event, &causes) &&
                causes.empty();
    }
    if (event.error == "ECONNRESET") {
      causes.erase(
          std::remove_if(causes.begin(), causes.end(),
                         [&](const Cause& cause) {
                           return replay_.trace.events[cause.event].name ==
                                  "shutdown";
                         }),
          causes.end());
    }
    const Cause* first = First(causes);
    const std::string saw = event.error.empty() ? "0" : event.error;
    if (unknown || !first) {
      AddNote(
          &replay_, end.event,
          peer == kNone || replay_.held_outside[peer]
              ? absl::StrCat("unknown: this ", saw,
                             " comes from outside this picture")
              : absl::StrCat("unknown: the trace does not tell which close ",
                             "made this ", saw));
      return;
    }
    if (first->own) {
      AddNote(&replay_, end.event,
              absl::StrCat(saw, " since it called shutdown itself"));
    }
    AddArrow(&replay_, Arrow::kEnd, first->event, end.event,
             event.error.empty() ? "end" : event.error);
  }

  void AddShutdowns(int file, const std::string& how, size_t before, bool own,
                    std::vector<Cause>* causes) const {
    for (const FileCall* shutdown : shutdowns_of_[file]) {
      const Event& event = replay_.trace.events[shutdown->event];
      if (event.begin >= before) continue;
      if (absl::StartsWith(shutdown->what, how) ||
          absl::StartsWith(shutdown->what, "SHUT_RDWR")) {
        // SHUT_RD begins SHUT_RDWR; both are meant.
        causes->push_back({shutdown->event, event.begin, event.end, own});
      }
    }
  }

  // Adds the close that left nobody with the file, if there was one; false if
  // that is not known.
  bool AddLastClose(int file, int reader, bool writes, const Event& seen,
                    std::vector<Cause>* causes) const {
    if (replay_.held_outside[file]) return false;
    const bool pipe = file == reader && files_[file].kind == File::kPipe;
    std::vector<Cause> closes;
    for (const int index : replay_.refs_of[file]) {
      const Ref& ref = replay_.refs[index];
      if (pipe && !(writes ? ref.reads : ref.writes)) continue;
      if (ref.begin >= seen.end) continue;
      if (ref.closed_by == kNone || ref.close_begin >= seen.end) return true;
      closes.push_back({ref.closed_by, ref.close_begin, ref.close_end, false});
    }
    if (closes.empty()) return false;
    const Cause last = *std::max_element(
        closes.begin(), closes.end(),
        [](const Cause& a, const Cause& b) { return a.end < b.end; });
    for (const Cause& close : closes) {
      // Two at the same time, in two processes: either can be the last.
      if (close.event != last.event && close.end > last.begin) return false;
    }
    causes->push_back(last);
    return true;
  }

  // The cause that came before all others; null where that is not known.
  static const Cause* First(const std::vector<Cause>& causes) {
    if (causes.empty()) return nullptr;
    const auto first = std::min_element(
        causes.begin(), causes.end(),
        [](const Cause& a, const Cause& b) { return a.end < b.end; });
    for (const Cause& cause : causes) {
      if (cause.event != first->event && cause.begin < first->end) {
        return nullptr;
      }
    }
    return &*first;
  }

  Replay& replay_;
  const std::vector<File>& files_;
  std::vector<std::vector<const FileCall*>> shutdowns_of_;
};

}  // namespace

void MatchEnds(Replay* replay) { EndMatcher(replay).Run(); }

}  // namespace trace
