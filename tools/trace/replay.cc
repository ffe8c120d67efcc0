#include "tools/trace/replay.h"

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tools/trace/lanes.h"
#include "tools/trace/queue.h"
#include "tools/trace/transfer.h"

namespace trace {
namespace {

using absl::string_view;
using harness::ParseDescriptor;
using harness::SplitArguments;
using harness::TracedDescriptor;
using harness::TraceEvent;

bool Has(string_view flags, string_view flag) {
  return absl::StrContains(flags, flag);
}

std::string Basename(string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

// One address has one name, also where IPv6 carries IPv4.
std::string Normalised(std::string address) {
  const string_view mapped = "[::ffff:";
  if (absl::StartsWith(address, mapped)) {
    address.erase(0, mapped.size());
    address.erase(address.find(']'), 1);
  }
  return address;
}

File::Kind KindOf(const std::string& kind) {
  if (absl::StartsWith(kind, "UNIX")) return File::kUnix;
  if (absl::StartsWith(kind, "TCP")) return File::kTcp;
  if (absl::StartsWith(kind, "UDP")) return File::kUdp;
  if (kind == "pipe") return File::kPipe;
  return File::kOther;
}

std::string Described(const TracedDescriptor& descriptor) {
  switch (KindOf(descriptor.kind)) {
    case File::kUnix:
      return "UNIX socket";
    case File::kTcp:
      return "TCP socket";
    case File::kUdp:
      return "UDP socket";
    case File::kPipe:
      return "pipe";
    case File::kOther:
      break;
  }
  const string_view what = descriptor.what;
  if (absl::StartsWith(what, "/dev/")) {
    return std::string(what.substr(0, what.find('<')));
  }
  if (absl::StartsWith(what, "/")) return "file " + Basename(what);
  return descriptor.what;
}

class Replayer {
 public:
  Replayer(std::vector<TraceEvent> events, const UnderstandOptions& options)
      : traced_(std::move(events)), options_(options) {}

  Replay Run() {
    LaneBuilder lanes(traced_, &out_.trace);
    lanes.Build();
    origin_ = lanes.origin();
    tables_.resize(out_.trace.lanes.size());
    table_of_.assign(out_.trace.lanes.size(), kNone);
    folder_.assign(out_.trace.lanes.size(), "");
    living_.assign(out_.trace.lanes.size(), 0);
    last_line_.assign(out_.trace.lanes.size(), 0);
    out_.event_detail.resize(out_.trace.events.size());

    // A call that lets go of a number does so when it begins, one that gets a
    // number when it ends: in between, another thread may get the number.
    struct Step {
      size_t line;
      int event;
      bool begins;
    };
    std::vector<Step> steps;
    const std::vector<Event>& all = out_.trace.events;
    for (size_t i = 0; i < all.size(); ++i) {
      const bool early = all[i].kind == Event::kStart || IsEarly(all[i].name);
      steps.push_back(
          {early ? all[i].begin : all[i].end, static_cast<int>(i), early});
    }
    std::stable_sort(
        steps.begin(), steps.end(),
        [](const Step& a, const Step& b) { return a.line < b.line; });
    for (const Step& step : steps) {
      Event& event = out_.trace.events[step.event];
      if (event.lane == kNone) continue;
      if (event.kind == Event::kStart) {
        Begin(event);
      } else if (event.kind == Event::kExit) {
        Exit(step.event);
      } else if (event.kind == Event::kCall) {
        Call(step.event, lanes.traced(step.event));
      }
      if (event.kind != Event::kExit) {
        size_t& last = last_line_[event.lane];
        last = std::max(last, event.finished ? event.end : event.begin);
        if (event.name == "exit_group" || event.name == "exit") {
          last = event.begin;
        }
      }
    }
    Finish();
    return std::move(out_);
  }

 private:
  using Table = std::map<int, int>;  // From a descriptor to its Ref.

  static bool IsEarly(const std::string& name) {
    return name == "close" || name == "close_range";
  }

  int LaneProcess(int lane) const { return out_.trace.lanes[lane].process; }
  Table& TableOf(int lane) { return tables_[table_of_[lane]]; }

  // A lane begins with the descriptors of the one that made it.
  void Begin(const Event& event) {
    const int lane = event.lane, parent = out_.trace.lanes[lane].parent;
    if (table_of_[lane] != kNone) return;
    const bool shares = parent != kNone && event.value != 0;  // CLONE_FILES.
    table_of_[lane] = shares ? table_of_[parent] : lane;
    ++living_[table_of_[lane]];
    if (parent == kNone) {
      folder_[lane] = ".";
      return;
    }
    folder_[lane] = folder_[parent];
    if (shares) return;
    for (const auto& entry : Table(TableOf(parent))) {
      Ref ref = out_.refs[entry.second];
      ref.begin = event.begin;
      ref.opened_by = kNone;
      AddRef(lane, entry.first, ref);
    }
  }

  void Exit(int index) {
    const Event& event = out_.trace.events[index];
    const int table = table_of_[event.lane];
    if (table == kNone || --living_[table] > 0) return;
    for (const auto& entry : Table(tables_[table])) {
      Close(table, entry.first, index, last_line_[event.lane], event.end);
    }
  }

  void AddRef(int lane, int fd, Ref ref) {
    ref.table = table_of_[lane];
    ref.lane = LaneProcess(lane);
    ref.fd = fd;
    ref.closed_by = kNone;
    tables_[ref.table][fd] = static_cast<int>(out_.refs.size());
    out_.refs_of[ref.file].push_back(static_cast<int>(out_.refs.size()));
    out_.refs.push_back(ref);
  }

  // A new descriptor: what was at this number, unnoticed by us, is gone.
  Ref& Open(int index, int fd, int file, bool close_on_exec) {
    const Event& event = out_.trace.events[index];
    if (TableOf(event.lane).count(fd) > 0) {
      Close(table_of_[event.lane], fd, index, event.begin, event.end);
    }
    Ref ref;
    ref.file = file;
    ref.begin = event.end;
    ref.opened_by = index;
    ref.close_on_exec = close_on_exec;
    AddRef(event.lane, fd, ref);
    return out_.refs.back();
  }

  void Close(int table, int fd, int index, size_t begin, size_t end) {
    const auto found = tables_[table].find(fd);
    if (found == tables_[table].end()) return;
    Ref& ref = out_.refs[found->second];
    ref.closed_by = index;
    ref.close_begin = begin;
    ref.close_end = end;
    tables_[table].erase(found);
  }

  int AddFile() {
    out_.trace.files.emplace_back();
    out_.refs_of.emplace_back();
    out_.queue_is_odd.push_back(false);
    out_.buffer_is_set.push_back(false);
    out_.held_outside.push_back(false);
    out_.peer_inode.push_back(0);
    return static_cast<int>(out_.trace.files.size()) - 1;
  }

  // Learns of a file what strace says of it here.
  void Learn(int index, const TracedDescriptor& descriptor) {
    File& file = out_.trace.files[index];
    const File::Kind kind = KindOf(descriptor.kind);
    if (kind != File::kOther) file.kind = kind;
    if (file.what.empty()) file.what = Described(descriptor);
    if (descriptor.kind == "UNIX-STREAM" || kind == File::kTcp) {
      file.type = File::kStream;
    } else if (kind == File::kUdp) {
      file.type = File::kDatagram;
    }
    if (descriptor.inode != 0) {
      file.inode = descriptor.inode;
      by_inode_[descriptor.inode] = index;
    }
    if (descriptor.peer != 0) out_.peer_inode[index] = descriptor.peer;
    if (!descriptor.name.empty()) {
      file.name = descriptor.name;
      // A name that bind made up is known from here only.
      if (absl::StartsWith(file.name, "@") &&
          named_.insert({index, true}).second) {
        out_.binds[file.name].push_back({file.made_by, index, ""});
      }
    }
    if (!descriptor.local.empty()) file.local = Normalised(descriptor.local);
    if (!descriptor.remote.empty()) file.remote = Normalised(descriptor.remote);
  }

  // A file that the call `index` made.
  int Make(int index, const TracedDescriptor& descriptor) {
    const int file = AddFile();
    out_.trace.files[file].made_by = index;
    Learn(file, descriptor);
    return file;
  }

  // The file at a descriptor of a lane, as strace prints it there.
  int Observe(int lane, const TracedDescriptor& descriptor) {
    Table& table = TableOf(lane);
    const auto entry = table.find(descriptor.fd);
    int file = kNone;
    if (entry != table.end()) {
      file = out_.refs[entry->second].file;
      const uint64_t inode = out_.trace.files[file].inode;
      const bool other =
          inode != 0 && descriptor.inode != 0 && inode != descriptor.inode;
      if (!other) {
        if (!descriptor.what.empty()) Learn(file, descriptor);
        return file;
      }
    }
    // It was there before the trace, or came by a way that was not traced.
    const auto known = by_inode_.find(descriptor.inode);
    if (descriptor.inode != 0 && known != by_inode_.end()) {
      file = known->second;
    } else {
      file = AddFile();
      Learn(file, descriptor);
    }
    out_.held_outside[file] = true;
    Ref ref;
    ref.file = file;
    ref.begin = out_.trace.lanes[lane].begin;
    AddRef(lane, descriptor.fd, ref);
    return file;
  }

  int ObserveText(int lane, string_view text) {
    const absl::optional<TracedDescriptor> descriptor = ParseDescriptor(text);
    return descriptor ? Observe(lane, *descriptor) : kNone;
  }

  void Call(int index, const TraceEvent& traced) {
    Event& event = out_.trace.events[index];
    const std::string& name = event.name;
    if (absl::StartsWith(name, "io_uring_")) uses_uring_ = true;
    const std::vector<string_view> args = SplitArguments(traced.arguments());
    if (args.empty()) return;
    const absl::optional<TracedDescriptor> first = ParseDescriptor(args[0]);
    if (first && !first->what.empty()) {
      event.fd = first->fd;
      event.file = Observe(event.lane, *first);
    }
    if (ReadTransfers(index, traced, args)) return;
    const bool worked = event.finished && event.error.empty();
    if (name == "close") {
      if (first && (worked || !event.finished)) {
        Close(table_of_[event.lane], first->fd, index, event.begin, event.end);
      }
    } else if (name == "connect" && args.size() > 1) {
      if (worked || event.error == "EINPROGRESS") Connect(index, args[1]);
    } else if (name == "kill" || name == "tgkill" || name == "tkill" ||
               name == "rt_sigqueueinfo" || name == "pidfd_send_signal") {
      Signal(index, args);
    } else if (worked) {
      Worked(index, traced, args);
    }
  }

  void Connect(int index, string_view address) {
    Event& event = out_.trace.events[index];
    if (event.file == kNone) return;
    const std::string name = NameFor(event.lane, Address(address));
    // A datagram socket that goes elsewhere drops what came from where it was.
    if (out_.trace.files[event.file].type == File::kDatagram &&
        !connected_to_[event.file].empty()) {
      out_.queue_is_odd[event.file] = true;
    }
    connected_to_[event.file] = name;
    out_.connects.push_back({index, event.file, name});
  }

  void Signal(int index, const std::vector<string_view>& args) {
    const size_t at =
        args.size() >= 3 && out_.trace.events[index].name == "tgkill" ? 1 : 0;
    if (args.size() < at + 2) return;
    SentSignal sent = {
        index, std::string(args[at + 1]),
        static_cast<pid_t>(harness::Number(args[at]).value_or(0))};
    if (out_.trace.events[index].name == "pidfd_send_signal") sent.to = 0;
    out_.signals.push_back(sent);
  }

  void Worked(int index, const TraceEvent& traced,
              const std::vector<string_view>& args) {
    Event& event = out_.trace.events[index];
    const std::string& name = event.name;
    const absl::optional<TracedDescriptor> result =
        ParseDescriptor(traced.result());
    const bool gives_fd = result && !result->what.empty();
    if (name == "socketpair" || name == "pipe" || name == "pipe2") {
      Pair(index, args);
    } else if (name == "accept" || name == "accept4") {
      if (!gives_fd) return;
      const int file = Make(index, *result);
      File& socket = out_.trace.files[file];
      socket.listener = event.file;
      if (event.file != kNone) socket.type = out_.trace.files[event.file].type;
      if (args.size() > 1 && socket.kind == File::kTcp &&
          socket.remote.empty()) {
        socket.remote = Normalised(Address(args[1]));
      }
      Open(index, result->fd, file,
           args.size() > 3 && Has(args[3], "SOCK_CLOEXEC"));
      out_.accepts.push_back({index, file, ""});
    } else if (name == "dup" || name == "dup2" || name == "dup3" ||
               (name == "fcntl" && args.size() > 1 &&
                Has(args[1], "F_DUPFD"))) {
      Duplicate(index, traced, args);
    } else if (name == "fcntl") {
      if (args.size() > 2 && args[1] == "F_SETFD") {
        const auto entry = TableOf(event.lane).find(event.fd);
        if (entry != TableOf(event.lane).end()) {
          out_.refs[entry->second].close_on_exec = Has(args[2], "FD_CLOEXEC");
        }
      }
    } else if (name == "close_range") {
      CloseRange(index, args);
    } else if (name == "bind" && args.size() > 1 && event.file != kNone) {
      const std::string address = Address(args[1]);
      File& socket = out_.trace.files[event.file];
      if (socket.kind == File::kUnix && !address.empty()) {
        named_[event.file] = true;
        out_.binds[NameFor(event.lane, address)].push_back(
            {index, event.file, address});
      } else if (socket.local.empty() && !absl::EndsWith(address, ":0")) {
        socket.local = Normalised(address);
      }
    } else if (name == "listen" && event.file != kNone) {
      out_.trace.files[event.file].listens = true;
      out_.listens.push_back({index, event.file, ""});
    } else if (name == "shutdown" && args.size() > 1 && event.file != kNone) {
      out_.shutdowns.push_back({index, event.file, std::string(args[1])});
    } else if (name == "getsockopt" && args.size() > 3) {
      if (args[2] == "SO_PEERCRED" && event.file != kNone) {
        out_.peer_credentials.push_back(
            {index, event.file, std::string(args[3])});
      }
    } else if (name == "setsockopt" && args.size() > 2 && event.file != kNone) {
      if (Has(args[2], "SO_PEEK_OFF") || Has(args[2], "SO_ATTACH")) {
        out_.queue_is_odd[event.file] = true;
      }
      if (Has(args[2], "SO_RCVBUF") || Has(args[2], "SO_RCVLOWAT")) {
        out_.buffer_is_set[event.file] = true;
      }
    } else if (name == "execve" || name == "execveat") {
      Exec(index);
    } else if (name == "chdir") {
      if (const auto path = harness::Unquoted(args[0])) {
        std::string& folder = folder_[LaneProcess(event.lane)];
        folder = absl::StartsWith(*path, "/")
                     ? *path
                     : absl::StrCat(folder, "/", *path);
      }
    } else if (name == "fchdir") {
      folder_[LaneProcess(event.lane)] = absl::StrCat("?", index);
    } else if (gives_fd) {
      // socket, openat, epoll_create1, eventfd2, signalfd4, pidfd_getfd, ...
      const auto known = by_inode_.find(result->inode);
      const bool is_new = result->inode == 0 || known == by_inode_.end();
      const int file = is_new ? Make(index, *result) : known->second;
      if (name == "socket" && args.size() > 1) SetType(file, args[1]);
      Open(index, result->fd, file, Has(traced.arguments(), "CLOEXEC"));
      event.fd = result->fd;
      event.file = file;
    }
    for (const string_view arg : args) LearnFromPoll(event.lane, arg);
  }

  void SetType(int file, string_view type) {
    File& socket = out_.trace.files[file];
    if (Has(type, "SOCK_STREAM")) socket.type = File::kStream;
    if (Has(type, "SOCK_DGRAM")) socket.type = File::kDatagram;
    if (Has(type, "SOCK_SEQPACKET")) socket.type = File::kSeqpacket;
  }

  // "[{fd=3<...>, events=POLLIN}]".
  void LearnFromPoll(int lane, string_view list) {
    if (!absl::StartsWith(list, "[{fd=")) return;
    for (const string_view element : harness::Elements(list)) {
      ObserveText(lane, harness::Field(element, "fd"));
    }
  }

  void Pair(int index, const std::vector<string_view>& args) {
    const bool pipe = out_.trace.events[index].name != "socketpair";
    const std::vector<string_view> ends =
        harness::Elements(args[pipe ? 0 : args.size() - 1]);
    if (ends.size() != 2) return;
    const auto one = ParseDescriptor(ends[0]), two = ParseDescriptor(ends[1]);
    if (!one || !two) return;
    const bool close_on_exec = Has(args[1 % args.size()], "CLOEXEC");
    const int first = Make(index, *one);
    const int second = pipe ? first : Make(index, *two);
    Open(index, one->fd, first, close_on_exec).writes = !pipe;
    Open(index, two->fd, second, close_on_exec).reads = !pipe;
    if (pipe) {
      if (Has(args[1 % args.size()], "O_DIRECT")) {
        out_.queue_is_odd[first] = true;
      }
      return;
    }
    SetType(first, args[1]);
    SetType(second, args[1]);
    out_.trace.files[first].peer = second;
    out_.trace.files[second].peer = first;
  }

  void Duplicate(int index, const TraceEvent& traced,
                 const std::vector<string_view>& args) {
    Event& event = out_.trace.events[index];
    const auto entry = TableOf(event.lane).find(event.fd);
    if (!traced.has_value || entry == TableOf(event.lane).end()) return;
    const int fd = static_cast<int>(traced.value);
    if (fd == event.fd) return;
    const Ref ref = out_.refs[entry->second];
    Ref& copy = Open(index, fd, ref.file,
                     (args.size() > 1 && Has(args[1], "CLOEXEC")) ||
                         (args.size() > 2 && Has(args[2], "CLOEXEC")));
    copy.reads = ref.reads;
    copy.writes = ref.writes;
  }

  void CloseRange(int index, const std::vector<string_view>& args) {
    if (args.size() < 3) return;
    Event& event = out_.trace.events[index];
    const int64_t low = harness::Number(args[0]).value_or(0);
    const int64_t high = harness::Number(args[1]).value_or(0);
    for (const auto& entry : Table(TableOf(event.lane))) {
      if (entry.first < low || entry.first > high) continue;
      if (Has(args[2], "CLOSE_RANGE_CLOEXEC")) {
        out_.refs[entry.second].close_on_exec = true;
      } else {
        Close(table_of_[event.lane], entry.first, index, event.begin,
              event.end);
      }
    }
  }

  void Exec(int index) {
    const Event& event = out_.trace.events[index];
    for (const auto& entry : Table(TableOf(event.lane))) {
      if (!out_.refs[entry.second].close_on_exec) continue;
      Close(table_of_[event.lane], entry.first, index, event.begin, event.end);
    }
  }

  // The name of a UNIX socket, the same for all whose "name" it is.
  std::string NameFor(int lane, const std::string& address) const {
    if (absl::StartsWith(address, "\"") && !absl::StartsWith(address, "\"/")) {
      return absl::StrCat(folder_[LaneProcess(lane)], "/", address);
    }
    return address;
  }

  // Whether the call moves bytes; if so, takes note of them.
  bool ReadTransfers(int index, const TraceEvent& traced,
                     const std::vector<string_view>& args) {
    const CallShape* shape = ShapeOf(traced.name);
    if (!shape) return false;
    Event& event = out_.trace.events[index];
    for (ParsedTransfer& parsed : ParseTransfers(*shape, traced, args)) {
      const int file = parsed.descriptor.empty()
                           ? event.file
                           : ObserveText(event.lane, parsed.descriptor);
      if (file == kNone || out_.trace.files[file].kind == File::kOther) {
        continue;
      }
      Transfer& transfer = parsed.transfer;
      transfer.event = index;
      transfer.file = file;
      if (transfer.put && !transfer.address.empty()) {
        transfer.address = NameFor(event.lane, transfer.address);
      }
      for (const auto& passed : transfer.fds) {
        Pass(index, passed, Has(args.back(), "MSG_CMSG_CLOEXEC"), &transfer);
      }
      if (transfer.fds_cut) misses_descriptors_ = true;
      if (parsed.odd) {
        out_.queue_is_odd[file] = true;
        event.notes.push_back(
            "unknown: this call, or what strace shows of it, is too much for "
            "us");
      }
      if (parsed.ended) {
        out_.ends.push_back({index, file, transfer.put ? "w" : "r"});
      }
      if (parsed.moved) out_.transfers.push_back(std::move(transfer));
    }
    return true;
  }

  void Pass(int index, const std::pair<int, std::string>& passed,
            bool close_on_exec, Transfer* transfer) {
    const Event& event = out_.trace.events[index];
    const auto descriptor = ParseDescriptor(passed.second);
    if (!descriptor) return;
    if (transfer->put) {
      transfer->fd_files.push_back(Observe(event.lane, *descriptor));
      return;
    }
    // Which file it is, the sender's call tells; until then it is a new one,
    // unless its inode says which.
    const auto known = by_inode_.find(descriptor->inode);
    int file;
    if (descriptor->inode != 0 && known != by_inode_.end()) {
      file = known->second;
    } else {
      file = FileByAddresses(*descriptor);
      if (file == kNone) file = Make(index, *descriptor);
    }
    transfer->fd_files.push_back(file);
    Open(index, passed.first, file, close_on_exec);
  }

  // A TCP socket is the one that has these two addresses at this time.
  int FileByAddresses(const TracedDescriptor& descriptor) const {
    int found = kNone;
    if (descriptor.local.empty()) return kNone;
    for (const Ref& ref : out_.refs) {
      const File& file = out_.trace.files[ref.file];
      if (file.kind != KindOf(descriptor.kind) || ref.file == found ||
          file.local != Normalised(descriptor.local) ||
          file.remote != Normalised(descriptor.remote)) {
        continue;
      }
      if (found != kNone) return kNone;
      found = ref.file;
    }
    return found;
  }

  void Finish() {
    Trace& trace = out_.trace;
    for (size_t i = 0; i < trace.files.size(); ++i) {
      if (trace.files[i].peer != kNone) continue;
      const auto peer = by_inode_.find(out_.peer_inode[i]);
      if (out_.peer_inode[i] == 0 || peer == by_inode_.end()) continue;
      trace.files[i].peer = peer->second;
      // Of datagram sockets, many can send to one that sends to none of them.
      if (trace.files[i].type == File::kDatagram) continue;
      trace.files[peer->second].peer = static_cast<int>(i);
    }
    for (const Ref& ref : out_.refs) {
      // What an exit closes is open as long as its lane.
      const bool closed = ref.closed_by != kNone &&
                          trace.events[ref.closed_by].kind != Event::kExit;
      const Lane& lane = trace.lanes[ref.lane];
      trace.lives.push_back({ref.lane, ref.fd, ref.file, ref.begin,
                             closed       ? ref.close_begin
                             : lane.ended ? lane.end
                                          : trace.lines,
                             ref.opened_by, closed ? ref.closed_by : kNone,
                             closed});
    }
    if (uses_uring_) {
      trace.warnings.push_back(
          "A program uses io_uring: strace does not see what is done through "
          "it, "
          "so the bytes of no stream are told.");
      out_.queue_is_odd.assign(trace.files.size(), true);
    }
    if (misses_descriptors_) out_.held_outside.assign(trace.files.size(), true);
  }

  std::vector<TraceEvent> traced_;
  const UnderstandOptions& options_;
  Replay out_;
  int64_t origin_ = 0;
  std::vector<Table> tables_;           // By the lane that had it first.
  std::vector<int> table_of_, living_;  // By lane; by table.
  std::vector<size_t> last_line_;       // By lane.
  std::vector<std::string> folder_;     // By lane.
  std::map<uint64_t, int> by_inode_;
  std::map<int, bool> named_;
  std::map<int, std::string> connected_to_;
  bool uses_uring_ = false, misses_descriptors_ = false;
};

}  // namespace

std::string Address(string_view text) {
  const string_view family = harness::Field(text, "sa_family");
  if (family == "AF_UNIX") {
    return std::string(harness::Field(text, "sun_path"));
  }
  const auto number_in = [&](string_view field) {
    string_view value = harness::Field(text, field);
    absl::ConsumePrefix(&value, "htons(");
    return harness::Number(value).value_or(0);
  };
  const auto quoted_in = [&](string_view call) {
    const size_t at = text.find(call);
    if (at == text.npos) return std::string();
    return harness::Unquoted(text.substr(text.find('"', at))).value_or("");
  };
  if (family == "AF_INET") {
    return absl::StrCat(quoted_in("inet_addr("), ":", number_in("sin_port"));
  }
  if (family == "AF_INET6") {
    return Normalised(absl::StrCat("[", quoted_in("inet_pton("),
                                   "]:", number_in("sin6_port")));
  }
  return "";
}

Replay ReplayEvents(std::vector<TraceEvent> events,
                    const UnderstandOptions& options) {
  return Replayer(std::move(events), options).Run();
}

}  // namespace trace
