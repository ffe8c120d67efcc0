#include "tests/support/other_uid.h"

#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"

namespace harness {
namespace {

class OtherUidTest : public ::testing::Test {
 protected:
  // What the preloaded getsockopt says of a peer that is called `name`.
  ucred PeerCalled(const std::string& name) {
    const ipc::UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto own = ipc::SocketAddress::Abstract(name);
    const auto at = ipc::LocalAddress(listener_.get());
    EXPECT_EQ(bind(client.get(), own->data(), own->size()), 0);
    EXPECT_EQ(connect(client.get(), at->data(), at->size()), 0);
    const ipc::UniqueFd server = ipc::Accept(listener_.get()).value();
    ucred peer = {};
    socklen_t size = sizeof(peer);
    EXPECT_EQ(getsockopt_(server.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size),
              0);
    return peer;
  }

  const ipc::UniqueFd listener_ =
      ipc::Listen(ipc::SocketAddress::UnixUnnamed()).value();
  void* const library_ = dlopen("tests/support/libother_uid.so", RTLD_NOW);
  decltype(&getsockopt) getsockopt_ =
      reinterpret_cast<decltype(&getsockopt)>(dlsym(library_, "getsockopt"));
};

TEST_F(OtherUidTest, StrangerHasAnotherUid) {
  const ucred peer = PeerCalled(absl::StrCat(kStranger, getpid()));
  EXPECT_EQ(peer.uid, kStrangerUid);
  EXPECT_EQ(peer.pid, getpid());
}

TEST_F(OtherUidTest, AnybodyElseHasHisOwn) {
  EXPECT_EQ(PeerCalled(absl::StrCat("friend-", getpid())).uid, getuid());
}

TEST_F(OtherUidTest, OtherOptionsAndErrorsAreTheKernels) {
  int type = 0;
  socklen_t size = sizeof(type);
  EXPECT_EQ(getsockopt_(listener_.get(), SOL_SOCKET, SO_TYPE, &type, &size), 0);
  EXPECT_EQ(type, SOCK_STREAM);
  EXPECT_EQ(getsockopt_(-1, SOL_SOCKET, SO_TYPE, &type, &size), -1);
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace harness
