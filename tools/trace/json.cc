#include "tools/trace/json.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tools/trace/brief.h"
#include "tools/trace/layout.h"

namespace trace {
namespace {

using Json = nlohmann::ordered_json;

const char* NameOf(Event::Kind kind) {
  switch (kind) {
    case Event::kCall:
      return "call";
    case Event::kSignal:
      return "signal";
    case Event::kStop:
      return "stop";
    case Event::kStart:
      return "start";
    case Event::kExit:
      break;
  }
  return "exit";
}

const char* NameOf(Arrow::Kind kind) {
  switch (kind) {
    case Arrow::kConnect:
      return "connect";
    case Arrow::kData:
      return "data";
    case Arrow::kMessage:
      return "message";
    case Arrow::kDescriptor:
      return "descriptor";
    case Arrow::kCredentials:
      return "credentials";
    case Arrow::kEnd:
      return "end";
    case Arrow::kSignal:
      return "signal";
    case Arrow::kStart:
      return "start";
    case Arrow::kWait:
      break;
  }
  return "wait";
}

const char* NameOf(File::Kind kind) {
  switch (kind) {
    case File::kUnix:
      return "unix";
    case File::kTcp:
      return "tcp";
    case File::kUdp:
      return "udp";
    case File::kPipe:
      return "pipe";
    case File::kOther:
      break;
  }
  return "other";
}

const char* NameOf(File::Type type) {
  switch (type) {
    case File::kStream:
      return "stream";
    case File::kDatagram:
      return "datagram";
    case File::kSeqpacket:
      return "seqpacket";
    case File::kNoType:
      break;
  }
  return "";
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// null for none.
Json Index(int index) { return index == kNone ? Json() : Json(index); }

}  // namespace

std::string DrawJson(const Trace& trace) {
  Json json;
  json["version"] = 1;
  json["length_ns"] = trace.length;
  json["warnings"] = trace.warnings;
  Json& lanes = json["lanes"] = Json::array();
  for (const Lane& lane : trace.lanes) {
    lanes.push_back({{"pid", lane.pid},
                     {"name", lane.name},
                     {"program", lane.program},
                     {"process", lane.process},
                     {"parent", Index(lane.parent)},
                     {"ending", lane.ending},
                     {"hidden", lane.hidden}});
  }
  Json& files = json["files"] = Json::array();
  for (const File& file : trace.files) {
    files.push_back({{"kind", NameOf(file.kind)},
                     {"type", NameOf(file.type)},
                     {"what", file.what},
                     {"inode", file.inode},
                     {"peer", Index(file.peer)},
                     {"listener", Index(file.listener)},
                     {"name", file.name},
                     {"local", file.local},
                     {"remote", file.remote},
                     {"connection", Index(file.connection)}});
  }
  Json& events = json["events"] = Json::array();
  for (const Event& event : trace.events) {
    events.push_back({{"kind", NameOf(event.kind)},
                      {"lane", event.lane},
                      {"name", event.name},
                      {"text", event.text},
                      {"brief", event.brief},
                      {"line", event.begin},
                      {"last_line", event.end},
                      {"start_ns", event.start},
                      {"stop_ns", event.stop},
                      {"finished", event.finished},
                      {"value", event.has_value ? Json(event.value) : Json()},
                      {"error", event.error},
                      {"fd", Index(event.fd)},
                      {"file", Index(event.file)},
                      {"waited_for", event.waited},
                      {"notes", event.notes},
                      {"hidden", event.hidden}});
  }
  Json& arrows = json["arrows"] = Json::array();
  for (const Arrow& arrow : trace.arrows) {
    arrows.push_back({{"kind", NameOf(arrow.kind)},
                      {"from", arrow.from},
                      {"to", arrow.to},
                      {"label", arrow.label},
                      {"bytes", arrow.bytes},
                      {"from_at", arrow.from_at},
                      {"to_at", arrow.to_at},
                      {"connection", Index(arrow.connection)}});
  }
  Json& lives = json["descriptors"] = Json::array();
  for (const Life& life : trace.lives) {
    lives.push_back({{"lane", life.lane},
                     {"fd", life.fd},
                     {"file", life.file},
                     {"line", life.begin},
                     {"last_line", life.end},
                     {"closed", life.closed}});
  }
  return Dump(json) + "\n";
}

std::string DrawPerfetto(const Trace& trace) {
  Json list = Json::array();
  const auto pid_of = [&](const Event& event) {
    return trace.lanes[trace.lanes[event.lane].process].pid;
  };
  const auto tid_of = [&](const Event& event) {
    return trace.lanes[event.lane].pid;
  };
  const auto micros = [](int64_t ns) { return static_cast<double>(ns) / 1000; };
  for (size_t i = 0; i < trace.lanes.size(); ++i) {
    const Lane& lane = trace.lanes[i];
    if (lane.hidden) continue;
    const auto name = [&](const char* what) {
      list.push_back({{"ph", "M"},
                      {"name", what},
                      {"pid", trace.lanes[lane.process].pid},
                      {"tid", lane.pid},
                      {"args", {{"name", lane.name}}}});
    };
    if (lane.process == static_cast<int>(i)) name("process_name");
    name("thread_name");
  }
  const auto is_shown = [&](const Event& event) {
    return !event.hidden && !trace.lanes[event.lane].hidden;
  };
  // A flow binds to the slice around its time, so no slice is without length.
  const auto length = [&](const Event& event) {
    return std::max<int64_t>(event.stop - event.start, 1000);
  };
  for (const Event& event : trace.events) {
    if (!is_shown(event)) continue;
    Json args = {{"call", event.text}};
    if (!event.waited.empty()) args["waited for"] = event.waited;
    for (size_t i = 0; i < event.notes.size(); ++i) {
      args[absl::StrCat("note ", i + 1)] = event.notes[i];
    }
    list.push_back({{"ph", "X"},
                    {"name", event.brief},
                    {"cat", NameOf(event.kind)},
                    {"ts", micros(event.start)},
                    {"dur", micros(length(event))},
                    {"pid", pid_of(event)},
                    {"tid", tid_of(event)},
                    {"args", args}});
  }
  for (size_t i = 0; i < trace.arrows.size(); ++i) {
    const Arrow& arrow = trace.arrows[i];
    const Event &from = trace.events[arrow.from], &to = trace.events[arrow.to];
    if (!is_shown(from) || !is_shown(to)) continue;
    const std::string name = absl::StrCat(NameOf(arrow.kind), " ", arrow.label);
    list.push_back({{"ph", "s"},
                    {"id", i + 1},
                    {"name", name},
                    {"cat", NameOf(arrow.kind)},
                    {"ts", micros(from.start)},
                    {"pid", pid_of(from)},
                    {"tid", tid_of(from)}});
    list.push_back({{"ph", "f"},
                    {"bp", "e"},
                    {"id", i + 1},
                    {"name", name},
                    {"cat", NameOf(arrow.kind)},
                    {"ts", micros(to.start + length(to) - 1)},
                    {"pid", pid_of(to)},
                    {"tid", tid_of(to)}});
  }
  Json json;
  json["displayTimeUnit"] = "ns";
  json["traceEvents"] = std::move(list);
  return Dump(json) + "\n";
}

std::string PageData(const Trace& trace, const std::string& title) {
  const Layout layout = LayOut(trace, /*reuse=*/false);
  Json json;
  json["title"] = title;
  json["warnings"] = trace.warnings;
  json["columns"] = layout.columns;
  // A page of more rows than this is slow to open: the middle is left out.
  constexpr int kMostRows = 20000;
  const int all = static_cast<int>(layout.rows.size());
  const int head = all <= kMostRows ? all : kMostRows / 2;
  const int left_out = all <= kMostRows ? 0 : all - kMostRows;
  const auto place = [&](int row) {
    return row < head ? row : std::max(row - left_out, head);
  };
  if (left_out > 0) {
    json["warnings"].push_back(absl::StrCat(
        left_out, " rows in the middle, after ", head, ", are left out."));
  }
  Json& lanes = json["lanes"] = Json::array();
  for (size_t i = 0; i < trace.lanes.size(); ++i) {
    const Lane& lane = trace.lanes[i];
    lanes.push_back({{"name", lane.name},
                     {"pid", lane.pid},
                     {"ending", lane.ending},
                     {"column", layout.column[i]},
                     {"slots", layout.slots[i]},
                     {"begin", place(layout.begin_row[i])},
                     {"end", place(layout.end_row[i])}});
  }
  // [event, what of it]: 1 begins, 2 ends, 3 both.
  Json& rows = json["rows"] = Json::array();
  std::map<int, int> shown;  // From an event to its place in the page's list.
  Json& events = json["events"] = Json::array();
  Json meanings = Json::object();
  for (int i = 0; i < all; ++i) {
    if (i == head) i += left_out;
    const Row& row = layout.rows[i];
    const Event& event = trace.events[row.event];
    const auto entry =
        shown.insert({row.event, static_cast<int>(shown.size())});
    rows.push_back(
        {entry.first->second, (row.begins ? 1 : 0) + (row.ends ? 2 : 0)});
    if (!entry.second) continue;
    const bool call = event.kind == Event::kCall;
    const std::string meaning = call ? Meaning(event.name)
                                : event.kind == Event::kSignal
                                    ? SignalMeaning(event.name)
                                    : "";
    if (!meaning.empty()) meanings[event.name] = meaning;
    const File::Kind kind =
        event.file == kNone ? File::kOther : trace.files[event.file].kind;
    Json one = {
        {"k", NameOf(event.kind)}, {"l", event.lane},     {"n", event.name},
        {"b", event.brief},        {"t", event.start},    {"u", event.stop},
        {"x", event.text},         {"m", ManPage(event)}, {"f", NameOf(kind)}};
    if (event.file != kNone && kind != File::kOther) {
      one["c"] = trace.files[event.file].connection;
    }
    if (!event.error.empty()) {
      one["e"] = event.error;
      one["w"] = ErrorInWords(event);
    }
    if (!event.waited.empty()) one["a"] = event.waited;
    if (!event.notes.empty()) one["o"] = event.notes;
    if (!event.finished) one["open"] = true;
    events.push_back(std::move(one));
  }
  json["meanings"] = std::move(meanings);
  Json& arrows = json["arrows"] = Json::array();
  for (const ArrowGroup& group : GroupArrows(trace, layout)) {
    if (shown.count(group.from) == 0 || shown.count(group.to) == 0) continue;
    const Arrow& first = trace.arrows[group.arrows[0]];
    bool thick = false;
    for (const int arrow : group.arrows) {
      thick |= trace.arrows[arrow].kind == Arrow::kDescriptor;
    }
    arrows.push_back({{"from", shown[group.from]},
                      {"to", shown[group.to]},
                      {"k", NameOf(first.kind)},
                      {"label", GroupLabel(trace, group)},
                      {"c", first.connection},
                      {"thick", thick}});
  }
  Json& lives = json["lives"] = Json::array();
  for (size_t i = 0; i < trace.lives.size(); ++i) {
    const Life& life = trace.lives[i];
    if (layout.slot[i] == kNone) continue;
    const File& file = trace.files[life.file];
    lives.push_back({{"l", life.lane},
                     {"fd", life.fd},
                     {"slot", layout.slot[i]},
                     {"begin", place(layout.life_begin[i])},
                     {"end", place(layout.life_end[i])},
                     {"closed", life.closed},
                     {"what", file.what},
                     {"c", file.connection}});
  }
  return Dump(json);
}

}  // namespace trace
