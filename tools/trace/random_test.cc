// Traces programs made at random, which note themselves what they did, and
// compares every arrow with these notes. RANDOM_PROGRAMS and RANDOM_FIRST in
// the environment say how many and from which seed on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/strace.h"
#include "tools/trace/calls.h"
#include "tools/trace/queue.h"
#include "tools/trace/trace.h"
#include "tools/trace/truth.h"

namespace trace {
namespace {

constexpr char kProgram[] = "tools/trace/random_program";

// A call, as both sides know it: by thread, and how many of its kind before.
using Call = std::pair<pid_t, int>;

struct Tally {
  int arrows = 0, compared = 0, unknown = 0;
};

bool IsOneOf(const std::string& name, const std::set<std::string>& names) {
  return names.count(name) > 0;
}

int FromEnvironment(const char* name, int otherwise) {
  const char* value = getenv(name);
  return value ? atoi(value) : otherwise;
}

class Comparison {
 public:
  Comparison(const Trace& trace, const Truth& truth) : trace_(trace) {
    const int count = std::min<int>(truth.count.load(), Truth::kMost);
    for (int i = 0; i < count; ++i) {
      const TruthRecord& record = truth.records[i];
      if (record.complete.load() != 0) Learn(record);
    }
    NumberEvents();
    // A process that was killed may not have noted all.
    for (auto take = takes_.begin(); take != takes_.end();) {
      take =
          noted_.count(take->first) > 0 ? std::next(take) : takes_.erase(take);
    }
  }

  void Run(Tally* tally) {
    std::map<std::pair<int, int>, std::map<int, int64_t>> brought;  // By take.
    for (const Arrow& arrow : trace_.arrows) {
      ++tally->arrows;
      const Call from = call_[arrow.from], to = call_[arrow.to];
      switch (arrow.kind) {
        case Arrow::kData:
        case Arrow::kMessage:
          tally->compared += CompareBytes(arrow, from, to, &brought[to]);
          break;
        case Arrow::kConnect:
          if (connects_.count(from) > 0 && accepts_.count(to) > 0) {
            ++tally->compared;
            EXPECT_EQ(connects_[from], accepts_[to]) << Describe(arrow);
          }
          break;
        case Arrow::kDescriptor:
          tally->compared += ComparePassed(arrow, from, to);
          break;
        case Arrow::kEnd:
          tally->compared += CompareEnd(arrow, from, to);
          break;
        case Arrow::kSignal:
          if (kills_.count(from) > 0 && signals_.count(to) > 0) {
            ++tally->compared;
            EXPECT_EQ(kills_[from], signals_[to]) << Describe(arrow);
          }
          break;
        default:
          break;
      }
    }
    // What has no arrow must be called unknown.
    for (size_t i = 0; i < trace_.events.size(); ++i) {
      const auto took = takes_.find(call_[i]);
      if (!is_take_[i] || took == takes_.end()) continue;
      int64_t known = 0, taken = 0;
      for (const auto& each : brought[call_[i]]) known += each.second;
      for (const auto& each : took->second) taken += each.second;
      const bool says_so = SaysUnknown(trace_.events[i]);
      tally->unknown += says_so;
      EXPECT_TRUE(known == taken || says_so)
          << trace_.events[i].text << " has " << taken
          << " bytes, arrows bring " << known;
    }
  }

 private:
  static bool SaysUnknown(const Event& event) {
    return std::any_of(event.notes.begin(), event.notes.end(),
                       [](const std::string& note) {
                         return absl::StartsWith(note, "unknown");
                       });
  }

  void Learn(const TruthRecord& record) {
    const Call call = {record.tid, record.nth};
    switch (record.kind) {
      case TruthRecord::kPut:
        puts_[call] = record.id;
        break;
      case TruthRecord::kTake:
        takes_[call][record.id] += record.size;
        break;
      case TruthRecord::kTaken:
        noted_.insert(call);
        break;
      case TruthRecord::kEnd:
        ends_[call] = &record;
        break;
      case TruthRecord::kConnect:
        connects_[call] = record.id;
        break;
      case TruthRecord::kAccept:
        accepts_[call] = record.id;
        break;
      case TruthRecord::kPass:
        passes_[call].insert({record.fd, record.at});
        break;
      case TruthRecord::kPassed:
        passed_[call][record.fd] = {record.id, record.at};
        break;
      case TruthRecord::kKill:
        kills_[call] = record.id;
        break;
      case TruthRecord::kSignal:
        signals_[call] = record.id;
        break;
      case TruthRecord::kClose:
        closes_[call] = &record;
        break;
    }
  }

