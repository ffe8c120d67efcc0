// The checks of lab 01. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/check.h"

namespace {

using harness::Core;
using harness::Peer;
using harness::Process;
using harness::Robust;

constexpr size_t kRecordSize = 1024;
constexpr char kHeader[] = "\n===== info =====\n";

// A record as it goes over the socket, and the line it becomes.
std::string Record(const std::string& text) {
  return text + std::string(kRecordSize - text.size(), '\0');
}
std::string Line(const std::string& text) {
  return absl::StrCat("Message from client (1024): ", text, "\n");
}

class UnixStream : public harness::Check {
 protected:
  std::string SocketFlag() const { return "--socket=" + SocketPath(); }

  // The server, listening; `flags` beside --socket.
  Process StartServer(const std::vector<std::string>& flags = {},
                      bool sanitized = false, mode_t umask = 022) {
    std::vector<std::string> args = {SocketFlag()};
    args.insert(args.end(), flags.begin(), flags.end());
    Process server = Start("server", args, sanitized, umask);
    server.ListensAt(SocketPath());
    return server;
  }

  bool SocketFileExists() const {
    struct stat status;
    return lstat(SocketPath().c_str(), &status) == 0;
  }

  // A path in this check's folder that is `length` bytes long.
  std::string PathOfLength(size_t length) const {
    const std::string start = scratch().path() + "/";
    return start + std::string(length - start.size(), 'p');
  }

  // A socket file that nobody has open any more.
  void LeaveStaleSocket() {
    Host(SocketPath());
    CloseHost();
    Step("and is gone, as after a crash: its file is still there");
  }
};

// The transcript
// ---------------------------------------------------------------

TEST_F(UnixStream, Transcript) {
  About(
      Core(4), "server and client print the documented transcript",
      "The server must make a socket, bind it to the path, listen, accept the "
      "client and print each record that it reads; the client must connect and "
      "send four records. They are your server and your client here, both.",
      "handout, steps 1 to 7");
  Process server = StartServer();
  Process client = Start("client", {SocketFlag()});
  client.Exits(0, "");
  const std::string line = Line("Message from client");
  server.Exits(0, kHeader + line + line + line + line);
}

// The server
// -------------------------------------------------------------------

TEST_F(UnixStream, RecordInPieces) {
  About(
      Core(3), "a record may arrive in pieces",
      "A stream keeps the order of the bytes and nothing else. read returns as "
      "soon as there is anything, so one read is not one record: it takes as "
      "many as it takes until 1024 bytes are there.",
      "handout, step 6; man 2 read, man 7 unix");
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  const std::string text = RandomText(1000);
  const std::string record = Record(text);
  size_t sent = 0;
  for (size_t size : {1, 4, 295, 724}) {
    client.Send(record.substr(sent, size),
                absl::StrCat(size, sent ? " bytes more" : " byte of a record"));
    client.AwaitRead();
    sent += size;
  }
  client.Close();
  server.Exits(0, kHeader + Line(text));
}

TEST_F(UnixStream, RecordsRunTogether) {
  About(Core(3), "what arrives may be more than one record",
        "A stream merges what waits to be read. Ask for what the record still "
        "lacks, 1024 - got, not for 1024 again: what is read beyond the end of "
        "this record is missing from the next.",
        "handout, step 6; man 2 read");
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  const std::vector<std::string> texts = {RandomText(20), RandomText(1000),
                                          RandomText(7)};
  std::string records, lines;
  for (const std::string& text : texts) {
    records += Record(text);
    lines += Line(text);
  }
  const size_t half = records.size() / 2;
  client.Send(records.substr(0, half), "one and a half records at once");
  client.AwaitRead();
  client.Send(records.substr(half), "the other one and a half");
  client.Close();
  server.Exits(0, kHeader + lines);
}

TEST_F(UnixStream, EndOfFile) {
  About(
      Core(3), "read returning 0 is the end of the client",
      "When the client has closed, read returns 0, at once and every time. It "
      "is no record of length 0: stop reading, and be done with this client.",
      "handout, step 6; man 2 read, RETURN VALUE");
  Process server = StartServer({"--clients=2"});
  Peer silent = Connect(SocketPath(), "the first client");
  silent.Close();
  Peer client = Connect(SocketPath(), "the second client");
  const std::string text = RandomText(12);
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, absl::StrCat(kHeader, kHeader, Line(text)));
}

