//===- OffsetSearch.cpp - Places for buffers with known lives -------------===//
#include "passes/Plan/OffsetSearch.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <map>
#include <numeric>

using namespace mlir;
using namespace fsdp;

int64_t fsdp::liveBytes(ArrayRef<Occupant> occupants) {
  std::map<int64_t, int64_t> change;
  for (const Occupant &occupant : occupants) {
    change[occupant.life.first] += occupant.bytes;
    change[occupant.life.last + 1] -= occupant.bytes;
  }
  int64_t live = 0, most = 0;
  for (auto [point, delta] : change)
    most = std::max(most, live += delta);
  return most;
}

namespace {
using Order = SmallVector<size_t>;

class Search {
public:
  Search(ArrayRef<Occupant> occupants, int64_t alignment)
      : occupants(occupants), alignment(alignment),
        least(liveBytes(occupants)) {}

  std::pair<SmallVector<int64_t>, int64_t> run() {
    const Order orders[] = {
        sortedBy([](const Occupant &o) { return o.bytes; }),
        sortedBy([](const Occupant &o) { return span(o); }),
        sortedBy([](const Occupant &o) {
          return std::pair(int64_t(llvm::Log2_64(span(o))), o.bytes);
        }),
        sortedBy([](const Occupant &o) { return o.bytes * span(o); })};
    std::vector<Start> starts;
    for (bool lowest : {false, true})
      for (const Order &order : orders) {
        takeLowest = lowest;
        SmallVector<int64_t> offsets;
        starts.push_back({tryOrder(order, offsets), lowest, &order});
      }
    llvm::stable_sort(
        starts, [](const Start &a, const Start &b) { return a.end < b.end; });
    for (const Start &start : starts) {
      takeLowest = start.lowest;
      improve(*start.order);
    }
    return {bestOffsets, bestEnd};
  }

private:
  /// A first order, the rule it was placed by and how far it reached.
  struct Start {
    int64_t end;
    bool lowest;
    const Order *order;
  };

  static int64_t span(const Occupant &occupant) {
    return occupant.life.last - occupant.life.first + 1;
  }

  /// Largest key first.
  template <typename Key> Order sortedBy(Key key) {
    Order order(occupants.size());
    std::iota(order.begin(), order.end(), 0);
    llvm::stable_sort(order, [&](size_t a, size_t b) {
      return key(occupants[a]) > key(occupants[b]);
    });
    return order;
  }

  /// Places `order` and keeps it if it is better than all before; its end.
  int64_t tryOrder(const Order &order, SmallVectorImpl<int64_t> &offsets) {
    int64_t end = place(order, offsets);
    work -= std::max<int64_t>(1, occupants.size() * occupants.size());
    if (end < bestEnd) {
      bestEnd = end;
      bestOffsets.assign(offsets.begin(), offsets.end());
    }
    return end;
  }

  /// Moves what ends highest to the front, again and again; also from orders
  /// that were no better, so as not to stay in the first valley.
  void improve(Order order) {
    SmallVector<int64_t> offsets;
    place(order, offsets);
    for (int tries = 0; tries < 64 && work > 0 &&
                        bestEnd > int64_t(llvm::alignTo(least, alignment));
         ++tries) {
      auto highest = llvm::max_element(order, [&](size_t a, size_t b) {
        return offsets[a] + occupants[a].bytes <
               offsets[b] + occupants[b].bytes;
      });
      if (highest == order.begin())
        return;
      std::rotate(order.begin(), highest, std::next(highest));
      tryOrder(order, offsets);
    }
  }

  /// Places the occupants in `order`, each into a gap that holds it between
  /// those in use with it; returns the highest end.
  int64_t place(const Order &order, SmallVectorImpl<int64_t> &offsets) {
    int64_t end = 0;
    offsets.assign(occupants.size(), 0);
    SmallVector<std::pair<int64_t, int64_t>> taken; // [begin, end)
    for (size_t i = 0; i < order.size(); ++i) {
      const Occupant &occupant = occupants[order[i]];
      taken.clear();
      for (size_t other : ArrayRef(order).take_front(i))
        if (occupant.life.first <= occupants[other].life.last &&
            occupants[other].life.first <= occupant.life.last)
          taken.push_back(
              {offsets[other], offsets[other] + occupants[other].bytes});
      llvm::sort(taken);
      offsets[order[i]] = findGap(taken, occupant.bytes);
      end = std::max(end, offsets[order[i]] + occupant.bytes);
    }
    return end;
  }

  /// The smallest (or lowest) gap of at least `bytes` between `taken`, or their
  /// end.
  int64_t findGap(ArrayRef<std::pair<int64_t, int64_t>> taken, int64_t bytes) {
    int64_t cursor = 0, best = -1, bestGap = INT64_MAX;
    for (auto [begin, finish] : taken) {
      int64_t gap = begin - cursor;
      if (gap >= bytes && gap < bestGap && !(takeLowest && best >= 0)) {
        best = cursor;
        bestGap = gap;
      }
      cursor = std::max<int64_t>(cursor, llvm::alignTo(finish, alignment));
    }
    return best >= 0 ? best : cursor;
  }

  ArrayRef<Occupant> occupants;
  const int64_t alignment, least;
  int64_t work = 1'000'000'000; ///< pairs of occupants still to be compared
  bool takeLowest = false;
  SmallVector<int64_t> bestOffsets;
  int64_t bestEnd = INT64_MAX;
};
} // namespace

std::pair<SmallVector<int64_t>, int64_t>
fsdp::searchOffsets(ArrayRef<Occupant> occupants, int64_t alignment) {
  return Search(occupants, alignment).run();
}
