#include "lib/socket_address.h"

#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/testing.h"

namespace ipc {
namespace {

using ::testing::HasSubstr;

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);

class SocketAddressTest : public IpcTest {
 protected:
  // A path in the test's folder of `length` bytes in all.
  std::string PathOfLength(size_t length) const {
    return Path(std::string(length - Path("").size(), 'x'));
  }
};

// Storage full of what an earlier call may have left there.
sockaddr_storage Garbage() {
  sockaddr_storage storage;
  memset(&storage, 'G', sizeof(storage));
  return storage;
}

void ExpectUnnamed(const absl::StatusOr<SocketAddress>& address) {
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->size(), sizeof(sa_family_t));
  EXPECT_EQ(address->path(), "");
  EXPECT_EQ(address->ToString(), "(unnamed)");
}

TEST_F(SocketAddressTest, UnnamedByDefault) {
  const SocketAddress address;
  EXPECT_EQ(address.family(), AF_UNSPEC);
  ExpectUnnamed(address);
}

TEST_F(SocketAddressTest, UnixPathHoldsFamilyPathAndOneNul) {
  const auto address = SocketAddress::UnixPath("a/b");
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->family(), AF_UNIX);
  EXPECT_EQ(address->size(), kPathOffset + sizeof("a/b"));
  const char* path =
      reinterpret_cast<const sockaddr_un*>(address->data())->sun_path;
  EXPECT_STREQ(path, "a/b");
  EXPECT_EQ(address->path(), "a/b");
  EXPECT_EQ(address->ToString(), "a/b");
}

TEST_F(SocketAddressTest, Path107BytesLongSurvivesBindAndGetsockname) {
  const std::string path = PathOfLength(SocketAddress::kMaxPathLength);
  ASSERT_EQ(path.size(), 107u);
  const auto address = SocketAddress::UnixPath(path);
  ASSERT_THAT(address, IsOk());
  const UniqueFd fd = Bound(SOCK_STREAM, *address);

  struct stat file;
  EXPECT_EQ(stat(path.c_str(), &file), 0);
  const auto local = LocalAddress(fd.get());
  ASSERT_THAT(local, IsOk());
  EXPECT_EQ(local->path(), path);
  EXPECT_EQ(local->family(), AF_UNIX);
  EXPECT_EQ(local->size(), sizeof(sockaddr_un));
}

TEST_F(SocketAddressTest, Path108BytesLongIsEnametoolong) {
  EXPECT_THAT(SocketAddress::UnixPath(std::string(108, 'x')),
              FailsWith(ENAMETOOLONG));
}

TEST_F(SocketAddressTest, EmptyPathIsEinval) {
  EXPECT_THAT(SocketAddress::UnixPath(""), FailsWith(EINVAL));
}

TEST_F(SocketAddressTest, PathWithNulIsEinval) {
  EXPECT_THAT(SocketAddress::UnixPath(absl::string_view("a\0b", 3)),
              FailsWith(EINVAL));
  EXPECT_THAT(SocketAddress::UnixPath(absl::string_view("\0abstract", 9)),
              FailsWith(EINVAL));
  EXPECT_THAT(SocketAddress::UnixPath(absl::string_view("a\0", 2)),
              FailsWith(EINVAL));
}

TEST_F(SocketAddressTest, LengthZeroFromTheKernelIsUnnamed) {
  const auto address = SocketAddress::FromKernel(Garbage(), 0);
  ExpectUnnamed(address);
  EXPECT_EQ(address->family(), AF_UNSPEC);
}

TEST_F(SocketAddressTest, BytesBeyondTheKernelsLengthDoNotCount) {
  sockaddr_storage storage = Garbage();
  auto* unix_address = reinterpret_cast<sockaddr_un*>(&storage);
  unix_address->sun_family = AF_UNIX;
  memcpy(unix_address->sun_path, "abc", 3);
  ExpectUnnamed(SocketAddress::FromKernel(storage, sizeof(sa_family_t)));
  const auto address = SocketAddress::FromKernel(storage, kPathOffset + 3);
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->path(), "abc");
  EXPECT_EQ(address->size(), kPathOffset + 3);
}

TEST_F(SocketAddressTest, LengthBeyondTheStorageIsEinval) {
  EXPECT_THAT(SocketAddress::FromKernel(Garbage(), sizeof(sockaddr_storage)),
              IsOk());
  EXPECT_THAT(
      SocketAddress::FromKernel(Garbage(), sizeof(sockaddr_storage) + 1),
      FailsWith(EINVAL));
}

TEST_F(SocketAddressTest, PathThatFillsSunPathIsReadBackWhole) {
  const std::string path = PathOfLength(sizeof(sockaddr_un::sun_path));
  sockaddr_un unterminated = {};
  unterminated.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), unterminated.sun_path);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&unterminated),
                 sizeof(unterminated)),
            0);

  const auto local = LocalAddress(fd.get());
  ASSERT_THAT(local, IsOk());
  // The kernel counts a NUL for which sockaddr_un has no room.
  EXPECT_EQ(local->size(), sizeof(sockaddr_un) + 1);
  EXPECT_EQ(local->path(), path);
  EXPECT_EQ(local->ToString(), path);
}

TEST_F(SocketAddressTest, AbstractNameHasNoPath) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr family_only = {AF_UNIX, {}};
  ASSERT_EQ(bind(fd.get(), &family_only, sizeof(family_only.sa_family)), 0);
  const auto local = LocalAddress(fd.get());
  ASSERT_THAT(local, IsOk());
  EXPECT_GT(local->size(), kPathOffset);
  EXPECT_EQ(local->path(), "");
  EXPECT_EQ(local->ToString(), "(address family 1)");
}

TEST_F(SocketAddressTest, OtherFamilyHasNoPath) {
  sockaddr_storage storage = Garbage();
  storage.ss_family = AF_INET;
  const auto address = SocketAddress::FromKernel(storage, sizeof(sockaddr_in));
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->path(), "");
  EXPECT_EQ(address->ToString(), "(address family 2)");
}

TEST_F(SocketAddressTest, ConnectionHasTheListenersNameOnOneEndOnly) {
  const auto listener = Listen(Address());
  const auto client = Connect(Address());
  const auto server = Accept(listener->get());
  EXPECT_EQ(PeerAddress(client->get())->path(), Path());
  EXPECT_EQ(LocalAddress(server->get())->path(), Path());
  ExpectUnnamed(LocalAddress(client->get()));
  ExpectUnnamed(PeerAddress(server->get()));
}

TEST_F(SocketAddressTest, PeerOfAnUnconnectedSocketIsEnotconn) {
  const UniqueFd fd = Bound(SOCK_STREAM, Address());
  const auto peer = PeerAddress(fd.get());
  EXPECT_THAT(peer, FailsWith(ENOTCONN));
  EXPECT_THAT(std::string(peer.status().message()), HasSubstr("getpeername"));
}

TEST_F(SocketAddressTest, NoDescriptorIsEbadf) {
  const auto local = LocalAddress(-1);
  EXPECT_THAT(local, FailsWith(EBADF));
  EXPECT_THAT(std::string(local.status().message()), HasSubstr("getsockname"));
  EXPECT_THAT(PeerAddress(UnusedFd()), FailsWith(EBADF));
}

TEST_F(SocketAddressTest, NoSocketIsEnotsock) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]), writer(pipe_fds[1]);
  EXPECT_THAT(LocalAddress(reader.get()), FailsWith(ENOTSOCK));
  EXPECT_THAT(PeerAddress(reader.get()), FailsWith(ENOTSOCK));
}

}  // namespace
}  // namespace ipc
