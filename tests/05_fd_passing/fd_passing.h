// What the checks of lab 05 have in common: the protocol, what is passed, and
// how the programs are started.
#ifndef TESTS_05_FD_PASSING_FD_PASSING_H_
#define TESTS_05_FD_PASSING_FD_PASSING_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/errno_status.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

// The protocol, as the handout has it.
constexpr size_t kFiles = 4;
constexpr size_t kNameSize = 255;
constexpr size_t kAnswerSize = kFiles * sizeof(int32_t);

struct Wish {
  char access;
  std::string name;
};

inline std::string Request(const std::vector<Wish>& wishes) {
  std::string bytes;
  for (const Wish& wish : wishes) {
    bytes += wish.access;
    bytes += wish.name + std::string(kNameSize - wish.name.size(), '\0');
  }
  bytes.resize(kFiles * (1 + kNameSize));
  return bytes;
}

// A request to read `names`.
inline std::string Reading(const std::vector<std::string>& names) {
  std::vector<Wish> wishes;
  wishes.reserve(names.size());
  for (const std::string& name : names) wishes.push_back({'r', name});
  return Request(wishes);
}

inline std::string AnswerBytes(std::vector<int32_t> errors) {
  errors.resize(kFiles, ENOENT);
  return std::string(reinterpret_cast<const char*>(errors.data()), kAnswerSize);
}

// An answer of the opener, taken apart.
struct Answer {
  std::vector<int32_t> errors = std::vector<int32_t>(kFiles, -1);
  std::vector<ipc::UniqueFd> fds;
  size_t with_first_byte = 0;  // So many of `fds`.

  // The descriptor for the `i`th wish, the first is 0; -1 if there is none.
  int fd(size_t i) const {
    const size_t before = std::count(errors.data(), errors.data() + i, 0);
    return errors[i] == 0 && before < fds.size() ? fds[before].get() : -1;
  }
};

inline std::string ErrorNames(const std::vector<int32_t>& errors) {
  return absl::StrJoin(errors, ", ", [](std::string* out, int error) {
    absl::StrAppend(out, error == 0 ? "0" : ipc::ErrnoName(error));
  });
}

// All that can be read from `fd`, from its beginning if it has one.
inline std::string ReadAll(int fd) {
  lseek(fd, 0, SEEK_SET);
  std::string content;
  char buffer[4096];
  ssize_t count;
  while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
    content.append(buffer, count);
  }
  return content;
}

