#include "tests/support/peer.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/errno_status.h"
#include "lib/fd_passing.h"
#include "lib/socket.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/sock_diag.h"
#include "tests/support/story.h"

namespace harness {
namespace {

// As recv(2); `sender` is who sent it.
ssize_t ReceiveFrom(int fd, char* buffer, size_t size, ucred* sender) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(*sender))];
  iovec part = {buffer, size};
  msghdr message = {nullptr, 0, &part, 1, control, sizeof(control), 0};
  const ssize_t count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* first = count > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (first && first->cmsg_type == SCM_CREDENTIALS) {
    memcpy(sender, CMSG_DATA(first), sizeof(*sender));
  }
  return count;
}

// Whether the other end, in this network namespace, has read all that was sent
// on `fd`. For TCP, SIOCOUTQ counts what has not arrived yet.
bool AllRead(int fd) {
  int unsent = 0;
  if (ioctl(fd, SIOCOUTQ, &unsent) < 0 || unsent > 0) return false;
  const auto local = ipc::LocalAddress(fd), remote = ipc::PeerAddress(fd);
  if (!local.ok() || !remote.ok() || local->family() == AF_UNIX) return true;
  if (const auto unread = UnreadBytes(*remote, *local)) return *unread == 0;
  for (const IpSocket& socket : TcpSockets()) {
    if (socket.unread > 0 && socket.local.port() == remote->port() &&
        socket.remote.port() == local->port()) {
      return false;
    }
  }
  return true;
}

// As send and recv, with descriptors. What is sent is small: all of it goes.
ssize_t SendWithFds(int fd, absl::string_view bytes,
                    const std::vector<int>& fds) {
  const absl::Status status = ipc::SendFds(fd, bytes, fds);
  errno = ipc::StatusErrno(status);
  return status.ok() ? static_cast<ssize_t>(bytes.size()) : -1;
}

ssize_t ReceiveWithFds(int fd, char* buffer, size_t size,
                       std::vector<ipc::UniqueFd>* fds) {
  auto received = ipc::ReceiveFds(fd, absl::MakeSpan(buffer, size));
  if (!received.ok()) {
    errno = ipc::StatusErrno(received.status());
    return -1;
  }
  std::move(received->fds.begin(), received->fds.end(),
            std::back_inserter(*fds));
  return static_cast<ssize_t>(received->size);
}

}  // namespace

void Peer::Send(absl::string_view bytes, absl::string_view what,
                const std::vector<int>& fds) {
  if (!fd_.valid() || check_->over()) return;
  if (!what.empty()) check_->Step(absl::StrCat(name_, " sent ", what));
  bool with_fds = !fds.empty();
  int error = 0;
  check_->Await(
      absl::StrCat("the program reads what ", name_, " sends"),
      [&] {
        while (!bytes.empty()) {
          const ssize_t count = with_fds ? SendWithFds(fd_.get(), bytes, fds)
                                         : send(fd_.get(), bytes.data(),
                                                bytes.size(), MSG_NOSIGNAL);
          if (count < 0) {
            error = errno == EAGAIN ? 0 : errno;
            return error != 0;
          }
          bytes.remove_prefix(count);
          with_fds = false;
        }
        return true;
      },
      fd_.get(), POLLOUT);
  if (error) {
    check_->Fail("the connection is there to be written to",
                 absl::StrCat("the program closed it: ",
                              ipc::ErrnoStatus("send", "", error).message()));
  }
}

size_t Peer::SendUntilStuck(absl::string_view bytes, absl::string_view what) {
  if (!fd_.valid() || check_->over()) return 0;
  size_t sent = 0;
  // Between two reads of a program that goes on, our buffer may be full and
  // everybody asleep as well, but for a moment only.
  constexpr absl::Duration kStuck = absl::Milliseconds(50);
  absl::Time moved = absl::Now();
  const auto nobody_runs = [] {
    const std::vector<pid_t> pids = Descendants(getpid());
    return std::all_of(pids.begin(), pids.end(),
                       [](pid_t pid) { return RunningThreads(pid) == 0; });
  };
  check_->Await(
      absl::StrCat("the program takes in some of what ", name_, " sends"),
      [&] {
        while (sent < bytes.size()) {
          const ssize_t count = send(fd_.get(), bytes.data() + sent,
                                     bytes.size() - sent, MSG_NOSIGNAL);
          if (count < 0 && errno != EAGAIN) return true;
          if (count < 0 && nobody_runs()) return absl::Now() - moved >= kStuck;
          moved = absl::Now();
          if (count < 0) return false;
          sent += count;
        }
        return true;
      },
      fd_.get(), POLLOUT);
  check_->Step(absl::StrCat(name_, " sent ", what, ", and reads nothing"));
  return sent;
}

pid_t Peer::SendAs(const Person& who, absl::string_view bytes,
                   absl::string_view what) {
  if (!fd_.valid() || check_->over()) return 0;
  const pid_t pid =
      check_->ActAs(who, absl::StrCat("somebody else sends ", what), [&] {
        const ssize_t count =
            send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count < 0) return errno;
        return count == static_cast<ssize_t>(bytes.size()) ? 0 : EMSGSIZE;
      });
  check_->Step(absl::StrCat("process ", pid, " sent ", what,
                            ", on the same connection"));
  return pid;
}

