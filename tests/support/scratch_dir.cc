#include "tests/support/scratch_dir.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "lib/errno_status.h"

namespace harness {

ScratchDir::ScratchDir() : path_("/tmp/labXXXXXX") {
  if (!mkdtemp(path_.data())) {
    fprintf(stderr, "checker: %s\n",
            std::string(ipc::ErrnoStatus("mkdtemp", path_).message()).c_str());
    exit(2);
  }
}

ScratchDir::~ScratchDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> ScratchDir::Entries() const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(path_, ignored)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace harness
