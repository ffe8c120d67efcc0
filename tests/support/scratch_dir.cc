#include "tests/support/scratch_dir.h"

#include <stdlib.h>
#include <sys/stat.h>

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
  namespace fs = std::filesystem;
  std::error_code error, ignored;
  fs::remove_all(path_, error);
  if (!error) return;
  // A program may have made folders that nobody may enter. Root may; for all
  // others, they are opened on the way down. Links are not followed.
  chmod(path_.c_str(), 0700);
  for (fs::recursive_directory_iterator entry(path_, ignored), end;
       !ignored && entry != end; entry.increment(ignored)) {
    if (fs::is_directory(entry->symlink_status(ignored))) {
      chmod(entry->path().c_str(), 0700);
    }
  }
  fs::remove_all(path_, ignored);
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
