//===- Visits.cpp - When a step computes a unit ---------------------------===//
#include "passes/Shard/Visits.h"
#include "passes/Support/Values.h"

#include "dialects/Train/Train.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

static SmallVector<Operation *> usersInOrder(Operation &op) {
  llvm::SmallSetVector<Operation *, 4> unique(op.user_begin(), op.user_end());
  SmallVector<Operation *> users = unique.takeVector();
  llvm::sort(users,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return users;
}

/// Gives `user` the results of `copy` for those of `op`.
static void replaceUses(Operation &op, Operation &copy, Operation *user) {
  op.replaceUsesWithIf(copy.getResults(),
                       [&](OpOperand &use) { return use.getOwner() == user; });
}

Visits::Visits(Block &block, const DenseMap<Value, UnitOp> &units) {
  for (auto [value, unit] : units)
    origins[value].insert(unit);
  for (Operation &op : block) {
    if (isa<train::BackwardBeginOp>(op)) {
      isBackward = true;
      open.clear();
      continue;
    }
    Units read = unitsRead(op);
    if (read.empty())
      continue;
    if (!isChain(op)) {
      visit(op, read);
      continue;
    }
    for (Value result : op.getResults())
      origins[result] = read;
    chains.push_back(&op);
  }
}

Visits::Units Visits::unitsRead(Operation &op) const {
  Units units;
  for (Value operand : op.getOperands())
    if (auto it = origins.find(operand); it != origins.end())
      units.insert(it->second.begin(), it->second.end());
  return units;
}

bool Visits::isChain(Operation &op) const {
  return isMemoryEffectFree(&op) &&
         llvm::all_of(op.getOperands(), [&](Value operand) {
           return origins.contains(operand) || constantOf(operand);
         });
}

void Visits::visit(Operation &op, const Units &units) {
  auto isRoot = [](Operation *unit) { return cast<UnitOp>(unit).getRoot(); };
  if (!llvm::all_of(units, isRoot))
    open.remove_if([&](Operation *unit) { return !units.contains(unit); });
  for (Operation *unit : units) {
    if (isRoot(unit))
      counts[unit] = isBackward ? 2 : 1;
    else if (open.insert(unit))
      ++counts[unit];
    places[&op].push_back({unit, counts[unit]});
  }
}

int64_t Visits::of(Operation *op, UnitOp unit) const {
  auto it = places.find(op);
  if (it != places.end())
    for (auto [other, number] : it->second)
      if (other == unit.getOperation())
        return number;
  return 0;
}

Visits::Places Visits::placesOf(Operation *op, const Units &units) const {
  Places result;
  for (Operation *unit : units)
    result.push_back({unit, of(op, cast<UnitOp>(unit))});
  return result;
}

int64_t Visits::sinkWeightChains() {
  int64_t cloned = 0;
  // Consumers first: a copy's operands then have their users in place.
  for (Operation *op : llvm::reverse(chains))
    cloned += sink(*op);
  return cloned;
}

int64_t Visits::sink(Operation &op) {
  Units units = unitsRead(op);
  SmallVector<std::pair<Places, Operation *>, 2> copies;
  for (Operation *user : usersInOrder(op)) {
    Places visits = placesOf(user, units);
    auto *found = llvm::find_if(
        copies, [&](const auto &entry) { return entry.first == visits; });
    if (found != copies.end()) {
      replaceUses(op, *found->second, user);
      continue;
    }
    Operation *copy = copies.empty() ? &op : OpBuilder(&op).clone(op);
    copy->moveBefore(user);
    replaceUses(op, *copy, user);
    places[copy] = visits;
    for (Value result : copy->getResults())
      origins[result] = units;
    copies.push_back({visits, copy});
  }
  if (!copies.empty())
    return copies.size() - 1;
  op.erase();
  return 0;
}
