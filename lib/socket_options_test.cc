#include "lib/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "lib/testing.h"
#include "lib/unique_fd.h"

namespace ipc {
namespace {

class SocketOptions : public IpcTest {
 protected:
  const UniqueFd unix_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const UniqueFd tcp_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

TEST_F(SocketOptions, WhatIsSetIsReadBack) {
  EXPECT_EQ(GetSocketOption(tcp_.get(), SOL_SOCKET, SO_REUSEADDR).value(), 0);
  ASSERT_THAT(SetSocketOption(tcp_.get(), SOL_SOCKET, SO_REUSEADDR, 1), IsOk());
  EXPECT_EQ(GetSocketOption(tcp_.get(), SOL_SOCKET, SO_REUSEADDR).value(), 1);
  ASSERT_THAT(SetSocketOption(tcp_.get(), SOL_SOCKET, SO_REUSEADDR, 0), IsOk());
  EXPECT_EQ(GetSocketOption(tcp_.get(), SOL_SOCKET, SO_REUSEADDR).value(), 0);
}

TEST_F(SocketOptions, LevelIsPartOfTheOption) {
  ASSERT_THAT(SetSocketOption(tcp_.get(), IPPROTO_TCP, TCP_KEEPIDLE, 4711),
              IsOk());
  EXPECT_EQ(GetSocketOption(tcp_.get(), IPPROTO_TCP, TCP_KEEPIDLE).value(),
            4711);
}

TEST_F(SocketOptions, BufferSizesAreDoubledByTheKernel) {
  for (int name : {SO_SNDBUF, SO_RCVBUF}) {
    ASSERT_THAT(SetSocketOption(unix_.get(), SOL_SOCKET, name, 10000), IsOk());
    EXPECT_EQ(GetSocketOption(unix_.get(), SOL_SOCKET, name).value(), 20000);
  }
}

TEST_F(SocketOptions, TypeCanBeReadButNotSet) {
  EXPECT_EQ(GetSocketOption(unix_.get(), SOL_SOCKET, SO_TYPE).value(),
            SOCK_STREAM);
  EXPECT_THAT(SetSocketOption(unix_.get(), SOL_SOCKET, SO_TYPE, SOCK_DGRAM),
              FailsWith(ENOPROTOOPT));
}

TEST_F(SocketOptions, UnknownOptionIsEnoprotooptAndNamedInTheMessage) {
  const absl::Status set = SetSocketOption(unix_.get(), SOL_SOCKET, 9999, 1);
  EXPECT_THAT(set, FailsWith(ENOPROTOOPT));
  EXPECT_EQ(set.message(),
            "setsockopt 1:9999: Protocol not available (ENOPROTOOPT)");
  const auto got = GetSocketOption(unix_.get(), SOL_SOCKET, 9999);
  EXPECT_THAT(got, FailsWith(ENOPROTOOPT));
  EXPECT_EQ(got.status().message(),
            "getsockopt 1:9999: Protocol not available (ENOPROTOOPT)");
}

TEST_F(SocketOptions, OptionOfAnotherKindOfSocketIsEopnotsupp) {
  EXPECT_THAT(SetSocketOption(unix_.get(), IPPROTO_TCP, TCP_NODELAY, 1),
              FailsWith(EOPNOTSUPP));
  EXPECT_THAT(GetSocketOption(unix_.get(), IPPROTO_TCP, TCP_NODELAY),
              FailsWith(EOPNOTSUPP));
  EXPECT_THAT(SetSocketOption(tcp_.get(), SOL_SOCKET, SO_PASSCRED, 1),
              FailsWith(EOPNOTSUPP));
}

TEST_F(SocketOptions, OptionThatIsNoIntIsEinval) {
  EXPECT_THAT(SetSocketOption(unix_.get(), SOL_SOCKET, SO_LINGER, 1),
              FailsWith(EINVAL));
}

TEST_F(SocketOptions, ForcingABufferSizeIsEpermToOrdinaryUsers) {
  Child ordinary([&] {
    DropCapabilities();
    EXPECT_THAT(SetSocketOption(unix_.get(), SOL_SOCKET, SO_RCVBUFFORCE, 10000),
                FailsWith(EPERM));
  });
  EXPECT_EQ(ordinary.Wait(), 0);
}

TEST_F(SocketOptions, NoDescriptorIsEbadfAndNoSocketEnotsock) {
  for (int fd : {-1, UnusedFd()}) {
    EXPECT_THAT(SetSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1),
                FailsWith(EBADF));
    EXPECT_THAT(GetSocketOption(fd, SOL_SOCKET, SO_REUSEADDR),
                FailsWith(EBADF));
  }
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]), writer(pipe_fds[1]);
  EXPECT_THAT(SetSocketOption(reader.get(), SOL_SOCKET, SO_REUSEADDR, 1),
              FailsWith(ENOTSOCK));
  EXPECT_THAT(GetSocketOption(reader.get(), SOL_SOCKET, SO_REUSEADDR),
              FailsWith(ENOTSOCK));
}

}  // namespace
}  // namespace ipc
