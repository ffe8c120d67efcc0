// The examples that the headers open with, run. tools/library_doc_test.py sees
// to it that each line of them is here, below the name of its header.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <future>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "lib/credentials.h"
#include "lib/datagram.h"
#include "lib/errno_status.h"
#include "lib/fd_passing.h"
#include "lib/program.h"
#include "lib/scatter_gather.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/socket_options.h"
#include "lib/socket_path.h"
#include "lib/stream_io.h"
#include "lib/testing.h"
#include "lib/unique_fd.h"
#include "lib/wait.h"

namespace ipc {
namespace {

class Example : public IpcTest {
 protected:
  Example() { std::tie(ours_, theirs_) = SocketPair().value(); }

  UniqueFd ours_;
  UniqueFd theirs_;
};

// lib/errno_status.h

absl::Status ListenOn(int fd, const std::string& path) {
  if (listen(fd, 5) < 0) return ipc::ErrnoStatus("listen", path);
  return absl::OkStatus();
}

TEST_F(Example, ErrnoStatus) {
  const absl::Status status = ListenOn(ours_.get(), "path");
  if (ipc::StatusErrno(status) == EINVAL) return;
  FAIL() << status;
}

// lib/unique_fd.h

void Serve(int fd) { EXPECT_TRUE(IsCloseOnExec(fd)); }
void Keep(UniqueFd fd) { EXPECT_TRUE(fd.valid()); }

absl::Status MakeServeAndKeep() {
  ipc::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ipc::ErrnoStatus("socket", "");
  Serve(fd.get());      // an int parameter borrows
  Keep(std::move(fd));  // a UniqueFd parameter takes over
  return absl::OkStatus();
}

TEST_F(Example, UniqueFd) { EXPECT_THAT(MakeServeAndKeep(), IsOk()); }

// lib/socket_address.h

absl::Status BindTo(int fd, const std::string& path) {
  auto address = ipc::SocketAddress::UnixPath(path);
  if (!address.ok()) return address.status();  // too long, empty, ...
  if (bind(fd, address->data(), address->size()) < 0) {
    return ErrnoStatus("bind", path);
  }
  return absl::OkStatus();
}

TEST_F(Example, SocketAddress) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(BindTo(fd.get(), ""), FailsWith(EINVAL));
  EXPECT_THAT(BindTo(fd.get(), Path()), IsOk());
}

// lib/socket.h

TEST_F(Example, Socket) {
  const absl::StatusOr<SocketAddress> address = Address();
  auto listener = ipc::Listen(*address);
  auto accepting = std::async(std::launch::async, [&] {
    auto client = ipc::Accept(listener->get());
    return client.ok();
  });
  auto server = ipc::Connect(*address);
  EXPECT_THAT(server, IsOk());
  EXPECT_TRUE(accepting.get());
}

// lib/stream_io.h

absl::Status WriteRecord(int fd, const std::string& record) {
  absl::Status status = ipc::WriteAll(fd, record);
  shutdown(fd, SHUT_WR);
  return status;
}

absl::Status ReadRecords(int fd, std::string record, int* count) {
  while (true) {
    absl::StatusOr<bool> got = ipc::ReadExact(fd, absl::MakeSpan(record));
    if (!got.ok()) return got.status();
    if (!*got) break;  // The peer ended, between two records.
    ++*count;
  }
  return absl::OkStatus();
}

TEST_F(Example, StreamIo) {
  int count = 0;
  EXPECT_THAT(WriteRecord(theirs_.get(), "some"), IsOk());
  EXPECT_THAT(ReadRecords(ours_.get(), "size", &count), IsOk());
  EXPECT_EQ(count, 1);
}

// lib/wait.h

TEST_F(Example, Wait) {
  const int fd = ours_.get();
  ASSERT_EQ(send(theirs_.get(), "x", 1, 0), 1);
  absl::Time deadline = absl::Now() + absl::Seconds(5);
  absl::Status status = ipc::WaitReadable(fd, deadline);
  if (ipc::StatusErrno(status) == ETIMEDOUT) FAIL() << status;
  EXPECT_THAT(status, IsOk());
}

// lib/socket_path.h

absl::Status ServeOnce(const std::string& path) {
  auto server = ipc::ListenAtPath(path);
  if (!server.ok()) return server.status();
  const auto waiting = Connect(SocketAddress::UnixPath(path).value());
  auto client = ipc::Accept(server->listener.get());
  return client.status();
  // ~PathListener removes the file and closes the socket.
}

TEST_F(Example, SocketPath) {
  EXPECT_THAT(ServeOnce(Path()), IsOk());
  EXPECT_TRUE(Files().empty());
}

// lib/socket_options.h

TEST_F(Example, SocketOptions) {
  const int fd = ours_.get();
  absl::Status status = ipc::SetSocketOption(fd, SOL_SOCKET, SO_RCVBUF, 65536);
  EXPECT_THAT(status, IsOk());
}

// lib/datagram.h

absl::Status Answer(const absl::StatusOr<SocketAddress>& address,
                    const std::string& reply, const UniqueFd& asking) {
  auto fd = ipc::Bind(*address, SOCK_DGRAM);
  absl::Status asked = SendTo(asking.get(), reply, *address);
  if (!asked.ok()) return asked;
  char buffer[2048];
  auto got = ipc::ReceiveFrom(fd->get(), absl::MakeSpan(buffer));
  if (!got.ok()) return got.status();  // EMSGSIZE: it was larger than that.
  if (got->from.named()) {
    absl::Status sent = ipc::SendTo(fd->get(), reply, got->from);
    return sent;
  }
  return absl::OkStatus();
}

TEST_F(Example, Datagram) {
  const UniqueFd client = Bind(Address("client"), SOCK_DGRAM).value();
  EXPECT_THAT(Answer(Address("one"), "some", client), IsOk());
  EXPECT_THAT(Answer(Address("two"), std::string(3000, 'x'), client),
              FailsWith(EMSGSIZE));
}

// lib/scatter_gather.h

TEST_F(Example, ScatterGather) {
  const int fd = theirs_.get();
  uint32_t header = 4;
  std::string body = "body";
  iovec parts[] = {{&header, sizeof(header)}, {body.data(), body.size()}};
  absl::Status status = ipc::WriteAllParts(fd, absl::MakeSpan(parts));
  EXPECT_THAT(status, IsOk());
}

// lib/fd_passing.h

void Use(UniqueFd fd) { EXPECT_TRUE(IsCloseOnExec(fd.get())); }

absl::Status Pass(int socket, const UniqueFd& file) {
  const char tag = 'F';  // Not "F", whose NUL would count.
  const int fd = file.get();
  absl::Status status =
      ipc::SendFds(socket, absl::MakeSpan(&tag, 1), absl::MakeSpan(&fd, 1));
  shutdown(socket, SHUT_WR);
  return status;
}

absl::Status ReceiveAll(int socket) {
  while (true) {
    char buffer[100];
    auto received = ipc::ReceiveFds(socket, absl::MakeSpan(buffer));
    if (!received.ok()) return received.status();
    if (received->size == 0) break;  // The end of the stream.
    Use(std::move(received->fds.at(0)));
  }
  return absl::OkStatus();
}

TEST_F(Example, FdPassing) {
  const UniqueFd file(memfd_create("", MFD_CLOEXEC));
  EXPECT_THAT(Pass(theirs_.get(), file), IsOk());
  EXPECT_THAT(ReceiveAll(ours_.get()), IsOk());
}

// lib/credentials.h

absl::Status Refuse() { return absl::PermissionDeniedError("not you"); }

absl::Status CheckPeer(int client) {
  auto peer = ipc::PeerCredentials(client);
  if (!peer.ok()) return peer.status();
  if (peer->uid != getuid()) return Refuse();
  return absl::OkStatus();
}

TEST_F(Example, Credentials) { EXPECT_THAT(CheckPeer(ours_.get()), IsOk()); }

// lib/program.h

int RunProgram(int argc, char** argv, int fd) {
  const char* path = "/tmp/unix.domain";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path of the socket file"},
                   {"clients", &clients, "how many clients to serve"}});
  EXPECT_EQ(clients, 2);
  if (listen(fd, 5) < 0) {
    ipc::ReportErrno("listen", path);
    return 1;
  }
  return 0;
}

TEST_F(Example, Program) {
  std::string name = "prog", clients = "--clients=2";
  char* argv[] = {&name[0], &clients[0], nullptr};
  EXPECT_EQ(RunProgram(2, argv, ours_.get()), 1);
}

}  // namespace
}  // namespace ipc
