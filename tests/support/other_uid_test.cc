#include "tests/support/other_uid.h"

#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "gtest/gtest.h"
#include "lib/socket.h"
#include "lib/unique_fd.h"
#include "tests/support/scratch_dir.h"

namespace harness {
namespace {

constexpr ucred kConnected = {11, 12, 13};
constexpr ucred kSent = {0, 15, 16};

class OtherUidTest : public ::testing::Test {
 protected:
  // The library reads the environment once, when it is loaded.
  static void SetUpTestSuite() {
    scratch_ = new ScratchDir;
    setenv(kDisguises, scratch_->File("disguises").c_str(), 1);
    PutOn({});
    library_ = dlopen("tests/support/libother_uid.so", RTLD_NOW);
  }
  static void TearDownTestSuite() { delete scratch_; }

  OtherUidTest() {
    const int on = 1;
    setsockopt(pair_.second.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  }

  static void PutOn(const Disguise& second) {
    Disguise all[kMostDisguises] = {{-1, {}, {}}, second};
    std::fstream file(
        scratch_->File("disguises"),
        std::ios::out | (library_ ? std::ios::in : std::ios::trunc));
    file.write(reinterpret_cast<const char*>(all), sizeof(all));
  }

  // What the preloaded getsockopt says of who made the pair.
  ucred Connected() {
    ucred peer = {};
    socklen_t size = sizeof(peer);
    EXPECT_EQ(
        getsockopt_(pair_.first.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size),
        0);
    return peer;
  }

  // What the preloaded recvmsg says of who sent a byte, with `room` for
  // control data, which is full of 7s before.
  ucred Sent(size_t room = CMSG_SPACE(sizeof(ucred))) {
    EXPECT_EQ(send(pair_.first.get(), "x", 1, 0), 1);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    memset(control, 7, sizeof(control));
    char byte;
    iovec part = {&byte, 1};
    msghdr message = {nullptr, 0, &part, 1, control, room, 0};
    EXPECT_EQ(recvmsg_(pair_.second.get(), &message, 0), 1);
    ucred sender;
    memcpy(&sender, control + CMSG_LEN(0), sizeof(sender));
    return sender;
  }

  static ScratchDir* scratch_;
  static void* library_;
  const std::pair<ipc::UniqueFd, ipc::UniqueFd> pair_ =
      ipc::SocketPair(SOCK_STREAM).value();
  decltype(&getsockopt) getsockopt_ =
      reinterpret_cast<decltype(&getsockopt)>(dlsym(library_, "getsockopt"));
  decltype(&recvmsg) recvmsg_ =
      reinterpret_cast<decltype(&recvmsg)>(dlsym(library_, "recvmsg"));
};
ScratchDir* OtherUidTest::scratch_ = nullptr;
void* OtherUidTest::library_ = nullptr;

bool operator==(const ucred& a, const ucred& b) {
  return a.pid == b.pid && a.uid == b.uid && a.gid == b.gid;
}

TEST_F(OtherUidTest, DisguiseIsSeen) {
  PutOn({getpid(), kConnected, kSent});
  EXPECT_TRUE(Connected() == kConnected);
  EXPECT_TRUE(Sent() == kSent);
}

TEST_F(OtherUidTest, AnybodyElseIsHimself) {
  PutOn({getpid() + 1, kConnected, kSent});
  const ucred own = {getpid(), getuid(), getgid()};
  EXPECT_TRUE(Connected() == own);
  EXPECT_TRUE(Sent() == own);
}

TEST_F(OtherUidTest, WhatIsCutStaysCut) {
  PutOn({getpid(), kConnected, kSent});
  const ucred sender = Sent(CMSG_LEN(8));
  EXPECT_EQ(sender.pid, kSent.pid);
  EXPECT_EQ(sender.uid, kSent.uid);
  EXPECT_EQ(sender.gid, gid_t{0x07070707});
}

TEST_F(OtherUidTest, OtherOptionsAndErrorsAreTheKernels) {
  int type = 0;
  socklen_t size = sizeof(type);
  EXPECT_EQ(getsockopt_(pair_.first.get(), SOL_SOCKET, SO_TYPE, &type, &size),
            0);
  EXPECT_EQ(type, SOCK_STREAM);
  EXPECT_EQ(getsockopt_(-1, SOL_SOCKET, SO_TYPE, &type, &size), -1);
  EXPECT_EQ(errno, EBADF);
  msghdr message = {};
  EXPECT_EQ(recvmsg_(-1, &message, 0), -1);
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace harness
