#include "tools/trace/queue.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace trace {
namespace {

constexpr int64_t kEndless = std::numeric_limits<int64_t>::max() / 4;
// More calls at the same time have too many orders to try.
constexpr size_t kMostAtOnce = 5;

using Order = std::vector<size_t>;

// Puts, or takes, of which the order is not known, and where they are together.
struct Cluster {
  int64_t begin = 0, size = 0;
  std::vector<Order> orders;  // All that are possible; none if too many.
  int64_t end() const { return begin + size; }
};

// Part of a put or take, and where it is in the stream.
struct Range {
  size_t owner;
  bool known;          // Whether the owner is.
  int64_t begin, end;  // In the stream.
  int64_t at;          // In the owner.
};

template <typename Item>
std::vector<size_t> ByBegin(const std::vector<Item>& items,
                            const std::function<bool(const Item&)>& counts) {
  std::vector<size_t> order;
  for (size_t i = 0; i < items.size(); ++i) {
    if (counts(items[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return items[a].begin < items[b].begin;
  });
  return order;
}

// All orders of `members` in which none comes after one that began later than
// it ended.
template <typename Item>
std::vector<Order> Orders(const std::vector<Item>& items, Order members) {
  std::vector<Order> orders;
  std::sort(members.begin(), members.end());
  do {
    bool possible = true;
    for (size_t i = 0; possible && i < members.size(); ++i) {
      for (size_t j = i + 1; possible && j < members.size(); ++j) {
        const Item &first = items[members[i]], &later = items[members[j]];
        // What one call did, sendmmsg for instance, it did in the order given.
        possible = later.begin == first.begin ? members[i] < members[j]
                                              : later.end > first.begin;
      }
    }
    if (possible) orders.push_back(members);
  } while (std::next_permutation(members.begin(), members.end()));
  return orders;
}

// The clusters up to the first item of unknown size that is not the last of
// all.
template <typename Item>
std::vector<Cluster> Clusters(const std::vector<Item>& items,
                              const std::vector<size_t>& by_begin,
                              const std::function<bool(const Item&)>& whole) {
  std::vector<Cluster> clusters;
  int64_t at = 0;
  for (size_t i = 0; i < by_begin.size();) {
    Order members;
    size_t end = 0;
    bool permutable = true, known = true;
    Cluster cluster;
    cluster.begin = at;
    for (; i < by_begin.size() &&
           (members.empty() || items[by_begin[i]].begin < end);
         ++i) {
      const Item& item = items[by_begin[i]];
      end = std::max(end, item.end);
      members.push_back(by_begin[i]);
      permutable &= whole(item);
      known &= item.size != kUnknownSize;
      if (known) cluster.size += item.size;
    }
    if (!known) {
      if (members.size() > 1 || i < by_begin.size()) return clusters;
      cluster.size = kEndless - at;
    }
    if (items[members.front()].begin == items[members.back()].begin) {
      cluster.orders = {members};
    } else if (permutable && members.size() <= kMostAtOnce) {
      cluster.orders = Orders(items, members);
    }
    at += cluster.size;
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

class Matcher {
 public:
  Matcher(const std::vector<Put>& puts, const std::vector<Take>& takes,
          const std::function<bool(const Piece&)>& fits)
      : puts_(puts), takes_(takes), fits_(fits) {
    put_clusters_ = Clusters<Put>(
        puts, ByBegin<Put>(puts, [](const Put& put) { return put.size != 0; }),
        [](const Put& put) { return put.whole; });
    take_clusters_ = Clusters<Take>(
        takes,
        ByBegin<Take>(
            takes,
            [](const Take& take) { return take.size != 0 && !take.peek; }),
        [](const Take& take) { return take.whole; });
  }

  Matching Run() {
    matching_.unknown.resize(takes_.size());
    for (size_t i = 0; i < takes_.size(); ++i) {
      matching_.unknown[i] = std::max<int64_t>(takes_[i].size, 0);
    }
    // What is known of the puts tells more of the takes, and the other way
    // round.
    for (bool changed = true; changed;) changed = Narrow();
    for (const Cluster& cluster : take_clusters_) {
      if (!Tell(cluster)) break;
    }
    for (size_t i = 0; i < takes_.size(); ++i) {
      if (takes_[i].peek && takes_[i].size > 0) TellPeek(i);
    }
    std::stable_sort(matching_.pieces.begin(), matching_.pieces.end(),
                     [](const Piece& a, const Piece& b) {
                       return a.take != b.take ? a.take < b.take
                                               : a.take_at < b.take_at;
                     });
    return std::move(matching_);
  }

 private:
  int64_t SizeOf(size_t put, const Cluster& cluster) const {
    return puts_[put].size == kUnknownSize ? cluster.size : puts_[put].size;
  }

  // Who put the bytes from `begin` to `end`, as far as all possible orders
  // agree.
  std::vector<Range> Owners(int64_t begin, int64_t end) const {
    std::vector<Range> ranges;
    auto cluster = std::partition_point(
        put_clusters_.begin(), put_clusters_.end(),
        [&](const Cluster& each) { return each.end() <= begin; });
    for (; cluster != put_clusters_.end() && cluster->begin < end; ++cluster) {
      const int64_t from = std::max(begin, cluster->begin);
      const int64_t to = std::min(end, cluster->end());
      if (cluster->orders.empty()) {
        ranges.push_back({0, false, from, to, 0});
      } else if (cluster->orders.size() == 1) {
        AppendOwners(*cluster, cluster->orders[0], from, to, &ranges);
      } else {
        AppendAgreed(*cluster, from, to, &ranges);
      }
    }
    return ranges;
  }

  void AppendOwners(const Cluster& cluster, const Order& order, int64_t begin,
                    int64_t end, std::vector<Range>* ranges) const {
    int64_t at = cluster.begin;
    for (const size_t put : order) {
      const int64_t size = SizeOf(put, cluster);
      const int64_t from = std::max(begin, at), to = std::min(end, at + size);
      if (from < to) ranges->push_back({put, true, from, to, from - at});
      at += size;
    }
  }

  void AppendAgreed(const Cluster& cluster, int64_t begin, int64_t end,
                    std::vector<Range>* ranges) const {
    std::vector<Range> agreed;
    AppendOwners(cluster, cluster.orders[0], begin, end, &agreed);
    for (size_t i = 1; i < cluster.orders.size(); ++i) {
      std::vector<Range> other, both;
      AppendOwners(cluster, cluster.orders[i], begin, end, &other);
      for (const Range& a : agreed) {
        for (const Range& b : other) {
          const int64_t from = std::max(a.begin, b.begin);
          const int64_t to = std::min(a.end, b.end);
          if (from >= to) continue;
          const int64_t at = a.at + from - a.begin;
          both.push_back(
              {a.owner,
               a.known && a.owner == b.owner && at == b.at + from - b.begin,
               from, to, at});
        }
      }
      agreed = std::move(both);
    }
    ranges->insert(ranges->end(), agreed.begin(), agreed.end());
  }

  // Whether the take can have had the bytes from `begin` on that `owners` tell.
  bool Possible(size_t take, int64_t begin,
                const std::vector<Range>& owners) const {
    for (const Range& range : owners) {
      if (!range.known) continue;
      if (puts_[range.owner].begin >= takes_[take].end) return false;
      if (!fits_({range.owner, take, range.at, range.begin - begin,
                  range.end - range.begin})) {
        return false;
      }
    }
    return true;
  }

  int64_t TakeSize(size_t take) const {
    return std::max<int64_t>(takes_[take].size, 0);
  }

  // Drops the orders that contradict what is known; whether there were any.
  bool Narrow() {
    bool narrowed = false;
    for (Cluster& cluster : take_clusters_) {
      if (cluster.orders.size() < 2) continue;
      narrowed |= Drop(&cluster, [&](const Order& order) {
        int64_t at = cluster.begin;
        for (const size_t take : order) {
          const int64_t size = TakeSize(take);
          if (!Possible(take, at, Owners(at, at + size))) return false;
          at += size;
        }
        return true;
      });
    }
    for (Cluster& cluster : put_clusters_) {
      if (cluster.orders.size() < 2) continue;
      narrowed |= Drop(
          &cluster, [&](const Order& order) { return Agrees(cluster, order); });
    }
    return narrowed;
  }

  template <typename Keep>
  static bool Drop(Cluster* cluster, Keep keep) {
    std::vector<Order> kept;
    for (const Order& order : cluster->orders) {
      if (keep(order)) kept.push_back(order);
    }
    if (kept.size() == cluster->orders.size()) return false;
    cluster->orders = std::move(kept);  // None: a contradiction; Tell sees it.
    return true;
  }

  // Whether this order of puts can be what the takes of known order had.
  bool Agrees(const Cluster& cluster, const Order& order) const {
    auto takes = std::partition_point(
        take_clusters_.begin(), take_clusters_.end(),
        [&](const Cluster& each) { return each.end() <= cluster.begin; });
    for (; takes != take_clusters_.end() && takes->begin < cluster.end();
         ++takes) {
      if (takes->orders.size() != 1) continue;
      int64_t at = takes->begin;
      for (const size_t take : takes->orders[0]) {
        std::vector<Range> ranges;
        AppendOwners(cluster, order, at, at + TakeSize(take), &ranges);
        if (!Possible(take, at, ranges)) return false;
        at += TakeSize(take);
      }
    }
    return true;
  }

  // Tells the pieces of a cluster of takes; false if they contradict the puts,
  // so that what comes later is not known either.
  bool Tell(const Cluster& cluster) {
    if (cluster.orders.empty()) return true;
    if (cluster.orders.size() == 1) {
      int64_t at = cluster.begin;
      for (const size_t take : cluster.orders[0]) {
        if (!TellTake(take, at)) return false;
        at += TakeSize(take);
      }
      return true;
    }
    // A take that is at the same place in all orders is known for all that.
    for (const size_t take : cluster.orders[0]) {
      const int64_t at = Place(cluster, cluster.orders[0], take);
      const bool agreed =
          std::all_of(cluster.orders.begin(), cluster.orders.end(),
                      [&](const Order& order) {
                        return Place(cluster, order, take) == at;
                      });
      if (agreed && !TellTake(take, at)) return false;
    }
    return true;
  }

  int64_t Place(const Cluster& cluster, const Order& order, size_t take) const {
    int64_t at = cluster.begin;
    for (const size_t each : order) {
      if (each == take) break;
      at += TakeSize(each);
    }
    return at;
  }

  bool TellTake(size_t take, int64_t at) {
    const int64_t size = TakeSize(take);
    const std::vector<Range> owners = Owners(at, at + size);
    int64_t covered = 0;
    for (const Range& range : owners) covered += range.end - range.begin;
    if (!Possible(take, at, owners) || covered < size) {
      matching_.strange = true;
      return false;
    }
    for (const Range& range : owners) {
      if (!range.known) continue;
      const int64_t length = range.end - range.begin;
      matching_.pieces.push_back(
          {range.owner, take, range.at, range.begin - at, length});
      matching_.unknown[take] -= length;
    }
    return true;
  }

  // A peek sees what the next take would get, if it is known which that is.
  void TellPeek(size_t peek) {
    int64_t at = 0;
    for (const Cluster& cluster : take_clusters_) {
      for (const size_t take :
           cluster.orders.empty() ? Order() : cluster.orders[0]) {
        if (takes_[take].begin >= peek_end(peek)) return TellPeekAt(peek, at);
        if (takes_[take].end > takes_[peek].begin) return;
      }
      if (cluster.orders.empty()) return;
      at = cluster.end();
    }
    // Takes behind an unknown one have no cluster.
    size_t clustered = 0, all = 0;
    for (const Take& take : takes_) all += take.size != 0 && !take.peek ? 1 : 0;
    for (const Cluster& cluster : take_clusters_) {
      clustered += cluster.orders.empty() ? 0 : cluster.orders[0].size();
    }
    if (clustered == all) TellPeekAt(peek, at);
  }
  size_t peek_end(size_t peek) const { return takes_[peek].end; }

  void TellPeekAt(size_t peek, int64_t at) {
    if (!matching_.strange) TellTake(peek, at);
  }

  const std::vector<Put>& puts_;
  const std::vector<Take>& takes_;
  const std::function<bool(const Piece&)>& fits_;
  std::vector<Cluster> put_clusters_, take_clusters_;
  Matching matching_;
};

}  // namespace

Matching Match(const std::vector<Put>& puts, const std::vector<Take>& takes,
               const std::function<bool(const Piece&)>& fits) {
  return Matcher(puts, takes, fits).Run();
}

Matching MatchLossy(const std::vector<Put>& puts,
                    const std::vector<Take>& takes,
                    const std::function<bool(const Piece&)>& fits) {
  Matching matching;
  matching.unknown.resize(takes.size(), 1);
  constexpr size_t kMostPairs = 4000000;  // Half a second's work.
  if (puts.size() * takes.size() > kMostPairs) return matching;
  std::vector<size_t> claims(puts.size()), candidate(takes.size());
  std::vector<size_t> candidates(takes.size());
  for (size_t take = 0; take < takes.size(); ++take) {
    if (takes[take].size <= 0) continue;
    for (size_t put = 0; put < puts.size(); ++put) {
      if (puts[put].begin >= takes[take].end || puts[put].size <= 0 ||
          !fits({put, take, 0, 0, 1})) {
        continue;
      }
      ++candidates[take];
      ++claims[put];
      candidate[take] = put;
    }
  }
  for (size_t take = 0; take < takes.size(); ++take) {
    if (candidates[take] != 1 || claims[candidate[take]] != 1) continue;
    matching.pieces.push_back({candidate[take], take, 0, 0, 1});
    matching.unknown[take] = 0;
  }
  return matching;
}

}  // namespace trace