TEST_F(UnixStream, BrokenRecord) {
  About(Robust(2), "an end in the middle of a record is reported",
        "A client that dies half-way leaves half a record. Printing it would "
        "pass off a piece as the whole, dropping it silently would hide that "
        "something is wrong.",
        "handout, step 6 and the contract");
  Process server = StartServer({"--clients=2"});
  Peer client = Connect(SocketPath(), "the first client");
  const std::string text = RandomText(30);
  client.Send(Record(text), "one record");
  client.Send(RandomText(700), "700 bytes of the next");
  client.Close();
  // A client after it ends well, and does not make the failure good.
  Peer next = Connect(SocketPath(), "the second client");
  next.Send(Record(text), "one record");
  next.Close();
  server.Exits(1, absl::StrCat(kHeader, Line(text), kHeader, Line(text)));
  server.Expect(server.err().find("700") != std::string::npos,
                "a line on stderr that says how many bytes came: 700",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(UnixStream, PrintsAtOnce) {
  About(Core(2), "each record is printed when it has come",
        "stdout is flushed at each newline only when it is a terminal. Into a "
        "pipe or a file it keeps back some 4096 bytes, which nobody sees until "
        "the program ends, or ever, when it is killed. fflush(stdout), or "
        "std::flush, after each line.",
        "handout, step 6; man 3 setvbuf");
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  const std::string text = RandomText(40);
  client.Send(Record(text), "one record, and stays connected");
  server.Prints(kHeader + Line(text));
}

TEST_F(UnixStream, TextAsItIs) {
  About(
      Core(2), "the text of a record is printed as it is",
      "A text is no format: printf(record) makes one % of two. The text ends "
      "at its first NUL and nowhere else: spaces, newlines, control characters "
      "and bytes above 127 belong to it, and what follows the NUL does not.",
      "handout, step 6 and the contract; man 3 printf");
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  std::string records, lines;
  for (const char* text :
       {"100%% of 5%% ", "\\n \"quoted\" \\", "  spaces around  ",
        "two\nlines\n", "tab\t\r\x01\x1b\x7f", "\xc3\xa4\xe2\x82\xac\xff\x80",
        ""}) {
    records += Record(text);
    lines += Line(text);
  }
  std::string behind = Record("short");
  behind.replace(6, 6, "hidden");
  client.Send(records + behind, "eight records with texts of all kinds");
  client.Close();
  server.Exits(0, kHeader + lines + Line("short"));
}

TEST_F(UnixStream, ManyClients) {
  About(Core(2), "--clients=3 serves three clients, one after another",
        "The listening socket stays as it is when accept returns: it is the "
        "accepted one that belongs to the client. Call accept again for the "
        "next.",
        "handout, step 5; man 2 accept");
  Process server = StartServer({"--clients=3"});
  std::string output;
  for (const char* name : {"the first client", "the second", "the third"}) {
    Peer client = Connect(SocketPath(), name);
    const std::string text = RandomText(25);
    client.Send(Record(text), "one record");
    output += kHeader + Line(text);
    client.Close();
  }
  server.Exits(0, output);
}

TEST_F(UnixStream, ClosesEachClient) {
  About(Core(2), "a client's descriptor is closed when the client is done",
        "Every accept makes a new descriptor, and only close gives it back. A "
        "server that forgets runs out of them after some hundred clients "
        "(EMFILE), and its clients never see an end of file.",
        "handout, step 5; man 2 close, man 2 accept");
  Process server = StartServer({"--clients=8"});
  for (int i = 1; i <= 5; ++i) {
    Peer client = Connect(SocketPath(), absl::StrCat("client ", i));
    client.Send(Record(RandomText(10)), "one record");
    client.AwaitRead();
    server.ComesDownTo(2, "open sockets: the listening one, this client's",
                       [&] { return CountSockets(server.pid()); });
    client.Close();
  }
}

TEST_F(UnixStream, RemovesSocketFile) {
  About(
      Core(2), "the socket file is gone when the server is done",
      "bind made the file, and nothing but unlink removes it, not even the end "
      "of the program.",
      "handout, step 8; man 2 unlink, man 7 unix");
  Process server = StartServer();
  Connect(SocketPath()).Close();
  server.Exits(0);
  server.Expect(!SocketFileExists(), absl::StrCat("no file at ", SocketPath()),
                "it is still there");
}

TEST_F(UnixStream, RemovesSocketFileOnSignal) {
  About(
      Core(3), "SIGINT and SIGTERM end the server, and its file",
      "A signal that is not caught ends the program on the spot: nothing after "
      "that line runs, destructors and atexit functions neither. Catch both "
      "(sigaction), and call only what signal-safety(7) lists, such as unlink "
      "and _exit.",
      "handout, step 8; man 2 sigaction, man 7 signal-safety");
  const struct {
    int signal;
    const char* name;
    bool while_reading;
  } cases[] = {{SIGINT, "SIGINT", false},
               {SIGTERM, "SIGTERM", false},
               {SIGINT, "SIGINT", true},
               {SIGTERM, "SIGTERM", true}};
  for (const auto& [signal, name, while_reading] : cases) {
    Process server = StartServer();
    if (while_reading) {
      Peer client = Connect(SocketPath());
      client.Send(Record(RandomText(13)), "one record, and stays connected");
      client.AwaitRead();
      server.Signal(signal, name);
      server.Exits(0);
    } else {
      server.Signal(signal, name);
      server.Exits(0);
    }
    server.Expect(!SocketFileExists(),
                  absl::StrCat("no file at ", SocketPath()),
                  "it is still there");
  }
}

TEST_F(UnixStream, ReplacesStaleSocket) {
  About(
      Core(2), "a socket file that nobody listens on is replaced",
      "A server that was killed leaves its file, and bind refuses any name "
      "that exists: EADDRINUSE. It may be removed when nobody has that socket "
      "open any more.",
      "handout, step 8; man 7 unix, man 2 bind");
  LeaveStaleSocket();
  Process server = StartServer();
  Connect(SocketPath()).Close();
  server.Exits(0);
}

TEST_F(UnixStream, KeepsForeignFile) {
  About(
      Core(2), "what is no socket is never removed",
      "unlink removes whatever has that name. With a mistyped --socket that is "
      "somebody's file. Look first, with lstat and S_ISSOCK, or let bind say "
      "EADDRINUSE.",
      "handout, step 8; man 2 lstat, man 7 inode");
  const std::string precious = RandomText(50);
  std::ofstream(SocketPath()) << precious;
  Step(absl::StrCat("wrote a text file ", SocketPath()));
  Process server = Start("server", {SocketFlag()});
  server.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  std::string content;
  std::ifstream(SocketPath()) >> content;
  server.Expect(
      content == precious, "the file is as it was",
      SocketFileExists() ? "it is not the same file any more" : "it is gone");
}

TEST_F(UnixStream, KeepsLink) {
  About(Core(1), "a symbolic link is never removed, whatever it points to",
        "stat follows a link and tells of the socket behind it, but unlink "
        "removes the link. lstat tells of the link itself.",
        "handout, step 8; man 2 lstat, man 7 symlink");
  const std::string dead = scratch().File("dead");
  Host(dead);
  CloseHost();
  Step("and is gone, as after a crash: its file is still there");
  if (symlink(dead.c_str(), SocketPath().c_str()) < 0) {
    FAIL() << "symlink: " << strerror(errno);
  }
  Step(absl::StrCat("made a symbolic link to it, ", SocketPath()));
  Process server = Start("server", {SocketFlag()});
  server.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  struct stat link = {};
  lstat(SocketPath().c_str(), &link);
  server.Expect(S_ISLNK(link.st_mode), "the link is as it was",
                SocketFileExists() ? "it is another file now" : "it is gone");
}

TEST_F(UnixStream, KeepsLiveServer) {
  About(
      Core(2), "the name of a server that lives is not taken away",
      "Unlinking before every bind cuts a running server off: it waits on, and "
      "nobody can reach it. A socket that is bound and open is no leftover.",
      "handout, step 8; man 7 unix");
  Host(SocketPath());
  struct stat before = {}, after = {};
  lstat(SocketPath().c_str(), &before);
  Process server = Start("server", {SocketFlag()});
  server.Refuses({"bind", SocketPath(), "EADDRINUSE"});
  lstat(SocketPath().c_str(), &after);
  server.Expect(before.st_ino == after.st_ino, "our server's file is as it was",
                after.st_ino ? "it is another file now" : "it is gone");
}

TEST_F(UnixStream, PathOf107Bytes) {
  About(
      Core(2), "a path of 107 bytes is used as it is",
      "sun_path has 108 bytes: 107 and the NUL that ends them. strncpy with "
      "one "
      "less cuts the last letter off, and strncpy into an address that was not "
      "zeroed may leave the NUL out, so that the name ends in whatever is "
      "there.",
      "handout, step 2; man 7 unix");
  const std::string path = PathOfLength(sizeof(sockaddr_un::sun_path) - 1);
  Process server = Start("server", {"--socket=" + path});
  server.ListensAt(path);
  Process client = Start("client", {"--socket=" + path});
  client.Exits(0, "");
}

TEST_F(UnixStream, RefusesImpossiblePaths) {
  About(
      Robust(2), "a path that cannot be is refused in words",
      "A path that is cut to fit is another path. One that is empty lets bind "
      "invent an abstract name. A folder that does not exist is the caller's "
      "mistake, and the caller wants to know which.",
      "handout, step 2 and the contract; man 7 unix");
  for (size_t length : {108, 109, 500}) {
    const std::string path = PathOfLength(length);
    for (const char* program : {"server", "client"}) {
      Start(program, {"--socket=" + path}).Refuses({path, "ENAMETOOLONG"});
    }
  }
  Start("server", {"--socket="}).Refuses({"EINVAL"});
  const std::string lost = scratch().File("no/such/folder");
  Process server = Start("server", {"--socket=" + lost});
  server.Refuses({"bind", lost, "ENOENT"});
  server.Expect(
      scratch().Entries().empty(), "no file was made",
      absl::StrCat("there is ",
                   scratch().Entries().empty() ? "" : scratch().Entries()[0]));
}

TEST_F(UnixStream, SocketFileIsPrivate) {
  About(
      Robust(1), "nobody else may connect, whatever the umask",
      "To connect to a socket file, one needs write permission on it, and bind "
      "gives it whatever the umask leaves. fchmod on the socket before bind, "
      "or a umask around it, decides that beforehand; chmod after bind comes "
      "too late for whoever was quick.",
      "handout, step 2; man 7 unix, man 2 umask");
  Process server = StartServer({}, /*sanitized=*/false, /*umask=*/0);
  struct stat status = {};
  lstat(SocketPath().c_str(), &status);
  server.Expect((status.st_mode & 077) == 0,
                "no permission for group and others with umask 0",
                absl::StrCat("mode 0", absl::Hex((status.st_mode >> 6) & 7),
                             absl::Hex((status.st_mode >> 3) & 7),
                             absl::Hex(status.st_mode & 7)));
}

TEST_F(UnixStream, CloseOnExec) {
  About(
      Robust(1), "no descriptor would leak into another program",
      "Descriptors survive exec unless told not to. One that is left open in a "
      "helper program keeps the connection alive after you closed it. "
      "SOCK_CLOEXEC for socket; accept4, since accept forgets the flag.",
      "handout, step 5; man 2 socket, man 2 accept");
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  client.Send(Record(RandomText(5)), "one record");
  client.AwaitRead();
  server.ClosesOnExec();
}

TEST_F(UnixStream, StaysInItsMemory) {
  About(
      Core(3), "no byte outside its buffers is touched",
      "A record of 1024 bytes need not contain a NUL. %s, std::string(record) "
      "and strlen read on until they find one, beyond the end of the buffer. "
      "Without a sanitizer it often looks right, by luck. %.*s with a length, "
      "or a buffer with a 1025th byte that is 0.",
      "handout, step 6; man 3 printf, Precision");
  Process server = StartServer({}, /*sanitized=*/true);
  Peer client = Connect(SocketPath());
  const std::string full = RandomText(kRecordSize);
  std::string output = kHeader;
  for (const std::string& text : {full, RandomText(3), full}) {
    client.Send(Record(text),
                absl::StrCat("a record with ", text.size(), " bytes of text"));
    client.AwaitRead();
    output += Line(text);
  }
  client.Close();
  server.Exits(0, output);

  const std::string path = scratch().File("client");
  Host(path);
  Process sender = Start("client", {"--socket=" + path, "--message=" + full},
                         /*sanitized=*/true);
  Accept().ReceiveAll();
  sender.Exits(0, "");
}

// The client
// -------------------------------------------------------------------

TEST_F(UnixStream, ClientSendsFourRecords) {
  About(
      Core(3), "the client sends four whole records, padded with zeros",
      "What goes out is 1024 bytes a record, whatever the length of the text: "
      "the text first, zeros behind it. A buffer that was not cleared sends "
      "whatever was in memory, passwords included.",
      "handout, step 7; man 2 send");
  Host(SocketPath());
  for (size_t length : {size_t{20}, kRecordSize, size_t{0}}) {
    const std::string text = RandomText(length);
    Process client = Start("client", {SocketFlag(), "--message=" + text});
    const std::string received = Accept().ReceiveAll();
    std::string expected;
    for (int i = 0; i < 4; ++i) expected += Record(text);
    client.Expect(received == expected,
                  absl::StrCat("4096 bytes: four times the text of ", length,
                               " bytes and its zeros"),
                  absl::StrCat(received.size(), " bytes\n",
                               harness::Difference(expected, received)));
    client.Exits(0, "");
  }
}

TEST_F(UnixStream, ClientNamesTheError) {
  About(
      Core(2), "a missing server and a dead one are told apart",
      "ENOENT: there is no such file, so perhaps the path is wrong. "
      "ECONNREFUSED: there is one, but nobody listens, so the server has died. "
      "Whoever reads the message needs to know which. A status of 0 would mean "
      "that all was sent.",
      "handout, step 4; man 2 connect");
  Start("client", {SocketFlag()}).Refuses({"connect", SocketPath(), "ENOENT"});
  LeaveStaleSocket();
  Start("client", {SocketFlag()})
      .Refuses({"connect", SocketPath(), "ECONNREFUSED"});
}

TEST_F(UnixStream, ClientOutlivesServer) {
  About(
      Core(2), "a server that leaves does not kill the client",
      "Writing to a connection whose other end is closed raises SIGPIPE, which "
      "ends the program without a word. send with MSG_NOSIGNAL, or ignoring "
      "the signal, makes it the error EPIPE, which you can report.",
      "handout, step 7; man 2 send, man 7 signal");
  Host(SocketPath());
  Process client = StartStoppedAfter({"connect"}, "client", {SocketFlag()});
  Accept().Close();
  client.Continue();
  client.Refuses({SocketPath(), "EPIPE"});
}

// What may happen to any system call
// -------------------------------------------------------------------

TEST_F(UnixStream, ServerWhateverHappens) {
  About(Robust(3), "the server does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        "handout, steps 1 to 8; man 7 signal, man 2 read");
  Sweep("server", [&](const Starter& start) {
    Process server = start({SocketFlag(), "--clients=2"}, "/dev/null");
    server.ListensAt(SocketPath());
    std::string output;
    for (int i = 0; i < 2; ++i) {
      const std::string text = RandomText(30);
      output += kHeader + Line(text);
      Peer client = Connect(SocketPath());
      client.Send(Record(text), "a record");
      client.Close();
    }
    server.Exits(0, output);
  });
}

TEST_F(UnixStream, ClientWhateverHappens) {
  About(Robust(2), "the client does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        "handout, steps 4 and 7; man 7 signal, man 2 send");
  Sweep("client", [&](const Starter& start) {
    Host(SocketPath());
    // What fills a record is for other checks.
    const std::string text = RandomText(kRecordSize);
    Process client = start({SocketFlag(), "--message=" + text}, "/dev/null");
    const std::string received = Accept().ReceiveAll();
    const std::string expected = text + text + text + text;
    client.Expect(received == expected, "four records of 1024 bytes",
                  absl::StrCat(received.size(), " bytes\n",
                               harness::Difference(expected, received)));
    client.Exits(0, "");
  });
}

TEST_F(UnixStream, RefusesBadUsage) {
  About(
      Robust(1), "a wrong call gets one line and status 2",
      "Status 2 says that the call was wrong and nothing was tried, 1 that it "
      "was tried and failed. A message that is cut to fit is not the message.",
      "the contract in the handout");
  const struct {
    const char* program;
    std::string flag;
  } calls[] = {{"server", "--clients=0"},
               {"server", "--clients=many"},
               {"server", "--no-such-flag"},
               {"client", "--no-such-flag"},
               {"client", "--message=" + RandomText(kRecordSize + 1)}};
  for (const auto& [program, flag] : calls) {
    Start(program, {SocketFlag(), flag}).Refuses({}, /*status=*/2);
  }
}

}  // namespace
