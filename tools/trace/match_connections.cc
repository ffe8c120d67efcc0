#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/trace/match.h"
#include "tools/trace/queue.h"

namespace trace {
namespace {

std::string PortOf(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

bool IsWildcard(const std::string& address) {
  return absl::StartsWith(address, "0.0.0.0:") ||
         absl::StartsWith(address, "[::]:");
}

class ConnectionMatcher {
 public:
  explicit ConnectionMatcher(Replay* replay)
      : replay_(*replay), files_(replay->trace.files) {
    for (const FileCall& connect : replay_.connects) {
      connect_of_[connect.file] = connect.event;  // The last one counts.
    }
  }

  void Run() {
    PairByAddresses();
    for (size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].listens) MatchListener(static_cast<int>(i));
    }
    NumberConnections();
    for (const FileCall& accept : replay_.accepts) {
      const int client = files_[accept.file].peer;
      const auto connect = connect_of_.find(client);
      if (client == kNone || connect == connect_of_.end()) {
        AddNote(&replay_, accept.event,
                "unknown: the trace does not tell whose connect this took");
        continue;
      }
      AddArrow(&replay_, Arrow::kConnect, connect->second, accept.event,
               "connect");
      replay_.trace.arrows.back().connection = files_[accept.file].connection;
    }
    TellPeerCredentials();
  }

 private:
  void SetPeers(int one, int two) {
    files_[one].peer = two;
    files_[two].peer = one;
  }

  // TCP sockets whose addresses mirror each other. Where the same addresses
  // were used again, the first pair is the first.
  void PairByAddresses() {
    std::map<std::string, std::vector<int>> clients, servers;
    for (size_t i = 0; i < files_.size(); ++i) {
      const File& file = files_[i];
      if (file.kind != File::kTcp || file.peer != kNone || file.local.empty() ||
          file.remote.empty()) {
        continue;
      }
      const int index = static_cast<int>(i);
      if (file.local == file.remote) {
        SetPeers(index, index);
      } else if (file.listener != kNone) {
        servers[absl::StrCat(file.remote, "|", file.local)].push_back(index);
      } else {
        clients[absl::StrCat(file.local, "|", file.remote)].push_back(index);
      }
    }
    for (const auto& client : clients) {
      const std::vector<int>& of_server = servers[client.first];
      if (of_server.size() != client.second.size()) continue;
      for (size_t i = 0; i < of_server.size(); ++i) {
        SetPeers(client.second[i], of_server[i]);
      }
    }
  }

  // Connections wait in a queue until they are accepted. That tells who is who
  // where the client was gone before strace could look.
  void MatchListener(int listener) {
    std::vector<FileCall> connects, accepts;
    for (const FileCall& connect : replay_.connects) {
      if (connect_of_[connect.file] == connect.event &&
          IsTarget(connect, listener)) {
        connects.push_back(connect);
      }
    }
    bool some_unknown = false;
    for (const FileCall& accept : replay_.accepts) {
      if (files_[accept.file].listener != listener) continue;
      accepts.push_back(accept);
      some_unknown |= files_[accept.file].peer == kNone;
    }
    if (!some_unknown) return;
    std::vector<Put> puts;
    std::vector<Take> takes;
    for (const FileCall& connect : connects) {
      const Event& event = replay_.trace.events[connect.event];
      Put put;
      put.begin = event.begin;
      put.end = event.error.empty() ? event.end : replay_.trace.lines;
      put.size = 1;
      puts.push_back(put);
    }
    for (const FileCall& accept : accepts) {
      const Event& event = replay_.trace.events[accept.event];
      Take take;
      take.begin = event.begin;
      take.end = event.end;
      take.size = 1;
      takes.push_back(take);
    }
    const Matching matching = Match(puts, takes, [&](const Piece& piece) {
      return CanBe(connects[piece.put].file, accepts[piece.take].file);
    });
    if (matching.strange) return;
    for (const Piece& piece : matching.pieces) {
      SetPeers(connects[piece.put].file, accepts[piece.take].file);
    }
  }

  bool CanBe(int client, int server) const {
    const File &one = files_[client], &two = files_[server];
    if (one.peer != kNone || two.peer != kNone) return one.peer == server;
    if (replay_.peer_inode[server] != 0) return false;  // Somebody else's.
    return one.local.empty() || two.remote.empty() || one.local == two.remote ||
           (IsWildcard(one.local) && PortOf(one.local) == PortOf(two.remote));
  }

  bool IsTarget(const FileCall& connect, int listener) const {
    const File &client = files_[connect.file], &server = files_[listener];
    if (client.kind != server.kind) return false;
    if (client.peer != kNone && files_[client.peer].listener != kNone) {
      return files_[client.peer].listener == listener;
    }
    if (server.kind == File::kTcp) {
      return PortOf(connect.what) == PortOf(server.local);
    }
    // Of those that had the name, the last to get it.
    const auto bound = replay_.binds.find(connect.what);
    if (bound == replay_.binds.end()) return false;
    int last = kNone;
    for (const FileCall& bind : bound->second) {
      if (bind.event == kNone || replay_.trace.events[bind.event].begin <
                                     replay_.trace.events[connect.event].end) {
        last = bind.file;
      }
    }
    return last == listener;
  }

  void NumberConnections() {
    int next = 0;
    for (size_t i = 0; i < files_.size(); ++i) {
      File& file = files_[i];
      if (file.connection != kNone || file.kind == File::kOther) continue;
      file.connection = next++;
      if (file.peer != kNone) files_[file.peer].connection = file.connection;
    }
    replay_.trace.connections = next;
  }

  // The credentials of SO_PEERCRED are those of the peer when it called
  // connect, listen or socketpair.
  void TellPeerCredentials() {
    for (const FileCall& asked : replay_.peer_credentials) {
      const File& file = files_[asked.file];
      int from = kNone;
      if (file.peer != kNone) {
        const auto connect = connect_of_.find(file.peer);
        if (connect != connect_of_.end()) {
          from = connect->second;
        } else if (files_[file.peer].listener == kNone) {
          from = files_[file.peer].made_by;
        } else {
          for (const FileCall& listen : replay_.listens) {
            if (listen.file == files_[file.peer].listener) from = listen.event;
          }
        }
      }
      const std::string label = CredentialsLabel(asked.what);
      if (from != kNone) {
        AddArrow(&replay_, Arrow::kCredentials, from, asked.event, label);
      }
      AddNote(&replay_, asked.event,
              absl::StrCat("the kernel vouches for ", label));
    }
  }

  Replay& replay_;
  std::vector<File>& files_;
  std::map<int, int> connect_of_;  // By file.
};

}  // namespace

void MatchConnections(Replay* replay) { ConnectionMatcher(replay).Run(); }

std::string CredentialsLabel(absl::string_view text) {
  return absl::StrCat("pid ", harness::Field(text, "pid"), ", uid ",
                      harness::Field(text, "uid"), ", gid ",
                      harness::Field(text, "gid"));
}

void AddArrow(Replay* replay, Arrow::Kind kind, int from, int to,
              std::string label) {
  Arrow arrow;
  arrow.kind = kind;
  arrow.from = from;
  arrow.to = to;
  arrow.label = std::move(label);
  const Event& end = replay->trace.events[to];
  if (end.file != kNone) {
    arrow.connection = replay->trace.files[end.file].connection;
  }
  replay->trace.arrows.push_back(std::move(arrow));
}

void AddNote(Replay* replay, int event, std::string note) {
  replay->trace.events[event].notes.push_back(std::move(note));
}

}  // namespace trace
