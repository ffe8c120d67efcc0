#include "lib/socket_address.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <cstring>
#include <string>
#include <vector>

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

// The address that the kernel wrote: `length` of the bytes of `storage`.
SocketAddress FromKernel(const sockaddr_storage& storage, socklen_t length) {
  SocketAddress address;
  address.FillBy([&](sockaddr* bytes, socklen_t* size) {
    if (length > 0) memcpy(bytes, &storage, length);
    *size = length;
    return 0;
  });
  return address;
}

void ExpectUnnamed(const absl::StatusOr<SocketAddress>& address) {
  ASSERT_THAT(address, IsOk());
  EXPECT_FALSE(address->named());
  EXPECT_EQ(address->path(), "");
  EXPECT_EQ(address->abstract_name(), "");
  EXPECT_EQ(address->port(), 0);
  EXPECT_EQ(address->ToString(), "(unnamed)");
}

TEST_F(SocketAddressTest, UnnamedByDefault) {
  const SocketAddress address;
  EXPECT_EQ(address.family(), AF_UNSPEC);
  EXPECT_FALSE(address.named());
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
  EXPECT_EQ(address->abstract_name(), "");
  EXPECT_EQ(address->port(), 0);
  EXPECT_TRUE(address->named());
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
  const SocketAddress address = FromKernel(Garbage(), 0);
  ExpectUnnamed(address);
  EXPECT_EQ(address.family(), AF_UNSPEC);
}

TEST_F(SocketAddressTest, BytesBeyondTheKernelsLengthDoNotCount) {
  sockaddr_storage storage = Garbage();
  auto* unix_address = reinterpret_cast<sockaddr_un*>(&storage);
  unix_address->sun_family = AF_UNIX;
  memcpy(unix_address->sun_path, "abc", 3);
  ExpectUnnamed(FromKernel(storage, sizeof(sa_family_t)));
  const SocketAddress address = FromKernel(storage, kPathOffset + 3);
  EXPECT_EQ(address.path(), "abc");
  EXPECT_EQ(address.size(), kPathOffset + 3);
}

