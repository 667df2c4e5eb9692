//===- Races.cpp - Operations that touch the same bytes, unordered --------===//

#include "test/simcuda/Races.h"
#include "runtime/abi/fsdprt.h"

using namespace simcuda;

static bool ordered(const Identity &a, const Identity &b) {
  return &a == &b || a.before(b) || b.before(a);
}

/// A cell begins at `address`, or none contains it.
void Races::split(uint64_t address) {
  auto next = cells.upper_bound(address);
  if (next == cells.begin())
    return;
  auto cell = std::prev(next);
  if (cell->first == address || cell->second.end <= address)
    return;
  Cell tail = cell->second;
  cell->second.end = address;
  cells.emplace(address, std::move(tail));
}

void Races::fillGaps(uint64_t begin, uint64_t end) {
  for (auto cell = cells.lower_bound(begin); begin < end; ++cell) {
    uint64_t next = cell == cells.end() ? end : std::min(cell->first, end);
    if (begin < next)
      cells.emplace_hint(cell, begin, Cell{next, nullptr, {}});
    if (cell == cells.end())
      return;
    begin = cell->second.end;
  }
}

void Races::read(const IdentityRef &operation, const Range &range,
                 Conflict &first) {
  fillGaps(range.address, range.end());
  for (auto it = cells.lower_bound(range.address);
       it != cells.end() && it->first < range.end(); ++it) {
    Cell &cell = it->second;
    if (!first && cell.write && !ordered(*cell.write, *operation))
      first = {cell.write, it->first, true};
    auto &reads = cell.reads;
    reads.erase(std::remove_if(reads.begin(), reads.end(),
                               [&](const IdentityRef &reader) {
                                 return reader == operation ||
                                        reader->before(*operation);
                               }),
                reads.end());
    reads.push_back(operation);
  }
}

/// All cells of the range become one.
void Races::write(const IdentityRef &operation, const Range &range,
                  Conflict &first) {
  auto begin = cells.lower_bound(range.address), it = begin;
  bool late = false; // what an operation touched may be known after the next's
  for (; it != cells.end() && it->first < range.end(); ++it) {
    const Cell &cell = it->second;
    late |=
        cell.write && cell.write != operation && operation->before(*cell.write);
    if (!first && cell.write && !ordered(*cell.write, *operation))
      first = {cell.write, it->first, true};
    for (const IdentityRef &reader : cell.reads)
      if (!first && !ordered(*reader, *operation))
        first = {reader, it->first, false};
  }
  if (late)
    return;
  cells.erase(begin, it);
  cells.emplace(range.address, Cell{range.end(), operation, {}});
}

Races::Conflict Races::touch(const IdentityRef &operation,
                             const std::vector<Range> &ranges) {
  Conflict first;
  for (const Range &range : ranges) {
    if (range.bytes == 0)
      continue;
    split(range.address);
    split(range.end());
    if (range.access == FSDPRT_ACCESS_READ)
      read(operation, range, first);
    else
      write(operation, range, first);
  }
  return first;
}

void Races::forget(uint64_t address, uint64_t bytes) {
  split(address);
  split(address + bytes);
  cells.erase(cells.lower_bound(address), cells.lower_bound(address + bytes));
}
