#include "lib/datagram.h"

#include <sys/socket.h>

#include <cerrno>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "lib/errno_status.h"

namespace ipc {

namespace {

// What is seldom needed stands apart, so that the usual case need not make room
// for it.

ABSL_ATTRIBUTE_NOINLINE absl::Status SendAgain(int fd,
                                               absl::Span<const char> data,
                                               const SocketAddress& to) {
  if (errno == EINTR) return SendTo(fd, data, to);
  return ErrnoStatus("sendto", to.ToString());
}

ABSL_ATTRIBUTE_NOINLINE void ReceiveAgain(
    int fd, absl::Span<char> buffer, ssize_t size,
    absl::StatusOr<ReceivedDatagram>* received) {
  if (size >= 0) {
    *received = ErrnoStatus(
        "recvfrom",
        absl::StrCat("datagram of ", size, " bytes into ", buffer.size()),
        EMSGSIZE);
  } else if (errno == EINTR) {
    *received = ReceiveFrom(fd, buffer);
  } else {
    *received = ErrnoStatus("recvfrom", "");
  }
}

}  // namespace

absl::Status SendTo(int fd, absl::Span<const char> data,
                    const SocketAddress& to) {
  const ssize_t count =
      sendto(fd, data.data(), data.size(), MSG_NOSIGNAL, to.data(), to.size());
  if (count < 0) return SendAgain(fd, data, to);
  return absl::OkStatus();
}

absl::StatusOr<ReceivedDatagram> ReceiveFrom(int fd, absl::Span<char> buffer) {
  absl::StatusOr<ReceivedDatagram> received{ReceivedDatagram()};
  ReceivedDatagram& datagram = *received;
  const ssize_t size =
      datagram.from.FillBy([&](sockaddr* address, socklen_t* length) {
        // With MSG_TRUNC, the size that it had, even if that did not fit.
        return recvfrom(fd, buffer.data(), buffer.size(), MSG_TRUNC, address,
                        length);
      });
  datagram.size = static_cast<size_t>(size);
  if (datagram.size > buffer.size()) ReceiveAgain(fd, buffer, size, &received);
  return received;
}

}  // namespace ipc
