//===- Communicators.cpp - Who exchanges in which group -------------------===//
#include "passes/Plan/Communicators.h"

using namespace mlir;
using namespace fsdp;

int64_t Communicators::get(StringRef purpose, sharding::MeshAttr mesh,
                           ArrayRef<StringAttr> axes, rt::Stream stream) {
  auto *found = llvm::find_if(entries, [&](const Entry &entry) {
    return entry.purpose == purpose && entry.mesh == mesh &&
           ArrayRef(entry.axes) == axes && entry.stream == stream;
  });
  if (found == entries.end()) {
    entries.push_back(
        {purpose.str(), mesh, SmallVector<StringAttr>(axes), stream});
    found = std::prev(entries.end());
  }
  return found - entries.begin();
}

void Communicators::emit(OpBuilder &builder, Location loc) const {
  for (auto [number, entry] : llvm::enumerate(entries)) {
    // Of several with one purpose each names its axes, too.
    bool isOnly = llvm::count_if(entries, [&, &own = entry](const Entry &e) {
                    return e.purpose == own.purpose;
                  }) == 1;
    std::string name = entry.purpose;
    SmallVector<Attribute> axes;
    SmallVector<int64_t> sizes;
    for (StringAttr axis : entry.axes) {
      axes.push_back(axis);
      sizes.push_back(entry.mesh.getSize(axis));
      if (!isOnly)
        name += "." + axis.str();
    }
    builder.create<rt::CommunicatorOp>(
        loc, number, name, builder.getArrayAttr(axes), sizes, entry.stream);
  }
}

DenseMap<int64_t, rt::CommunicatorOp> fsdp::communicatorsOf(ModuleOp module) {
  DenseMap<int64_t, rt::CommunicatorOp> communicators;
  for (auto op : module.getOps<rt::CommunicatorOp>())
    communicators[op.getNumber()] = op;
  return communicators;
}
