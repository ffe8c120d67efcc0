// The life of the server's socket file in lab 01.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/01_unix_stream/unix_stream.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;

TEST_F(Server, SocketFileIsPrivate) {
  About(
      Robust(1), "nobody else may connect, whatever the umask",
      "To connect to a socket file, one needs write permission on it, and bind "
      "gives it what the umask leaves. fchmod on the socket before bind, or a "
      "umask around it, decides that beforehand. chmod after bind leaves a "
      "moment in which everybody may connect.",
      Handout(2, {4}, "man 7 unix, man 2 umask"));
  const auto expect_private = [&](Process* server) {
    struct stat status = {};
    lstat(SocketPath().c_str(), &status);
    server->Expect((status.st_mode & 077) == 0,
                   "no permission for group and others with umask 0",
                   absl::StrCat("mode 0", absl::Hex((status.st_mode >> 6) & 7),
                                absl::Hex((status.st_mode >> 3) & 7),
                                absl::Hex(status.st_mode & 7)));
  };
  Part("a server that listens");
  Process server = StartServer({}, /*sanitized=*/false, /*umask=*/0);
  expect_private(&server);
  Send("a client", Record(RandomText(10)), "one record");
  server.Exits(0);

  Part("the moment when the server begins to listen");
  Process held =
      StartStoppedAfter({"listen"}, "server", {SocketFlag()}, /*umask=*/0);
  held.ListensAt(SocketPath());
  expect_private(&held);
}

TEST_F(Server, RemovesSocketFile) {
  About(
      Core(2), "the socket file is gone when the server is done",
      "bind made the file, and only unlink removes it. The end of the program "
      "does not.",
      Handout(8, {4}, "man 2 unlink, man 7 unix"));
  Process server = StartServer();
  Connect(SocketPath()).Close();
  server.Exits(0);
  ExpectNoSocketFile(&server);
}

TEST_F(Server, RemovesSocketFileOnSignal) {
  About(
      Core(3), "SIGINT and SIGTERM end the server, and its file",
      "A signal that is not caught ends the program on the spot: nothing after "
      "that line runs, destructors and atexit functions neither. Catch both "
      "(sigaction), and call only what signal-safety(7) lists, such as unlink "
      "and _exit.",
      Handout(8, {4}, "man 2 sigaction, man 7 signal-safety"));
  const struct {
    int signal;
    const char* name;
  } signals[] = {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}};
  for (const auto& [signal, name] : signals) {
    Part(absl::StrCat(name, " while the server waits for a client"));
    Process waiting = StartServer();
    waiting.FallsAsleep();
    waiting.Signal(signal, name);
    waiting.Exits(0, "");
    ExpectNoSocketFile(&waiting);

    Part(absl::StrCat(name, " while the server waits for a record"));
    Process reading = StartServer();
    Peer client = Connect(SocketPath());
    const std::string text = RandomText(13);
    client.Send(Record(text), "one record, and stays connected");
    client.AwaitRead();
    reading.Prints(kHeader + Line(text));
    reading.Signal(signal, name);
    reading.Exits(0, kHeader + Line(text));
    ExpectNoSocketFile(&reading);

    Part(absl::StrCat(name, " in the middle of a record"));
    Process between = StartServer({"--clients=2"});
    Peer slow = Connect(SocketPath());
    slow.Send("half", "4 bytes of a record, and stays connected");
    slow.AwaitRead();
    between.Signal(signal, name);
    between.Exits(0);
    ExpectNoSocketFile(&between);
  }
}

TEST_F(Server, CatchesSignalsInTime) {
  About(Robust(1), "the signals are caught before the server listens",
        "As soon as the server listens, others may use it, and may end it. A "
        "signal that comes before sigaction ends the program, and its file "
        "stays. Install the handler first, or block the signal meanwhile.",
        Handout(8, {4}, "man 2 sigaction, man 2 sigprocmask"));
  Process server = StartStoppedAfter({"listen"}, "server", {SocketFlag()});
  server.ListensAt(SocketPath());
  server.Signal(SIGTERM, "SIGTERM");
  server.Continue();
  server.Exits(0, "");
  ExpectNoSocketFile(&server);
}

