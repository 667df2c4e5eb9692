//===- Run.h - The commands of fsdp-ckpt ------------------------*- C++ -*-===//

#ifndef FSDP_CKPT_RUN_H
#define FSDP_CKPT_RUN_H

#include "Commands.h"

namespace fsdprt::ckpt {

Expected<int> runList(const Command &command);
Expected<int> runShow(const Command &command);
Expected<int> runVerify(const Command &command);
Expected<int> runExport(const Command &command);
Expected<int> runReshard(const Command &command);
Expected<int> runDiff(const Command &command);

/// "5GB", "2GiB", "1000": bytes; none if it is no size above 0.
std::optional<int64_t> parseSize(const std::string &text);

/// Without control characters, which names may have.
std::string oneLine(const std::string &text);

} // namespace fsdprt::ckpt

#endif // FSDP_CKPT_RUN_H
