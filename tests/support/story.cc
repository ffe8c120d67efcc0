#include "tests/support/story.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace harness {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kLabelWidth = 10;

// `text` without what could act on a terminal or break an XML file: a program's
// stderr and the names it gives to itself and to files are part of a story.
std::string Printable(absl::string_view text) {
  std::string out;
  for (const char& c : text) {
    const bool plain = absl::ascii_isprint(c) || c == '\n';
    absl::StrAppend(&out, plain ? std::string(1, c)
                                : absl::CHexEscape(absl::string_view(&c, 1)));
  }
  return out;
}

// `text` behind `label`, its lines kept, long ones broken between words, all of
// it in a column of its own.
std::string Labelled(absl::string_view label, absl::string_view unsafe_text) {
  const std::string text = Printable(unsafe_text);
  std::string indent(4, ' ');
  std::string out = absl::StrCat(indent, label);
  out.append(kLabelWidth - std::min(kLabelWidth - 1, label.size()), ' ');
  const std::string hanging(indent.size() + kLabelWidth, ' ');
  bool first = true;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!first) absl::StrAppend(&out, "\n", hanging);
    first = false;
    // What was aligned by hand, with a caret below it, stays as it is.
    if (absl::string_view(line).find("  ") != line.npos) {
      absl::StrAppend(&out, line);
      continue;
    }
    size_t column = hanging.size();
    bool line_start = true;
    for (absl::string_view word : absl::StrSplit(line, ' ')) {
      if (!line_start && column + 1 + word.size() > kWidth) {
        absl::StrAppend(&out, "\n", hanging);
        column = hanging.size();
        line_start = true;
      }
      absl::StrAppend(&out, line_start ? "" : " ", word);
      column += word.size() + (line_start ? 0 : 1);
      line_start = false;
    }
  }
  return out + "\n";
}

// The line of `text` that contains the byte at `position`.
struct Line {
  size_t number;
  size_t start;
  absl::string_view text;
};
Line LineAt(absl::string_view text, size_t position) {
  const absl::string_view before = text.substr(0, position);
  const size_t newline = before.rfind('\n');
  const size_t start = newline == before.npos ? 0 : newline + 1;
  size_t end = text.find('\n', position);
  end = end == text.npos ? text.size() : end + 1;
  return {
      1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n')),
      start, text.substr(start, end - start)};
}

}  // namespace

void Story::Begin(absl::string_view title, absl::string_view why, Place place) {
  title_ = std::string(title);
  why_ = std::string(why);
  place_ = std::move(place);
  BecauseOfTheWhole();
}

void Story::Because(absl::string_view why, Place place) {
  current_why_ = std::string(why);
  current_place_ = std::move(place);
}

void Story::Because(absl::string_view why) { Because(why, place_); }

void Story::BecauseOfTheWhole() { Because(why_, place_); }

void Story::Part(absl::string_view title) {
  if (failed()) return;
  part_ = std::string(title);
  steps_.clear();
}

void Story::Fail(absl::string_view expected, absl::string_view seen) {
  if (failed()) return;
  expected_ = std::string(expected);
  seen_ = std::string(seen);
  failure_why_ = current_why_;
  failure_place_ = current_place_;
}

void Story::Remark(absl::string_view label, absl::string_view text) {
  remarks_.emplace_back(label, text);
}

void Story::ReadAlso(absl::string_view where) {
  absl::StrAppend(&read_also_, "; ", where);
}

std::string Story::Tell() const {
  std::string out;
  if (!part_.empty()) absl::StrAppend(&out, Labelled("part", part_));
  for (size_t i = 0; i < steps_.size(); ++i) {
    absl::StrAppend(&out, Labelled(absl::StrCat("step ", i + 1), steps_[i]));
  }
  absl::StrAppend(&out, Labelled("expected", expected_),
                  Labelled("seen", seen_));
  for (const auto& [label, text] : remarks_) {
    absl::StrAppend(&out, Labelled(label, text));
  }
  absl::StrAppend(&out, Labelled("why", failure_why_),
                  Labelled("read", place().ToString() + read_also_));
  return out;
}

std::string Count(size_t count, absl::string_view noun) {
  return absl::StrCat(count == 0 ? "no" : absl::StrCat(count), " ", noun,
                      count == 1 ? "" : "s");
}

std::string Escaped(absl::string_view bytes, size_t limit) {
  const absl::string_view shown = bytes.substr(0, limit);
  std::string out = absl::StrCat("\"", absl::CHexEscape(shown), "\"");
  if (shown.size() < bytes.size()) {
    absl::StrAppend(&out, " and ", Count(bytes.size() - shown.size(), "byte"),
                    " more");
  }
  return out;
}

std::string Difference(absl::string_view expected, absl::string_view seen) {
  const size_t position =
      std::mismatch(expected.begin(),
                    expected.begin() + std::min(expected.size(), seen.size()),
                    seen.begin())
          .first -
      expected.begin();
  if (position == expected.size() && position == seen.size()) return "";
  const Line want = LineAt(expected, position);
  const Line got = LineAt(seen, position);
  const size_t column = position - want.start;
  // Far into a long line, start a little before the difference.
  const size_t skip = column > 40 ? column - 20 : 0;
  const auto shown = [&](absl::string_view line) {
    if (line.empty()) return std::string("(nothing more)");
    return absl::StrCat(skip ? "..." : "",
                        Escaped(line.substr(std::min(skip, line.size())), 60));
  };
  const size_t caret =
      absl::CHexEscape(want.text.substr(skip, column - skip)).size() +
      (skip ? 3 : 0) + 1;
  return absl::StrCat("should be:  ", shown(want.text), "\n",
                      "is:         ", shown(got.text), "\n",
                      std::string(12 + caret, ' '), "^\n", "(line ",
                      want.number, ", byte ", column + 1, ")");
}

}  // namespace harness
