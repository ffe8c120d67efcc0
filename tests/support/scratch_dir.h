// A folder of one's own with a path short enough for a socket address: Bazel's
// TEST_TMPDIR takes more than the 107 bytes that sun_path has to offer.
#ifndef TESTS_SUPPORT_SCRATCH_DIR_H_
#define TESTS_SUPPORT_SCRATCH_DIR_H_

#include <string>
#include <vector>

namespace harness {

class ScratchDir {
 public:
  // Makes /tmp/labXXXXXX, mode 0700. Ends the process with status 2 and one
  // line on stderr when that cannot be done: no check could run.
  ScratchDir();
  // Removes the folder with all that is in it.
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  // The names of what is in it, sorted.
  std::vector<std::string> Entries() const;

 private:
  std::string path_;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_SCRATCH_DIR_H_
