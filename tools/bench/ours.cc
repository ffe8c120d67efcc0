// The rows with the kit's own library.
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/datagram.h"
#include "lib/fd_passing.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/stream_io.h"
#include "lib/unique_fd.h"
#include "tools/bench/rows.h"

namespace bench {
namespace {

[[noreturn]] void Fail(const absl::Status& status) {
  Die(status.ToString().c_str());
}

void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status);
}

template <typename T>
T Get(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

ipc::SocketAddress UnixAddress(const char* name) {
  return Get(ipc::SocketAddress::UnixPath(PathFor(name)));
}

absl::Span<const char> PayloadOf(size_t size) {
  return absl::MakeConstSpan(Payload()).subspan(0, size);
}

void CheckRead(const absl::StatusOr<bool>& got) {
  if (!got.ok()) Fail(got.status());
  if (!*got) Die("end of stream");
}

void PingPong(int count) {
  ipc::UniqueFd ours, theirs;
  std::tie(ours, theirs) = Get(ipc::SocketPair());
  std::string there(kPingSize, 0), back(kPingSize, 0);
  const auto data = PayloadOf(kPingSize);
  for (int i = 0; i < count; ++i) {
    Check(ipc::WriteAll(ours.get(), data));
    CheckRead(ipc::ReadExact(theirs.get(), absl::MakeSpan(there)));
    Check(ipc::WriteAll(theirs.get(), there));
    CheckRead(ipc::ReadExact(ours.get(), absl::MakeSpan(back)));
  }
  bench::Check(data == absl::MakeConstSpan(back), "what came back");
}

void OneWay(const ipc::UniqueFd& from, const ipc::UniqueFd& to, int count) {
  std::string buffer(kBulkSize, 0);
  const auto data = PayloadOf(kBulkSize);
  for (int i = 0; i < count; ++i) {
    Check(ipc::WriteAll(from.get(), data));
    CheckRead(ipc::ReadExact(to.get(), absl::MakeSpan(buffer)));
  }
  bench::Check(buffer == Payload(), "what arrived");
}

void UnixStream(int count) {
  const ipc::SocketAddress address = UnixAddress("stream");
  const ipc::UniqueFd listener = Get(ipc::Listen(address));
  const ipc::UniqueFd client = Get(ipc::Connect(address));
  OneWay(client, Get(ipc::Accept(listener.get())), count);
}

void Socketpair(int count) {
  const auto ends = Get(ipc::SocketPair());
  OneWay(ends.first, ends.second, count);
}

void Tcp(int count) {
  const ipc::UniqueFd listener =
      Get(ipc::Listen(Get(ipc::SocketAddress::Ip("127.0.0.1", 0))));
  PrepareTcp(listener.get());
  const ipc::UniqueFd client =
      Get(ipc::Connect(Get(ipc::LocalAddress(listener.get()))));
  PrepareTcp(client.get());
  OneWay(client, Get(ipc::Accept(listener.get())), count);
}

void Datagram(int count) {
  const ipc::UniqueFd sender =
      Get(ipc::Bind(UnixAddress("sender"), SOCK_DGRAM));
  const ipc::SocketAddress to = UnixAddress("receiver");
  const ipc::UniqueFd receiver = Get(ipc::Bind(to, SOCK_DGRAM));
  const auto data = PayloadOf(kDatagramSize);
  std::string buffer(kDatagramSize, 0);
  for (int i = 0; i < count; ++i) {
    Check(ipc::SendTo(sender.get(), data, to));
    const absl::StatusOr<ipc::ReceivedDatagram> received =
        ipc::ReceiveFrom(receiver.get(), absl::MakeSpan(buffer));
    if (!received.ok()) Fail(received.status());
  }
  bench::Check(data == absl::MakeConstSpan(buffer), "what arrived");
}

void Fd(int count) {
  const auto ends = Get(ipc::SocketPair()), passed = Get(ipc::SocketPair());
  const int fd = passed.first.get();
  const char byte = 'F';
  for (int i = 0; i < count; ++i) {
    Check(ipc::SendFds(ends.first.get(), absl::MakeConstSpan(&byte, 1),
                       absl::MakeConstSpan(&fd, 1)));
    char buffer;
    const absl::StatusOr<ipc::ReceivedFds> received =
        ipc::ReceiveFds(ends.second.get(), absl::MakeSpan(&buffer, 1));
    if (!received.ok()) Fail(received.status());
    if (received->fds.size() != 1) Die("no descriptor");
  }
}

void ConnectAndAccept(int count) {
  const ipc::SocketAddress address = UnixAddress("connect");
  const ipc::UniqueFd listener = Get(ipc::Listen(address));
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<ipc::UniqueFd> client = ipc::Connect(address);
    if (!client.ok()) Fail(client.status());
    const absl::StatusOr<ipc::UniqueFd> server = ipc::Accept(listener.get());
    if (!server.ok()) Fail(server.status());
  }
}

}  // namespace

const Implementation kOurs = {"ours", PingPong, UnixStream, Socketpair,
                              Tcp,    Datagram, Fd,         ConnectAndAccept};

}  // namespace bench
