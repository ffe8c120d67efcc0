#include "tools/trace/transfer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "tools/trace/queue.h"

namespace trace {
namespace {

using absl::string_view;
using harness::Elements;
using harness::Field;
using harness::Number;
using harness::TraceEvent;

constexpr CallShape kShapes[] = {
    {"read", false, CallShape::kBuffer},
    {"recv", false, CallShape::kBuffer},
    {"recvfrom", false, CallShape::kBuffer},
    {"readv", false, CallShape::kArray},
    {"recvmsg", false, CallShape::kMessage},
    {"recvmmsg", false, CallShape::kMessages},
    {"recvmmsg_time64", false, CallShape::kMessages},
    {"write", true, CallShape::kBuffer},
    {"send", true, CallShape::kBuffer},
    {"sendto", true, CallShape::kBuffer},
    {"writev", true, CallShape::kArray},
    {"sendmsg", true, CallShape::kMessage},
    {"sendmmsg", true, CallShape::kMessages},
    {"sendfile", true, CallShape::kSendfile},
    {"sendfile64", true, CallShape::kSendfile},
    {"splice", true, CallShape::kSplice},
    {"tee", true, CallShape::kOdd},
    {"vmsplice", true, CallShape::kOdd},
    {"preadv2", false, CallShape::kOdd},
    {"pwritev2", true, CallShape::kOdd},
};

// Adds the bytes that `text`, a string as strace prints it, shows; false when
// the next bytes are not known.
bool AppendBytes(string_view text, std::string* bytes) {
  bool cut = false;
  const absl::optional<std::string> shown = harness::Unquoted(text, &cut);
  if (!shown) return false;
  *bytes += *shown;
  return !cut;
}

// "[{iov_base="ab", iov_len=2}, ...]". Adds up the lengths.
void AppendArray(string_view array, std::string* bytes, int64_t* length) {
  bool known = true;
  for (const string_view element : Elements(array)) {
    known = known && AppendBytes(Field(element, "iov_base"), bytes);
    *length += Number(Field(element, "iov_len")).value_or(1);
  }
}

void ReadControl(string_view control, Transfer* transfer) {
  for (const string_view element : Elements(control)) {
    const string_view type = Field(element, "cmsg_type");
    const string_view data = Field(element, "cmsg_data");
    if (type == "SCM_CREDENTIALS") {
      transfer->credentials.emplace_back(data);
    } else if (type == "SCM_RIGHTS") {
      for (const string_view fd : Elements(data)) {
        if (fd == "...") transfer->fds_cut = true;
        if (const absl::optional<int64_t> number = Number(fd)) {
          transfer->fds.emplace_back(static_cast<int>(*number),
                                     std::string(fd));
        }
      }
    }
  }
}

void ReadMessage(string_view message, Transfer* transfer, int64_t* length) {
  transfer->address = Address(Field(message, "msg_name"));
  AppendArray(Field(message, "msg_iov"), &transfer->content, length);
  ReadControl(Field(message, "msg_control"), transfer);
  transfer->cut = absl::StrContains(Field(message, "msg_flags"), "MSG_TRUNC");
}

// What the call's value, and what it asked for, say of what happened.
void Judge(const TraceEvent& traced, int64_t asked, ParsedTransfer* parsed) {
  Transfer& transfer = parsed->transfer;
  transfer.asked = asked;
  if (!traced.finished) {
    transfer.size = kUnknownSize;
    transfer.content.clear();
    parsed->moved = true;
    return;
  }
  if (traced.injected) return;
  if (traced.failed()) {
    parsed->ended = traced.error == "EPIPE" || traced.error == "ECONNRESET";
    parsed->odd = !transfer.put && traced.error == "EFAULT";
    return;
  }
  if (!traced.has_value || traced.value < 0) return;
  transfer.size = traced.value;
  parsed->moved = true;
  parsed->ended = !transfer.put && traced.value == 0 && asked != 0;
  if (static_cast<int64_t>(transfer.content.size()) > transfer.size) {
    transfer.content.resize(transfer.size);
  }
}

void ReadFlags(string_view flags, ParsedTransfer* parsed) {
  Transfer& transfer = parsed->transfer;
  transfer.peek = absl::StrContains(flags, "MSG_PEEK");
  transfer.waits_for_all = absl::StrContains(flags, "MSG_WAITALL");
  if (absl::StrContains(flags, "MSG_OOB")) parsed->odd = true;
  if (absl::StrContains(flags, "MSG_TRUNC") && !transfer.put) {
    transfer.cut = true;
  }
  if (absl::StrContains(flags, "MSG_ERRQUEUE")) {
    parsed->moved = parsed->ended = false;
  }
}

// sendmmsg and recvmmsg: each message by itself.
std::vector<ParsedTransfer> ParseMessages(
    bool put, const TraceEvent& traced, const std::vector<string_view>& args) {
  std::vector<ParsedTransfer> all;
  if (traced.failed() || !traced.finished) {
    ParsedTransfer parsed;
    parsed.transfer.put = put;
    Judge(traced, 1, &parsed);
    return {parsed};
  }
  for (const string_view element : Elements(args[1])) {
    if (static_cast<int64_t>(all.size()) >= traced.value) break;
    ParsedTransfer parsed;
    parsed.transfer.put = put;
    int64_t asked = 0;
    ReadMessage(Field(element, "msg_hdr"), &parsed.transfer, &asked);
    parsed.transfer.size =
        std::max<int64_t>(Number(Field(element, "msg_len")).value_or(0), 0);
    parsed.transfer.content.resize(
        std::min<size_t>(parsed.transfer.content.size(), parsed.transfer.size));
    parsed.transfer.asked = asked;
    parsed.moved = true;
    if (args.size() > 3) ReadFlags(args[3], &parsed);
    all.push_back(std::move(parsed));
  }
  // strace does not print all elements of a long array.
  if (static_cast<int64_t>(all.size()) < traced.value) {
    ParsedTransfer parsed;
    parsed.transfer.put = put;
    parsed.odd = true;
    all.push_back(std::move(parsed));
  }
  return all;
}

}  // namespace

const CallShape* ShapeOf(string_view name) {
  const auto* found =
      std::find_if(std::begin(kShapes), std::end(kShapes),
                   [&](const CallShape& shape) { return name == shape.name; });
  return found == std::end(kShapes) ? nullptr : found;
}

std::vector<ParsedTransfer> ParseTransfers(
    const CallShape& shape, const TraceEvent& traced,
    const std::vector<string_view>& args) {
  ParsedTransfer parsed;
  Transfer& transfer = parsed.transfer;
  transfer.put = shape.put;
  int64_t asked = 0;
  switch (shape.form) {
    case CallShape::kBuffer:
      if (args.size() > 1) AppendBytes(args[1], &transfer.content);
      asked = args.size() > 2 ? Number(args[2]).value_or(1) : 1;
      if (args.size() > 4) transfer.address = Address(args[4]);
      Judge(traced, asked, &parsed);
      if (args.size() > 3) ReadFlags(args[3], &parsed);
      return {parsed};
    case CallShape::kArray:
      if (args.size() > 1) AppendArray(args[1], &transfer.content, &asked);
      Judge(traced, asked, &parsed);
      return {parsed};
    case CallShape::kMessage:
      if (args.size() > 1) ReadMessage(args[1], &transfer, &asked);
      Judge(traced, asked, &parsed);
      if (args.size() > 2) ReadFlags(args[2], &parsed);
      return {parsed};
    case CallShape::kMessages:
      if (args.size() < 2) return {};
      return ParseMessages(shape.put, traced, args);
    case CallShape::kSendfile:
    case CallShape::kSplice: {
      if (args.size() < 3) return {};
      const bool splice = shape.form == CallShape::kSplice;
      Judge(traced, 1, &parsed);
      ParsedTransfer take = parsed;
      parsed.descriptor = std::string(args[splice ? 2 : 0]);
      take.descriptor = std::string(args[splice ? 0 : 1]);
      take.transfer.put = false;
      parsed.ended = parsed.ended && traced.failed();
      take.ended = traced.finished && traced.has_value && traced.value == 0;
      parsed.moved = parsed.moved && traced.value != 0;
      return {take, parsed};
    }
    case CallShape::kOdd:
      parsed.odd = true;
      return {parsed};
  }
  return {};
}

}  // namespace trace