  // Counts the calls of each thread as the program did.
  void NumberEvents() {
    static const std::set<std::string> puts = {"write", "writev", "sendto",
                                               "sendmsg", "sendmmsg"};
    static const std::set<std::string> takes = {"read", "readv", "recvfrom",
                                                "recvmsg", "recvmmsg"};
    static const std::set<std::string> kills = {"kill", "rt_sigqueueinfo"};
    std::map<std::pair<int, std::string>, int> counts;
    call_.resize(trace_.events.size(), {0, -1});
    is_take_.resize(trace_.events.size());
    for (size_t i = 0; i < trace_.events.size(); ++i) {
      const Event& event = trace_.events[i];
      std::string kind;
      if (event.kind == Event::kSignal && event.name == "SIGUSR1") {
        kind = "signal";
      } else if (event.kind != Event::kCall ||
                 (event.file != kNone &&
                  trace_.files[event.file].kind == File::kOther)) {
        continue;  // The loader's, for one.
      } else if (IsOneOf(event.name, puts)) {
        kind = "put";
      } else if (IsOneOf(event.name, takes)) {
        kind = "take";
        is_take_[i] = true;
      } else if (IsOneOf(event.name, kills)) {
        kind = "kill";
      } else if (event.name == "connect" || event.name == "close" ||
                 event.name == "accept4") {
        kind = event.name;
      }
      if (kind.empty()) continue;
      call_[i] = {trace_.lanes[event.lane].pid, counts[{event.lane, kind}]++};
    }
  }

  std::string Describe(const Arrow& arrow) const {
    const auto tell = [&](int event) {
      const Event& each = trace_.events[event];
      return absl::StrCat("[", each.begin, ",", each.end, "] ",
                          trace_.lanes[each.lane].pid, " ",
                          each.text.substr(0, 300));
    };
    return absl::StrCat(tell(arrow.from), "\n  -> ", tell(arrow.to), "\n  ",
                        arrow.label);
  }

  int CompareBytes(const Arrow& arrow, const Call& from, const Call& to,
                   std::map<int, int64_t>* brought) {
    const auto took = takes_.find(to);
    if (!is_take_[arrow.to] || took == takes_.end()) return 0;
    const auto put = puts_.find(from);
    if (put == puts_.end()) {
      ADD_FAILURE() << "an arrow from what is no put\n" << Describe(arrow);
      return 0;
    }
    (*brought)[put->second] += arrow.bytes;
    const auto had = took->second.find(put->second);
    EXPECT_TRUE(had != took->second.end() &&
                (*brought)[put->second] <= had->second)
        << Describe(arrow) << "\n  of put " << put->second << " it had "
        << (had == took->second.end() ? 0 : had->second) << " bytes";
    return 1;
  }

  int ComparePassed(const Arrow& arrow, const Call& from, const Call& to) {
    const auto got = passed_.find(to);
    if (got == passed_.end() || noted_.count(to) == 0) return 0;
    const int sent = atoi(arrow.label.c_str());
    const int received =
        atoi(arrow.label.c_str() + arrow.label.find("→") + strlen("→ "));
    const auto record = got->second.find(received);
    EXPECT_TRUE(record != got->second.end() &&
                puts_[from] == record->second.first &&
                passes_[from].count({sent, record->second.second}) > 0)
        << Describe(arrow);
    return 1;
  }

  int CompareEnd(const Arrow& arrow, const Call& from, const Call& to) {
    const auto end = ends_.find(to);
    const Event& cause = trace_.events[arrow.from];
    if (!is_take_[arrow.to] || end == ends_.end() ||
        cause.kind == Event::kExit) {
      return 0;
    }
    const uint64_t inode =
        cause.file == kNone ? 0 : trace_.files[cause.file].inode;
    if (inode != 0 && end->second->peer != 0 && cause.name != "execve") {
      EXPECT_TRUE(inode == end->second->peer || inode == end->second->inode)
          << Describe(arrow);
    }
    const auto close = closes_.find(from);
    if (cause.name != "close" || close == closes_.end()) return 1;
    for (const auto& other : closes_) {
      EXPECT_FALSE(other.second->inode == close->second->inode &&
                   other.second->size > 0 &&
                   other.second->before > close->second->after &&
                   other.second->before < end->second->after)
          << Describe(arrow) << "\n  but it was closed later, too, by "
          << other.first.first;
    }
    return 1;
  }

