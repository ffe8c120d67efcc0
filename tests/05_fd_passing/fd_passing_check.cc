// The checks of lab 05. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
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

namespace {

using harness::Core;
using harness::Descriptor;
using harness::Peer;
using harness::Process;
using harness::Robust;
using ipc::UniqueFd;

// The protocol, as the handout has it.
constexpr size_t kFiles = 4;
constexpr size_t kNameSize = 255;
constexpr size_t kAnswerSize = kFiles * sizeof(int32_t);

struct Wish {
  char access;
  std::string name;
};

std::string Request(const std::vector<Wish>& wishes) {
  std::string bytes;
  for (const Wish& wish : wishes) {
    bytes += wish.access;
    bytes += wish.name + std::string(kNameSize - wish.name.size(), '\0');
  }
  bytes.resize(kFiles * (1 + kNameSize));
  return bytes;
}

// A request to read `names`.
std::string Reading(const std::vector<std::string>& names) {
  std::vector<Wish> wishes;
  wishes.reserve(names.size());
  for (const std::string& name : names) wishes.push_back({'r', name});
  return Request(wishes);
}

std::string AnswerBytes(std::vector<int32_t> errors) {
  errors.resize(kFiles, ENOENT);
  return std::string(reinterpret_cast<const char*>(errors.data()), kAnswerSize);
}

// An answer of the opener, taken apart.
struct Answer {
  std::vector<int32_t> errors = std::vector<int32_t>(kFiles, -1);
  std::vector<UniqueFd> fds;
  size_t with_first_byte = 0;  // So many of `fds`.

  // The descriptor for the `i`th wish, the first is 0; -1 if there is none.
  int fd(size_t i) const {
    const size_t before = std::count(errors.data(), errors.data() + i, 0);
    return errors[i] == 0 && before < fds.size() ? fds[before].get() : -1;
  }
};

std::string ErrorNames(const std::vector<int32_t>& errors) {
  return absl::StrJoin(errors, ", ", [](std::string* out, int error) {
    absl::StrAppend(out, error == 0 ? "0" : ipc::ErrnoName(error));
  });
}

// All that can be read from `fd`, from its beginning if it has one.
std::string ReadAll(int fd) {
  lseek(fd, 0, SEEK_SET);
  std::string content;
  char buffer[4096];
  ssize_t count;
  while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
    content.append(buffer, count);
  }
  return content;
}

