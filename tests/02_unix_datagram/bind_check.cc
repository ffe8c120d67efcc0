// The name and the socket file of the server of lab 02.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/socket.h"
#include "tests/02_unix_datagram/unix_datagram.h"
#include "tests/support/walls.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Handout;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

// A file at `path`, as it is now.
class FileAt {
 public:
  explicit FileAt(std::string path) : path_(std::move(path)) {
    lstat(path_.c_str(), &before_);
  }
  void ExpectAsItWas(Process server) const {
    struct stat after = {};
    lstat(path_.c_str(), &after);
    server.Expect(
        before_.st_ino == after.st_ino && before_.st_mode == after.st_mode,
        path_ + " is as it was",
        after.st_ino ? "it is another file now" : "it is gone");
  }

 private:
  const std::string path_;
  struct stat before_ = {};
};

class SocketFile : public Server {
 protected:
  void IsRefused(const std::string& path) {
    const FileAt file(path);
    Process server = Start("server", {"--socket=" + path});
    server.Refuses({path, "EADDRINUSE"});
    file.ExpectAsItWas(server);
  }

  // One datagram for the server, from a client that waits for its answer.
  void SendOne() { SendOne(SocketPath()); }
  void SendOne(const std::string& path) {
    clients_.push_back(Autobound());
    clients_.back().SendTo(path, "x", Bytes(1));
  }

  // A socket file of `type` that nobody has open any more.
  void LeaveDeadSocket(const std::string& path, int type) {
    const ipc::UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    const auto address = *SocketAddress::UnixPath(path);
    if (bind(socket.get(), address.data(), address.size()) < 0) {
      Fail("the checker binds its socket", "it cannot");
    }
    Step(absl::StrCat("a server of ours bound a ",
                      type == SOCK_STREAM ? "stream" : "datagram",
                      " socket to ", path,
                      ", and is gone: its file is still there"));
  }

 private:
  std::vector<DatagramPeer> clients_;
};

TEST_F(SocketFile, Binds) {
  About(Core(2), "the server has a datagram socket at its path, and waits",
        "The server makes a datagram socket (socket with SOCK_DGRAM) and gives "
        "it the path as its name (bind). That is all: from then on the kernel "
        "puts datagrams into its queue.",
        Handout(1, {1}, "man 2 socket, man 2 bind, man 7 unix"));
  Process server = StartServer();
  server.FallsAsleep();
  Part("a relative path");
  Because(
      "A path that does not begin with / starts in the current directory of "
      "the program. It is as good a path as any other.",
      Handout(1, {1}, "man 7 path_resolution"));
  Process relative = Start("server", {"--socket=relative"});
  relative.ReceivesAt("relative");
  // Without walls, /tmp is for everybody.
  if (access(harness::kKitFolder, F_OK) < 0) return;
  Part("without --socket");
  Because("Without --socket PATH is /tmp/unix.dgram.",
          Handout(1, {1}, "man 2 bind"));
  Process without = Start("server", {});
  without.ReceivesAt("/tmp/unix.dgram");
}

TEST_F(SocketFile, PathOf107Bytes) {
  About(Core(1), "a path of 107 bytes is used as it is",
        "sun_path has 108 bytes: 107 and the NUL that ends them. strncpy with "
        "one less cuts the last letter off. strncpy into an address that was "
        "not zeroed may leave the NUL out, and the name goes on with the bytes "
        "that happen to be there.",
        Handout(1, {16}, "man 7 unix"));
  const std::string path = PathOfLength(sizeof(sockaddr_un::sun_path) - 1);
  Start("server", {"--socket=" + path}).ReceivesAt(path);
}

TEST_F(SocketFile, RefusesImpossiblePaths) {
  About(Robust(1), "a path that cannot be is refused in words",
        "A path that is cut to fit is another path. An empty one lets bind "
        "choose an abstract name.",
        Handout(1, {14, 16}, "man 7 unix"));
  for (const size_t length : {108, 109, 500}) {
    Part(absl::StrCat("a path of ", length, " bytes"));
    const std::string path = PathOfLength(length);
    Start("server", {"--socket=" + path}).Refuses({path, "ENAMETOOLONG"});
  }
  Part("an empty path");
  Start("server", {"--socket="}).Refuses({"EINVAL"});
  Part("a path in a folder that does not exist");
  Because(
      "bind makes the file, but no folder. The caller wants to know that the "
      "folder is missing: one line on stderr, and exit status 1.",
      Handout(1, {14}, "man 2 bind"));
  const std::string lost = scratch().File("no/such/folder");
  Process server = Start("server", {"--socket=" + lost});
  server.Refuses({lost, "ENOENT"});
  BecauseOfTheWhole();
  const std::vector<std::string> files = scratch().Entries();
  server.Expect(files.empty(), "no file was made",
                absl::StrCat("there is ", files.empty() ? "" : files[0]));
}

