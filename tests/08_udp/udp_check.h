// What the checks of lab 08 have in common: the form of the datagrams, the
// lines that the programs print, and the checker's ends.
#ifndef TESTS_08_UDP_UDP_CHECK_H_
#define TESTS_08_UDP_UDP_CHECK_H_

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

constexpr size_t kHeaderSize = 8;
constexpr size_t kLongestText = 65507 - kHeaderSize;  // Over IPv4.
constexpr int kRemembered = 64;
constexpr char kLoopback[] = "127.0.0.1";

inline uint32_t RandomNumber(uint32_t low = 0, uint32_t high = UINT32_MAX) {
  static auto& engine = *new std::mt19937(std::random_device{}());
  return std::uniform_int_distribution<uint32_t>(low, high)(engine);
}

// Every byte there is, in any order.
inline std::string EveryByte() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(char(byte));
  std::rotate(bytes.begin(), bytes.begin() + RandomNumber(1, 255), bytes.end());
  return bytes;
}

inline std::string Bytes(size_t count) {
  return count == 1 ? "1 byte" : absl::StrCat(count, " bytes");
}

inline std::string Pack(uint32_t sequence, uint32_t number,
                        const std::string& text) {
  const uint32_t header[] = {htonl(sequence), htonl(number)};
  return std::string(reinterpret_cast<const char*>(header), kHeaderSize) + text;
}
inline std::string Request(uint32_t sequence, const std::string& text) {
  return Pack(sequence, 0, text);
}

inline uint32_t Word(const std::string& bytes, size_t index) {
  uint32_t word = 0;
  if (bytes.size() >= kHeaderSize) memcpy(&word, &bytes[4 * index], 4);
  return ntohl(word);
}
inline uint32_t SequenceOf(const std::string& bytes) { return Word(bytes, 0); }

// For people.
inline std::string Shown(const std::string& bytes) {
  if (bytes.size() < kHeaderSize) return Bytes(bytes.size());
  return absl::StrCat(Bytes(bytes.size()), ": sequence ", Word(bytes, 0),
                      ", number ", Word(bytes, 1), ", text ",
                      harness::Escaped(bytes.substr(kHeaderSize), 60));
}

inline std::string NameOf(const harness::DatagramPeer& peer) {
  const auto name = ipc::LocalAddress(peer.fd());
  return name.ok() ? name->ToString() : "(gone)";
}

// What the server prints.
inline std::string Waiting(const ipc::SocketAddress& name) {
  return absl::StrCat("waiting at ", name.ToString(), "\n");
}
inline std::string New(uint32_t number, const std::string& request,
                       const std::string& client) {
  return absl::StrCat("request ", number, ": ", request.size(), " bytes from ",
                      client, "\n");
}
inline std::string Again(uint32_t number, const std::string& client) {
  return absl::StrCat("request ", number, ": again from ", client, "\n");
}

// What the client prints.
inline std::string Answered(uint32_t number, const std::string& text) {
  return absl::StrCat(number, ": ", text, "\n");
}
inline std::string Unanswered(int index) {
  return absl::StrCat("no answer to request ", index, ", again\n");
}

class Udp : public harness::Check {
 protected:
  // Many requests, for checks that let the server live on.
  static constexpr char kOpenEnd[] = "--requests=100000";

  harness::Process StartServer(const std::vector<std::string>& flags,
                               ipc::SocketAddress* name,
                               bool sanitized = false) {
    harness::Process server = Start("server", flags, sanitized);
    *name = server.ReceivesOnUdp();
    return server;
  }

  // A client of ours.
  harness::DatagramPeer Open(const std::string& name = "a client",
                             const std::string& host = kLoopback,
                             int port = 0) {
    return OpenDatagram(*ipc::SocketAddress::Ip(host, port), name);
  }

  // A server of ours, in the place of the student's.
  harness::DatagramPeer OpenHost() { return Open("a server of ours"); }

  static ipc::SocketAddress AddressOf(const harness::DatagramPeer& peer) {
    const auto name = ipc::LocalAddress(peer.fd());
    return name.ok() ? *name : ipc::SocketAddress();
  }

  // The client, of a server of ours.
  harness::Process StartClient(const harness::DatagramPeer& host,
                               const std::vector<std::string>& args,
                               bool sanitized = false) {
    return Start("client", ArgsFor(host, args), sanitized);
  }

  static std::vector<std::string> ArgsFor(const harness::DatagramPeer& host,
                                          std::vector<std::string> args) {
    args.insert(args.begin(),
                {absl::StrCat("--address=", kLoopback),
                 absl::StrCat("--port=", AddressOf(host).port())});
    return args;
  }

  // Waits for a datagram from the student's server at `name`, and tells the
  // difference.
  void Receives(harness::Process server, harness::DatagramPeer& client,
                const ipc::SocketAddress& name, const std::string& expected) {
    ipc::SocketAddress from;
    const std::string received = client.Receive("its answer", &from);
    server.Expect(received == expected, "its answer, " + Shown(expected),
                  Shown(received));
    server.Expect(from.port() == name.port(),
                  absl::StrCat("it comes from port ", name.port()),
                  "from " + from.ToString());
  }