void Peer::AwaitRead() {
  if (!fd_.valid() || check_->over()) return;
  check_->Await(absl::StrCat("the program reads all that ", name_, " sent"),
                [&] { return AllRead(fd_.get()); });
}

void Peer::StopReading() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " reads no more"));
  shutdown(fd_.get(), SHUT_RD);
}

void Peer::StopWriting() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " ended its half, and still reads"));
  shutdown(fd_.get(), SHUT_WR);
}

std::string Peer::ReceiveUpTo(
    size_t count, absl::string_view expected,
    absl::FunctionRef<ssize_t(char* buffer, size_t size)> receive) {
  std::string received;
  if (!fd_.valid() || check_->over()) return received;
  check_->Await(
      expected,
      [&] {
        char buffer[4096];
        while (received.size() < count) {
          const ssize_t got = receive(
              buffer, std::min(sizeof(buffer), count - received.size()));
          if (got < 0) return errno != EAGAIN;
          if (got == 0) return true;
          received.append(buffer, got);
        }
        return true;
      },
      fd_.get(), POLLIN);
  return received;
}

std::string Peer::ReceiveAll() {
  constexpr size_t kTooMuch = size_t{1} << 20;
  return ReceiveUpTo(kTooMuch, "the program ends the connection",
                     [&](char* buffer, size_t size) {
                       return recv(fd_.get(), buffer, size, 0);
                     });
}

std::string Peer::Receive(size_t count) {
  return ReceiveExactly(count, [&](char* buffer, size_t size) {
    return recv(fd_.get(), buffer, size, 0);
  });
}

std::string Peer::Receive(size_t count, std::vector<ipc::UniqueFd>* fds) {
  return ReceiveExactly(count, [&](char* buffer, size_t size) {
    return ReceiveWithFds(fd_.get(), buffer, size, fds);
  });
}

std::string Peer::Receive(size_t count, ucred* sender) {
  return ReceiveExactly(count, [&](char* buffer, size_t size) {
    return ReceiveFrom(fd_.get(), buffer, size, sender);
  });
}

std::string Peer::ReceiveExactly(
    size_t count,
    absl::FunctionRef<ssize_t(char* buffer, size_t size)> receive) {
  std::string received = ReceiveUpTo(
      count, absl::StrCat("the program sends ", count, " bytes"), receive);
  if (!check_->over() && received.size() < count) {
    check_->Fail(
        absl::StrCat("the program sends ", count, " bytes"),
        absl::StrCat("it ended the connection after ", received.size()));
  }
  return received;
}

void Peer::Close() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " closed its end"));
  fd_.reset();
}

void Peer::Reset() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " reset the connection"));
  const linger abort = {1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  fd_.reset();
}

void DatagramPeer::SendTo(const ipc::SocketAddress& to, absl::string_view bytes,
                          absl::string_view what) {
  if (!fd_.valid() || check_->over()) return;
  if (!what.empty()) check_->Step(absl::StrCat(name_, " sent ", what));
  int error = 0;
  // Not watched: poll calls an unconnected socket writable even when the queue
  // at the other end is full.
  check_->Await(absl::StrCat("there is room for what ", name_, " sends"), [&] {
    if (sendto(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, to.data(),
               to.size()) >= 0) {
      return true;
    }
    error = errno == EAGAIN ? 0 : errno;
    return error != 0;
  });
  if (error) {
    check_->Fail(absl::StrCat(name_, " can send to ", to.ToString()),
                 ipc::ErrnoStatus("sendto", "", error).message());
  }
}

void DatagramPeer::SendTo(const std::string& path, absl::string_view bytes,
                          absl::string_view what) {
  SendTo(*ipc::SocketAddress::UnixPath(path), bytes, what);
}

std::string DatagramPeer::Receive(absl::string_view what,
                                  ipc::SocketAddress* from) {
  std::string received;
  if (!fd_.valid() || check_->over()) return received;
  ssize_t size = -1;
  check_->Await(
      absl::StrCat(name_, " receives ", what),
      [&] {
        size = recv(fd_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
        return size >= 0;
      },
      fd_.get(), POLLIN);
  // In a sweep a check goes on where a program may have failed.
  if (check_->over() || size < 0) return received;
  received.resize(size);
  from->FillBy([&](sockaddr* address, socklen_t* length) {
    return recvfrom(fd_.get(), &received[0], received.size(), 0, address,
                    length);
  });
  return received;
}

void DatagramPeer::Receives(absl::string_view bytes, absl::string_view what,
                            const std::string& path) {
  ipc::SocketAddress from;
  const std::string received = Receive(what, &from);
  if (!fd_.valid() || check_->over()) return;
  if (received != bytes) {
    check_->Fail(
        absl::StrCat(name_, " receives ", what, ", ", bytes.size(), " bytes"),
        absl::StrCat(received.size(), " bytes\n", Difference(bytes, received)));
  } else if (from.path() != path) {
    check_->Fail(absl::StrCat("what ", name_, " receives comes from ", path),
                 absl::StrCat("it comes from ", from.ToString()));
  } else {
    check_->Step(absl::StrCat("it received ", what));
  }
}

void DatagramPeer::Close() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " closed its socket"));
  fd_.reset();
}

}  // namespace harness