TEST_F(SocketFile, SocketFileIsPrivate) {
  About(Robust(2), "nobody else may send, whatever the umask",
        "To send to a socket file, one needs write permission on it, and bind "
        "gives it what the umask leaves. fchmod on the socket before bind, or "
        "a umask around it, decides that beforehand. chmod after bind leaves a "
        "moment in which everybody may send, and fchmod after bind does not "
        "change the file.",
        Handout(1, {7}, "man 7 unix, man 2 umask"));
  const auto expect_private = [&](Process server) {
    struct stat status = {};
    lstat(SocketPath().c_str(), &status);
    server.Expect((status.st_mode & 077) == 0,
                  "no permission for group and others with umask 0",
                  absl::StrCat("mode 0", absl::Hex((status.st_mode >> 6) & 7),
                               absl::Hex((status.st_mode >> 3) & 7),
                               absl::Hex(status.st_mode & 7)));
  };
  Part("a server that waits");
  Process server = StartServer({}, /*sanitized=*/false, /*umask=*/0);
  server.FallsAsleep();
  expect_private(server);
  unlink(SocketPath().c_str());  // For the next server.

  Part("the moment when its socket is bound");
  Process held =
      StartStoppedAfter({"bind"}, "server", ArgsFor({}), /*umask=*/0);
  HasStarted(&held);
  expect_private(held);
}

TEST_F(SocketFile, ReplacesStaleSocket) {
  About(Core(2), "a socket file that nobody has open is replaced",
        "A server that was killed leaves its file, and bind refuses any name "
        "that exists. Connecting a datagram socket to it tells: ECONNREFUSED. "
        "Then the file may go.",
        Handout(1, {8}, "man 7 unix"));
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    Part(type == SOCK_DGRAM ? "of a datagram socket" : "of a stream socket");
    const std::string path = scratch().File(absl::StrCat("dead", type));
    LeaveDeadSocket(path, type);
    Start("server", {"--socket=" + path}).ReceivesAt(path);
  }
}

TEST_F(SocketFile, KeepsForeignFile) {
  About(Core(2), "a file that is not a socket is never removed",
        "unlink removes any file. With a mistyped --socket that is a file that "
        "somebody needs. Look first, with lstat and S_ISSOCK, or let bind say "
        "EADDRINUSE.",
        Handout(1, {8}, "man 2 lstat, man 7 inode"));
  Part("a text file");
  const std::string file = scratch().File("file");
  std::ofstream(file) << RandomText(50);
  Step("wrote a text file " + file);
  IsRefused(file);
  Part("an empty folder");
  const std::string folder = scratch().File("folder");
  mkdir(folder.c_str(), 0700);
  Step("made a folder " + folder);
  IsRefused(folder);
  Part("a FIFO");
  const std::string fifo = scratch().File("fifo");
  mkfifo(fifo.c_str(), 0600);
  Step("made a FIFO " + fifo);
  IsRefused(fifo);
}

TEST_F(SocketFile, KeepsLink) {
  About(Core(1), "a symbolic link is never removed",
        "stat follows a link and tells of the socket behind it, but unlink "
        "removes the link. lstat tells of the link itself.",
        Handout(1, {8}, "man 2 lstat, man 7 symlink"));
  const std::string dead = scratch().File("dead"),
                    link = scratch().File("link");
  LeaveDeadSocket(dead, SOCK_DGRAM);
  if (symlink(dead.c_str(), link.c_str()) < 0) {
    Fail("the checker makes a symbolic link", "it cannot");
  }
  Step(absl::StrCat("made a symbolic link to it, ", link));
  IsRefused(link);
}

TEST_F(SocketFile, KeepsLiveServer) {
  About(Core(2), "the name of a server that lives is not taken away",
        "Unlinking before every bind cuts a running server off: it waits on, "
        "and no client can reach it. Only ECONNREFUSED says that nobody has "
        "the socket open. EPROTOTYPE is a live socket of another type, EPERM "
        "one that takes datagrams from somebody else only.",
        Handout(1, {8}, "man 2 connect, man 7 unix"));
  Part("a datagram socket");
  const std::string datagram = scratch().File("datagram");
  DatagramPeer host = ClientAt(datagram, "a server of ours");
  IsRefused(datagram);
  Part("a stream socket that listens");
  const std::string stream = scratch().File("stream");
  Host(stream);
  IsRefused(stream);
  Part("a datagram socket that is connected to another one");
  const std::string deaf = scratch().File("deaf");
  DatagramPeer connected = ClientAt(deaf, "a server of ours");
  const auto to = *SocketAddress::UnixPath(datagram);
  if (connect(connected.fd(), to.data(), to.size()) == 0) {
    Step("it connected its socket to that of another server");
  }
  IsRefused(deaf);
}

