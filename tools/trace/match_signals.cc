#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tools/trace/match.h"

namespace trace {
namespace {

class SignalMatcher {
 public:
  explicit SignalMatcher(Replay* replay)
      : replay_(*replay), trace_(replay->trace) {
    for (size_t i = 0; i < trace_.events.size(); ++i) {
      const Event& event = trace_.events[i];
      if (event.kind == Event::kExit) {
        exits_[trace_.lanes[event.lane].pid].push_back(static_cast<int>(i));
      }
    }
    for (const SentSignal& sent : replay_.signals) {
      sent_[sent.name].push_back(&sent);
    }
  }

  void Run() {
    std::map<std::pair<int, std::string>, size_t>
        last;  // By process and signal.
    for (size_t i = 0; i < trace_.events.size(); ++i) {
      const Event& event = trace_.events[i];
      const int index = static_cast<int>(i);
      if (event.kind == Event::kSignal) {
        size_t& before = last[{trace_.lanes[event.lane].process, event.name}];
        Came(index, before);
        before = event.end;
      } else if (event.kind == Event::kExit && !event.name.empty()) {
        Killed(index);
      } else if (event.name == "wait4" || event.name == "waitid") {
        Waited(index);
      }
    }
  }

 private:
  const Lane& LaneOf(int event) const {
    return trace_.lanes[trace_.events[event].lane];
  }
  pid_t ProcessOf(int event) const {
    return trace_.lanes[LaneOf(event).process].pid;
  }

  // The last end of `pid` that began before `line`.
  int ExitOf(pid_t pid, size_t line) const {
    const auto found = exits_.find(pid);
    if (found == exits_.end()) return kNone;
    int last = kNone;
    for (const int exit : found->second) {
      if (trace_.events[exit].begin < line) last = exit;
    }
    return last;
  }

  void Came(int index, size_t before) {
    const Event& event = trace_.events[index];
    const size_t brace = event.text.find('{');
    if (brace == std::string::npos) return;
    const absl::string_view info = absl::string_view(event.text).substr(brace);
    const absl::string_view code = harness::Field(info, "si_code");
    const pid_t pid = static_cast<pid_t>(
        harness::Number(harness::Field(info, "si_pid")).value_or(0));
    if (event.name == "SIGCHLD" && absl::StartsWith(code, "CLD_")) {
      const int exit = ExitOf(pid, event.end);
      if (exit != kNone && code != "CLD_STOPPED" && code != "CLD_CONTINUED") {
        AddArrow(&replay_, Arrow::kSignal, exit, index, event.name);
      }
      return;
    }
    if (code != "SI_USER" && code != "SI_TKILL" && code != "SI_QUEUE") return;
    // While it is pending, a signal that is sent again is lost, so the first
    // one sent since the last one came is it.
    const SentSignal* first = nullptr;
    for (const SentSignal* sent : sent_[event.name]) {
      const Event& call = trace_.events[sent->event];
      if (ProcessOf(sent->event) != pid || call.begin >= event.end ||
          call.end < before || !Reaches(*sent, index)) {
        continue;
      }
      if (call.begin < before) return Unknown(index);
      if (first) {
        const Event& other = trace_.events[first->event];
        if (call.begin < other.end) return Unknown(index);
        continue;
      }
      first = sent;
    }
    if (first) {
      AddArrow(&replay_, Arrow::kSignal, first->event, index, event.name);
    } else if (pid == ProcessOf(index) && event.name == "SIGPIPE") {
      const int write = CallBefore(index);
      if (write != kNone) {
        AddArrow(&replay_, Arrow::kSignal, write, index, event.name);
      }
    } else {
      AddNote(&replay_, index,
              absl::StrCat("process ", pid, ", outside this picture, sent it"));
    }
  }

  void Unknown(int index) {
    AddNote(&replay_, index,
            "unknown: more than one call can have sent this signal");
  }

  // Whether a call meant the lane of `index`, as far as it names somebody.
  bool Reaches(const SentSignal& sent, int index) const {
    return sent.to <= 0 || sent.to == LaneOf(index).pid ||
           sent.to == ProcessOf(index);
  }

  // The call of its lane that failed with EPIPE.
  int CallBefore(int index) const {
    for (int i = index; i-- > 0;) {
      if (trace_.events[i].lane != trace_.events[index].lane) continue;
      return trace_.events[i].error == "EPIPE" ? i : kNone;
    }
    return kNone;
  }

  // SIGKILL does not come, it ends.
  void Killed(int index) {
    const Event& event = trace_.events[index];
    if (event.name != "SIGKILL") return;
    const SentSignal* first = nullptr;
    int count = 0;
    bool of_one = true;  // All by the same process.
    for (const SentSignal* sent : sent_[event.name]) {
      if (trace_.events[sent->event].begin >= event.end ||
          trace_.events[sent->event].end < LaneOf(index).begin) {
        continue;
      }
      if (sent->to > 0 && !Reaches(*sent, index)) continue;
      ++count;
      of_one &= !first || ProcessOf(first->event) == ProcessOf(sent->event);
      first = sent;
    }
    if (count == 1 && first->to > 0) {
      AddArrow(&replay_, Arrow::kSignal, first->event, index, event.name);
    } else if (count > 0 && of_one) {
      AddNote(&replay_, index,
              absl::StrCat(LaneOf(first->event).program, " killed it"));
    } else if (count > 0) {
      Unknown(index);
    }
  }

  void Waited(int index) {
    const Event& event = trace_.events[index];
    if (!event.error.empty() || !event.finished || event.value <= 0) return;
    const int exit = ExitOf(static_cast<pid_t>(event.value), event.end);
    if (exit == kNone || !absl::StrContains(event.text, "WIF")) return;
    if (absl::StrContains(event.text, "WIFSTOPPED") ||
        absl::StrContains(event.text, "WIFCONTINUED")) {
      return;
    }
    AddArrow(&replay_, Arrow::kWait, exit, index, LaneOf(exit).ending);
  }

  Replay& replay_;
  Trace& trace_;
  std::map<pid_t, std::vector<int>> exits_;
  std::map<std::string, std::vector<const SentSignal*>> sent_;
};

}  // namespace

void MatchSignals(Replay* replay) { SignalMatcher(replay).Run(); }

}  // namespace trace