TEST_F(Server, ReplacesStaleSocket) {
  About(Core(2), "the socket file of a server that is gone is replaced",
        "A server that was killed leaves its file, and bind refuses any name "
        "that exists: EADDRINUSE. It may be removed when no process has that "
        "socket open any more.",
        Handout(8, {5}, "man 7 unix, man 2 bind"));
  LeaveStaleSocket(SocketPath());
  Process server = StartServer();
  Connect(SocketPath()).Close();
  server.Exits(0);
}

TEST_F(Server, KeepsForeignFile) {
  About(Core(2), "a file that is not a socket is never removed",
        "unlink removes any file. With a mistyped --socket that is a file that "
        "somebody needs. Look first, with lstat and S_ISSOCK, or let bind say "
        "EADDRINUSE.",
        Handout(8, {5}, "man 2 lstat, man 7 inode"));
  const std::string precious = RandomText(50);
  std::ofstream(SocketPath()) << precious;
  Step(absl::StrCat("wrote a text file ", SocketPath()));
  Process server = Start("server", {SocketFlag()});
  server.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  std::string content;
  std::ifstream(SocketPath()) >> content;
  server.Expect(
      content == precious, "the file is as it was",
      Exists(SocketPath()) ? "it is not the same file any more" : "it is gone");
}

TEST_F(Server, KeepsLink) {
  About(Core(1), "a symbolic link is never removed",
        "stat follows a link and tells of the socket behind it, but unlink "
        "removes the link. lstat tells of the link itself.",
        Handout(8, {5}, "man 2 lstat, man 7 symlink"));
  const std::string dead = scratch().File("dead");
  LeaveStaleSocket(dead);
  if (symlink(dead.c_str(), SocketPath().c_str()) < 0) {
    FAIL() << "symlink: " << strerror(errno);
  }
  Step(absl::StrCat("made a symbolic link to it, ", SocketPath()));
  Process server = Start("server", {SocketFlag()});
  server.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  struct stat link = {};
  lstat(SocketPath().c_str(), &link);
  server.Expect(S_ISLNK(link.st_mode), "the link is as it was",
                Exists(SocketPath()) ? "it is another file now" : "it is gone");
}

TEST_F(Server, KeepsLiveServer) {
  About(
      Core(2), "the name of a server that lives is not taken away",
      "Unlinking before every bind cuts a running server off: it waits on, and "
      "no client can reach it. A socket that a process has open still belongs "
      "to a server.",
      Handout(8, {5}, "man 7 unix"));
  Host(SocketPath());
  struct stat before = {}, after = {};
  lstat(SocketPath().c_str(), &before);
  Process server = Start("server", {SocketFlag()});
  server.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  lstat(SocketPath().c_str(), &after);
  server.Expect(before.st_ino == after.st_ino, "our server's file is as it was",
                after.st_ino ? "it is another file now" : "it is gone");
}

TEST_F(Server, LeavesLiveServerInPeace) {
  About(Robust(1), "a second server does not take a client's place",
        "The second server asks whether the first one lives. If it asks with a "
        "stream socket, then the first server takes the question for a client, "
        "serves it, and counts it. A datagram socket cannot be taken for a "
        "client: its connect fails with EPROTOTYPE.",
        Handout(8, {5}, "man 2 connect, man 7 unix"));
  Process first = StartServer();
  Process second = Start("server", {SocketFlag()});
  second.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  Peer client = Connect(SocketPath(), "a client of the first server");
  const std::string text = RandomText(16);
  client.Send(Record(text), "one record");
  client.Close();
  first.Exits(0, kHeader + Line(text));
}

}  // namespace
