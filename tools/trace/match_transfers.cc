#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/trace/match.h"
#include "tools/trace/queue.h"

namespace trace {
namespace {

// The kernel keeps the bytes of a write together up to this length, whatever
// else writes at the same time: see unix(7) on SO_SNDBUF's least value, and
// PIPE_BUF.
constexpr int64_t kKeptTogether = 2048;
// As long as a TCP socket's buffer has room, a write is not interrupted by
// others.
constexpr int64_t kTcpHasRoom = 16384;
// The loopback device loses a datagram only when the receiver has no room for
// it.
constexpr int64_t kUdpHasRoom = 32768, kUdpMessages = 64;

std::string Port(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

bool IsWildcard(const std::string& address) {
  return absl::StartsWith(address, "0.0.0.0:") ||
         absl::StartsWith(address, "[::]:");
}

bool SameAddress(const std::string& a, const std::string& b) {
  return a == b || ((IsWildcard(a) || IsWildcard(b)) && Port(a) == Port(b));
}

class TransferMatcher {
 public:
  explicit TransferMatcher(Replay* replay)
      : replay_(*replay), files_(replay->trace.files) {
    for (const FileCall& connect : replay_.connects) {
      connects_of_[connect.file].push_back(&connect);
    }
  }

  void Run() {
    struct Queue {
      std::vector<int> puts, takes;
    };
    std::map<int, Queue> queues;  // By the file that is read.
    for (size_t i = 0; i < replay_.transfers.size(); ++i) {
      const Transfer& transfer = replay_.transfers[i];
      const int index = static_cast<int>(i);
      if (!transfer.put) {
        queues[transfer.file].takes.push_back(index);
        continue;
      }
      const int to = Destination(transfer);
      if (to != kNone) {
        queues[to].puts.push_back(index);
      } else {
        DestinationUnknown(transfer);
      }
    }
    for (auto& queue : queues) {
      const auto by_begin = [&](int a, int b) {
        return EventOf(a).begin < EventOf(b).begin;
      };
      std::stable_sort(queue.second.puts.begin(), queue.second.puts.end(),
                       by_begin);
      std::stable_sort(queue.second.takes.begin(), queue.second.takes.end(),
                       by_begin);
      MatchQueue(queue.first, queue.second.puts, queue.second.takes);
    }
    TellLostDescriptors();
  }

 private:
  const Event& EventOf(int transfer) const {
    return replay_.trace.events[replay_.transfers[transfer].event];
  }
  bool HasMessages(int file) const {
    const File& socket = files_[file];
    return socket.type == File::kDatagram || socket.type == File::kSeqpacket ||
           (socket.type == File::kNoType && socket.kind == File::kUnix);
  }

  // The file whose reader gets what is put.
  int Destination(const Transfer& transfer) const {
    const File& file = files_[transfer.file];
    if (file.kind == File::kPipe) return transfer.file;
    if (file.kind == File::kTcp || !HasMessages(transfer.file)) {
      return file.peer;
    }
    if (transfer.address.empty() && file.kind == File::kUnix) {
      const auto connects = connects_of_.find(transfer.file);
      const bool moved = file.type == File::kDatagram &&
                         connects != connects_of_.end() &&
                         connects->second.size() > 1;
      return file.peer != kNone && !moved ? file.peer : ConnectedTo(transfer);
    }
    if (file.kind == File::kUdp) {
      return UdpSocket(transfer, UdpTarget(transfer));
    }
    return Bound(transfer.address, EventOf(transfer).begin);
  }
  const Event& EventOf(const Transfer& transfer) const {
    return replay_.trace.events[transfer.event];
  }

  // The last connect of the socket before the transfer; null without.
  const FileCall* ConnectBefore(const Transfer& transfer) const {
    const FileCall* last = nullptr;
    const auto connects = connects_of_.find(transfer.file);
    if (connects == connects_of_.end()) return nullptr;
    for (const FileCall* connect : connects->second) {
      if (replay_.trace.events[connect->event].begin <
          EventOf(transfer).begin) {
        last = connect;
      }
    }
    return last;
  }

  // strace keeps what it first saw of a UDP socket, so connect has to tell.
  std::string UdpTarget(const Transfer& transfer) const {
    if (!transfer.address.empty()) return transfer.address;
    const FileCall* connect = ConnectBefore(transfer);
    return connect ? connect->what : files_[transfer.file].remote;
  }

  // Where a connected datagram socket sends to.
  int ConnectedTo(const Transfer& transfer) const {
    const FileCall* last = ConnectBefore(transfer);
    return last ? Bound(last->what, replay_.trace.events[last->event].begin)
                : kNone;
  }

  // The socket that had the UNIX name last.
  int Bound(const std::string& name, size_t line) const {
    const auto bound = replay_.binds.find(name);
    if (bound == replay_.binds.end()) return kNone;
    int last = kNone;
    for (const FileCall& bind : bound->second) {
      if (bind.event == kNone ||
          replay_.trace.events[bind.event].begin < line) {
        last = bind.file;
      }
    }
    return last;
  }

  bool IsOpen(int file, size_t line) const {
    return std::any_of(
        replay_.refs_of[file].begin(), replay_.refs_of[file].end(),
        [&](int ref) {
          const Ref& each = replay_.refs[ref];
          return each.begin <= line &&
                 (each.closed_by == kNone || each.close_end >= line);
        });
  }

  int UdpSocket(const Transfer& transfer, const std::string& address) const {
    int found = kNone;
    const std::string& sender = files_[transfer.file].local;
    for (const int file : UdpFiles()) {
      const File& socket = files_[file];
      if (!SameAddress(socket.local, address) ||
          !IsOpen(file, EventOf(transfer).begin) ||
          (!socket.remote.empty() && !sender.empty() &&
           !SameAddress(socket.remote, sender))) {
        continue;
      }
      if (found != kNone) return kNone;  // SO_REUSEPORT: one of several.
      found = file;
    }
    return found;
  }

  const std::vector<int>& UdpFiles() const {
    if (!udp_listed_) {
      udp_listed_ = true;
      for (size_t i = 0; i < files_.size(); ++i) {
        if (files_[i].kind == File::kUdp) udp_.push_back(static_cast<int>(i));
      }
    }
    return udp_;
  }

  // A message went where the trace does not tell, perhaps into one of our
  // queues.
  void DestinationUnknown(const Transfer& transfer) {
    const File& file = files_[transfer.file];
    if (!HasMessages(transfer.file)) {
      if (file.peer == kNone) {
        AddNote(&replay_, transfer.event,
                "unknown: the other end is not in this picture");
      }
      return;
    }
    AddNote(&replay_, transfer.event,
            "unknown: the trace does not tell which socket got this message");
    const std::string address =
        file.kind == File::kUdp ? UdpTarget(transfer) : transfer.address;
    for (size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].kind != file.kind || !HasMessages(static_cast<int>(i))) {
        continue;
      }
      if (file.kind == File::kUdp && !files_[i].local.empty() &&
          Port(files_[i].local) != Port(address)) {
        continue;
      }
      replay_.queue_is_odd[i] = true;
    }
  }

