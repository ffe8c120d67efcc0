// What the opener of lab 05 does for its readers. The mutants beside this file
// show what each check is there to catch.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/errno_status.h"
#include "tests/05_fd_passing/fd_passing.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

TEST_F(Opener, Listens) {
  About(Core(1), "the opener listens at its path, and serves each reader",
        "Open the root, listen (it is given), then accept as many readers as "
        "--readers says. A reader that says nothing, and ends, was one of "
        "them.",
        Handout(1, {1}, "man 2 accept, man 2 read"));
  Process opener = StartOpener({"--readers=2"});
  Connect(SocketPath(), "a reader").Close();
  Connect(SocketPath(), "another reader").Close();
  opener.Exits(0, "");
}

// What the opener passes ------------------------------------------------------

TEST_F(Opener, PassesTheFileItself) {
  About(Core(3), "what arrives is the file, not a copy of it",
        "SCM_RIGHTS makes the receiver a descriptor of the sender's open file: "
        "same inode, whatever becomes of its name. Nothing is copied, and a "
        "number sent as data would mean nothing in another process.",
        Handout(3, {2, 14}, "man 7 unix, SCM_RIGHTS"));
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

TEST_F(Opener, SharesTheOffset) {
  About(Core(3), "both descriptors are of one open file description",
        "The offset belongs to the open file description, of which the reader "
        "has a descriptor and you have one. What the reader reads moves yours, "
        "and what you read before you pass it is read for the reader. So do "
        "not touch it, and ask lseek(fd, 0, SEEK_CUR) when the reader is done.",
        Handout(4, {2, 4}, "man 2 open, man 2 lseek"));
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

TEST_F(Opener, LongOffsets) {
  About(Core(1), "an offset has 64 bits",
        "A file may be longer than 2 GiB, and its offset is an off_t. Print "
        "all of it: as a long long.",
        Handout(4, {4}, "man 2 lseek"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  std::string output;
  for (const off_t offset : {off_t{1} << 31, (off_t{1} << 32) + 5,
                             (off_t{1} << 40) + (off_t{1} << 31)}) {
    const Answer answer = Ask(&reader, {{'r', "file"}});
    ExpectPassed(opener, answer, 0, "file");
    lseek(answer.fd(0), offset, SEEK_SET);
    Step(absl::StrCat("the reader moved the offset to ", offset));
    absl::StrAppend(&output, "reader 1: passed 1 of 1 files\n",
                    "reader 1: file 1 is at byte ", offset, "\n");
  }
  reader.Close();
  opener.Exits(0, output);
}

TEST_F(Opener, PrintsAtOnce) {
  About(Core(2), "each line is printed when it has become true",
        "stdout is flushed at each newline only when it is a terminal. Into a "
        "pipe or a file it keeps back some 4096 bytes, which nobody sees until "
        "the program ends, or ever, if it ends by _exit. fflush(stdout) after "
        "the lines of each request.",
        Handout(4, {4}, "man 3 setvbuf"));
  for (const char* name : {"one", "two"}) WriteFile(InRoot(name));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  ExpectErrors(opener, Ask(&reader, {{'r', "one"}, {'r', "two"}}), {0, 0});
  Step("the reader stays connected");
  std::string output = "reader 1: passed 2 of 2 files\n";
  opener.Prints(output);
  Because(
      "The lines are about the request that was just answered: how many wishes "
      "it had (W), and for how many of them a descriptor was passed (P). Both "
      "begin at 0 again with each request. The word is always \"files\".",
      Handout(4, {4}, "man 3 printf"));
  ExpectErrors(opener, Ask(&reader, {{'r', "two"}}), {0});
  output +=
      "reader 1: file 1 is at byte 0\nreader 1: file 2 is at byte 0\n"
      "reader 1: passed 1 of 1 files\n";
  opener.Prints(output);
  Because(
      "An answer is made anew for each request: an errno that is left from the "
      "last one, or a descriptor, belongs to another wish.",
      Handout(4, {14}, "man 3 memset"));
  ExpectErrors(opener, Ask(&reader, {{'r', "none"}, {'r', "one"}}),
               {ENOENT, 0});
  const Answer last = Ask(&reader, {{'r', "one"}, {'r', "two"}});
  ExpectErrors(opener, last, {0, 0});
  ExpectPassed(opener, last, 0, "one");
  ExpectPassed(opener, last, 1, "two");
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, OpensForEachWish) {
  About(Core(2), "each wish gets an open file description of its own",
        "Pass one description to two readers, or twice to one, and each moves "
        "the other's offset. Only another open makes another description; dup "
        "and SCM_RIGHTS never do.",
        Handout(4, {2}, "man 2 dup"));
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

TEST_F(Opener, GrantsTheAccessAskedFor) {
  About(Core(3), "the descriptor allows what was asked for, and no more",
        "The access mode is part of the open file description and goes with "
        "it. Whoever holds a descriptor of O_RDWR may write, though he could "
        "never have opened the file. To write is not to create, nor to empty.",
        Handout(2, {2}, "man 2 open, man 2 fcntl"));
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
  Part("every other access");
  Because(
      "The access is the letter r or the letter w. All that a stranger sends "
      "instead is refused: EINVAL.",
      Handout(2, {13}, "man 3 errno"));
  std::vector<Wish> wishes;
  for (int access = 1; access < 256; ++access) {
    if (access == 'r' || access == 'w') continue;
    wishes.push_back({static_cast<char>(access), "file"});
    if (wishes.size() < kFiles && access < 255) continue;
    ExpectErrors(opener, Ask(&reader, wishes),
                 std::vector<int32_t>(wishes.size(), EINVAL));
    wishes.clear();
  }
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, OneMessageInOrder) {
  About(Core(3), "all descriptors come with the first byte, in order, no more",
        "One control message carries several descriptors: an array of int. Its "
        "cmsg_len is CMSG_LEN(n * sizeof(int)). CMSG_SPACE counts the padding "
        "too, and with an odd n the kernel takes those four zero bytes for one "
        "more descriptor: your stdin.",
        Handout(3, {14}, "man 3 cmsg"));
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

TEST_F(Opener, AnswersWithErrno) {
  About(Core(2), "what cannot be opened is answered with its errno",
        "The reader is not there when open fails; only you can tell it why. "
        "Keep errno before any other call changes it, and go on: the other "
        "wishes of the request are not to blame.",
        Handout(2, {14}, "man 3 errno"));
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

TEST_F(Opener, StaysBeneathTheRoot) {
  About(Core(4), "nothing outside the root is passed, by whatever way",
        "A name leaves the root by .. anywhere in it, by a leading slash, or "
        "by a symbolic link that does one of these. A look at the text misses "
        "links, and a look at realpath is over before open begins: somebody "
        "may put a link there in between. openat2 with RESOLVE_BENEATH has the "
        "kernel itself watch each step, and says EXDEV.",
        Handout(2, {3}, "man 2 openat2, RESOLVE_BENEATH"));
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

TEST_F(Opener, FolderIsSwapped) {
  About(Core(2), "a folder may be swapped for a link at any moment",
        "Between a look at a name and an open of it, somebody may put a link "
        "there that leads out. The open that is passed must be the one that "
        "the kernel watched (openat2): no second open by name after it.",
        Handout(2, {3}, "man 2 openat2, RESOLVE_BENEATH"));
  const std::string secret = scratch().File("secret");
  mkdir(secret.c_str(), 0700);
  mkdir(InRoot("sub").c_str(), 0700);
  WriteFile(secret + "/file");
  WriteFile(InRoot("sub/file"));
  Process opener = StartStoppedAfter({"openat2"}, "opener",
                                     {SocketFlag(), "--root=" + root_});
  opener.ListensAt(SocketPath());
  Peer reader = Connect(SocketPath(), "a reader");
  reader.Send(Reading({"sub/file"}), "a request: r sub/file");
  // A program that goes without openat2 is not stopped, and just answers.
  opener.ComesDownTo(0, "openers on their way to the file", [&] {
    std::vector<pid_t> pids = harness::Descendants(opener.pid());
    pids.push_back(opener.pid());
    char byte;
    const bool answered =
        recv(reader.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
    for (pid_t pid : pids) {
      if (answered || harness::IsStopped(pid)) return 0;
    }
    return 1;
  });
  if (over()) return;
  if (rename(InRoot("sub").c_str(), InRoot("was").c_str()) < 0 ||
      symlink("../secret", InRoot("sub").c_str()) < 0) {
    Skip("no symbolic links");
  }
  Step("after its first openat2, `sub` became a link to a folder outside");
  char byte;
  if (recv(reader.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
    opener.Continue();
  }
  const Answer answer = ReceiveAnswer(&reader);
  opener.Expect(!IsSameFile(answer.fd(0), secret + "/file"),
                "the file below the root, or an errno",
                "a descriptor of the file outside");
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, ServesWhatLiesBelow) {
  About(Core(2), "what lies below the root is passed, by whatever way",
        "A .. or a symbolic link that stays below the root is a good name. To "
        "refuse every .. or every link is safe, and refuses files that are "
        "there to be served.",
        Handout(2, {3}, "man 2 openat2, RESOLVE_BENEATH"));
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

TEST_F(Opener, AsksAgain) {
  About(Robust(1), "a file is passed also when openat2 has to be asked again",
        "Where somebody renames a file, any file, while the kernel follows a "
        "\"..\" below the root, it cannot vouch for where that led, and says "
        "EAGAIN. Nothing is wrong with the name: call it again.",
        Handout(2, {3}, "man 2 openat2, EAGAIN"));
  WriteFile(InRoot("file"));
  // As it may well be, twice in a row.
  Process opener =
      StartWithFaults({harness::Fault::Fail({"openat2"}, 1, EAGAIN),
                       harness::Fault::Fail({"openat2"}, 1, EAGAIN),
                       harness::Fault::Fail({"openat2"}, 1, EAGAIN)},
                      "opener", {SocketFlag(), "--root=" + root_});
  opener.ListensAt(SocketPath());
  Peer reader = Connect(SocketPath(), "a reader");
  ExpectErrors(opener, Ask(&reader, {{'r', "file"}}), {0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, RegularFilesOnly) {
  About(Core(3), "directories and FIFOs are refused, and nobody waits for them",
        "From a directory's descriptor, openat(fd, \"..\") leads out of the "
        "root. And open of a FIFO waits until somebody opens its other end, "
        "which may be never: O_NONBLOCK does not wait. Then ask fstat what it "
        "is that you have opened.",
        Handout(2, {3}, "man 7 fifo, man 2 fstat"));
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
  Because(
      "What was opened and then refused is still open. Close it, on every way "
      "out.",
      Handout(2, {4}, "man 2 close"));
  opener.ComesDownTo(0, "files and folders of the root open",
                     [&] { return OpenFiles(opener); });
  reader.Close();
  BecauseOfTheWhole();
  opener.Exits(0, "reader 1: passed 0 of 4 files\n");
  unlink(SocketPath().c_str());
  Part("devices");
  Process devices = Start("opener", {SocketFlag(), "--root=/dev"});
  devices.ListensAt(SocketPath());
  Peer other = Connect(SocketPath(), "a reader");
  Because(
      "A device is not a regular file either: pass what S_ISREG says yes to, "
      "and nothing else.",
      Handout(2, {3}, "man 2 fstat"));
  const Answer device =
      Ask(&other, {{'r', "null"}, {'w', "null"}, {'r', "zero"}, {'r', "full"}});
  for (int32_t error : device.errors) {
    devices.Expect(error != 0, "a refusal of each of them",
                   ErrorNames(device.errors));
  }
  other.Close();
  devices.Exits(0, "reader 1: passed 0 of 4 files\n");
}

// Readers that cannot be trusted ----------------------------------------------

TEST_F(Opener, NameWithoutEnd) {
  About(Robust(2), "a name that fills its field, without a NUL, is refused",
        "What a stranger sends need not be a C string. open reads up to the "
        "first NUL, and that is in the next wish: another file than the one "
        "that you looked at. Look for the NUL with memchr; ENAMETOOLONG.",
        Handout(2, {13}, "man 3 memchr"));
  std::string name;
  while (name.size() < kNameSize - 1) name += "./";
  WriteFile(InRoot(".rest"));
  WriteFile(InRoot("est"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  const Answer answer = Ask(&reader, {{'r', name + "."}, {'r', "est"}});
  ExpectErrors(opener, answer, {ENAMETOOLONG, 0});
  Because(
      "The field has 255 bytes, and the NUL may be the last of them: a name of "
      "254 bytes is a good one.",
      Handout(2, {13}, "man 3 memchr"));
  ExpectErrors(opener, Ask(&reader, {{'r', name.substr(6) + "/.rest"}}), {0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, RequestInPieces) {
  About(Core(2), "a request may arrive in pieces, or with the next",
        "A stream has no boundaries: read returns what is there. Ask on until "
        "1024 bytes have come, and never for more than is missing.",
        Handout(1, {13}, "man 2 read"));
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
  Step("the third request comes in five pieces");
  size_t sent = 0;
  for (const size_t size : {1, 300, 500, 222, 1}) {
    reader.Send(requests.substr(1024 + sent, size),
                absl::StrCat(size, size == 1 ? " byte" : " bytes"));
    reader.AwaitRead();
    sent += size;
  }
  ExpectErrors(opener, ReceiveAnswer(&reader), {ENOENT, 0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, TakesNoDescriptors) {
  About(Robust(2), "descriptors that a reader sends along are not kept",
        "Who offers control data to recvmsg is given every descriptor that "
        "comes, wanted or not, and must close it. Who calls read, or offers "
        "none, is not: the kernel closes what cannot be delivered.",
        Handout(5, {5}, "man 7 unix, SCM_RIGHTS"));
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

TEST_F(Opener, KeepsNothingOpen) {
  About(Core(3), "of a thousand files, the opener has the last four open",
        "To pass a descriptor is to copy it: yours stays open until you close "
        "it. The reader's copy does not mind, not even while it is still on "
        "its way.",
        Handout(4, {4}, "man 7 unix, man 2 close"));
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

TEST_F(Opener, SideBySide) {
  About(Core(3), "a reader that stays silent keeps nobody waiting",
        "Each reader is served by itself: a process after accept, a thread, or "
        "a loop around poll that never waits in read for one of them.",
        Handout(5, {1}, "man 2 fork"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=2"});
  Peer silent = Connect(SocketPath(), "the first reader");
  silent.Send(Reading({"file"}).substr(0, 100), "100 bytes of a request");
  silent.AwaitRead();
  Because(
      "A call that waits (accept, read, poll) sleeps in the kernel until there "
      "is something to do. A loop that asks again and again keeps a processor "
      "busy and gains nothing.",
      Handout(5, {1}, "man 2 accept"));
  opener.Expect(opener.FallsAsleep(), "opener sleeps until more comes",
                "it uses the processor all the time");
  BecauseOfTheWhole();
  Peer quick = Connect(SocketPath(), "the second reader");
  ExpectErrors(opener, Ask(&quick, {{'r', "file"}}), {0});
  quick.Close();
  silent.Send(Reading({"file"}).substr(100), "the rest");
  ExpectErrors(opener, ReceiveAnswer(&silent), {0});
  silent.Close();
  opener.Exits(0);
}

TEST_F(Opener, ReaderVanishes) {
  About(Robust(2), "a reader that does not wait for its answer ends nothing",
        "Nobody takes the answer any more: sendmsg raises SIGPIPE, which kills "
        "without a word. With MSG_NOSIGNAL it fails with EPIPE. The "
        "descriptors that were to go along are still yours to close.",
        Handout(5, {6}, "man 2 sendmsg"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=2"});
  Peer gone = Connect(SocketPath(), "a reader");
  gone.StopReading();
  gone.Send(Reading({"file"}), "a request");
  gone.AwaitRead();
  gone.Close();
  Because(
      "The files that were to be passed are open, although nobody got them. "
      "Close them before you give the reader up.",
      Handout(5, {4, 6}, "man 2 close"));
  opener.ComesDownTo(0, "files of the root open",
                     [&] { return OpenFiles(opener); });
  BecauseOfTheWhole();
  Peer reader = Connect(SocketPath(), "another reader");
  ExpectErrors(opener, Ask(&reader, {{'r', "file"}}), {0});
  reader.Close();
  opener.Exits(0);
  Because(
      "The first reader got no answer, so nothing was passed to it: print "
      "\"passed\" after sendmsg has worked, and offsets of what was passed.",
      Handout(4, {4}, "man 2 sendmsg"));
  const std::string output =
      "reader 2: passed 1 of 1 files\n"
      "reader 2: file 1 is at byte 0\n";
  opener.Expect(opener.out() == output, "lines about the second reader only",
                harness::Difference(output, opener.out()));
  Because(
      "sendmsg has failed with EPIPE, which the opener must say on stderr: "
      "somebody may look for the answer that is missing.",
      Handout(5, {6}, "man 2 sendmsg"));
  ExpectStderr(opener, {"EPIPE"});
}

TEST_F(Opener, AnswerIsNotRead) {
  About(Robust(1), "a reader that leaves without its answer is no failure",
        "A reader that ends while its answer waits for it has a right to. The "
        "next read then fails with ECONNRESET, or is the end of the stream. "
        "Either way this reader has ended, and the exit status is 0.",
        Handout(5, {6}, "man 2 read, man 7 unix"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=2"});
  Peer gone = Connect(SocketPath(), "a reader");
  gone.Send(Reading({"file"}), "a request");
  opener.Prints("reader 1: passed 1 of 1 files\n");
  gone.Close();
  opener.Prints(
      "reader 1: passed 1 of 1 files\nreader 1: file 1 is at byte 0\n");
  Peer reader = Connect(SocketPath(), "another reader");
  ExpectErrors(opener, Ask(&reader, {{'r', "file"}}), {0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, HalfARequest) {
  About(Robust(1), "a reader that ends in the middle of a request is told of",
        "read returns 0 at the end of the stream, also when 700 bytes of a "
        "request have come. What is there is not a request.",
        Handout(1, {6}, "man 2 read"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener();
  Peer reader = Connect(SocketPath(), "a reader");
  reader.Send(Reading({"file"}).substr(0, 700), "700 bytes of a request");
  reader.Close();
  opener.Exits(0, "");
  ExpectStderr(opener, {"700"});
  unlink(SocketPath().c_str());
  Part("the second request ends in the middle, in two pieces");
  Process other = StartOpener();
  Peer second = Connect(SocketPath(), "a reader");
  ExpectErrors(other, Ask(&second, {{'r', "none"}, {'r', "file"}}),
               {ENOENT, 0});
  const std::string piece = Reading({"file"});
  second.Send(piece.substr(0, 405), "405 bytes of a request");
  second.AwaitRead();
  second.Send(piece.substr(405, 67), "67 more");
  second.Close();
  Because(
      "The reader has ended, and the files of its last answer are due: print "
      "where they are, whatever came after them.",
      Handout(4, {4}, "man 2 lseek"));
  other.Exits(0,
              "reader 1: passed 1 of 2 files\n"
              "reader 1: file 2 is at byte 0\n");
  Because(
      "What came are all bytes of this request, not those of the last read "
      "alone, and not those that are missing.",
      Handout(1, {6}, "man 2 read"));
  ExpectStderr(other, {"472"});
}

TEST_F(Opener, SocketFile) {
  About(Robust(1), "the socket file is new, and gone at the end",
        "bind refuses a name that is there already, whatever it is. At the end "
        "the file is yours to remove, and only yours.",
        Handout(1, {1}, "man 2 bind, man 2 unlink"));
  Process opener = StartOpener();
  Process second =
      Start("opener", {"--socket=" + SocketPath(), "--root=" + root_});
  second.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  Connect(SocketPath(), "a reader").Close();
  opener.Exits(0, "");
  opener.Expect(access(SocketPath().c_str(), F_OK) < 0,
                "no socket file when it has ended", "it is still there");
  Part("a root that is not there");
  Because(
      "The folder cannot be opened: the opener says so, and leaves nothing "
      "behind. Open it before you bind.",
      Handout(2, {1, 11}, "man 2 open"));
  Start("opener", {"--socket=" + SocketPath(), "--root=" + root_ + "/none"})
      .Refuses({"open", root_ + "/none", "ENOENT"});
  opener.Expect(access(SocketPath().c_str(), F_OK) < 0, "no socket file",
                "it is there");
}

TEST_F(Opener, KeepsReadersApart) {
  About(Core(2), "what one reader sends and gets is nothing to the others",
        "The bytes of a request, the answer, the files that were passed and "
        "the number belong to one reader. Where one process serves several, "
        "each has its own of all these: a static variable is everybody's.",
        Handout(5, {1, 4}, "man 2 fork, man 3 pthread_create"));
  for (const char* name : {"one", "two"}) WriteFile(InRoot(name));
  Process opener = StartOpener({"--readers=2"});
  Peer first = Connect(SocketPath(), "reader A");
  const std::string a = Reading({"none", "one"}), b = Reading({"two", "none"});
  first.Send(a.substr(0, 300), "300 bytes of a request");
  first.AwaitRead();
  Peer second = Connect(SocketPath(), "reader B");
  second.Send(b.substr(0, 500), "500 bytes of a request");
  second.AwaitRead();
  first.Send(a.substr(300), "the rest");
  const Answer for_first = ReceiveAnswer(&first);
  ExpectErrors(opener, for_first, {ENOENT, 0});
  ExpectPassed(opener, for_first, 1, "one");
  std::string output = "reader 1: passed 1 of 2 files\n";
  opener.Prints(output);
  second.Send(b.substr(500), "the rest");
  const Answer for_second = ReceiveAnswer(&second);
  ExpectErrors(opener, for_second, {0, ENOENT});
  ExpectPassed(opener, for_second, 0, "two");
  output += "reader 2: passed 1 of 2 files\n";
  opener.Prints(output);
  lseek(for_first.fd(1), 10, SEEK_SET);
  lseek(for_second.fd(0), 20, SEEK_SET);
  Step("A moved the offset of its file to 10, B to 20");
  first.Close();
  output += "reader 1: file 2 is at byte 10\n";
  opener.Prints(output);
  second.Close();
  opener.Exits(0, output + "reader 2: file 1 is at byte 20\n");
}

TEST_F(Opener, WaitsForAllReaders) {
  About(Core(1), "the opener ends when its last reader has ended",
        "The end of one reader says nothing about the others. Wait for all "
        "children or threads: wait, until it says ECHILD.",
        Handout(5, {1}, "man 2 wait"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=2"});
  Peer first = Connect(SocketPath(), "reader A");
  ExpectErrors(opener, Ask(&first, {{'r', "file"}}), {0});
  Peer second = Connect(SocketPath(), "reader B");
  ExpectErrors(opener, Ask(&second, {{'r', "file"}}), {0});
  first.Close();
  const std::string end = "reader 1: file 1 is at byte 0\n";
  opener.ComesDownTo(0, "lines still to come about the file of reader A", [&] {
    return absl::StrContains(opener.out(), end) ? 0 : 1;
  });
  opener.FallsAsleep();
  opener.Expect(over() || kill(opener.pid(), 0) == 0,
                "the opener runs while reader B is connected", "it has ended");
  ExpectErrors(opener, Ask(&second, {{'r', "file"}}), {0});
  second.Close();
  opener.Exits(0);
}

TEST_F(Opener, ClosesConnections) {
  About(Robust(2), "nothing stays open of a reader that has ended",
        "Each connection is a descriptor, of the process that accepted it and "
        "of each child that was forked since. Close it in the parent after "
        "fork, and in the child, or the thread, when the reader has ended.",
        Handout(5, {1}, "man 2 close, man 2 fork"));
  Process opener = StartOpener({"--readers=4"});
  const auto count = [&] {
    return CountOpen(opener.pid(), [](const std::string& target) {
      return absl::StartsWith(target, "socket:");
    });
  };
  const int before = count();
  for (int i = 1; i <= 3; ++i) {
    Peer reader = Connect(SocketPath(), absl::StrCat("reader ", i));
    ExpectErrors(opener, Ask(&reader, {{'r', "none"}}), {ENOENT});
    reader.StopWriting();
    opener.ComesDownTo(before, "open sockets, as before this reader came",
                       count);
  }
  Connect(SocketPath(), "reader 4").Close();
  opener.Exits(0);
}

TEST_F(Opener, ManySideBySide) {
  About(Robust(1), "forty silent readers keep nobody waiting",
        "How many readers are served side by side is what --readers says. A "
        "table of sixteen places, or a pool of as many threads, is full when "
        "the seventeenth comes.",
        Handout(5, {1}, "man 2 fork"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=41"});
  Step("40 readers connected, and say nothing");
  std::vector<Peer> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(Connect(SocketPath(), ""));
  Peer quick = Connect(SocketPath(), "the last reader");
  ExpectErrors(opener, Ask(&quick, {{'r', "file"}}), {0});
  quick.Close();
  silent.clear();
  opener.Exits(0,
               "reader 41: passed 1 of 1 files\n"
               "reader 41: file 1 is at byte 0\n");
}

TEST_F(Opener, AnswersAreNotTaken) {
  About(Robust(1), "a reader that takes no answers keeps nobody waiting",
        "What a reader does not take fills its socket, and then sendmsg waits. "
        "A server of one process must not wait there: it asks poll for "
        "POLLOUT, and keeps the answer meanwhile.",
        Handout(5, {1, 6}, "man 2 sendmsg, man 2 poll"));
  WriteFile(InRoot("file"));
  Process opener = StartOpener({"--readers=2"});
  Peer greedy = Connect(SocketPath(), "the first reader");
  std::string requests;
  for (int i = 0; i < 3000; ++i) requests += Reading({"none"});
  greedy.SendUntilStuck(requests, "requests, and takes no answer");
  Peer quick = Connect(SocketPath(), "the second reader");
  ExpectErrors(opener, Ask(&quick, {{'r', "file"}}), {0});
  quick.Close();
  greedy.Close();
  opener.Exits(0);
}

TEST_F(Opener, HasPatience) {
  About(Robust(1), "the opener waits for as long as a reader is silent",
        "A reader may be slow, or stopped for an hour. The contract has no "
        "time limit.",
        Handout(1, {1}, "man 2 read"));
  WriteFile(InRoot("file"));
  Process opener = StartOutOfTime("opener", {SocketFlag(), "--root=" + root_});
  opener.ListensAt(SocketPath());
  opener.FallsAsleep();
  Peer reader = Connect(SocketPath(), "a reader");
  opener.FallsAsleep();
  const std::string request = Reading({"file"});
  reader.Send(request.substr(0, 10), "10 bytes of a request");
  reader.AwaitRead();
  opener.FallsAsleep();
  reader.Send(request.substr(10), "the rest of it, after a long time");
  ExpectErrors(opener, ReceiveAnswer(&reader), {0});
  reader.Close();
  opener.Exits(0);
}

TEST_F(Opener, SaysThatItCannotPrint) {
  About(Robust(1), "a line that cannot be printed is a failure",
        "printf only fills a buffer. fflush, or write, says whether the line "
        "is out: a disk may be full. What fails in a child is a failure of the "
        "program: the child tells by its exit status, and the parent looks at "
        "it (waitpid).",
        Handout(5, {11}, "man 3 fflush, man 2 wait"));
  WriteFile(InRoot("file"));
  Process opener = StartOnFullDisk("opener", {SocketFlag(), "--root=" + root_});
  opener.ListensAt(SocketPath());
  Peer reader = Connect(SocketPath(), "a reader");
  ExpectErrors(opener, Ask(&reader, {{'r', "file"}}), {0});
  reader.Close();
  opener.Exits(1);
  opener.Expect(!opener.err().empty(), "a line on stderr", "nothing");
}

TEST_F(Opener, OpenerWhateverHappens) {
  About(Robust(2), "the opener reads on when a signal interrupts it",
        "A call that reads may be interrupted by a signal (EINTR): call it "
        "again. Here the checker makes that happen, to one call at a time.",
        WholeHandout({12}));
  harness::SweepOptions options;
  options.errors = {};
  options.cut = false;
  Sweep(
      "opener",
      [&](const Starter& start) {
        WriteFile(InRoot("file"));
        Process opener = start({SocketFlag(), "--root=" + root_}, "/dev/null");
        opener.ListensAt(SocketPath());
        Peer reader = Connect(SocketPath(), "a reader");
        std::string output;
        for (int i = 0; i < 2; ++i) {
          const std::string request = Reading({"file", "none"});
          reader.Send(request.substr(0, 20), "20 bytes of a request");
          reader.AwaitRead();
          reader.Send(request.substr(20), "the rest of it");
          const Answer answer = ReceiveAnswer(&reader);
          ExpectErrors(opener, answer, {0, ENOENT});
          ExpectPassed(opener, answer, 0, "file");
          output +=
              "reader 1: passed 1 of 2 files\n"
              "reader 1: file 1 is at byte 0\n";
        }
        reader.Close();
        opener.Exits(0, output);
      },
      options);
}

}  // namespace
