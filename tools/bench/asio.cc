// The rows with Boost.Asio: its synchronous calls, since nothing here has
// anything else to do. It throws what goes wrong.
#ifdef BENCH_HAS_ASIO

#include <boost/asio.hpp>
#include <string>
#include <utility>

#include "tools/bench/rows.h"

namespace bench {
namespace {

namespace asio = boost::asio;
using Stream = asio::local::stream_protocol;
using LocalDatagram = asio::local::datagram_protocol;

void PingPong(int count) {
  asio::io_context context;
  Stream::socket ours(context), theirs(context);
  asio::local::connect_pair(ours, theirs);
  std::string there(kPingSize, 0), back(kPingSize, 0);
  const auto data = asio::buffer(Payload(), kPingSize);
  for (int i = 0; i < count; ++i) {
    asio::write(ours, data);
    asio::read(theirs, asio::buffer(there));
    asio::write(theirs, asio::buffer(there));
    asio::read(ours, asio::buffer(back));
  }
  Check(Payload().compare(0, kPingSize, back) == 0, "what came back");
}

template <typename Socket>
void OneWay(Socket from, Socket to, int count) {
  std::string buffer(kBulkSize, 0);
  const auto data = asio::buffer(Payload(), kBulkSize);
  for (int i = 0; i < count; ++i) {
    asio::write(from, data);
    asio::read(to, asio::buffer(buffer));
  }
  Check(buffer == Payload(), "what arrived");
}

void UnixStream(int count) {
  asio::io_context context;
  const Stream::endpoint address(PathFor("stream"));
  Stream::acceptor listener(context, address);
  Stream::socket client(context);
  client.connect(address);
  Stream::socket server = listener.accept();
  OneWay(std::move(client), std::move(server), count);
}

void Socketpair(int count) {
  asio::io_context context;
  Stream::socket from(context), to(context);
  asio::local::connect_pair(from, to);
  OneWay(std::move(from), std::move(to), count);
}

void Tcp(int count) {
  using asio::ip::tcp;
  asio::io_context context;
  tcp::acceptor listener(context,
                         tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  PrepareTcp(listener.native_handle());
  tcp::socket client(context);
  client.connect(listener.local_endpoint());
  PrepareTcp(client.native_handle());
  tcp::socket server = listener.accept();
  OneWay(std::move(client), std::move(server), count);
}

void Datagram(int count) {
  asio::io_context context;
  LocalDatagram::socket sender(context,
                               LocalDatagram::endpoint(PathFor("sender")));
  const LocalDatagram::endpoint to(PathFor("receiver"));
  LocalDatagram::socket receiver(context, to);
  std::string buffer(kDatagramSize, 0);
  const auto data = asio::buffer(Payload(), kDatagramSize);
  for (int i = 0; i < count; ++i) {
    sender.send_to(data, to);
    LocalDatagram::endpoint from;
    receiver.receive_from(asio::buffer(buffer), from);
  }
  Check(Payload().compare(0, kDatagramSize, buffer) == 0, "what arrived");
}

void ConnectAndAccept(int count) {
  asio::io_context context;
  const Stream::endpoint address(PathFor("connect"));
  Stream::acceptor listener(context, address);
  for (int i = 0; i < count; ++i) {
    Stream::socket client(context);
    client.connect(address);
    const Stream::socket server = listener.accept();
  }
}

}  // namespace

const Implementation kAsio = {"asio", PingPong, UnixStream, Socketpair,
                              Tcp,    Datagram, nullptr,    ConnectAndAccept};

}  // namespace bench

#else

#include "tools/bench/rows.h"

namespace bench {
const Implementation kAsio = {"asio",  nullptr, nullptr, nullptr,
                              nullptr, nullptr, nullptr, nullptr};
}  // namespace bench

#endif