  static bool SameBytes(const Transfer& put, int64_t put_at,
                        const Transfer& take, int64_t take_at, int64_t size) {
    const auto shown = [](const Transfer& transfer, int64_t at) {
      return static_cast<int64_t>(transfer.content.size()) - at;
    };
    const int64_t known =
        std::min({size, shown(put, put_at), shown(take, take_at)});
    return known <= 0 || put.content.compare(put_at, known, take.content,
                                             take_at, known) == 0;
  }

  bool SameMessage(const Transfer& put, const Transfer& take) const {
    if (put.size == kUnknownSize) return true;
    const int64_t size = std::min(put.size, take.size);
    if (take.size != put.size &&
        !(take.size < put.size && (take.cut || take.size == take.asked))) {
      return false;
    }
    const File& sender = files_[put.file];
    if (!take.address.empty()) {
      if (sender.kind == File::kUdp) {
        if (!sender.local.empty() && !SameAddress(sender.local, take.address)) {
          return false;
        }
      } else if (!sender.name.empty() && sender.name != take.address) {
        return false;
      }
    }
    return SameBytes(put, 0, take, 0, size);
  }

  void MatchQueue(int file, const std::vector<int>& put_list,
                  const std::vector<int>& take_list) {
    const bool messages = HasMessages(file);
    const bool datagrams = files_[file].type == File::kDatagram;
    bool odd = replay_.queue_is_odd[file];
    int64_t total = 0;
    for (const int put : put_list) {
      total += std::max<int64_t>(replay_.transfers[put].size, 0);
      // At the other end of a sequence of packets, an empty one looks like the
      // end.
      if (messages && !datagrams && replay_.transfers[put].size == 0) {
        odd = true;
      }
    }
    std::vector<Put> puts;
    for (const int index : put_list) {
      const Transfer& transfer = replay_.transfers[index];
      Put put;
      put.begin = EventOf(index).begin;
      put.end = EventOf(index).end;
      put.size = !messages || transfer.size == kUnknownSize ? transfer.size : 1;
      put.whole = messages ||
                  (transfer.size <= kKeptTogether &&
                   (files_[file].kind != File::kTcp || total <= kTcpHasRoom));
      puts.push_back(put);
    }
    std::vector<Take> takes;
    for (const int index : take_list) {
      const Transfer& transfer = replay_.transfers[index];
      Take take;
      take.begin = EventOf(index).begin;
      take.end = EventOf(index).end;
      take.peek = transfer.peek;
      take.whole = !transfer.waits_for_all && !replay_.buffer_is_set[file];
      take.size = transfer.size;
      if (messages && transfer.size != kUnknownSize) {
        take.size = transfer.size > 0 || datagrams ? 1 : 0;
      }
      takes.push_back(take);
    }
    const std::function<bool(const Piece&)> fits = [&](const Piece& piece) {
      const Transfer& put = replay_.transfers[put_list[piece.put]];
      const Transfer& take = replay_.transfers[take_list[piece.take]];
      return messages ? SameMessage(put, take)
                      : SameBytes(put, piece.put_at, take, piece.take_at,
                                  piece.size);
    };
    const bool lossy = files_[file].kind == File::kUdp;
    Matching matching;
    if (odd) {
      for (const Take& take : takes) {
        matching.unknown.push_back(std::max<int64_t>(take.size, 0));
      }
    } else {
      const bool safe = !lossy || NothingWasLost(file, put_list, take_list);
      if (safe) matching = Match(puts, takes, fits);
      if (!safe || (lossy && matching.strange)) {
        matching = MatchLossy(puts, takes, fits);
      }
    }
    Tell(file, matching, put_list, take_list, puts, takes);
  }

