#include "tests/support/strace.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace harness {
namespace {

using absl::string_view;

constexpr string_view kUnfinished = " <unfinished ...>";

bool IsDigit(char letter) { return letter >= '0' && letter <= '9'; }

// Behind the string that begins at `at`.
size_t PastString(string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

// Behind the <...> that begins at `at` and says what a descriptor is. strace
// writes a < or > that belongs to a path as a number.
size_t PastAngle(string_view text, size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    switch (text[at]) {
      case '\\':
        ++at;
        break;
      case '"':
        at = PastString(text, at) - 1;
        break;
      case '-':
        if (at + 1 < text.size() && text[at + 1] == '>') ++at;
        break;
      case '<':
        ++depth;
        break;
      case '>':
        if (--depth == 0) return at + 1;
        break;
      default:
        break;
    }
  }
  return text.size();
}

// The first of `wanted` in `text` from `at` on that stands in no string, no
// <...>, no comment, and in no pair of brackets that was opened on the way.
size_t FindOutside(string_view text, size_t at, string_view wanted) {
  int depth = 0;
  while (at < text.size()) {
    const char letter = text[at];
    if (depth == 0 && absl::StrContains(wanted, letter)) return at;
    if (letter == '"') {
      at = PastString(text, at);
    } else if (letter == '<' && at > 0 &&
               (IsDigit(text[at - 1]) || text[at - 1] == 'D') &&
               text.substr(at, 2) != "<<") {  // After AT_FDCWD, too.
      at = PastAngle(text, at);
    } else if (text.substr(at, 2) == "/*") {
      const size_t end = text.find("*/", at);
      at = end == text.npos ? text.size() : end + 2;
    } else {
      if (absl::StrContains("([{", letter)) ++depth;
      if (absl::StrContains(")]}", letter)) --depth;
      ++at;
    }
  }
  return text.npos;
}

// Removes the number in front of `text`, and returns it.
absl::optional<int64_t> TakeNumber(string_view* text) {
  size_t end = 0;
  while (end < text->size() && IsDigit((*text)[end])) ++end;
  int64_t value;
  if (!absl::SimpleAtoi(text->substr(0, end), &value)) return absl::nullopt;
  text->remove_prefix(end);
  return value;
}

// ".25" is 250000000 ns.
int64_t TakeFraction(string_view* text) {
  int64_t nanoseconds = 0;
  if (!absl::ConsumePrefix(text, ".")) return 0;
  for (int64_t digit = 100000000; !text->empty() && IsDigit((*text)[0]);
       digit /= 10) {
    nanoseconds += ((*text)[0] - '0') * digit;
    text->remove_prefix(1);
  }
  return nanoseconds;
}

constexpr int64_t kSecond = 1000000000;

// "1795577706.107578740 " or "10:11:12.345678 "; -1 where there is no time.
int64_t TakeTime(string_view* text) {
  string_view rest = *text;
  absl::optional<int64_t> time = TakeNumber(&rest);
  if (!time || rest.empty()) return -1;
  for (int unit = 0; unit < 2 && absl::ConsumePrefix(&rest, ":"); ++unit) {
    const absl::optional<int64_t> part = TakeNumber(&rest);
    if (!part) return -1;
    time = *time * 60 + *part;
  }
  const int64_t nanoseconds = *time * kSecond + TakeFraction(&rest);
  if (!absl::ConsumePrefix(&rest, " ")) return -1;
  *text = absl::StripLeadingAsciiWhitespace(rest);
  return nanoseconds;
}

pid_t TakePid(string_view* text) {
  string_view rest = *text;
  const bool on_stderr = absl::ConsumePrefix(&rest, "[pid ");
  if (on_stderr) rest = absl::StripLeadingAsciiWhitespace(rest);
  const absl::optional<int64_t> pid = TakeNumber(&rest);
  if (!pid || !absl::ConsumePrefix(&rest, on_stderr ? "] " : " ")) return 0;
  *text = absl::StripLeadingAsciiWhitespace(rest);
  return static_cast<pid_t>(*pid);
}

// Reads the whole text of a call.
bool ReadCall(TraceEvent* event) {
  const string_view text = event->text;
  const size_t open = text.find('(');
  if (open == text.npos || open == 0) return false;
  event->name = std::string(text.substr(0, open));
  for (const char letter : event->name) {
    if (!isalnum(static_cast<unsigned char>(letter)) && letter != '_') {
      return false;
    }
  }
  event->arguments_begin = open + 1;
  const size_t close = FindOutside(text, open + 1, ")");
  event->arguments_end = std::min(close, text.size());
  if (!event->finished || close == text.npos) return true;

  string_view result = event->result();
  // "<0.000025>" is how long it took. A descriptor's <...> has no space before.
  const size_t took = result.rfind(" <");
  if (took != result.npos && absl::EndsWith(result, ">")) {
    string_view seconds = result.substr(took + 2);
    if (const absl::optional<int64_t> whole = TakeNumber(&seconds)) {
      if (absl::StartsWith(seconds, ".")) {
        event->length = *whole * kSecond + TakeFraction(&seconds);
        event->text.resize(event->text.size() - (result.size() - took));
        result = event->result();
      }
    }
  }
  event->injected = absl::EndsWith(result, "(INJECTED)") ||
                    absl::StrContains(result, "(INJECTED:");
  if (absl::StartsWith(result, "0x")) {
    event->value = static_cast<int64_t>(
        strtoull(std::string(result).c_str(), nullptr, 16));
    event->has_value = true;
    return true;
  }
  string_view rest = result;
  const bool negative = absl::ConsumePrefix(&rest, "-");
  if (const absl::optional<int64_t> value = TakeNumber(&rest)) {
    event->has_value = true;
    event->value = negative ? -*value : *value;
  } else if (!absl::ConsumePrefix(&rest, "?")) {
    return true;
  }
  if ((negative || !event->has_value) && absl::StartsWith(rest, " E")) {
    rest.remove_prefix(1);
    event->error = std::string(rest.substr(0, rest.find(' ')));
  }
  return true;
}

// "SIGPIPE {si_signo=...}", "stopped by SIGSTOP", "exited with 3", "killed by
// SIGKILL (core dumped)".
void ReadOther(TraceEvent* event) {
  string_view text = event->text;
  if (absl::ConsumePrefix(&text, "exited with ")) {
    event->kind = TraceEvent::kExit;
    const absl::optional<int64_t> status = TakeNumber(&text);
    event->has_value = status.has_value();
    event->value = status.value_or(-1);
  } else if (absl::ConsumePrefix(&text, "killed by ")) {
    event->kind = TraceEvent::kExit;
    event->name = std::string(text.substr(0, text.find(' ')));
  } else if (absl::ConsumePrefix(&text, "stopped by ")) {
    event->kind = TraceEvent::kStop;
    event->name = std::string(text.substr(0, text.find(' ')));
  } else {
    event->kind = TraceEvent::kSignal;
    event->name = std::string(text.substr(0, text.find(' ')));
  }
}

}  // namespace

