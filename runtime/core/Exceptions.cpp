//===- Exceptions.cpp - What a library threw, as a status -----------------===//

#include "core/Exceptions.h"

#include <exception>
#include <new>
#include <system_error>

using namespace fsdprt;

Status fsdprt::describeException() {
  try {
    throw;
  } catch (const std::bad_alloc &) {
    return Status::failure(outOfMemory);
  } catch (const std::system_error &error) {
    if (error.code() == std::errc::resource_unavailable_try_again)
      return failure("cannot start a thread: ", error.code().message(),
                     "; allow more processes (ulimit -u, the pids limit of the "
                     "cgroup) or memory for their stacks (ulimit -v), or give "
                     "fewer --threads");
    return Status::failure(error.what());
  } catch (const std::exception &error) {
    return Status::failure(error.what());
  } catch (...) {
    return failure("an exception of unknown kind");
  }
}