  // UDP: whether the receiver's buffer had room at all times.
  bool NothingWasLost(int file, const std::vector<int>& puts,
                      const std::vector<int>& takes) const {
    if (replay_.buffer_is_set[file]) return false;
    size_t next = 0;
    int64_t messages = 0, bytes = 0;
    for (const int put : puts) {
      for (;
           next < takes.size() && EventOf(takes[next]).end < EventOf(put).begin;
           ++next) {
        const Transfer& take = replay_.transfers[takes[next]];
        if (take.peek || take.size < 0) continue;
        --messages;
        bytes -= take.size;
      }
      ++messages;
      bytes += replay_.transfers[put].size;
      if (messages > kUdpMessages || bytes > kUdpHasRoom) return false;
    }
    return true;
  }

  void Tell(int file, const Matching& matching,
            const std::vector<int>& put_list, const std::vector<int>& take_list,
            const std::vector<Put>& puts, const std::vector<Take>& takes) {
    const bool messages = HasMessages(file);
    std::vector<int64_t> left(puts.size());
    for (size_t i = 0; i < puts.size(); ++i) left[i] = puts[i].size;
    std::vector<int> sources(takes.size()), targets(puts.size());
    for (const Piece& piece : matching.pieces) {
      const Transfer& put = replay_.transfers[put_list[piece.put]];
      const Transfer& take = replay_.transfers[take_list[piece.take]];
      const int64_t bytes = messages ? take.size : piece.size;
      AddArrow(&replay_, messages ? Arrow::kMessage : Arrow::kData, put.event,
               take.event,
               absl::StrCat(bytes, bytes == 1 ? " byte" : " bytes"));
      Arrow& arrow = replay_.trace.arrows.back();
      arrow.bytes = bytes;
      arrow.from_at = piece.put_at;
      arrow.to_at = piece.take_at;
      ++sources[piece.take];
      if (!take.peek) {
        left[piece.put] -= piece.size;
        ++targets[piece.put];
      }
      if (messages && put.size > take.size) {
        AddNote(&replay_, take.event,
                absl::StrCat("the message has ", put.size, " bytes: ",
                             put.size - take.size, " of them are lost"));
      }
      if (piece.put_at == 0) TellControl(put, take);
    }
    for (size_t i = 0; i < takes.size(); ++i) {
      const int event = replay_.transfers[take_list[i]].event;
      if (matching.unknown[i] > 0) {
        AddNote(
            &replay_, event,
            put_list.empty() ? "unknown: from outside this picture"
            : messages
                ? "unknown: the trace does not tell who sent this message"
                : absl::StrCat("unknown: the trace does not tell who wrote ",
                               matching.unknown[i], " of these bytes"));
      }
      if (!messages && sources[i] > 1) {
        AddNote(&replay_, event,
                absl::StrCat("these bytes are of ", sources[i], " calls"));
      }
    }
    if (matching.strange) {
      if (!put_list.empty()) {
        AddNote(&replay_, replay_.transfers[take_list.back()].event,
                "unknown: somebody outside this picture has this socket, too");
      }
      return;
    }
    const bool all_known =
        std::all_of(matching.unknown.begin(), matching.unknown.end(),
                    [](int64_t unknown) { return unknown == 0; });
    for (size_t i = 0; i < puts.size(); ++i) {
      const int event = replay_.transfers[put_list[i]].event;
      if (!messages && targets[i] > 1) {
        AddNote(&replay_, event,
                absl::StrCat("its bytes were got by ", targets[i], " calls"));
      }
      if (all_known && puts[i].size > 0 && left[i] > 0) {
        AddNote(&replay_, event,
                messages ? "nobody in this picture got this message"
                         : absl::StrCat("nobody in this picture got ", left[i],
                                        " of these bytes"));
      }
    }
  }