bool IsSameFile(int fd, const std::string& path) {
  struct stat one, other;
  return fstat(fd, &one) == 0 && stat(path.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

struct Pipe {
  UniqueFd output, input;

  // As a link in /proc/PID/fd shows it.
  std::string Target() const {
    struct stat status = {};
    fstat(output.get(), &status);
    return absl::StrCat("pipe:[", status.st_ino, "]");
  }
};

// A pipe from which `text` can be read.
Pipe PipeWith(const std::string& text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return {};
  Pipe pipe = {UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (write(ends[1], text.data(), text.size()) < 0) pipe.input.reset();
  return pipe;
}

// The same, and nothing more will come.
UniqueFd EndOfPipeWith(const std::string& text) {
  return std::move(PipeWith(text).output);
}

// More descriptors than anybody asks for, of one pipe. Not too many: those on
// their way between all programs of a user must be no more than RLIMIT_NOFILE.
std::vector<int> Many(const Pipe& pipe) {
  return std::vector<int>(10, pipe.input.get());
}

// How many descriptors `pid` and its descendants have open whose target is
// `wanted`.
int CountOpen(pid_t pid,
              absl::FunctionRef<bool(const std::string& target)> wanted) {
  std::vector<pid_t> pids = harness::Descendants(pid);
  pids.push_back(pid);
  int count = 0;
  for (pid_t one : pids) {
    for (const Descriptor& open : harness::Descriptors(one)) {
      if (open.target == harness::kHidden) return INT_MAX;
      if (wanted(open.target)) ++count;
    }
  }
  return count;
}

class FdPassing : public harness::Check {
 protected:
  FdPassing() { mkdir(root_.c_str(), 0700); }

  std::string InRoot(const std::string& name) const {
    return root_ + "/" + name;
  }

  // Makes a file, by default of random text, and returns its text.
  std::string WriteFile(const std::string& path, std::string text = "") {
    if (text.empty()) text = RandomText(200);
    std::ofstream(path) << text;
    return text;
  }

  Process StartOpener(const std::vector<std::string>& flags = {},
                      bool sanitized = false) {
    std::vector<std::string> args = {"--socket=" + SocketPath(),
                                     "--root=" + root_};
    args.insert(args.end(), flags.begin(), flags.end());
    Process opener = Start("opener", args, sanitized);
    opener.ListensAt(SocketPath());
    return opener;
  }

  Answer ReceiveAnswer(Peer* reader) {
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
  Answer Ask(Peer* reader, const std::vector<Wish>& wishes) {
    const std::string what =
        absl::StrJoin(wishes, " and ", [](std::string* out, const Wish& wish) {
          absl::StrAppend(out, std::string(1, wish.access), " ", wish.name);
        });
    reader->Send(Request(wishes), "a request: " + harness::Escaped(what, 120));
    return ReceiveAnswer(reader);
  }

  // `answer` begins with `errors`.
  void ExpectErrors(Process opener, const Answer& answer,
                    const std::vector<int32_t>& errors) {
    const std::vector<int32_t> seen(answer.errors.data(),
                                    answer.errors.data() + errors.size());
    opener.Expect(seen == errors,
                  "in the answer, in this order: " + ErrorNames(errors),
                  ErrorNames(seen));
  }

  // With the `i`th wish came the file `name`. Only then is it safe to read from
  // the descriptor: of another one, who knows for how long that waits?
  void ExpectPassed(Process opener, const Answer& answer, size_t i,
                    const std::string& name) {
    opener.Expect(answer.errors[i] == 0,
                  absl::StrCat("0 for ", name, " in the answer"),
                  ErrorNames({answer.errors[i]}));
    opener.Expect(IsSameFile(answer.fd(i), InRoot(name)),
                  absl::StrCat("a descriptor of the file \"", name, "\""),
                  answer.fd(i) < 0 ? "no descriptor" : "one of another file");
  }

  // How many files below the root the program and its children have open.
  int OpenFiles(Process process) const {
    return CountOpen(process.pid(), [&](const std::string& target) {
      return absl::StartsWith(target, InRoot(""));
    });
  }

  // The student's reader asking us for `files`, and our end of its connection.
  std::pair<Process, Peer> StartReader(const std::vector<std::string>& files,
                                       bool sanitized = false) {
    Host(SocketPath());
    std::vector<std::string> args = {"--socket=" + SocketPath()};
    args.insert(args.end(), files.begin(), files.end());
    Process reader = Start("reader", args, sanitized);
    return {reader, Accept()};
  }

  // Random names of files, as many as `count`.
  static std::vector<std::string> Names(size_t count) {
    std::vector<std::string> names(count);
    for (std::string& name : names) name = RandomText(8);
    return names;
  }

  void ExpectStderr(Process process, const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      process.Expect(
          absl::StrContains(process.err(), word), "on stderr: " + word,
          process.err().empty() ? "nothing" : harness::Escaped(process.err()));
    }
  }

  const std::string root_ = scratch().File("root");
};

// The transcript --------------------------------------------------------------

TEST_F(FdPassing, Transcript) {
  About(Core(4), "opener and reader print the documented transcript",
        "The opener must listen, take a request, open the files and pass their "
        "descriptors; the reader must ask, take them and print what it reads "
        "from them. They are your opener and your reader here, both.",
        "handout, steps 1 to 6");
  const std::string one = WriteFile(InRoot("one"), RandomText(20));
  const std::string two = WriteFile(InRoot("two"), RandomText(30));
  Process opener = StartOpener();
  Process reader = Start("reader", {"--socket=" + SocketPath(), "one", "two"});
  reader.Exits(0, one + two);
  opener.Exits(0,
               "reader 1: passed 2 of 2 files\n"
               "reader 1: file 1 is at byte 20\n"
               "reader 1: file 2 is at byte 30\n");
}

// What the opener passes ------------------------------------------------------

TEST_F(FdPassing, PassesTheFileItself) {
  About(Core(3), "what arrives is the file, not a copy of it",
        "SCM_RIGHTS makes the receiver a descriptor of the sender's open file: "
        "same inode, whatever becomes of its name. Nothing is copied, and a "
        "number sent as data would mean nothing in another process.",
        "handout, step 3; man 7 unix, SCM_RIGHTS");
  const std::string text = WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer = Ask(&reader, {{'r', "file"}});
  ExpectPassed(opener, answer, 0, "file");
  unlink(InRoot("file").c_str());
  opener.Expect(over() || ReadAll(answer.fd(0)) == text,
                "its content, though the name has been removed",
                "something else");
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, SharesTheOffset) {
  About(Core(3), "both descriptors are of one open file description",
        "The offset belongs to the open file description, of which the reader "
        "has a descriptor and you have one. What the reader reads moves yours, "
        "and what you read before you pass it is read for the reader. So do "
        "not touch it, and ask lseek(fd, 0, SEEK_CUR) when the reader is done.",
        "handout, step 4; man 2 open, open file descriptions; man 2 lseek");
  WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  std::string output;
  for (int round = 0; round < 2; ++round) {
    const Answer answer = Ask(&reader, {{'r', "none"}, {'r', "file"}});
    const off_t start = lseek(answer.fd(1), 0, SEEK_CUR);
    opener.Expect(start == 0, "a descriptor whose offset is 0",
                  start < 0 ? "no such descriptor" : absl::StrCat(start));
    const size_t count = RandomText(1)[0];  // 97 to 122.
    char buffer[200];
    ExpectPassed(opener, answer, 1, "file");
    if (over()) return;
    opener.Expect(
        read(answer.fd(1), buffer, count) == static_cast<ssize_t>(count),
        "it can be read", "an error");
    Step(absl::StrCat("the reader read ", count, " bytes"));
    absl::StrAppend(&output, "reader 1: passed 1 of 2 files\n",
                    "reader 1: file 2 is at byte ", count, "\n");
  }
  reader.Close();
  opener.Exits(0, output);
}

TEST_F(FdPassing, OpensForEachWish) {
  About(Core(2), "each wish gets an open file description of its own",
        "Pass one description to two readers, or twice to one, and each moves "
        "the other's offset. Only another open makes another description; dup "
        "and SCM_RIGHTS never do.",
        "handout, step 4; man 2 dup");
  WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer = Ask(&reader, {{'r', "file"}, {'r', "file"}});
  ExpectPassed(opener, answer, 0, "file");
  ExpectPassed(opener, answer, 1, "file");
  lseek(answer.fd(0), 50, SEEK_CUR);
  Step("the reader moved the offset of the first descriptor");
  const off_t second = lseek(answer.fd(1), 0, SEEK_CUR);
  opener.Expect(second != lseek(answer.fd(0), 0, SEEK_CUR),
                "the second one's offset stays where it was",
                absl::StrCat("it moved too, to ", second));
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, GrantsTheAccessAskedFor) {
  About(Core(3), "the descriptor allows what was asked for, and no more",
        "The access mode is part of the open file description and goes with "
        "it. Whoever holds a descriptor of O_RDWR may write, though he could "
        "never have opened the file. To write is not to create, nor to empty.",
        "handout, step 2; man 2 open, man 2 fcntl");
  const std::string text = WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer = Ask(
      &reader, {{'r', "file"}, {'w', "file"}, {'w', "none"}, {'x', "file"}});
  ExpectErrors(opener, answer, {0, 0, ENOENT, EINVAL});
  const auto mode = [&](size_t i) {
    const int flags = fcntl(answer.fd(i), F_GETFL);
    if (flags < 0) return "no descriptor";
    if (flags & O_PATH) return "O_PATH";
    return (flags & O_ACCMODE) == O_RDONLY   ? "O_RDONLY"
           : (flags & O_ACCMODE) == O_WRONLY ? "O_WRONLY"
                                             : "O_RDWR";
  };
  opener.Expect(!strcmp(mode(0), "O_RDONLY"), "for r: O_RDONLY", mode(0));
  opener.Expect(!strcmp(mode(1), "O_WRONLY"), "for w: O_WRONLY", mode(1));
  opener.Expect(access(InRoot("none").c_str(), F_OK) < 0, "no file is created",
                "the root now has a file none");
  ExpectPassed(opener, answer, 0, "file");
  opener.Expect(over() || ReadAll(answer.fd(0)) == text,
                "the file keeps its content", "another content");
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, OneMessageInOrder) {
  About(Core(3), "all descriptors come with the first byte, in order, no more",
        "One control message carries several descriptors: an array of int. Its "
        "cmsg_len is CMSG_LEN(n * sizeof(int)). CMSG_SPACE counts the padding "
        "too, and with an odd n the kernel takes those four zero bytes for one "
        "more descriptor: your stdin.",
        "handout, step 3; man 3 cmsg");
  for (const char* name : {"one", "two", "three"}) WriteFile(InRoot(name));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer =
      Ask(&reader, {{'r', "one"}, {'r', "none"}, {'r', "two"}, {'r', "three"}});
  ExpectErrors(opener, answer, {0, ENOENT, 0, 0});
  opener.Expect(answer.with_first_byte == 3 && answer.fds.size() == 3,
                "3 descriptors, all with the first byte of the answer",
                absl::StrCat(answer.fds.size(), ", ", answer.with_first_byte,
                             " of them with the first byte"));
  ExpectPassed(opener, answer, 0, "one");
  ExpectPassed(opener, answer, 2, "two");
  ExpectPassed(opener, answer, 3, "three");
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, AnswersWithErrno) {
  About(Core(2), "what cannot be opened is answered with its errno",
        "The reader is not there when open fails; only you can tell it why. "
        "Keep errno before any other call changes it, and go on: the other "
        "wishes of the request are not to blame.",
        "handout, step 2; man 3 errno");
  WriteFile(InRoot("file"));
  WriteFile(InRoot("secret"));
  chmod(InRoot("secret").c_str(), 0);
  const int secret = access(InRoot("secret").c_str(), R_OK) < 0 ? EACCES : 0;
  if (symlink("loop", InRoot("loop").c_str()) < 0) Skip("no symbolic links");
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  ExpectErrors(opener,
               Ask(&reader, {{'r', "none"}, {'r', "file/x"}, {'w', "file"}}),
               {ENOENT, ENOTDIR, 0});
  // Root may open it, and so may its opener.
  ExpectErrors(opener, Ask(&reader, {{'r', "loop"}, {'r', "secret"}}),
               {ELOOP, secret});
  reader.Close();
  opener.Exits(0);
}

// The root --------------------------------------------------------------------

TEST_F(FdPassing, StaysBeneathTheRoot) {
  About(Core(4), "nothing outside the root is passed, by whatever way",
        "A name leaves the root by .. anywhere in it, by a leading slash, or "
        "by a symbolic link that does one of these. A look at the text misses "
        "links, and a look at realpath is over before open begins: somebody "
        "may put a link there in between. openat2 with RESOLVE_BENEATH has the "
        "kernel itself watch each step, and says EXDEV.",
        "handout, step 2; man 2 openat2, RESOLVE_BENEATH");
  WriteFile(scratch().File("outside"));
  WriteFile(InRoot("file"));
  mkdir(InRoot("sub").c_str(), 0700);
  mkdir((root_ + "2").c_str(), 0700);
  WriteFile(root_ + "2/file");
  if (symlink("../outside", InRoot("link").c_str()) < 0 ||
      symlink("..", InRoot("up").c_str()) < 0 ||
      symlink(InRoot("file").c_str(), InRoot("absolute").c_str()) < 0) {
    Skip("no symbolic links");
  }
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const std::vector<std::vector<Wish>> requests = {
      {{'r', "../outside"}, {'r', "sub/../../outside"}, {'r', InRoot("file")}},
      {{'r', "link"}, {'w', "up/outside"}, {'r', "absolute"}},
      {{'r', "../root2/file"}, {'r', "/dev/null"}, {'r', ".."}}};
  for (const std::vector<Wish>& request : requests) {
    const Answer answer = Ask(&reader, request);
    ExpectErrors(opener, answer, {EXDEV, EXDEV, EXDEV});
    opener.Expect(answer.fds.empty(), "no descriptor with that answer",
                  absl::StrCat(answer.fds.size()));
  }
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, ServesWhatLiesBelow) {
  About(Core(2), "what lies below the root is passed, by whatever way",
        "A .. or a symbolic link that stays below the root is a good name. To "
        "refuse every .. or every link is safe, and refuses files that are "
        "there to be served.",
        "handout, step 2; man 2 openat2, RESOLVE_BENEATH");
  mkdir(InRoot("sub").c_str(), 0700);
  WriteFile(InRoot("sub/file"));
  WriteFile(InRoot("..odd"));
  if (symlink("sub/../sub", InRoot("link").c_str()) < 0) {
    Skip("no symbolic links");
  }
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer = Ask(&reader, {{'r', "sub/file"},
                                      {'r', "sub/../sub/file"},
                                      {'r', "link/file"},
                                      {'r', "..odd"}});
  ExpectErrors(opener, answer, {0, 0, 0, 0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, AsksAgain) {
  About(Robust(1), "a file is passed also when openat2 has to be asked again",
        "Where somebody renames a file, any file, while the kernel follows a "
        "\"..\" below the root, it cannot vouch for where that led, and says "
        "EAGAIN. Nothing is wrong with the name: call it again.",
        "handout, step 2; man 2 openat2, EAGAIN");
  WriteFile(InRoot("file"));
  Process opener =
      StartFailingOnce({"openat2"}, EAGAIN, "opener",
                       {"--socket=" + SocketPath(), "--root=" + root_});
  opener.ListensAt(SocketPath());
  Peer reader = Connect(SocketPath(), "a reader");
  ExpectErrors(opener, Ask(&reader, {{'r', "file"}}), {0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, RegularFilesOnly) {
  About(Core(3), "directories and FIFOs are refused, and nobody waits for them",
        "From a directory's descriptor, openat(fd, \"..\") leads out of the "
        "root. And open of a FIFO waits until somebody opens its other end, "
        "which may be never: O_NONBLOCK does not wait. Then ask fstat what it "
        "is that you have opened.",
        "handout, step 2; man 7 fifo, man 2 fstat");
  mkdir(InRoot("folder").c_str(), 0700);
  mkfifo(InRoot("fifo").c_str(), 0600);
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer =
      Ask(&reader, {{'r', "folder"}, {'r', "."}, {'r', "fifo"}, {'w', "fifo"}});
  for (int32_t error : answer.errors) {
    opener.Expect(error != 0, "a refusal of each of them",
                  ErrorNames(answer.errors));
  }
  ExpectErrors(opener, answer, {EISDIR, EISDIR});
  reader.Close();
  opener.Exits(0, "reader 1: passed 0 of 4 files\n");
}

// Readers that cannot be trusted ----------------------------------------------

TEST_F(FdPassing, NameWithoutEnd) {
  About(Robust(2), "a name that fills its field, without a NUL, is refused",
        "What a stranger sends need not be a C string. open reads up to the "
        "first NUL, and that is in the next wish: another file than the one "
        "that you looked at. Look for the NUL with memchr; ENAMETOOLONG.",
        "handout, step 2; man 3 memchr");
  std::string name;
  while (name.size() < kNameSize - 1) name += "./";
  WriteFile(InRoot(".rest"));
  WriteFile(InRoot("est"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer = Ask(&reader, {{'r', name + "."}, {'r', "est"}});
  ExpectErrors(opener, answer, {ENAMETOOLONG, 0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, RequestInPieces) {
  About(Core(2), "a request may arrive in pieces, or with the next",
        "A stream has no boundaries: read returns what is there. Ask on until "
        "1024 bytes have come, and never for more than is missing.",
        "lab 01, step 6; man 2 read");
  WriteFile(InRoot("one"));
  WriteFile(InRoot("two"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const std::string requests = Reading({"one"}) + Reading({"none", "two"});
  reader.Send(requests.substr(0, 2), "2 bytes of a request");
  reader.AwaitRead();
  reader.Send(requests.substr(2), "the rest, and the next request");
  ExpectErrors(opener, ReceiveAnswer(&reader), {0});
  ExpectErrors(opener, ReceiveAnswer(&reader), {ENOENT, 0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, TakesNoDescriptors) {
  About(Robust(2), "descriptors that a reader sends along are not kept",
        "Who offers control data to recvmsg is given every descriptor that "
        "comes, wanted or not, and must close it. Who calls read, or offers "
        "none, is not: the kernel closes what cannot be delivered.",
        "handout, step 5; man 7 unix, SCM_RIGHTS");
  WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Pipe pipe = PipeWith("");
  reader.Send(Reading({"file"}), "a request, and descriptors of a pipe",
              Many(pipe));
  ExpectErrors(opener, ReceiveAnswer(&reader), {0});
  opener.ComesDownTo(0, "descriptors of that pipe in the opener", [&] {
    return CountOpen(opener.pid(), [&](const std::string& target) {
      return target == pipe.Target();
    });
  });
  reader.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, KeepsNothingOpen) {
  About(Core(3), "of a thousand files, the opener has the last four open",
        "To pass a descriptor is to copy it: yours stays open until you close "
        "it. The reader's copy does not mind, not even while it is still on "
        "its way.",
        "handout, step 4; man 7 unix, man 2 close");
  const std::vector<std::string> names = {"one", "two", "three", "four"};
  for (const std::string& name : names) WriteFile(InRoot(name));
  Process opener = StartOpener({"--readers=2"});
  Peer reader = Connect(SocketPath(), "a reader");
  Step("it asked for four files, 250 times");
  for (int i = 0; i < 250 && !over(); ++i) {
    reader.Send(Reading(names), "");
    ExpectErrors(opener, ReceiveAnswer(&reader), {0, 0, 0, 0});
  }
  opener.ComesDownTo(4, "files of the root open",
                     [&] { return OpenFiles(opener); });
  reader.Close();
  opener.ComesDownTo(0, "files of the root open",
                     [&] { return OpenFiles(opener); });
  Connect(SocketPath(), "another reader").Close();
  opener.Exits(0);
}

TEST_F(FdPassing, SideBySide) {
  About(Core(3), "a reader that stays silent keeps nobody waiting",
        "Each reader is served by itself: a process after accept, a thread, or "
        "a loop around poll that never waits in read for one of them.",
        "handout, step 5; man 2 fork");
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=2"});
  Peer silent = Connect(SocketPath(), "the first reader");
  silent.Send(Reading({"file"}).substr(0, 100), "100 bytes of a request");
  silent.AwaitRead();
  Peer quick = Connect(SocketPath(), "the second reader");
  ExpectErrors(opener, Ask(&quick, {{'r', "file"}}), {0});
  quick.Close();
  silent.Send(Reading({"file"}).substr(100), "the rest");
  ExpectErrors(opener, ReceiveAnswer(&silent), {0});
  silent.Close();
  opener.Exits(0);
}

TEST_F(FdPassing, ReaderVanishes) {
  About(Robust(2), "a reader that does not wait for its answer ends nothing",
        "Nobody takes the answer any more: sendmsg raises SIGPIPE, which kills "
        "without a word. With MSG_NOSIGNAL it fails with EPIPE. The "
        "descriptors that were to go along are still yours to close.",
        "handout, step 5; man 2 sendmsg");
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=2"});
  Peer gone = Connect(SocketPath(), "a reader");
  gone.StopReading();
  gone.Send(Reading({"file"}), "a request");
  gone.AwaitRead();
  gone.Close();
  opener.ComesDownTo(0, "files of the root open",
                     [&] { return OpenFiles(opener); });
  Peer reader = Connect(SocketPath(), "another reader");
  ExpectErrors(opener, Ask(&reader, {{'r', "file"}}), {0});
  reader.Close();
  opener.Exits(0);
  ExpectStderr(opener, {"EPIPE"});
}

TEST_F(FdPassing, HalfARequest) {
  About(Robust(1), "a reader that ends in the middle of a request is told of",
        "read returns 0 at the end of the stream, also when 700 bytes of a "
        "request have come. What is there is not a request.",
        "the contract in the handout; man 2 read");
  WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  reader.Send(Reading({"file"}).substr(0, 700), "700 bytes of a request");
  reader.Close();
  opener.Exits(0, "");
  ExpectStderr(opener, {"700"});
}

TEST_F(FdPassing, SocketFile) {
  About(Robust(1), "the socket file is new, and gone at the end",
        "bind refuses a name that is there already, whatever it is. At the end "
        "the file is yours to remove, and only yours.",
        "the contract in the handout; man 2 bind, man 2 unlink");
  Process opener = StartOpener();
  Process second =
      Start("opener", {"--socket=" + SocketPath(), "--root=" + root_});
  second.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  Connect(SocketPath(), "a reader").Close();
  opener.Exits(0, "");
  opener.Expect(access(SocketPath().c_str(), F_OK) < 0,
                "no socket file when it has ended", "it is still there");
  Start("opener", {"--socket=" + SocketPath(), "--root=" + root_ + "/none"})
      .Refuses({"open", root_ + "/none", "ENOENT"});
}

// The reader ------------------------------------------------------------------

TEST_F(FdPassing, ReaderAsks) {
  About(Core(2), "the reader asks for four files at a time, in the right form",
        "A request has 1024 bytes, whatever the names: what they leave free is "
        "zero, and so are the wishes that are none. Whoever does not zero it "
        "first sends what was in memory before.",
        "the protocol in the handout");
  std::vector<std::string> names = Names(6);
  names[2] = RandomText(kNameSize - 1);
  auto [reader, opener] = StartReader(names);
  const std::vector<std::string> first(names.begin(), names.begin() + 4);
  const std::vector<std::string> second(names.begin() + 4, names.end());
  for (const auto& expected : {Reading(first), Reading(second)}) {
    const std::string seen = opener.Receive(expected.size());
    reader.Expect(seen == expected, "a request for the next files",
                  harness::Difference(expected, seen));
    opener.Send(AnswerBytes({}), "an answer: ENOENT, four times");
  }
  reader.Exits(1, "");
}

TEST_F(FdPassing, UsesWhatArrives) {
  About(Core(3), "the reader reads what it was passed, whatever that is",
        "A file without a name, a pipe, a socket: a descriptor can be read "
        "wherever it comes from, from where its offset is. The name is the "
        "opener's business; to open it here gives another file, or none.",
        "handout, step 6; man 7 unix, SCM_RIGHTS");
  const std::vector<std::string> names = Names(3);
  for (const std::string& name : names) WriteFile(scratch().File(name));
  Step("wrote other files of these names into the reader's folder");
  const std::string text = RandomText(5000), piped = RandomText(30),
                    sent = RandomText(40);
  const UniqueFd file(memfd_create("no name", MFD_CLOEXEC));
  if (write(file.get(), text.data(), text.size()) < 0) Skip("no memfd");
  lseek(file.get(), 7, SEEK_SET);
  const UniqueFd pipe = EndOfPipeWith(piped);
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  const UniqueFd socket(pair[0]);
  UniqueFd other(pair[1]);
  if (write(other.get(), sent.data(), sent.size()) < 0) Skip("no socketpair");
  other.reset();
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0, 0, 0}),
              "an answer with a nameless file at byte 7, a pipe and a socket",
              {file.get(), pipe.get(), socket.get()});
  reader.Exits(0, text.substr(7) + piped + sent);
}

TEST_F(FdPassing, AnswerInPieces) {
  About(Core(2), "an answer may arrive in pieces",
        "The descriptors come with the first byte, and recvmsg returns as soon "
        "as there is one. The rest of the 16 bytes needs another call, and "
        "what the first one brought must not be forgotten over it.",
        "handout, step 6; man 2 recvmsg");
  const std::vector<std::string> names = Names(4);
  const std::string text = RandomText(20), other = RandomText(20);
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  const std::string answer = AnswerBytes({ENOENT, 0, EACCES, 0});
  const UniqueFd pipe = EndOfPipeWith(text), second = EndOfPipeWith(other);
  opener.Send(answer.substr(0, 1), "1 byte of an answer with two descriptors",
              {pipe.get(), second.get()});
  opener.AwaitRead();
  opener.Send(answer.substr(1, 10), "10 more");
  opener.AwaitRead();
  opener.Send(answer.substr(11), "the last 5");
  reader.Exits(1, text + other);
  ExpectStderr(reader, {names[0], "ENOENT", names[2], "EACCES"});
}

TEST_F(FdPassing, ClosesSurplus) {
  About(Core(3), "descriptors that nobody asked for are closed",
        "Control data with room for one int has room for two: CMSG_SPACE(4) is "
        "24, as much as CMSG_SPACE(8). Whatever fits is installed, and open in "
        "the reader before it looks. So ask cmsg_len how many there are, take "
        "what was promised, and close the rest.",
        "handout, step 6; man 3 cmsg, man 7 unix");
  const std::vector<std::string> names = Names(5);
  const std::string text = RandomText(20), last = RandomText(20);
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  const UniqueFd pipe = EndOfPipeWith(text), second = EndOfPipeWith(last);
  const Pipe surplus = PipeWith(RandomText(5));
  opener.Send(AnswerBytes({0, ENOENT, EACCES, ENOENT}),
              "an answer that promises one descriptor, with three",
              {pipe.get(), surplus.output.get(), surplus.output.get()});
  opener.Receive(Request({}).size());
  Step("it asked for the fifth file");
  const pid_t pid = reader.pid();
  reader.ComesDownTo(0, "descriptors that it did not ask for", [&] {
    return CountOpen(pid, [&](const std::string& target) {
      return target == surplus.Target();
    });
  });
  opener.Send(AnswerBytes({0}), "an answer with one more", {second.get()});
  reader.Exits(1, text + last);
}

TEST_F(FdPassing, MissingDescriptor) {
  About(Robust(2), "a descriptor that was promised and did not come is missed",
        "The opener may lie, and the kernel may drop what finds no room: "
        "MSG_CTRUNC, with as little as a full table of descriptors. Count what "
        "came; an int that nobody set may well be 0, your stdin.",
        "handout, step 6; man 2 recvmsg, MSG_CTRUNC");
  const std::vector<std::string> names = Names(3);
  const std::string text = RandomText(20);
  auto [reader, opener] = StartReader(names);
  opener.Receive(Request({}).size());
  const UniqueFd pipe = EndOfPipeWith(text);
  opener.Send(AnswerBytes({0, ENOENT, 0}),
              "an answer that promises two descriptors, with one",
              {pipe.get()});
  reader.Exits(1, text);
  ExpectStderr(reader, {names[1], "ENOENT", names[2], "EBADMSG"});
}

TEST_F(FdPassing, BrokenAnswer) {
  About(Robust(1), "an answer that ends in the middle is no answer",
        "recvmsg returns 0 at the end of the stream. What has come with the "
        "first bytes is worth nothing without the others.",
        "the contract in the handout; man 2 recvmsg");
  const UniqueFd pipe = EndOfPipeWith(RandomText(20));
  auto [reader, opener] = StartReader(Names(2));
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0}).substr(0, 7), "7 bytes of an answer",
              {pipe.get()});
  opener.Close();
  reader.Refuses({"EBADMSG"});
  reader.Exits(1, "");
}

TEST_F(FdPassing, ProgramGetsStdinOnly) {
  About(Core(3),
        "a program that is run gets its stdin, and nothing else of ours",
        "FD_CLOEXEC belongs to the descriptor, not to the file, and does not "
        "travel: what arrives is open across exec, unless recvmsg was called "
        "with MSG_CMSG_CLOEXEC. To set it later would be too late where "
        "another thread forks in between.",
        "handout, step 7; man 2 recvmsg, MSG_CMSG_CLOEXEC");
  std::vector<std::string> args = Names(2);
  args.insert(args.begin(), "--run=/bin/cat");
  const std::string one = RandomText(20), two = RandomText(20);
  Pipe pipe = PipeWith("");
  const UniqueFd second = EndOfPipeWith(two);
  auto [reader, opener] = StartReader(args);
  opener.Receive(Request({}).size());
  opener.Send(AnswerBytes({0, 0}), "an answer with two pipes",
              {pipe.output.get(), second.get()});
  const pid_t parent = reader.pid();
  pid_t cat = 0;  // Once it runs: exec closes what it must before the new name.
  reader.ComesDownTo(0, "programs still to be run: /bin/cat", [&] {
    for (pid_t pid : harness::Descendants(parent)) {
      if (harness::CommandName(pid) == "cat") cat = pid;
    }
    return cat == 0 ? 1 : 0;
  });
  Step("it runs cat, which waits for more to come from the first pipe");
  reader.ComesDownTo(3, "descriptors in cat: stdin, stdout, stderr", [&] {
    return CountOpen(cat, [](const std::string&) { return true; });
  });
  if (write(pipe.input.get(), one.data(), one.size()) < 0) Skip("no pipes");
  pipe.input.reset();
  reader.Exits(0, one + two);
}

TEST_F(FdPassing, ProgramFails) {
  About(Robust(1), "a program that fails, or cannot be run, is a failure",
        "exec returns only when it failed, and then two processes run the "
        "same code: the child must say why and leave by _exit. waitpid tells "
        "the parent how the child ended.",
        "handout, step 7; man 3 exec, man 2 waitpid");
  for (const std::string program : {"/bin/false", "/no/such/program"}) {
    const UniqueFd pipe = EndOfPipeWith(RandomText(20));
    auto [reader, opener] = StartReader({"--run=" + program, "file"});
    opener.Receive(Request({}).size());
    opener.Send(AnswerBytes({0}), "an answer with a pipe", {pipe.get()});
    reader.Exits(1, "");
    if (program == "/no/such/program") ExpectStderr(reader, {"ENOENT"});
    CloseHost();
    unlink(SocketPath().c_str());
  }
}

TEST_F(FdPassing, ReadsAThousandFiles) {
  About(Core(2), "the reader closes each file when it is done with it",
        "What arrives is yours as if you had opened it, and yours to close. "
        "When the table is full (RLIMIT_NOFILE), recvmsg still succeeds: the "
        "descriptors are missing, and MSG_CTRUNC says so.",
        "handout, step 6; man 2 close, man 2 getrlimit");
  const std::string text = RandomText(20);
  const UniqueFd file(memfd_create("no name", MFD_CLOEXEC));
  if (write(file.get(), text.data(), text.size()) < 0) Skip("no memfd");
  Host(SocketPath());
  std::vector<std::string> args = Names(1000);
  args.insert(args.begin(), "--socket=" + SocketPath());
  Process reader = Start("reader", args);
  Peer opener = Accept();
  Step("each of its requests is answered with four descriptors of one file");
  std::string expected;
  for (int i = 0; i < 250 && !over(); ++i) {
    opener.Receive(Request({}).size());
    if (i == 249) {
      const pid_t pid = reader.pid();
      reader.ComesDownTo(4, "of these descriptors open in the reader", [&] {
        return CountOpen(pid, [](const std::string& target) {
          return absl::StrContains(target, "memfd:no name");
        });
      });
    }
    lseek(file.get(), 0, SEEK_SET);
    opener.Send(AnswerBytes({0, 0, 0, 0}), "",
                std::vector<int>(kFiles, file.get()));
    expected += text;  // Once: the four share an offset.
  }
  reader.Exits(0, expected);
}

TEST_F(FdPassing, ReaderNamesTheError) {
  About(Core(1), "what did not work is said, and is the exit status",
        "A program that was refused, or found nobody, has not done what it "
        "was asked to, whatever else it printed.",
        "the contract in the handout; man 2 connect");
  Start("reader", {"--socket=" + SocketPath(), "file"})
      .Refuses({"connect", SocketPath(), "ENOENT"});
  Host(SocketPath());
  Start("reader", {"--socket=" + SocketPath(), RandomText(kNameSize)})
      .Refuses({"ENAMETOOLONG"});
}

// Both ------------------------------------------------------------------------

TEST_F(FdPassing, StaysInItsMemory) {
  About(Core(2), "no byte outside its buffers is touched",
        "The peer decides how many descriptors come, and with which bytes. "
        "Copy as many as you have room for, and no more.",
        "handout, step 6; man 3 cmsg");
  const Pipe pipe = PipeWith("");
  const std::string text = RandomText(20);
  const UniqueFd file = EndOfPipeWith(text);
  auto [reader, host] = StartReader(Names(1), /*sanitized=*/true);
  host.Receive(Request({}).size());
  const std::string answer = AnswerBytes({0});
  host.Send(answer.substr(0, 1), "a byte of an answer, with a descriptor",
            {file.get()});
  Step("each byte after it came with more descriptors");
  for (char byte : answer.substr(1)) {
    host.AwaitRead();
    host.Send(std::string(1, byte), "", Many(pipe));
  }
  reader.Exits(0, text);
  CloseHost();
  unlink(SocketPath().c_str());

  Process opener = StartOpener({}, /*sanitized=*/true);
  Peer peer = Connect(SocketPath(), "a reader");
  const Wish wish = {'r', std::string(kNameSize, 'x')};
  peer.Send(Request({wish, wish, wish, wish}),
            "four names without an end, and descriptors", Many(pipe));
  ReceiveAnswer(&peer);
  peer.Close();
  opener.Exits(0, "reader 1: passed 0 of 4 files\n");
}

TEST_F(FdPassing, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried, 1 that "
        "it was tried and failed.",
        "the contract in the handout");
  const std::string flag = "--socket=" + SocketPath();
  Start("opener", {flag, "--readers=0"}).Refuses({}, /*status=*/2);
  Start("opener", {flag, "--no-such-flag"}).Refuses({}, /*status=*/2);
  Start("reader", {flag, "--no-such-flag"}).Refuses({}, /*status=*/2);
  Start("reader", {flag}).Refuses({}, /*status=*/2);
}

}  // namespace
