// What a peer may send, friendly or not. It is written with sendmsg(2), for the
// library would not send most of it.
#include "lib/message.h"

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "lib/errno_status.h"
#include "lib/socket.h"
#include "lib/socket_options.h"
#include "lib/testing.h"

namespace ipc {
namespace {

const absl::string_view kData = "data";

// Control data as any process can build it.
class RawControl {
 public:
  // `claimed_size` is the size of `data` according to cmsg_len.
  RawControl& Add(int level, int type, const void* data, size_t size,
                  size_t claimed_size) {
    cmsghdr header = {};
    header.cmsg_len = CMSG_LEN(claimed_size);
    header.cmsg_level = level;
    header.cmsg_type = type;
    memcpy(&bytes_[size_], &header, sizeof(header));
    memcpy(&bytes_[size_ + CMSG_LEN(0)], data, size);
    size_ += CMSG_SPACE(claimed_size);
    return *this;
  }
  RawControl& AddFds(const std::vector<int>& fds) {
    const size_t size = fds.size() * sizeof(int);
    return Add(SOL_SOCKET, SCM_RIGHTS, fds.data(), size, size);
  }
  RawControl& AddCredentials() {
    const ucred own = {getpid(), getuid(), getgid()};
    return Add(SOL_SOCKET, SCM_CREDENTIALS, &own, sizeof(own), sizeof(own));
  }

  // sendmsg(2) with `data`; its errno.
  int Send(int fd, absl::string_view data = kData) {
    iovec part = {const_cast<char*>(data.data()), data.size()};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = bytes_;
    header.msg_controllen = size_;
    return sendmsg(fd, &header, MSG_NOSIGNAL) < 0 ? errno : 0;
  }

