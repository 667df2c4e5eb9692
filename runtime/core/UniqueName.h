//===- UniqueName.h - Names that nobody else gives --------------*- C++ -*-===//

#ifndef FSDPRT_CORE_UNIQUENAME_H
#define FSDPRT_CORE_UNIQUENAME_H

#include <string>

namespace fsdprt {

/// Eight random letters and digits. A process number would not do: it is the
/// same in every container, and on every host that shares a folder.
std::string uniqueSuffix();

} // namespace fsdprt

#endif // FSDPRT_CORE_UNIQUENAME_H