  void TellControl(const Transfer& put, const Transfer& take) {
    for (const std::string& credentials : take.credentials) {
      const std::string label = CredentialsLabel(credentials);
      AddArrow(&replay_, Arrow::kCredentials, put.event, take.event, label);
      AddNote(&replay_, take.event,
              absl::StrCat("the kernel vouches for ", label));
    }
    if (put.fds.empty() || replay_.queue_is_odd[take.file]) return;
    const size_t both = std::min(put.fds.size(), take.fds.size());
    for (size_t i = 0; i < both; ++i) {
      std::string what;
      if (i < take.fd_files.size()) what = files_[take.fd_files[i]].what;
      AddArrow(&replay_, Arrow::kDescriptor, put.event, take.event,
               absl::StrCat(put.fds[i].first, " → ", take.fds[i].first,
                            what.empty() ? "" : ": ", what));
    }
    if (both < put.fds.size()) {
      AddNote(
          &replay_, take.event,
          absl::StrCat(put.fds.size() - both, " of ", put.fds.size(),
                       " descriptors did not arrive: there was no room for ",
                       "them, or the call does not take them"));
    } else if (!take.peek) {
      arrived_[&put] = true;
    }
  }

  // A descriptor that was sent, and of which nobody knows whether it arrived,
  // may be open in the queue.
  void TellLostDescriptors() {
    for (const Transfer& put : replay_.transfers) {
      if (!put.put || arrived_[&put]) continue;
      for (const int file : put.fd_files) replay_.held_outside[file] = true;
    }
  }

  Replay& replay_;
  std::vector<File>& files_;
  std::map<int, std::vector<const FileCall*>> connects_of_;  // By file.
  std::map<const Transfer*, bool> arrived_;
  mutable std::vector<int> udp_;
  mutable bool udp_listed_ = false;
};

}  // namespace

void MatchTransfers(Replay* replay) { TransferMatcher(replay).Run(); }

}  // namespace trace