TEST_F(SocketFile, LeavesLiveServerInPeace) {
  About(Robust(1), "a live server does not notice a second one",
        "The second server asks whether the first one lives. connect on a "
        "datagram socket sends nothing, and so a live datagram server does not "
        "notice. A datagram, even an empty one, is a question that the first "
        "server answers and counts; a stream socket connects to a live stream "
        "server, which takes it for a client.",
        Handout(1, {8}, "man 2 connect, man 7 unix"));
  Part("a datagram server");
  const std::string datagram = scratch().File("datagram");
  DatagramPeer host = ClientAt(datagram, "a server of ours");
  IsRefused(datagram);
  if (!over() && Waits(host)) {
    Fail("nothing is sent to our server", "a datagram came");
  }
  Part("a stream server");
  const std::string path = scratch().File("stream");
  const auto stream = ipc::Listen(*SocketAddress::UnixPath(path));
  Step("a stream server of ours listens at " + path);
  IsRefused(path);
  if (over() || !stream.ok()) return;
  fcntl(stream->get(), F_SETFL, O_NONBLOCK);
  const ipc::UniqueFd client(accept(stream->get(), nullptr, nullptr));
  if (client.valid()) Fail("nobody connects to our server", "a client came");
}

TEST_F(SocketFile, RemovesSocketFile) {
  About(Core(2), "the socket file is gone when the server is done",
        "bind made the file, and only unlink removes it. The end of the "
        "program does not.",
        Handout(8, {7}, "man 2 unlink, man 7 unix"));
  Process server = StartServer();
  SendOne();
  server.Exits(0);
  ExpectNoSocketFile(server);
  Part("a relative path");
  Because(
      "A path that does not begin with / starts in the current directory of "
      "the program, for unlink as for bind: do not change that.",
      Handout(8, {7}, "man 7 path_resolution"));
  Process relative = Start("server", {"--socket=relative"});
  relative.ReceivesAt("relative");
  SendOne(scratch().File("relative"));
  relative.Exits(0);
  relative.Expect(!Exists(scratch().File("relative")), "no file `relative`",
                  "it is still there");
}

TEST_F(SocketFile, RemovesSocketFileOnSignal) {
  About(Core(3), "SIGINT and SIGTERM end the server, and its file",
        "A signal that is not caught ends the program on the spot: nothing "
        "after that line runs, destructors and atexit functions neither. Catch "
        "both (sigaction), and call only what signal-safety(7) lists, such as "
        "unlink and _exit. A handler that sets a flag does not end a recvfrom "
        "that is called again after EINTR.",
        Handout(8, {7}, "man 2 sigaction, man 7 signal-safety"));
  const struct {
    int signal;
    const char* name;
  } signals[] = {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}};
  for (const auto& [signal, name] : signals) {
    Part(absl::StrCat(name, " before the first datagram"));
    Process waiting = StartServer();
    waiting.FallsAsleep();
    waiting.Signal(signal, name);
    waiting.Exits(0, "");
    ExpectNoSocketFile(waiting);

    Part(absl::StrCat(name, " between two datagrams"));
    Process between = StartServer({"--datagrams=2"});
    SendOne();
    between.PrintsLine();
    between.FallsAsleep();
    between.Signal(signal, name);
    between.Exits(0);
    ExpectNoSocketFile(between);
  }
}

TEST_F(SocketFile, CatchesSignalsInTime) {
  About(Robust(1), "the signals are caught before the file is there",
        "As soon as the socket is bound its file is there, and a signal may "
        "come. One that comes before sigaction ends the program, and the file "
        "stays. Install the handler first, or block the signal meanwhile.",
        Handout(8, {7}, "man 2 sigaction, man 2 sigprocmask"));
  Process server = StartStoppedAfter({"bind"}, "server", ArgsFor({}));
  HasStarted(&server);
  server.Signal(SIGTERM, "SIGTERM");
  server.Continue();
  server.Exits(0, "");
  ExpectNoSocketFile(server);
}

}  // namespace