  const Trace& trace_;
  std::map<Call, int> puts_, connects_, accepts_, kills_, signals_;
  std::map<Call, std::map<int, int64_t>> takes_;
  std::map<Call, const TruthRecord*> ends_, closes_;
  std::map<Call, std::set<std::pair<int, int>>> passes_;
  std::map<Call, std::map<int, std::pair<int, int>>> passed_;
  std::set<Call> noted_;
  std::vector<Call> call_;  // By event.
  std::vector<bool> is_take_;
};

// Runs `program` under strace. The two calls are those by which it learns the
// truth, so they must not show.
void RunTraced(int seed, const std::string& truth, const std::string& output) {
  const std::string calls = absl::StrCat(
      "-etrace=", absl::StrReplaceAll(kTracedCalls, {{"?getsockname,", ""},
                                                     {"?getpeername,", ""}}));
  const std::string strings = "-s32";
  const std::string out = "-o" + output, number = absl::StrCat(seed);
  std::vector<const char*> args = {
      "strace",        "-f",        "-yy",         "-ttt",   "-T",
      strings.c_str(), out.c_str(), calls.c_str(), kProgram, number.c_str(),
      truth.c_str(),   nullptr};
  pid_t pid;
  ASSERT_EQ(posix_spawnp(&pid, "strace", nullptr, nullptr,
                         const_cast<char**>(args.data()), environ),
            0);
  int status;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_EQ(status, 0) << "seed " << seed;
}

// The trace, in which only the first `shown` bytes of what was moved stand:
// where none do, order alone tells.
std::string Blinded(const std::string& file, size_t shown) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), {}), blinded;
  for (size_t at = 0; at < text.size();) {
    blinded += text[at++];
    if (!absl::EndsWith(blinded, ">, \"") &&
        !absl::EndsWith(blinded, "resumed>\"") &&
        !absl::EndsWith(blinded, "iov_base=\"")) {
      continue;
    }
    size_t end = at;
    for (size_t count = 0; end < text.size() && text[end] != '"'; ++count) {
      if (count == shown) blinded += text.substr(at, end - at);
      end += text[end] != '\\' ? 1
             : isdigit(static_cast<unsigned char>(text[end + 1]))
                 ? std::min<size_t>(
                       text.find_first_not_of("01234567", end + 1) - end, 4)
                 : 2;
      if (count < shown && text[end] == '"') {
        blinded += text.substr(at, end - at);
      }
    }
    blinded += "\"";
    if (text.compare(end + 1, 3, "...") != 0) blinded += "...";
    at = end + 1;
  }
  return blinded;
}

// Each is a shard of Bazel's, which may run at the same time.
constexpr int kParts = 10;
class Random : public testing::TestWithParam<int> {};

TEST_P(Random, NoArrowIsWrong) {
  const int programs = FromEnvironment("RANDOM_PROGRAMS", 100);
  const int first = FromEnvironment("RANDOM_FIRST", 1);
  const harness::ScratchDir scratch;
  Tally tally;
  for (int seed = first + GetParam(); seed < first + programs; seed += kParts) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const std::string truth_file = scratch.File("truth"),
                      output = scratch.File("trace");
    unlink(truth_file.c_str());
    RunTraced(seed, truth_file, output);
    if (HasFatalFailure()) return;
    const int fd = open(truth_file.c_str(), O_RDONLY | O_CLOEXEC);
    void* memory = mmap(nullptr, sizeof(Truth), PROT_READ, MAP_SHARED, fd, 0);
    ASSERT_NE(memory, MAP_FAILED);
    close(fd);
    const size_t shown[] = {32, 1, 0};
    std::istringstream file(Blinded(output, shown[seed % 3]));
    const Trace trace = Understand(harness::ParseStrace(file));
    Comparison(trace, *static_cast<const Truth*>(memory)).Run(&tally);
    munmap(memory, sizeof(Truth));
    if (HasFailure()) {
      if (const char* keep = getenv("RANDOM_KEEP")) {
        std::ifstream in(output);
        std::ofstream(keep) << in.rdbuf();
      }
      return;
    }
  }
  printf("%d arrows, %d of them compared with the truth; %d reads unknown\n",
         tally.arrows, tally.compared, tally.unknown);
  EXPECT_GT(tally.compared, 0);
}

INSTANTIATE_TEST_SUITE_P(Parts, Random, testing::Range(0, kParts));

}  // namespace
}  // namespace trace
