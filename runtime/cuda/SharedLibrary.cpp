//===- SharedLibrary.cpp - Libraries that need not be there ---------------===//

#include "cuda/SharedLibrary.h"

#include <dlfcn.h>
#include <link.h>

using namespace fsdprt;
using namespace fsdprt::cuda;

static std::string join(const std::vector<std::string> &parts,
                        const char *between) {
  std::string all;
  for (const std::string &part : parts)
    all += (all.empty() ? "" : between) + part;
  return all;
}

/// The file that the dynamic linker took.
static std::string pathOf(void *handle, const std::string &name) {
  link_map *map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || !map || !*map->l_name)
    return name;
  return map->l_name;
}

Expected<SharedLibrary>
SharedLibrary::open(const std::string &what,
                    const std::vector<std::string> &names,
                    const std::string &remedy) {
  std::vector<std::string> reasons;
  for (const std::string &name : names) {
    void *handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      reasons.push_back(::dlerror());
      continue;
    }
    SharedLibrary library;
    library.handle = handle;
    library.what = what;
    library.file = pathOf(handle, name);
    library.remedy = remedy;
    return library;
  }
  return failure(what, " was not found: looked for ", join(names, ", "),
                 " where the dynamic linker does (", join(reasons, "; "), "); ",
                 remedy);
}

void *SharedLibrary::address(const char *symbol) const {
  return ::dlsym(handle, symbol);
}

Status SharedLibrary::lacks(const char *symbol) const {
  return failure(what, " at ", file, " has no function '", symbol, "'; ",
                 remedy);
}
