// System calls that fail for want of something, in each function that makes
// them: the status says which errno, and nothing is left open or behind. (What
// signals and short counts do stands in the test of each function.)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "lib/credentials.h"
#include "lib/datagram.h"
#include "lib/errno_status.h"
#include "lib/fd_passing.h"
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

// Makes system call `number` fail with `error`, for the rest of this process.
void MakeFail(unsigned number, unsigned error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {4, filter};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

// How many of the first descriptors are open, without opening one to see.
int OpenCount() {
  int count = 0;
  for (int fd = 0; fd < 256; ++fd) count += IsOpen(fd);
  return count;
}

// What a faulty function may be called with.
struct World {
  SocketAddress address, server;
  std::string path, stale;
  int listener, socket, peer;
};

struct Fault {
  const char* name;
  unsigned call;
  int error;
  absl::Status (*run)(const World& world);
};

class FaultTest : public IpcTest, public ::testing::WithParamInterface<Fault> {
 protected:
  FaultTest() {
    std::tie(ours_, theirs_) = SocketPair().value();
    Bound(SOCK_STREAM, Address("stale"));
  }

  UniqueFd ours_, theirs_;
  UniqueFd listener_ = Listen(Address("server")).value();
  UniqueFd waiting_ = Connect(Address("server")).value();
};

TEST_P(FaultTest, IsToldAndLeavesNothing) {
  const World world = {Address("new"), Address("server"), Path("new"),
                       Path("stale"),  listener_.get(),   ours_.get(),
                       theirs_.get()};
  const auto files = Files();
  Child child([&] {
    const int open = OpenCount();
    MakeFail(GetParam().call, GetParam().error);
    const absl::Status status = GetParam().run(world);
    const int open_after = OpenCount();
    EXPECT_THAT(status, FailsWith(GetParam().error));
    EXPECT_EQ(open_after, open);
  });
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_EQ(Files(), files);
}

// What unlink calls: newer architectures have but the one.
#ifdef SYS_unlink
constexpr unsigned kUnlink = SYS_unlink;
#else
constexpr unsigned kUnlink = SYS_unlinkat;
#endif

constexpr absl::string_view kData = "data";

absl::Status BindNew(const World& world) {
  return Bind(world.address, SOCK_STREAM, 0600).status();
}
absl::Status BindTcp(const World&) {
  return Bind(SocketAddress::Ip("127.0.0.1", 0).value(), SOCK_STREAM).status();
}
absl::Status ListenNew(const World& world) {
  // What a failure of listen leaves is the file, which is the caller's.
  absl::Status status = Listen(world.address).status();
  unlink(world.path.c_str());
  return status;
}
absl::Status AcceptOne(const World& world) {
  return Accept(world.listener).status();
}
absl::Status ConnectOne(const World& world) {
  return Connect(world.server).status();
}
absl::Status MakePair(const World&) { return SocketPair().status(); }
absl::Status ListenThere(const World& world) {
  return ListenAtPath(world.path).status();
}
absl::Status ReplaceStale(const World& world) {
  return ListenAtPath(world.stale).status();
}
absl::Status Adopt(const World& world) {
  return SocketPath::Adopt(world.stale).status();
}
absl::Status SetOption(const World& world) {
  return SetSocketOption(world.socket, SOL_SOCKET, SO_RCVBUF, 1);
}
absl::Status GetOption(const World& world) {
  return GetSocketOption(world.socket, SOL_SOCKET, SO_RCVBUF).status();
}
absl::Status AskPeer(const World& world) {
  return PeerCredentials(world.socket).status();
}
absl::Status AskAddress(const World& world) {
  return LocalAddress(world.socket).status();
}
absl::Status AskPeerAddress(const World& world) {
  return PeerAddress(world.socket).status();
}
absl::Status Await(const World& world) {
  return WaitReadable(world.socket, absl::InfiniteFuture());
}
absl::Status Write(const World& world) { return WriteAll(world.socket, kData); }
absl::Status WriteParts(const World& world) {
  iovec part = {const_cast<char*>(kData.data()), kData.size()};
  return WriteAllParts(world.socket, absl::MakeSpan(&part, 1));
}
absl::Status Read(const World& world) {
  char buffer[4];
  return ReadExact(world.socket, absl::MakeSpan(buffer)).status();
}
absl::Status ReadOnce(const World& world) {
  char buffer[4];
  return ReadSome(world.socket, absl::MakeSpan(buffer)).status();
}
absl::Status ReadParts(const World& world) {
  char buffer[4];
  iovec part = {buffer, sizeof(buffer)};
  return ReadExactParts(world.socket, absl::MakeSpan(&part, 1)).status();
}
absl::Status Send(const World& world) {
  return SendTo(world.socket, kData, world.server);
}
absl::Status Receive(const World& world) {
  char buffer[4];
  return ReceiveFrom(world.socket, absl::MakeSpan(buffer)).status();
}
absl::Status Pass(const World& world) {
  return SendFds(world.socket, kData, absl::MakeConstSpan(&world.peer, 1));
}
absl::Status ReceivePassed(const World& world) {
  char buffer[4];
  return ReceiveFds(world.socket, absl::MakeSpan(buffer)).status();
}
absl::Status ReceiveSender(const World& world) {
  char buffer[4];
  return ReceiveWithCredentials(world.socket, absl::MakeSpan(buffer)).status();
}

INSTANTIATE_TEST_SUITE_P(
    Each, FaultTest,
    ::testing::ValuesIn(std::vector<Fault>{
        {"NoDescriptorForBind", SYS_socket, EMFILE, BindNew},
        {"NoFileForBind", SYS_socket, ENFILE, BindNew},
        {"NoMemoryForBind", SYS_socket, ENOMEM, BindNew},
        {"NoBufferForBind", SYS_socket, ENOBUFS, BindNew},
        {"ModeRefused", SYS_fchmod, EROFS, BindNew},
        {"NoSpaceForTheName", SYS_bind, ENOSPC, BindNew},
        {"NoReuse", SYS_setsockopt, ENOMEM, BindTcp},
        {"NoBufferForListen", SYS_listen, ENOBUFS, ListenNew},
        {"NoDescriptorForAccept", SYS_accept4, EMFILE, AcceptOne},
        {"NoFileForAccept", SYS_accept4, ENFILE, AcceptOne},
        {"NoBufferForAccept", SYS_accept4, ENOBUFS, AcceptOne},
        {"NoMemoryForAccept", SYS_accept4, ENOMEM, AcceptOne},
        {"NoDescriptorForConnect", SYS_socket, EMFILE, ConnectOne},
        {"NoMemoryForConnect", SYS_connect, ENOMEM, ConnectOne},
        {"NoFileForPair", SYS_socketpair, ENFILE, MakePair},
        {"NoDescriptorForLock", SYS_openat, EMFILE, ListenThere},
        {"NoLock", SYS_flock, ENOLCK, ListenThere},
        {"NoDescriptorForProbe", SYS_socket, EMFILE, ReplaceStale},
        {"NoProbe", SYS_connect, ENOMEM, ReplaceStale},
        {"StaleStays", kUnlink, EROFS, ReplaceStale},
        {"NoModeAtPath", SYS_fchmod, EROFS, ListenThere},
        {"NoSpaceAtPath", SYS_bind, ENOSPC, ListenThere},
        {"NoListenAtPath", SYS_listen, ENOBUFS, ListenThere},
        {"NoStatus", SYS_newfstatat, EIO, Adopt},
        {"NoStatusOfWhatIsThere", SYS_newfstatat, EIO, ReplaceStale},
        {"NoOption", SYS_setsockopt, ENOMEM, SetOption},
        {"NoValue", SYS_getsockopt, ENOMEM, GetOption},
        {"NoCredentials", SYS_getsockopt, ENOMEM, AskPeer},
        {"NoName", SYS_getsockname, ENOBUFS, AskAddress},
        {"NoPeersName", SYS_getpeername, ENOBUFS, AskPeerAddress},
        {"NoMemoryForPoll", SYS_ppoll, ENOMEM, Await},
        {"NoBufferForSend", SYS_sendto, ENOBUFS, Write},
        {"NoBufferForParts", SYS_sendmsg, ENOBUFS, WriteParts},
        {"NoMemoryForRecv", SYS_recvfrom, ENOMEM, Read},
        {"NoMemoryForReadSome", SYS_recvfrom, ENOMEM, ReadOnce},
        {"NoMemoryForReadParts", SYS_recvmsg, ENOMEM, ReadParts},
        {"NoBufferForDatagram", SYS_sendto, ENOBUFS, Send},
        {"NoMemoryForDatagram", SYS_recvfrom, ENOMEM, Receive},
        {"NoBufferForDescriptors", SYS_sendmsg, ENOBUFS, Pass},
        {"TooManyInFlight", SYS_sendmsg, ETOOMANYREFS, Pass},
        {"NoMemoryForDescriptors", SYS_recvmsg, ENOMEM, ReceivePassed},
        {"NoMemoryForCredentials", SYS_recvmsg, ENOMEM, ReceiveSender},
    }),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ipc
