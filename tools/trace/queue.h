// Which take got what which put brought, for a queue that is first in, first
// out: one direction of a stream, a pipe, or the messages that wait at a
// socket.
//
// Each put and each take happened at some moment between its begin and its end.
// Where these overlap, the order is not known; then every order is tried, and
// only what all possible ones agree on is told. Tell nothing rather than guess.
#ifndef TOOLS_TRACE_QUEUE_H_
#define TOOLS_TRACE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace trace {

constexpr int64_t kUnknownSize = -1;

struct Put {
  size_t begin = 0, end = 0;
  int64_t size = 0;  // In bytes, or 1 for a message; kUnknownSize: cut short.
  // False where its bytes may stand between those of another put at the same
  // time.
  bool whole = true;
};

struct Take {
  size_t begin = 0, end = 0;
  int64_t size = 0;   // As above.
  bool peek = false;  // It leaves in the queue what it takes.
  bool whole = true;  // As above: MSG_WAITALL takes its bytes one by one.
};

// `size` bytes from `put_at` of a put were those from `take_at` of a take.
struct Piece {
  size_t put = 0, take = 0;
  int64_t put_at = 0, take_at = 0, size = 0;
};

struct Matching {
  std::vector<Piece> pieces;  // By take, in the order of bytes.
  // Of each take: bytes of which it is not known who brought them.
  std::vector<int64_t> unknown;
  // Whether something was taken that nobody put, or other bytes than were put:
  // somebody whom the trace does not know had a hand in it.
  bool strange = false;
};

// `fits` tells whether the contents, as far as they are known, permit a piece.
Matching Match(const std::vector<Put>& puts, const std::vector<Take>& takes,
               const std::function<bool(const Piece&)>& fits);

// For a queue that may lose messages: pairs those that fit each other only.
Matching MatchLossy(const std::vector<Put>& puts,
                    const std::vector<Take>& takes,
                    const std::function<bool(const Piece&)>& fits);

}  // namespace trace

#endif  // TOOLS_TRACE_QUEUE_H_