string_view TraceEvent::arguments() const {
  return string_view(text).substr(arguments_begin,
                                  arguments_end - arguments_begin);
}

string_view TraceEvent::result() const {
  if (!finished || arguments_end >= text.size()) return "";
  string_view rest = string_view(text).substr(arguments_end + 1);
  const size_t sign = rest.find("= ");
  return sign == rest.npos ? "" : rest.substr(sign + 2);
}

absl::optional<TraceEvent> StraceParser::Parse(string_view line) {
  const size_t number = line_++;
  line = absl::StripTrailingAsciiWhitespace(line);
  TraceEvent event;
  event.begin = event.end = number;
  event.pid = TakePid(&line);
  event.time = TakeTime(&line);
  if (line.size() > 7 &&
      (absl::StartsWith(line, "--- ") || absl::StartsWith(line, "+++ "))) {
    event.text = std::string(line.substr(4, line.size() - 8));
    ReadOther(&event);
    return event;
  }
  if (absl::ConsumePrefix(&line, "<... ")) {
    const size_t resumed = line.find(" resumed>");
    const auto begun = begun_.find(event.pid);
    if (begun == begun_.end() || resumed == line.npos) {
      ++strange_;
      return absl::nullopt;
    }
    event = std::move(begun->second);
    begun_.erase(begun);
    event.finished = true;
    event.end = number;
    line.remove_prefix(resumed + 9);
    // A call of which the other program was waited for: "<unfinished ...>) =
    // ?".
    absl::ConsumePrefix(&line, " <unfinished ...>");
    event.text.append(line.data(), line.size());
  } else if (absl::ConsumeSuffix(&line, kUnfinished)) {
    event.text = std::string(line);
    event.finished = false;
    if (!ReadCall(&event)) {
      ++strange_;
      return absl::nullopt;
    }
    begun_[event.pid] = std::move(event);
    return absl::nullopt;
  } else {
    event.text = std::string(line);
  }
  if (!ReadCall(&event)) {
    if (!line.empty()) ++strange_;
    return absl::nullopt;
  }
  // "= ?" without an error: the process was killed in it.
  if (!event.has_value && event.error.empty() && event.name != "exit_group" &&
      event.name != "exit") {
    event.finished = false;
    event.text.resize(event.arguments_end);
  }
  if (event.arguments_end >= event.text.size()) {
    // The tracer was killed while it wrote this line.
    event.finished = false;
  }
  return event;
}

