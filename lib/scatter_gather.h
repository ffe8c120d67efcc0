// Several buffers in one system call: header and body sent, or received,
// without copying them together first.
//
//   iovec parts[] = {{&header, sizeof(header)}, {body.data(), body.size()}};
//   absl::Status status = ipc::WriteAllParts(fd, absl::MakeSpan(parts));
#ifndef LIB_SCATTER_GATHER_H_
#define LIB_SCATTER_GATHER_H_

#include <sys/uio.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ipc {

// Writes all of `parts`, in order, to stream socket `fd`: one system call if
// the kernel takes it all and there are no more than IOV_MAX (1024) parts. A
// short count, which may end inside a part, is continued from there, for which
// `parts` is used up. Blocks, and fails, as WriteAll in stream_io.h without a
// deadline. See sendmsg(2), writev(2).
absl::Status WriteAllParts(int fd, absl::Span<iovec> parts);

// Fills all of `parts`, in order, from stream socket `fd`: true. The stream
// ended before their first byte: false. Ended later: OUT_OF_RANGE. Uses `parts`
// up; blocks and fails as ReadExact in stream_io.h without a deadline. See
// recvmsg(2), readv(2).
absl::StatusOr<bool> ReadExactParts(int fd, absl::Span<iovec> parts);

}  // namespace ipc

#endif  // LIB_SCATTER_GATHER_H_
