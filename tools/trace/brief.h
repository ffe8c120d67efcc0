// What the pictures say in words: calls in short, what each means, and which of
// them are left out.
#ifndef TOOLS_TRACE_BRIEF_H_
#define TOOLS_TRACE_BRIEF_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tools/trace/trace.h"

namespace trace {

// "read(4) = 12 "hello"", "connect(3, "x") fails: ENOENT".
std::string Brief(const Trace& trace, const Event& event);

// Marks as hidden what the dynamic loader does, and, with `harness`, what the
// first process does that nobody sees in a socket. With no such thing it has no
// lane; otherwise its lane has this name.
void HideNoise(const std::string& harness, Trace* trace);

// What a call does, in a sentence; "" where we have none.
std::string Meaning(absl::string_view call);
// What a signal is for.
std::string SignalMeaning(absl::string_view signal);
// "man 2 recv".
std::string ManPage(const Event& event);
// The error in words, "No such file or directory", from strace's text.
std::string ErrorInWords(const Event& event);

// "1.20 ms".
std::string Duration(int64_t nanoseconds);

// `text` in at most `width` columns, its end cut if need be. UTF-8.
std::string Cut(const std::string& text, size_t width);
size_t Columns(absl::string_view text);

}  // namespace trace

#endif  // TOOLS_TRACE_BRIEF_H_