std::vector<TraceEvent> StraceParser::Unfinished() const {
  std::vector<TraceEvent> events;
  for (const auto& begun : begun_) {
    events.push_back(begun.second);
    events.back().end = line_;
  }
  std::sort(events.begin(), events.end(),
            [](const TraceEvent& a, const TraceEvent& b) {
              return a.begin < b.begin;
            });
  return events;
}

std::vector<TraceEvent> ParseStrace(std::istream& trace) {
  StraceParser parser;
  std::vector<TraceEvent> events;
  for (std::string line; std::getline(trace, line);) {
    if (absl::optional<TraceEvent> event = parser.Parse(line)) {
      events.push_back(*std::move(event));
    }
  }
  for (TraceEvent& event : parser.Unfinished()) {
    events.push_back(std::move(event));
  }
  return events;
}

std::vector<string_view> SplitArguments(string_view text) {
  std::vector<string_view> parts;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(FindOutside(text, at, ","), text.size());
    parts.push_back(absl::StripAsciiWhitespace(text.substr(at, end - at)));
    at = end + 1;
  }
  return parts;
}

std::vector<string_view> Elements(string_view text) {
  if (text.size() < 2 || text[0] != '[') return {};
  const size_t end = FindOutside(text, 1, "]");
  return SplitArguments(text.substr(1, std::min(end, text.size()) - 1));
}

string_view Field(string_view text, string_view name) {
  if (text.empty() || text[0] != '{') return "";
  const size_t end = FindOutside(text, 1, "}");
  for (string_view part :
       SplitArguments(text.substr(1, std::min(end, text.size()) - 1))) {
    if (absl::ConsumePrefix(&part, name) && absl::ConsumePrefix(&part, "=")) {
      return part;
    }
  }
  return "";
}

absl::optional<int64_t> Number(string_view text) {
  const size_t changed = text.find("=> ");
  if (changed != text.npos) text.remove_prefix(changed + 3);
  absl::ConsumePrefix(&text, "[");
  const bool negative = absl::ConsumePrefix(&text, "-");
  const absl::optional<int64_t> number = TakeNumber(&text);
  return number && negative ? -*number : number;
}

absl::optional<std::string> Unquoted(string_view text, bool* cut) {
  if (text.empty() || text[0] != '"') return absl::nullopt;
  const size_t end = PastString(text, 0);
  if (cut) *cut = absl::StartsWith(text.substr(end), "...");
  std::string bytes;
  for (size_t i = 1; i + 1 < end; ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    const char letter = text[++i];
    static constexpr char kLetters[] = "ntrvf", kBytes[] = "\n\t\r\v\f";
    if (const size_t at = string_view(kLetters).find(letter);
        at != string_view::npos) {
      bytes += kBytes[at];
    } else if (letter == 'x') {
      bytes += static_cast<char>(
          strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else if (IsDigit(letter)) {
      int value = 0;
      size_t digits = 0;
      for (; digits < 3 && i + digits + 1 < end && IsDigit(text[i + digits]);
           ++digits) {
        value = value * 8 + (text[i + digits] - '0');
      }
      bytes += static_cast<char>(value);
      i += digits - 1;
    } else {
      bytes += letter;
    }
  }
  return bytes;
}

absl::optional<TracedDescriptor> ParseDescriptor(string_view text) {
  TracedDescriptor descriptor;
  absl::optional<int64_t> fd = TakeNumber(&text);
  if (!fd) return absl::nullopt;
  descriptor.fd = static_cast<int>(*fd);
  if (text.empty() || text[0] != '<') return descriptor;
  const size_t end = PastAngle(text, 0);
  string_view what = text.substr(1, end - std::min<size_t>(end, 2));
  descriptor.what = std::string(what);
  const size_t colon = what.find(":[");
  if (colon == what.npos || what[0] == '/') return descriptor;
  descriptor.kind = std::string(what.substr(0, colon));
  what.remove_prefix(colon + 2);
  absl::ConsumeSuffix(&what, "]");
  if (absl::StartsWith(descriptor.kind, "TCP") ||
      absl::StartsWith(descriptor.kind, "UDP")) {
    if (what.find(':') == what.npos) {  // It has no address yet.
      descriptor.inode = TakeNumber(&what).value_or(0);
      return descriptor;
    }
    const size_t arrow = what.find("->");
    descriptor.local = std::string(what.substr(0, arrow));
    if (arrow != what.npos) {
      descriptor.remote = std::string(what.substr(arrow + 2));
    }
    return descriptor;
  }
  descriptor.inode = TakeNumber(&what).value_or(0);
  if (absl::ConsumePrefix(&what, "->")) {
    descriptor.peer = TakeNumber(&what).value_or(0);
  }
  if (absl::ConsumePrefix(&what, ",")) descriptor.name = std::string(what);
  return descriptor;
}

}  // namespace harness