TEST_F(SocketAddressTest, KernelHasRoomForAnyAddress) {
  EXPECT_EQ(FromKernel(Garbage(), sizeof(sockaddr_storage)).size(),
            sizeof(sockaddr_storage));
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

TEST_F(SocketAddressTest, AbstractNameIsANulAndExactlyItsBytes) {
  const absl::string_view names[] = {"foo", {"foo\0", 4}, {"\0foo", 4}, ""};
  for (absl::string_view name : names) {
    const auto address = SocketAddress::Abstract(name);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(address->family(), AF_UNIX);
    EXPECT_EQ(address->size(), kPathOffset + 1 + name.size());
    const char* path =
        reinterpret_cast<const sockaddr_un*>(address->data())->sun_path;
    EXPECT_EQ(absl::string_view(path, 1 + name.size()),
              std::string(1, '\0') + std::string(name));
    EXPECT_EQ(address->abstract_name(), name);
    EXPECT_EQ(address->path(), "");
    EXPECT_EQ(address->port(), 0);
    EXPECT_TRUE(address->named());
  }
}

TEST_F(SocketAddressTest, AbstractNameSurvivesBindAndGetsockname) {
  // No two tests have the same folder, and so the same name.
  const std::string prefix = Path() + std::string("\0\n@", 3);
  const std::string names[] = {
      prefix, prefix + '\0', prefix + std::string("\0x", 2),
      prefix + std::string(SocketAddress::kMaxPathLength - prefix.size(), 'x'),
      prefix +
          std::string(SocketAddress::kMaxPathLength - prefix.size(), '\0')};
  std::vector<UniqueFd> bound;  // All at once: each is a name of its own.
  for (const std::string& name : names) {
    const auto address = SocketAddress::Abstract(name);
    ASSERT_THAT(address, IsOk());
    bound.push_back(Bound(SOCK_STREAM, *address));
    const auto local = LocalAddress(bound.back().get());
    ASSERT_THAT(local, IsOk());
    EXPECT_EQ(local->abstract_name(), name);
    EXPECT_EQ(local->size(), address->size());
    EXPECT_EQ(local->path(), "");
    EXPECT_THAT(Listen(*address), FailsWith(EADDRINUSE));
  }
  EXPECT_THAT(Files(), ::testing::IsEmpty());
}

TEST_F(SocketAddressTest, AbstractNameOfAnotherLengthIsAnotherName) {
  const auto listener = Listen(SocketAddress::Abstract(Path()).value());
  ASSERT_THAT(listener, IsOk());
  EXPECT_THAT(Connect(SocketAddress::Abstract(Path()).value()), IsOk());
  EXPECT_THAT(Connect(SocketAddress::Abstract(Path() + '\0').value()),
              FailsWith(ECONNREFUSED));
  EXPECT_THAT(Connect(SocketAddress::Abstract(Path("socke")).value()),
              FailsWith(ECONNREFUSED));
}

TEST_F(SocketAddressTest, AbstractName108BytesLongIsEnametoolong) {
  EXPECT_THAT(SocketAddress::Abstract(std::string(107, 'x')), IsOk());
  const auto address = SocketAddress::Abstract(std::string(108, '\0'));
  EXPECT_THAT(address, FailsWith(ENAMETOOLONG));
  EXPECT_THAT(std::string(address.status().message()), HasSubstr("\\x00\\x00"));
}

TEST_F(SocketAddressTest, UnixUnnamedLetsTheKernelChooseFiveHexDigits) {
  const SocketAddress address = SocketAddress::UnixUnnamed();
  EXPECT_EQ(address.family(), AF_UNIX);
  EXPECT_FALSE(address.named());
  ExpectUnnamed(address);
  const UniqueFd fd = Bound(SOCK_STREAM, address);
  const auto local = LocalAddress(fd.get());
  ASSERT_THAT(local, IsOk());
  EXPECT_THAT(std::string(local->abstract_name()),
              ::testing::MatchesRegex("[0-9a-f]{5}"));
  EXPECT_TRUE(local->named());
  EXPECT_EQ(local->path(), "");
}

TEST_F(SocketAddressTest, UnboundSocketIsUnnamed) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto local = LocalAddress(fd.get());
  ExpectUnnamed(local);
  EXPECT_FALSE(local->named());
  EXPECT_EQ(local->abstract_name(), "");
}

TEST_F(SocketAddressTest, AbstractNameIsShownWithAnAtSignAndEscapes) {
  const auto shown = [](absl::string_view name) {
    return SocketAddress::Abstract(name)->ToString();
  };
  EXPECT_EQ(shown("foo"), "@foo");
  EXPECT_EQ(shown({"foo\0", 4}), "@foo\\x00");
  EXPECT_EQ(shown("a\nb\x7f"), "@a\\nb\\x7f");
  EXPECT_EQ(shown(""), "@");
}

