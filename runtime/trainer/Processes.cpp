//===- Processes.cpp - Processes that this one has started ----------------===//

#include "trainer/Processes.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void fsdprt::adoptOrphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

static bool isChild(const std::string &process) {
  std::ifstream file("/proc/" + process + "/stat");
  std::string line;
  std::getline(file, line);
  // "pid (name) S parent ...": the name may hold parentheses and spaces.
  size_t end = line.rfind(')');
  return end != std::string::npos && end + 4 < line.size() &&
         std::atoi(line.c_str() + end + 4) == ::getpid();
}

std::vector<pid_t> fsdprt::listChildren() {
  std::vector<pid_t> children;
  DIR *folder = ::opendir("/proc");
  while (dirent *entry = folder ? ::readdir(folder) : nullptr) {
    std::string name = entry->d_name;
    if (std::all_of(name.begin(), name.end(), ::isdigit) && isChild(name))
      children.push_back(std::atoi(name.c_str()));
  }
  if (folder)
    ::closedir(folder);
  return children;
}

void fsdprt::killChildren(const std::vector<pid_t> &spared) {
  // What a killed one leaves behind is a child in the next round.
  for (bool killed = true; killed;) {
    killed = false;
    for (pid_t child : listChildren()) {
      if (std::find(spared.begin(), spared.end(), child) != spared.end())
        continue;
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      killed = true;
    }
  }
}
