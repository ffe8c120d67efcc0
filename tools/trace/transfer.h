// What a call that reads or writes says of the bytes that it moved.
#ifndef TOOLS_TRACE_TRANSFER_H_
#define TOOLS_TRACE_TRANSFER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/strace.h"
#include "tools/trace/replay.h"

namespace trace {

// How a call takes its bytes.
struct CallShape {
  enum Form { kBuffer, kArray, kMessage, kMessages, kSendfile, kSplice, kOdd };
  const char* name;
  bool put;
  Form form;
};

// Of a call that moves bytes; null for others.
const CallShape* ShapeOf(absl::string_view name);

struct ParsedTransfer {
  Transfer transfer;
  std::string descriptor;  // Where it is not the call's first argument.
  bool moved = false;      // It moved bytes, a message, or nobody knows.
  bool ended = false;      // It returned 0, or an error that a peer can cause.
  bool odd = false;        // It does what our rules of queues do not know.
};

std::vector<ParsedTransfer> ParseTransfers(
    const CallShape& shape, const harness::TraceEvent& traced,
    const std::vector<absl::string_view>& args);

}  // namespace trace

#endif  // TOOLS_TRACE_TRANSFER_H_