TEST_F(SocketAddressTest, PortOfAnIpAddressIsInTheHostsByteOrder) {
  const auto v4 = SocketAddress::Ip("127.0.0.1", 0x1234);
  ASSERT_THAT(v4, IsOk());
  EXPECT_EQ(v4->family(), AF_INET);
  EXPECT_EQ(v4->size(), sizeof(sockaddr_in));
  EXPECT_EQ(v4->port(), 0x1234);
  const auto* raw4 = reinterpret_cast<const sockaddr_in*>(v4->data());
  EXPECT_EQ(raw4->sin_port, htons(0x1234));
  EXPECT_EQ(raw4->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  EXPECT_EQ(v4->path(), "");
  EXPECT_EQ(v4->abstract_name(), "");
  EXPECT_TRUE(v4->named());
  EXPECT_EQ(v4->ToString(), "127.0.0.1:4660");

  const auto v6 = SocketAddress::Ip("::1", 65535);
  ASSERT_THAT(v6, IsOk());
  EXPECT_EQ(v6->family(), AF_INET6);
  EXPECT_EQ(v6->size(), sizeof(sockaddr_in6));
  EXPECT_EQ(v6->port(), 65535);
  const auto* raw6 = reinterpret_cast<const sockaddr_in6*>(v6->data());
  EXPECT_EQ(raw6->sin6_port, htons(65535));
  EXPECT_TRUE(IN6_IS_ADDR_LOOPBACK(&raw6->sin6_addr));
  EXPECT_TRUE(v6->named());
  EXPECT_EQ(v6->ToString(), "[::1]:65535");
}

TEST_F(SocketAddressTest, IpAddressMayNameItsInterface) {
  const auto address = SocketAddress::Ip("fe80::1%lo", 80);
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(
      reinterpret_cast<const sockaddr_in6*>(address->data())->sin6_scope_id,
      if_nametoindex("lo"));
  EXPECT_EQ(address->ToString(), "[fe80::1%lo]:80");
  for (const char* host : {"fe80::1%nosuch", "::1%nosuch", "fe80::1%"}) {
    EXPECT_THAT(SocketAddress::Ip(host, 80), FailsWith(ENODEV)) << host;
  }
}

TEST_F(SocketAddressTest, WhatIsNoIpAddressIsEinval) {
  for (absl::string_view host :
       {"", "localhost", "example.com", "127.0.0.1:80", "[::1]", "256.0.0.1",
        "1.2.3.4.5", ":::", " 127.0.0.1", "127.0.0.1 ", "::1 ", "127.0.0.1%lo",
        "127.0.0.1%nosuch", "localhost%lo", "localhost%nosuch", "::1%lo",
        "/tmp/x"}) {
    EXPECT_THAT(SocketAddress::Ip(host, 80), FailsWith(EINVAL)) << host;
  }
  const absl::string_view nuls[] = {
      {"127.0.0.1\0", 10}, {"127.0.0.1\0.2", 12}, {"\0", 1}, {"x\0", 2}};
  for (absl::string_view host : nuls) {
    EXPECT_THAT(SocketAddress::Ip(host, 80), FailsWith(EINVAL));
  }
}

TEST_F(SocketAddressTest, PortZeroLetsTheKernelChooseOne) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const auto address = SocketAddress::Ip(host, 0);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(address->port(), 0);
    const UniqueFd fd(socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (bind(fd.get(), address->data(), address->size()) < 0) {
      EXPECT_EQ(address->family(), AF_INET6);  // Not every machine has it.
      continue;
    }
    const auto local = LocalAddress(fd.get());
    ASSERT_THAT(local, IsOk());
    EXPECT_GT(local->port(), 0);
    EXPECT_EQ(local->size(), address->size());
    EXPECT_EQ(local->ToString(),
              SocketAddress::Ip(host, local->port())->ToString());
  }
}

TEST_F(SocketAddressTest, IpAddressCutShortHasNoPort) {
  sockaddr_storage storage = Garbage();
  storage.ss_family = AF_INET;
  const SocketAddress whole = FromKernel(storage, sizeof(sockaddr_in));
  EXPECT_EQ(whole.ToString(), "71.71.71.71:18247");
  EXPECT_EQ(whole.port(), 18247);
  const SocketAddress cut = FromKernel(storage, sizeof(sockaddr_in) - 1);
  EXPECT_EQ(cut.port(), 0);
  EXPECT_EQ(cut.ToString(), "(address family 2)");
}

TEST_F(SocketAddressTest, OtherFamilyIsNamedButHasNoneOfTheNames) {
  const UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
  const auto local = LocalAddress(netlink.get());
  ASSERT_THAT(local, IsOk());
  EXPECT_EQ(local->family(), AF_NETLINK);
  EXPECT_EQ(local->path(), "");
  EXPECT_EQ(local->abstract_name(), "");
  EXPECT_EQ(local->port(), 0);
  EXPECT_TRUE(local->named());
  EXPECT_EQ(local->ToString(), "(address family 16)");
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