 private:
  alignas(cmsghdr) char bytes_[4096] = {};
  size_t size_ = 0;
};

bool SameFile(int a, int b) {
  struct stat first, second;
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

struct Message {
  size_t size = 0;
  FdList fds;
  absl::optional<ucred> credentials;
};

absl::StatusOr<Message> Receive(int fd, std::string* buffer) {
  Message message;
  absl::Status status =
      ReceiveMessage(fd, absl::MakeSpan(*buffer), &message.size, &message.fds,
                     &message.credentials);
  if (!status.ok()) return status;
  return message;
}

class MessageTest : public IpcTest, public ::testing::WithParamInterface<int> {
 protected:
  MessageTest() {
    std::tie(ours_, theirs_) = SocketPair(GetParam()).value();
    for (UniqueFd& file : files_) file.reset(memfd_create("", MFD_CLOEXEC));
  }

  // Receives a message with kData, and checks which of files_ came with it.
  // Whatever arrived must be gone afterwards.
  Message ExpectFiles(const std::vector<int>& expected) {
    const auto before = OpenFds();
    std::string buffer(100, 0);
    auto message = Receive(ours_.get(), &buffer);
    EXPECT_THAT(message, IsOk());
    if (!message.ok()) return {};
    EXPECT_EQ(buffer.substr(0, message->size), kData);
    EXPECT_EQ(message->fds.size(), expected.size());
    for (size_t i = 0; i < message->fds.size() && i < expected.size(); ++i) {
      const int fd = message->fds[i].get();
      EXPECT_TRUE(SameFile(fd, expected[i])) << i;
      EXPECT_TRUE(IsCloseOnExec(fd)) << i;
    }
    message->fds.clear();
    EXPECT_EQ(OpenFds(), before);
    return std::move(*message);
  }

  void ExpectNothingWaits() {
    char byte;
    EXPECT_EQ(recv(ours_.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  }

  UniqueFd ours_;
  UniqueFd theirs_;
  UniqueFd files_[3];
};

INSTANTIATE_TEST_SUITE_P(, MessageTest,
                         ::testing::Values(SOCK_STREAM, SOCK_DGRAM,
                                           SOCK_SEQPACKET),
                         SocketTypeName);

TEST_P(MessageTest, WithoutControlDataThereIsNone) {
  ASSERT_EQ(RawControl().Send(theirs_.get()), 0);
  EXPECT_FALSE(ExpectFiles({}).credentials);
}

TEST_P(MessageTest, SeveralLotsOfDescriptorsArriveInOrder) {
  ASSERT_EQ(RawControl()
                .AddFds({files_[2].get()})
                .AddFds({files_[0].get(), files_[1].get()})
                .Send(theirs_.get()),
            0);
  ExpectFiles({files_[2].get(), files_[0].get(), files_[1].get()});
}

TEST_P(MessageTest, DescriptorsAndCredentialsComeTogetherInEitherOrder) {
  ASSERT_THAT(SetSocketOption(ours_.get(), SOL_SOCKET, SO_PASSCRED, 1), IsOk());
  ASSERT_EQ(RawControl()
                .AddFds({files_[0].get()})
                .AddCredentials()
                .AddFds({files_[1].get()})
                .Send(theirs_.get()),
            0);
  ASSERT_EQ(RawControl()
                .AddCredentials()
                .AddFds({files_[2].get()})
                .Send(theirs_.get()),
            0);
  const Message first = ExpectFiles({files_[0].get(), files_[1].get()});
  ASSERT_TRUE(first.credentials);
  EXPECT_EQ(first.credentials->pid, getpid());
  const Message second = ExpectFiles({files_[2].get()});
  ASSERT_TRUE(second.credentials);
  EXPECT_EQ(second.credentials->uid, getuid());
  EXPECT_EQ(second.credentials->gid, getgid());
}

TEST_P(MessageTest, SendsDescriptorsAndCredentialsTogether) {
  ASSERT_THAT(SetSocketOption(ours_.get(), SOL_SOCKET, SO_PASSCRED, 1), IsOk());
  const int fds[] = {files_[1].get(), files_[0].get()};
  const ucred own = {getpid(), getuid(), getgid()};
  ASSERT_THAT(SendMessage(theirs_.get(), kData, fds, &own), IsOk());
  const Message got = ExpectFiles({files_[1].get(), files_[0].get()});
  ASSERT_TRUE(got.credentials);
  EXPECT_EQ(got.credentials->pid, getpid());
}

TEST_P(MessageTest, CredentialsThatNobodyAskedForAreNotDelivered) {
  ASSERT_EQ(RawControl().AddCredentials().Send(theirs_.get()), 0);
  EXPECT_FALSE(ExpectFiles({}).credentials);
}

TEST_P(MessageTest, PaddingCountedAsADescriptorArrivesAsOne) {
  // cmsg_len = CMSG_SPACE(4), a common mistake: 4 bytes of padding, zero, are
  // the descriptor 0.
  const int fd = files_[0].get();
  ASSERT_TRUE(IsOpen(STDIN_FILENO));
  ASSERT_EQ(RawControl()
                .Add(SOL_SOCKET, SCM_RIGHTS, &fd, sizeof(fd),
                     CMSG_SPACE(sizeof(fd)) - CMSG_LEN(0))
                .Send(theirs_.get()),
            0);
  ExpectFiles({fd, STDIN_FILENO});
}

TEST_P(MessageTest, HalfADescriptorDoesNotCount) {
  const int fds[] = {files_[0].get(), files_[1].get()};
  ASSERT_EQ(RawControl()
                .Add(SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds), 6)
                .Send(theirs_.get()),
            0);
  ExpectFiles({fds[0]});
}

TEST_P(MessageTest, ControlDataOfAnotherLevelDoesNotCount) {
  const int fd = files_[0].get();
  ASSERT_EQ(RawControl()
                .Add(IPPROTO_MAX, SCM_RIGHTS, &fd, sizeof(fd), sizeof(fd))
                .AddFds({files_[1].get()})
                .Send(theirs_.get()),
            0);
  ExpectFiles({files_[1].get()});
}

TEST_P(MessageTest, WhatTheKernelRefusesDoesNotArrive) {
  const int fd = files_[0].get();
  EXPECT_EQ(RawControl()
                .AddFds({fd})
                .Add(SOL_SOCKET, 4711, &fd, sizeof(fd), sizeof(fd))
                .Send(theirs_.get()),
            EINVAL);
  EXPECT_EQ(RawControl().AddFds({fd}).AddFds({UnusedFd()}).Send(theirs_.get()),
            EBADF);
  ExpectNothingWaits();
}

TEST_P(MessageTest, TheMostThatCanComeHasRoom) {
  ASSERT_THAT(SetSocketOption(ours_.get(), SOL_SOCKET, SO_PASSCRED, 1), IsOk());
  const std::vector<int> fds(kMaxFds, files_[0].get());
  ASSERT_EQ(RawControl().AddFds(fds).AddCredentials().Send(theirs_.get()), 0);
  EXPECT_TRUE(ExpectFiles(fds).credentials);
}

TEST_P(MessageTest, CutControlDataIsEmsgsizeAndLeavesNothingOpen) {
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(RawControl()
                  .AddFds({files_[0].get(), files_[1].get()})
                  .Send(theirs_.get()),
              0);
  }
  Child limited([&] {
    const auto before = OpenFds();
    std::string buffer(100, 0);
    LimitFreeFds(1);
    const auto cut = Receive(ours_.get(), &buffer);
    AllowMoreFds();
    EXPECT_THAT(cut, FailsWith(EMSGSIZE));
    EXPECT_EQ(cut.status().message(),
              "recvmsg control data: Message too long (EMSGSIZE)");
    EXPECT_EQ(OpenFds(), before);
    ExpectFiles({files_[0].get(), files_[1].get()});
  });
  EXPECT_EQ(limited.Wait(), 0);
}

TEST_P(MessageTest, ProcessDescriptorThatNobodyTakesIsClosed) {
  constexpr int kPassPidfd = 76;  // SO_PASSPIDFD, Linux 6.5
  if (StatusErrno(SetSocketOption(ours_.get(), SOL_SOCKET, kPassPidfd, 1)) ==
      ENOPROTOOPT) {
    GTEST_SKIP() << "this kernel has no SO_PASSPIDFD";
  }
  ASSERT_EQ(RawControl().AddFds({files_[1].get()}).Send(theirs_.get()), 0);
  ExpectFiles({files_[1].get()});
}

TEST_P(MessageTest, MoreThanHasRoomIsEmsgsizeAndLeavesNothingOpen) {
  if (GetParam() != SOCK_DGRAM) return;  // Only datagrams have a time.
  for (int name : {SO_PASSCRED, SO_TIMESTAMP}) {
    ASSERT_THAT(SetSocketOption(ours_.get(), SOL_SOCKET, name, 1), IsOk());
  }
  const std::vector<int> fds(kMaxFds, files_[0].get());
  ASSERT_EQ(RawControl().AddFds(fds).Send(theirs_.get()), 0);
  const auto before = OpenFds();
  std::string buffer(100, 0);
  EXPECT_THAT(Receive(ours_.get(), &buffer), FailsWith(EMSGSIZE));
  EXPECT_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ipc
