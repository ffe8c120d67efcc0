#include "tests/support/ports.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <set>
#include <vector>

#include "lib/socket.h"
#include "lib/socket_address.h"

namespace harness {
namespace {

using ipc::SocketAddress;

constexpr char kLoopback[] = "127.0.0.1";

SocketAddress At(int port) { return *SocketAddress::Ip(kLoopback, port); }

TEST(OwnPort, IsFreeAndNoOther) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    std::vector<OwnPort> ports;
    std::set<int> numbers;
    for (int i = 0; i < 100; ++i) {
      ports.emplace_back(type);
      const int number = ports.back().number();
      EXPECT_TRUE(numbers.insert(number).second) << number;
      EXPECT_NE(number, ports.back().swapped());
      EXPECT_EQ(number, OwnPort::Swapped(ports.back().swapped()));
      EXPECT_TRUE(ipc::Bind(At(number), type).ok()) << number;
    }
  }
}

// A port that a program listens at is not chosen.
TEST(OwnPort, IsNotTaken) {
  std::set<int> taken;
  std::vector<ipc::UniqueFd> sockets;
  for (int i = 0; i < 100; ++i) {
    const OwnPort port(SOCK_STREAM);
    auto listener = ipc::Listen(At(port.number()));
    if (!listener.ok()) continue;
    sockets.push_back(*std::move(listener));
    taken.insert(port.number());
  }
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(taken.count(OwnPort(SOCK_STREAM).number()), 0u);
  }
}

TEST(Refuse, Tcp) {
  const OwnPort port(SOCK_STREAM);
  const ipc::UniqueFd closed = Refuse(SOCK_STREAM, kLoopback, port.number());
  ASSERT_TRUE(closed.valid());
  EXPECT_FALSE(ipc::Connect(At(port.number())).ok());
  EXPECT_FALSE(ipc::Listen(At(port.number())).ok());
  EXPECT_FALSE(Refuse(SOCK_STREAM, kLoopback, port.number()).valid());
}

TEST(Refuse, Udp) {
  const OwnPort port(SOCK_DGRAM);
  const ipc::UniqueFd closed = Refuse(SOCK_DGRAM, kLoopback, port.number());
  ASSERT_TRUE(closed.valid());
  EXPECT_FALSE(ipc::Bind(At(port.number()), SOCK_DGRAM).ok());
  const auto client = ipc::Bind(At(0), SOCK_DGRAM);
  ASSERT_TRUE(client.ok());
  const SocketAddress server = At(port.number());
  ASSERT_EQ(connect(client->get(), server.data(), server.size()), 0);
  ASSERT_EQ(send(client->get(), "?", 1, 0), 1);
  char byte;
  EXPECT_EQ(recv(client->get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
}

}  // namespace
}  // namespace harness
