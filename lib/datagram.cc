#include "lib/datagram.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/errno_status.h"

namespace ipc {

absl::StatusOr<UniqueFd> BindDatagram(const SocketAddress& address) {
  UniqueFd fd(socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket", "");
  if (bind(fd.get(), address.data(), address.size()) < 0) {
    return ErrnoStatus("bind", address.ToString());
  }
  return fd;
}

absl::Status SendTo(int fd, absl::Span<const char> data,
                    const SocketAddress& to) {
  ssize_t count;
  do {
    count = sendto(fd, data.data(), data.size(), MSG_NOSIGNAL, to.data(),
                   to.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoStatus("sendto", to.ToString());
  return absl::OkStatus();
}

absl::StatusOr<ReceivedDatagram> ReceiveFrom(int fd, absl::Span<char> buffer) {
  sockaddr_storage from;
  socklen_t length;
  ssize_t count;
  do {
    length = sizeof(from);
    // With MSG_TRUNC, the size that it had, even if that did not fit.
    count = recvfrom(fd, buffer.data(), buffer.size(), MSG_TRUNC,
                     reinterpret_cast<sockaddr*>(&from), &length);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoStatus("recvfrom", "");
  ReceivedDatagram received;
  received.size = static_cast<size_t>(count);
  if (received.size > buffer.size()) {
    return ErrnoStatus("recvfrom",
                       absl::StrCat("datagram of ", received.size,
                                    " bytes into ", buffer.size()),
                       EMSGSIZE);
  }
  absl::StatusOr<SocketAddress> sender =
      SocketAddress::FromKernel(from, length);
  if (!sender.ok()) return std::move(sender).status();
  received.from = *sender;
  return received;
}

}  // namespace ipc