inline bool IsSameFile(int fd, const std::string& path) {
  struct stat one, other;
  return fstat(fd, &one) == 0 && stat(path.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

struct Pipe {
  ipc::UniqueFd output, input;

  // As a link in /proc/PID/fd shows it.
  std::string Target() const {
    struct stat status = {};
    fstat(output.get(), &status);
    return absl::StrCat("pipe:[", status.st_ino, "]");
  }
};

// A pipe from which `text` can be read.
inline Pipe PipeWith(const std::string& text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return {};
  Pipe pipe = {ipc::UniqueFd(ends[0]), ipc::UniqueFd(ends[1])};
  if (write(ends[1], text.data(), text.size()) < 0) pipe.input.reset();
  return pipe;
}

// The same, and nothing more will come.
inline ipc::UniqueFd EndOfPipeWith(const std::string& text) {
  return std::move(PipeWith(text).output);
}

// More descriptors than anybody asks for, of one pipe. Not too many: those on
// their way between all programs of a user must be no more than RLIMIT_NOFILE.
inline std::vector<int> Many(const Pipe& pipe) {
  return std::vector<int>(10, pipe.input.get());
}

// How many descriptors `pid` and its descendants have open whose target is
// `wanted`.
inline int CountOpen(
    pid_t pid, absl::FunctionRef<bool(const std::string& target)> wanted) {
  std::vector<pid_t> pids = harness::Descendants(pid);
  pids.push_back(pid);
  int count = 0;
  for (pid_t one : pids) {
    for (const harness::Descriptor& open : harness::Descriptors(one)) {
      if (open.target == harness::kHidden) return INT_MAX;
      if (wanted(open.target)) ++count;
    }
  }
  return count;
}

class FdPassing : public harness::Check {
 protected:
  // Again for each case of a sweep, which has a folder of its own.
  void SetUp() override {
    root_ = scratch().File("root");
    mkdir(root_.c_str(), 0700);
  }

  std::string InRoot(const std::string& name) const {
    return root_ + "/" + name;
  }

  // Makes a file, by default of random text, and returns its text.
  std::string WriteFile(const std::string& path, std::string text = "") {
    if (text.empty()) text = RandomText(200);
    std::ofstream(path) << text;
    return text;
  }

  harness::Process StartOpener(const std::vector<std::string>& flags = {},
                               bool sanitized = false) {
    std::vector<std::string> args = {"--socket=" + SocketPath(),
                                     "--root=" + root_};
    args.insert(args.end(), flags.begin(), flags.end());
    harness::Process opener = Start("opener", args, sanitized);
    opener.ListensAt(SocketPath());
    return opener;
  }

  Answer ReceiveAnswer(harness::Peer* reader) {
    Answer answer;
    std::string bytes = reader->Receive(1, &answer.fds);
    answer.with_first_byte = answer.fds.size();
    bytes += reader->Receive(kAnswerSize - 1, &answer.fds);
    if (bytes.size() == kAnswerSize) {
      memcpy(answer.errors.data(), bytes.data(), kAnswerSize);
    }
    return answer;
  }

  // Asks the opener as a reader does.
  Answer Ask(harness::Peer* reader, const std::vector<Wish>& wishes) {
    const std::string what =
        absl::StrJoin(wishes, " and ", [](std::string* out, const Wish& wish) {
          absl::StrAppend(out, std::string(1, wish.access), " ", wish.name);
        });
    reader->Send(Request(wishes), "a request: " + harness::Escaped(what, 120));
    return ReceiveAnswer(reader);
  }

  // `answer` begins with `errors`.
  void ExpectErrors(harness::Process opener, const Answer& answer,
                    const std::vector<int32_t>& errors) {
    const std::vector<int32_t> seen(answer.errors.data(),
                                    answer.errors.data() + errors.size());
    opener.Expect(seen == errors,
                  "in the answer, in this order: " + ErrorNames(errors),
                  ErrorNames(seen));
  }

  // With the `i`th wish came the file `name`. Only then is it safe to read from
  // the descriptor: of another one, who knows for how long that waits?
  void ExpectPassed(harness::Process opener, const Answer& answer, size_t i,
                    const std::string& name) {
    opener.Expect(answer.errors[i] == 0,
                  absl::StrCat("0 for ", name, " in the answer"),
                  ErrorNames({answer.errors[i]}));
    opener.Expect(IsSameFile(answer.fd(i), InRoot(name)),
                  absl::StrCat("a descriptor of the file \"", name, "\""),
                  answer.fd(i) < 0 ? "no descriptor" : "one of another file");
  }

  // How many files below the root the program and its children have open.
  int OpenFiles(harness::Process process) const {
    return CountOpen(process.pid(), [&](const std::string& target) {
      return absl::StartsWith(target, InRoot(""));
    });
  }

  // The student's reader asking us for `files`, and our end of its connection.
  std::pair<harness::Process, harness::Peer> StartReader(
      const std::vector<std::string>& files, bool sanitized = false) {
    Host(SocketPath());
    std::vector<std::string> args = {"--socket=" + SocketPath()};
    args.insert(args.end(), files.begin(), files.end());
    harness::Process reader = Start("reader", args, sanitized);
    return {reader, Accept()};
  }

  std::string SocketFlag() const { return "--socket=" + SocketPath(); }

  // Random names of files, as many as `count`.
  static std::vector<std::string> Names(size_t count) {
    std::vector<std::string> names(count);
    for (std::string& name : names) name = RandomText(8);
    return names;
  }

  void ExpectStderr(harness::Process process,
                    const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      process.Expect(
          absl::StrContains(process.err(), word), "on stderr: " + word,
          process.err().empty() ? "nothing" : harness::Escaped(process.err()));
    }
  }

  std::string root_;
};

// The checks that judge one of the programs alone.
class Opener : public FdPassing {
 protected:
  Opener() { Judges("opener"); }
};
class Reader : public FdPassing {
 protected:
  Reader() { Judges("reader"); }

  // Fails unless the reader, which was given more descriptors than it may have,
  // has closed `surplus` when it asks for the next files.
  void ClosesSurplus(harness::Process reader, harness::Peer* opener,
                     const Pipe& surplus) {
    opener->Receive(Request({}).size());
    Step("it asked for the fifth file");
    const pid_t pid = reader.pid();
    reader.ComesDownTo(0, "descriptors that it did not ask for", [&] {
      return CountOpen(pid, [&](const std::string& target) {
        return target == surplus.Target();
      });
    });
  }
};

#endif  // TESTS_05_FD_PASSING_FD_PASSING_H_