  // A request and its answer.
  void Ask(harness::Process server, harness::DatagramPeer& client,
           const ipc::SocketAddress& name, uint32_t sequence,
           const std::string& text, uint32_t number) {
    const std::string request = Request(sequence, text);
    client.SendTo(name, request, Shown(request));
    Receives(server, client, name, Pack(sequence, number, text));
  }

  // The next request of the student's client, and where its answer goes.
  std::string NextRequest(harness::DatagramPeer& host, ipc::SocketAddress* from,
                          const char* what = "a request") {
    std::string request = host.Receive(what, from);
    if (!over()) Step(absl::StrCat("it received ", Shown(request)));
    return request;
  }

  // The same, the first one with `text`. What follows is another check's.
  std::string RequestWith(harness::Process client, harness::DatagramPeer& host,
                          const std::string& text, ipc::SocketAddress* from) {
    while (!over()) {
      std::string request = NextRequest(host, from);
      if (request.size() >= kHeaderSize &&
          request.compare(kHeaderSize, text.size(), text) == 0) {
        return request;
      }
      // On a slow machine what it asked before may be asked again.
      client.Expect(absl::StrContains(client.out(), "again"),
                    absl::StrCat("a request of ", Bytes(text.size()),
                                 " and its header of 8"),
                    Shown(request));
    }
    return "";
  }

  // The client has printed `output` when it sends once more, if not before.
  void HasPrinted(harness::Process client, const harness::DatagramPeer& host,
                  const std::string& output) {
    const auto printed = [&] { return absl::StartsWith(client.out(), output); };
    int late = 0;  // Once may be before we have read what it printed.
    client.ComesDownTo(0, "lines that it has not printed", [&] {
      late += Waits(host);
      return printed() || late > 1 ? 0 : 1;
    });
    client.Expect(printed(), "it has printed " + harness::Escaped(output, 200),
                  harness::Difference(output, client.out()));
  }

  static std::vector<std::string> DeadlineArgs(const std::string& text) {
    return {"--timeout=50", "--tries=7", text};
  }

  // A client with these, to which `count` useless datagrams come late in a
  // wait, asks again before that wait could have begun anew. How late it does
  // nobody can promise. So once in six waits is enough: a client that waits
  // anew never does.
  void AsksAgainInTime(harness::Process client, harness::DatagramPeer& host,
                       const std::string& text, int count, const char* what) {
    ipc::SocketAddress from;
    const std::string request = RequestWith(client, host, text, &from);
    const std::string old = Pack(SequenceOf(request) - 1, 1, "old");
    constexpr auto kRounding = absl::Milliseconds(3);
    auto wait = absl::Milliseconds(50);
    bool in_time = false;
    for (int i = 0; i < 6 && !in_time && !over(); ++i, wait *= 2) {
      const auto late = absl::Now() + wait / 2;
      client.ComesDownTo(0, "waits",
                         [&] { return absl::Now() < late ? 1 : 0; });
      const auto sent = absl::Now();
      for (int j = 0; j < count; ++j) {
        host.SendTo(from, old, j == 0 ? what : "");
        client.ComesDownTo(0, "bytes that it has not read",
                           [&] { return Waits(host) ? 0 : Unread(from); });
      }
      // Only while it has not asked again they came in time.
      const bool matters = !Waits(host);
      NextRequest(host, &from, "the request again");
      in_time = matters && absl::Now() - sent < wait - kRounding;
    }
    client.Expect(in_time, "it asks again when its time is over",
                  "it waits for the whole time once more, after each of these");
    host.SendTo(from, Pack(SequenceOf(request), 1, text), "the answer");
    client.Exits(0);
  }

  // How many bytes wait for the UDP socket at `name`.
  static int Unread(const ipc::SocketAddress& name) {
    for (const harness::IpSocket& socket : harness::UdpSockets()) {
      if (socket.local.ToString() == name.ToString()) {
        return static_cast<int>(socket.unread);
      }
    }
    return 0;
  }

  // What the client prints first.
  static std::string Ends(const ipc::SocketAddress& client,
                          const harness::DatagramPeer& host) {
    return absl::StrCat(client.ToString(), " connected to ", NameOf(host),
                        "\n");
  }

  // How many datagrams wait for us.
  static int CountWaiting(const harness::DatagramPeer& peer) {
    int count = 0;
    while (recv(peer.fd(), nullptr, 0, MSG_DONTWAIT) >= 0) ++count;
    return count;
  }
  static bool Waits(const harness::DatagramPeer& peer) {
    return recv(peer.fd(), nullptr, 0, MSG_PEEK | MSG_DONTWAIT) >= 0;
  }

  static bool Has(const char* host) {
    return ipc::Bind(*ipc::SocketAddress::Ip(host, 0), SOCK_DGRAM).ok();
  }

  // Whether it has 3 lines on stderr, and so on.
  static void ExpectErrors(harness::Process program, int count) {
    const std::string err = program.err();
    const auto lines = std::count(err.begin(), err.end(), '\n');
    program.Expect(lines == count, absl::StrCat("lines on stderr: ", count),
                   absl::StrCat(lines, err.empty() ? "" : ":\n", err));
  }
};

class Server : public Udp {
 protected:
  Server() { Judges("server"); }
};

class Client : public Udp {
 protected:
  Client() { Judges("client"); }
};

#endif  // TESTS_08_UDP_UDP_CHECK_H_
