// What the checks of lab 04 have in common.
#ifndef TESTS_04_ABSTRACT_NAMESPACE_ABSTRACT_NAMESPACE_H_
#define TESTS_04_ABSTRACT_NAMESPACE_ABSTRACT_NAMESPACE_H_

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/socket_address.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"

constexpr size_t kRecordSize = 1024;
constexpr size_t kMaxName = ipc::SocketAddress::kMaxPathLength;

// A record as it goes over the socket, and the line it becomes.
inline std::string Record(const std::string& text) {
  return text + std::string(kRecordSize - text.size(), '\0');
}
inline std::string Line(int client, const std::string& text) {
  return absl::StrCat("client ", client, ": ", text, "\n");
}

// `name` as it is written in flags and listings: @ for a NUL.
inline std::string Shown(std::string name) {
  std::replace(name.begin(), name.end(), '\0', '@');
  return name;
}
inline std::string Flag(const std::string& name) {
  return "--name=" + Shown(name);
}

inline ipc::SocketAddress Address(const std::string& name) {
  return *ipc::SocketAddress::Abstract(name);
}

// What the server prints when it listens.
inline std::string Listening(const std::string& name) {
  return absl::StrCat("listening at @", Shown(name), ", ",
                      sizeof(sa_family_t) + 1 + name.size(),
                      " bytes of address\n");
}

// As many lines as `text` has.
inline int CountLines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

class AbstractNamespace : public harness::Check {
 protected:
  // Nobody else's: abstract names are shared by all who share the network.
  void SetUp() override {
    name_ = absl::StrCat("lab-", RandomText(12), getpid());
  }
  std::string name_;

  // A name of `length` bytes.
  std::string NameOfLength(size_t length) const {
    return name_ + RandomText(length - name_.size());
  }

  // Names with NULs where programs are known to mistake them.
  std::vector<std::string> NamesWithNuls() const {
    const std::string nul(1, '\0');
    return {name_ + nul + "inside", name_ + nul, nul + name_, name_ + nul + nul,
            nul + name_ + nul + nul + "x" + nul + "y"};
  }

  // Names that have every byte between them, but @ and NUL.
  std::vector<std::string> NamesOfEveryByte() const {
    std::vector<std::string> names = {name_};
    for (int byte = 1; byte < 256; ++byte) {
      if (byte == '@') continue;
      if (names.back().size() == kMaxName) names.push_back(name_);
      names.back().push_back(static_cast<char>(byte));
    }
    return names;
  }

  // Names that are too long.
  std::vector<std::string> ImpossibleNames() const {
    std::string nuls = NameOfLength(kMaxName + 1);
    nuls[90] = nuls[91] = nuls.back() = '@';
    return {NameOfLength(kMaxName + 1), NameOfLength(kMaxName + 2),
            NameOfLength(500), nuls};
  }

  // The server, listening at `name`; `flags` beside --name.
  harness::Process StartServer(const std::string& name,
                               const std::vector<std::string>& flags = {},
                               bool sanitized = false) {
    std::vector<std::string> args = {Flag(name)};
    args.insert(args.end(), flags.begin(), flags.end());
    harness::Process server = Start("server", args, sanitized);
    server.ListensAt("@" + Shown(name));
    return server;
  }

  // How many sockets listen at `name`.
  static int Listeners(const std::string& name) {
    const auto sockets = harness::UnixSockets();
    return static_cast<int>(std::count_if(
        sockets.begin(), sockets.end(), [&](const harness::UnixSocket& socket) {
          return socket.listening && socket.path == "@" + Shown(name);
        }));
  }

  void ExpectOnStderr(harness::Process* program, const std::string& word,
                      const std::string& expected) {
    const std::string err = program->err();
    program->Expect(absl::StrContains(err, word), expected,
                    err.empty() ? "nothing on stderr" : err);
  }
};

// The checks that judge one program alone.
class Server : public AbstractNamespace {
 protected:
  Server() { Judges("server"); }

  // A client sends one record of `text`; the server has read it.
  static void SendRecord(harness::Peer* client, const std::string& text) {
    client->Send(Record(text), "one record");
    client->AwaitRead();
  }

  // Fails if `server` ends although `client` has not.
  static void ExpectToWaitFor(harness::Process* server,
                              const std::string& client) {
    server->FallsAsleep();
    server->Expect(harness::IsAlive(server->pid()),
                   absl::StrCat("the server waits for ", client, " to end"),
                   "it has ended");
  }

  // How many sockets `server` has while it has no client.
  int CountOwnSockets(harness::Process* server) {
    server->FallsAsleep();
    return CountSockets(server->pid());
  }
  // Waits until it has no others.
  static void IsDoneWithClients(harness::Process* server, int own) {
    server->ComesDownTo(own, "open sockets, as before the first client",
                        [&] { return CountSockets(server->pid()); });
  }
};

class Client : public AbstractNamespace {
 protected:
  Client() { Judges("client"); }

  // Has the client connect to `name`, where we listen.
  void ExpectClientAt(const std::string& name) {
    Host(Address(name));
    harness::Process client = Start("client", {Flag(name)});
    harness::Peer host = Accept();
    Because(
        "The client ends as soon as it has sent all, without waiting for the "
        "server. Its exit status is 0 then.",
        harness::Handout(3, {11, 12}, "man 3 exit"));
    host.ReceiveAll();
    client.Exits(0);
    BecauseOfTheWhole();
  }

  // Fails unless `client`, which came to Host, sends four records of `text`.
  void ExpectFourRecords(harness::Process* client, const std::string& text) {
    const std::string received = Accept().ReceiveAll();
    std::string expected;
    for (int i = 0; i < 4; ++i) expected += Record(text);
    client->Expect(received == expected,
                   absl::StrCat("4096 bytes: four times the text of ",
                                text.size(), " bytes and its zeros"),
                   absl::StrCat(received.size(), " bytes\n",
                                harness::Difference(expected, received)));
    client->Exits(0);
  }
};

#endif  // TESTS_04_ABSTRACT_NAMESPACE_ABSTRACT_NAMESPACE_H_
