// The checks of lab 02. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/socket_address.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/story.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

// What the server prints of a datagram of `size` bytes.
std::string Line(size_t size, const std::string& sender) {
  return absl::StrCat(size, " bytes from ", sender, "\n");
}
std::string CutLine(size_t size, const std::string& sender, size_t kept) {
  return absl::StrCat(size, " bytes from ", sender, ", cut to ", kept, "\n");
}

std::string Capitals(const std::string& text) {
  return absl::AsciiStrToUpper(text);
}

std::string Bytes(size_t count) {
  return count == 1 ? "1 byte" : absl::StrCat(count, " bytes");
}

size_t RandomNumber(size_t low, size_t high) {
  static auto& engine = *new std::mt19937(std::random_device{}());
  return std::uniform_int_distribution<size_t>(low, high)(engine);
}

// Every byte there is, in any order.
std::string EveryByte() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(char(byte));
  const int first = static_cast<int>(RandomNumber(1, 255));
  std::rotate(bytes.begin(), bytes.begin() + first, bytes.end());
  return bytes;
}

// A queue takes one datagram more than this before the next one must wait. See
// admin-guide/sysctl/net.rst in the kernel's documentation.
int QueueLimit() {
  int limit = 10;
  std::ifstream("/proc/sys/net/unix/max_dgram_qlen") >> limit;
  return limit;
}

class UnixDatagram : public harness::Check {
 protected:
  std::string SocketFlag() const { return "--socket=" + SocketPath(); }

  // The server, with its name; `flags` beside --socket.
  Process StartServer(const std::vector<std::string>& flags = {},
                      bool sanitized = false, mode_t umask = 022) {
    std::vector<std::string> args = {SocketFlag()};
    args.insert(args.end(), flags.begin(), flags.end());
    Process server = Start("server", args, sanitized, umask);
    server.ReceivesAt(SocketPath());
    return server;
  }

  Process StartClient(std::vector<std::string> args, bool sanitized = false) {
    args.insert(args.begin(), SocketFlag());
    return Start("client", args, sanitized);
  }

  // A socket of ours in the place of the student's server.
  DatagramPeer HostDatagrams() {
    return OpenDatagram(*SocketAddress::UnixPath(SocketPath()),
                        "a server of ours");
  }

  // A client of ours bound to `path`.
  DatagramPeer ClientAt(const std::string& path,
                        const std::string& name = "a client") {
    return OpenDatagram(*SocketAddress::UnixPath(path), name);
  }
  DatagramPeer Unnamed() {
    return OpenDatagram(SocketAddress(), "a client without a name");
  }

  // The client sends `text`, and the server answers it.
  void Ask(DatagramPeer& client, const std::string& text) {
    client.SendTo(SocketPath(), text, Bytes(text.size()));
    client.Receives(Capitals(text), "them in capitals", SocketPath());
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

  // Sends to the socket at SocketPath() until its queue is full.
  void FillQueue() {
    const auto address = SocketAddress::UnixPath(SocketPath());
    // One sender's SO_SNDBUF may be full before the queue is.
    for (bool room = true; room && !over();) {
      const ipc::UniqueFd sender(
          socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      room = false;
      while (sendto(sender.get(), "", 0, 0, address->data(), address->size()) ==
             0) {
        room = true;
      }
    }
    Step("others filled its queue");
  }

  // A socket file that nobody has open any more.
  void LeaveStaleSocket() {
    HostDatagrams().Close();
    Step("and is gone, as after a crash: its file is still there");
  }

  // The next message of a client, which is to be `text`, and where a reply to
  // it goes.
  SocketAddress ReceiveMessage(DatagramPeer& host, Process& client,
                               const std::string& text) {
    SocketAddress from;
    const std::string received =
        host.Receive(absl::StrCat("a message of ", Bytes(text.size())), &from);
    client.Expect(received == text,
                  absl::StrCat("one datagram with the argument's ",
                               Bytes(text.size()), " and nothing else"),
                  absl::StrCat(Bytes(received.size()), "\n",
                               harness::Difference(text, received)));
    client.Expect(from.named(), "its socket has a name, for the reply",
                  "it has none: nobody can answer it");
    if (!over()) Step("it received that from " + from.ToString());
    return from;
  }

  // `client`, whose socket was bound to `name`, has failed: it has sent nothing
  // more to `host` and left no file.
  void EndedAtFirstFailure(DatagramPeer& host, Process& client,
                           const SocketAddress& name) {
    client.Expect(recv(host.fd(), nullptr, 0, MSG_DONTWAIT) < 0,
                  "no message after the first failure", "another one came");
    const std::string path(name.path());
    client.Expect(path.empty() || access(path.c_str(), F_OK) < 0,
                  "no file is left of a client that has failed",
                  path + " is still there");
  }
};

// The transcript
// ---------------------------------------------------------------

TEST_F(UnixDatagram, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server must make a datagram socket, bind it to the path, and "
        "answer each datagram to whoever sent it; the client must give its own "
        "socket a name, send each argument and print the reply. They are your "
        "server and your client here, both.",
        "handout, steps 1 to 6");
  Process server = StartServer({"--datagrams=3"});
  Process client = StartClient({"one", "datagram", "each"});
  client.Exits(0, "ONE\nDATAGRAM\nEACH\n");
  server.Exits(0);
  // The client's name is its own affair, as long as it has one.
  const std::string out = server.out();
  const size_t start = Line(3, "").size() - 1;
  const std::string name =
      out.substr(std::min(start, out.size()), out.find('\n') - start);
  const std::string expected = Line(3, name) + Line(8, name) + Line(4, name);
  server.Expect(
      out == expected && !name.empty() && name[0] != '(',
      "three lines on the stdout of server: the client's name, 3, 8, 4 bytes",
      absl::StrCat(harness::Escaped(out)));
}

// The server
// -------------------------------------------------------------------

TEST_F(UnixDatagram, KeepsBoundaries) {
  About(Core(3), "each datagram is answered by itself",
        "One receive returns one datagram: all of it and nothing of the next, "
        "however many wait. Do not ask again for what a buffer still lacks, as "
        "on a stream: there is no rest to come.",
        "handout, step 2; man 7 unix, man 2 recv");
  Process server = StartServer({"--datagrams=5"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  std::vector<std::string> texts;
  std::string lines;
  for (size_t size : {RandomNumber(2, 1023), size_t{1}, size_t{1024},
                      size_t{255}, size_t{256}}) {
    texts.push_back(RandomText(size));
    const size_t i = texts.size() - 1;
    lines += Line(texts[i].size(), path);
    client.SendTo(SocketPath(), texts[i], Bytes(texts[i].size()));
  }
  for (const std::string& text : texts) {
    client.Receives(Capitals(text),
                    absl::StrCat("the answer to ", Bytes(text.size())),
                    SocketPath());
  }
  server.Exits(0, lines);
}

TEST_F(UnixDatagram, TellsCutDatagram) {
  About(Core(3), "a datagram that was cut is told as such",
        "What does not fit in the buffer is thrown away, and recv returns as "
        "if nothing had happened. With MSG_TRUNC it returns how long the "
        "datagram was; recvmsg sets that flag in msg_flags.",
        "handout, step 2; man 2 recv, MSG_TRUNC");
  const size_t size = 16 * RandomNumber(70, 180);  // Not the default.
  Process server =
      StartServer({absl::StrCat("--size=", size), "--datagrams=4"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  std::string lines;
  for (size_t sent : {size, size + 1, 2 * size + 1000, size_t{2}}) {
    const std::string text = RandomText(sent);
    const size_t kept = std::min(sent, size);
    lines += sent > size ? CutLine(sent, path, kept) : Line(sent, path);
    client.SendTo(SocketPath(), text, Bytes(sent));
    client.Receives(Capitals(text.substr(0, kept)),
                    kept < sent
                        ? absl::StrCat("the first ", kept, " in capitals")
                        : "them in capitals",
                    SocketPath());
  }
  server.Exits(0, lines);
}

TEST_F(UnixDatagram, AnswersEveryByte) {
  About(Core(2), "a datagram is bytes and a length, not a string",
        "No NUL ends it, and a NUL in it is a byte like any other. strlen, "
        "strcpy and std::string(buffer) stop at the first one, or run on into "
        "what a longer datagram left in the buffer. What recv returned is the "
        "length.",
        "handout, step 4");
  Process server = StartServer({"--datagrams=3"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  const std::string every = EveryByte();
  client.SendTo(SocketPath(), every, "256 bytes, each value once");
  client.Receives(Capitals(every), "them, a to z in capitals", SocketPath());
  Ask(client, RandomText(300));
  Ask(client, "short");
  server.Exits(0, Line(256, path) + Line(300, path) + Line(5, path));
}

TEST_F(UnixDatagram, EmptyDatagram) {
  About(Core(2), "a datagram of no bytes is a datagram",
        "recv returning 0 is the end of a stream. A datagram socket has no "
        "end: 0 says that somebody sent 0 bytes, which is allowed, and which "
        "has an answer of 0 bytes.",
        "handout, step 2; man 2 recv, RETURN VALUE");
  Process server = StartServer({"--datagrams=3"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  const std::string text = RandomText(20);
  Ask(client, text);
  client.SendTo(SocketPath(), "", "0 bytes");
  client.Receives("", "an empty datagram", SocketPath());
  Ask(client, text);
  server.Exits(0, Line(20, path) + Line(0, path) + Line(20, path));
}

TEST_F(UnixDatagram, AnswersEachSender) {
  About(Core(3), "each answer goes to whom it belongs",
        "There is no connection, so each datagram brings the address of its "
        "sender: recvfrom fills it in, sendto takes it, with its length. A "
        "socket that is connected to its first client shuts all others out "
        "(EPERM), and a fixed path reaches one client at most.",
        "handout, steps 3 and 4; man 2 recvfrom, man 2 connect");
  Process server = StartServer({"--datagrams=6"});
  const std::string path = scratch().File("client");
  const std::string abstract = "lab02-" + RandomText(12);
  DatagramPeer one = ClientAt(path, "the first client");
  DatagramPeer two =
      OpenDatagram(*SocketAddress::Abstract(abstract), "the second client");
  DatagramPeer three =
      OpenDatagram(SocketAddress::UnixUnnamed(), "the third client");
  const auto chosen = ipc::LocalAddress(three.fd());
  std::string lines;
  for (int round = 0; round < 2; ++round) {
    const std::string texts[] = {RandomText(10), RandomText(11),
                                 RandomText(12)};
    one.SendTo(SocketPath(), texts[0], Bytes(10));
    two.SendTo(SocketPath(), texts[1], Bytes(11));
    three.SendTo(SocketPath(), texts[2], Bytes(12));
    three.Receives(Capitals(texts[2]), "its 12 in capitals", SocketPath());
    two.Receives(Capitals(texts[1]), "its 11 in capitals", SocketPath());
    one.Receives(Capitals(texts[0]), "its 10 in capitals", SocketPath());
    lines += Line(10, path) + Line(11, "@" + abstract) +
             Line(12, chosen.ok() ? chosen->ToString() : "");
  }
  server.Exits(0, lines);
}

TEST_F(UnixDatagram, NamesOfAnyLength) {
  About(Core(3), "a sender's name is as long as recvfrom says",
        "The length of the address goes in and out: before the call how much "
        "room there is, after it how long the name was. Set it again before "
        "each call, or a short name cuts the next one. And what is behind the "
        "name is left from the one before: an abstract name has no NUL at its "
        "end.",
        "handout, step 3; man 2 recvfrom, man 7 unix");
  Process server = StartServer({"--datagrams=4"});
  const std::string names[] = {
      scratch().File("c"), PathOfLength(sizeof(sockaddr_un::sun_path) - 1),
      "lab02-" + RandomText(12), scratch().File("longer-than-the-first")};
  std::string lines;
  for (const std::string& name : names) {
    const bool abstract = name[0] != '/';
    DatagramPeer client =
        abstract ? OpenDatagram(*SocketAddress::Abstract(name), "a client")
                 : ClientAt(name);
    Ask(client, RandomText(9));
    lines += Line(9, (abstract ? "@" : "") + name);
  }
  server.Exits(0, lines);
}

TEST_F(UnixDatagram, UnnamedSender) {
  About(Core(3), "a sender without a name does not stop the server",
        "A socket that was never bound sends without a name: recvfrom gives a "
        "length of 0 and leaves the address as it was. Nobody can answer it, "
        "which is no failure; whoever asks next must be answered all the same, "
        "and must not get what was meant for another.",
        "handout, step 3; man 7 unix, man 2 recvfrom");
  Process server = StartServer({"--datagrams=4"});
  const std::string path = scratch().File("client");
  DatagramPeer unnamed = Unnamed();
  DatagramPeer client = ClientAt(path);
  unnamed.SendTo(SocketPath(), RandomText(7), Bytes(7));
  Ask(client, RandomText(8));
  unnamed.SendTo(SocketPath(), RandomText(9), Bytes(9));
  Ask(client, RandomText(10));
  server.Exits(0, Line(7, "(unnamed)") + Line(8, path) + Line(9, "(unnamed)") +
                      Line(10, path));
  server.Expect(server.err().empty(),
                "nothing on stderr: a sender without a name is not a failure",
                harness::Escaped(server.err()));
}

TEST_F(UnixDatagram, SilentClient) {
  About(Core(3), "a client that never reads does not block the server",
        "A receiver's queue holds max_dgram_qlen + 1 datagrams (see "
        "/proc/sys/net/unix). When it is full, sendto waits until its owner "
        "reads, perhaps for ever, and everybody else waits too. MSG_DONTWAIT "
        "makes it EAGAIN: this answer is lost, the next client is served.",
        "handout, step 7; man 2 send, man 7 unix");
  // With long queues, the server's SO_SNDBUF is full before the client's queue.
  const int requests = std::min(QueueLimit(), 400) + 3;
  Process server = StartServer({absl::StrCat("--datagrams=", requests + 1)});
  const std::string path = scratch().File("silent");
  DatagramPeer silent = ClientAt(path, "a client that never reads");
  std::string lines;
  Step(absl::StrCat("it sends ", requests, " requests of 1000 bytes"));
  for (int i = 0; i < requests && !over(); ++i) {
    silent.SendTo(SocketPath(), RandomText(1000), "");
    lines += Line(1000, path);
  }
  server.Prints(lines);
  silent.Close();
  const std::string other_path = scratch().File("other");
  DatagramPeer other = ClientAt(other_path, "another client");
  Ask(other, RandomText(20));
  server.Exits(1, lines + Line(20, other_path));
  server.Expect(absl::StrContains(server.err(), path),
                "a line on stderr for each answer lost, with the client's name",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(UnixDatagram, LostAtOnce) {
  About(Core(2), "an answer that does not fit is lost at once",
        "The client's queue is full. sendto with MSG_DONTWAIT fails at once: "
        "EAGAIN. A server that waits, tries again or leaves the answer to a "
        "thread sends it when there is room, and others wait meanwhile.",
        "handout, step 7; man 2 send");
  const int limit = QueueLimit();
  if (limit > 100) Skip("max_dgram_qlen is too large");
  Process server = StartServer({absl::StrCat("--datagrams=", limit + 3)});
  const std::string path = scratch().File("slow");
  DatagramPeer slow = ClientAt(path, "a client that reads late");
  std::string lines;
  Step(absl::StrCat("it sends ", limit + 2, " requests of 20 bytes"));
  for (int i = 0; i < limit + 2 && !over(); ++i) {
    slow.SendTo(SocketPath(), RandomText(20), "");
    lines += Line(20, path);
  }
  server.Prints(lines);
  server.FallsAsleep();  // Having tried to send the last answer.
  int answers = 0;
  while (recv(slow.fd(), nullptr, 0, MSG_DONTWAIT) >= 0) ++answers;
  Step(absl::StrCat("it reads ", harness::Count(answers, "answer")));
  const std::string other_path = scratch().File("other");
  DatagramPeer other = ClientAt(other_path, "another client");
  Ask(other, RandomText(21));
  server.Exits(1, lines + Line(21, other_path));
}

TEST_F(UnixDatagram, ManyDatagrams) {
  About(Core(1), "the three-hundredth datagram is served as the first",
        "A counter of 8 bits begins anew at 256, and a descriptor that is not "
        "closed after each datagram is one more each time.",
        "handout, steps 2 and 4");
  Process server = StartServer({"--datagrams=300"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  int sockets = 0;
  std::string lines;
  Step("it sends 300 datagrams of 10 bytes, one after the other");
  const std::string text = RandomText(10);
  for (int i = 0; i < 300 && !over(); ++i) {
    if (i == 299) {
      server.FallsAsleep();
      server.ComesDownTo(sockets, "open sockets, as after the first answer",
                         [&] { return CountSockets(server.pid()); });
    }
    client.SendTo(SocketPath(), text, "");
    SocketAddress from;
    client.Receive("an answer", &from);
    lines += Line(10, path);
    if (i == 0) {
      server.FallsAsleep();
      sockets = CountSockets(server.pid());
    }
  }
  server.Exits(0, lines);
}

TEST_F(UnixDatagram, LargeDatagram) {
  About(Core(1), "a datagram of more than 65536 bytes is one datagram",
        "65535 is the limit of UDP and the largest number of 16 bits. A UNIX "
        "datagram may be larger: as large as SO_SNDBUF allows.",
        "handout, step 2; man 7 unix");
  Process server = StartServer({"--size=70000", "--datagrams=3"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  const std::string large = RandomText(70000);
  Ask(client, large);
  Ask(client, large.substr(0, 65536));
  client.SendTo(SocketPath(), large + "z", Bytes(70001));
  client.Receives(Capitals(large), "the first 70000 in capitals", SocketPath());
  server.Exits(
      0, Line(70000, path) + Line(65536, path) + CutLine(70001, path, 70000));
}

TEST_F(UnixDatagram, ServerNoticesFailedOutput) {
  About(Robust(2), "a server that cannot print says so",
        "Nobody reads the pipe any more. The write gives EPIPE, and SIGPIPE "
        "kills a program that does not ignore it: its file then stays. Look at "
        "what fflush returns.",
        "the contract in the handout; man 7 pipe, man 3 fflush");
  Process server = StartServer({"--datagrams=1"});
  server.CloseOutput();
  DatagramPeer client = ClientAt(scratch().File("client"));
  client.SendTo(SocketPath(), RandomText(12), Bytes(12));
  server.Refuses({});
  server.Expect(!SocketFileExists(), absl::StrCat("no file at ", SocketPath()),
                "it is still there");
}

TEST_F(UnixDatagram, GoneSender) {
  About(Core(2), "an answer that nobody takes is reported, and life goes on",
        "Whoever asked may be gone, or its name (ENOENT, ECONNREFUSED). That "
        "is one answer lost, not the end of the server; but an error that "
        "nobody hears of is one that nobody repairs.",
        "handout, step 7; man 2 sendto");
  Process server = StartServer({"--datagrams=2"});
  const std::string gone_path = scratch().File("gone");
  const std::string path = scratch().File("client");
  DatagramPeer gone = ClientAt(gone_path, "a client that hides");
  unlink(gone_path.c_str());
  Step("it removed its socket file");
  gone.SendTo(SocketPath(), RandomText(30), Bytes(30));
  DatagramPeer client = ClientAt(path, "another client");
  Ask(client, RandomText(40));
  server.Exits(1, Line(30, gone_path) + Line(40, path));
  server.Expect(!SocketFileExists(),
                absl::StrCat("no file at ", SocketPath(),
                             ", although the exit status is 1"),
                "it is still there");
  server.Expect(absl::StrContains(server.err(), gone_path) &&
                    absl::StrContains(server.err(), "ENOENT"),
                absl::StrCat("a line on stderr with ", gone_path, ", ENOENT"),
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(UnixDatagram, AnswerTooLong) {
  About(Robust(2), "an answer that is too long to send is reported",
        "A datagram goes whole or not at all. The sender's SO_SNDBUF, less 32 "
        "bytes, is the limit; what is longer is EMSGSIZE. A client with a "
        "larger buffer than yours can send what you cannot send back.",
        "handout, step 7; man 7 unix, man 7 socket");
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path, "a client with a large SO_SNDBUF");
  int buffer = 0;
  socklen_t length = sizeof(buffer);
  getsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &buffer, &length);
  const int size = buffer + 1000;
  setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  getsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &buffer, &length);
  if (buffer - 32 < size) Skip("net.core.wmem_max is too small");

  Process server =
      StartServer({absl::StrCat("--size=", size), "--datagrams=2"});
  client.SendTo(SocketPath(), RandomText(size), Bytes(size));
  server.Prints(Line(size, path));
  DatagramPeer other = ClientAt(scratch().File("other"), "another client");
  Ask(other, RandomText(50));
  server.ComesDownTo(0, "servers that still run",
                     [&] { return harness::IsAlive(server.pid()) ? 1 : 0; });
  // A server that has enlarged its own buffer can answer.
  const bool answered =
      recv(client.fd(), nullptr, 0, MSG_PEEK | MSG_TRUNC) == size;
  server.Exits(answered ? 0 : 1);
  server.Expect(answered || absl::StrContains(server.err(), "EMSGSIZE"),
                "a line on stderr that says EMSGSIZE",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(UnixDatagram, LongestName) {
  About(Robust(1), "a sender's path may fill all of sun_path",
        "A path of 108 bytes is allowed, and has no NUL at its end. recvfrom "
        "then says a length of 111, one more than a sockaddr_un has bytes: do "
        "not read so far, nor pass it on to sendto.",
        "handout, step 3; man 7 unix");
  Process server = StartServer({"--datagrams=2"});
  const std::string name = PathOfLength(sizeof(sockaddr_un::sun_path));
  SocketAddress address;
  address.FillBy([&](sockaddr* data, socklen_t* length) {
    data->sa_family = AF_UNIX;
    name.copy(reinterpret_cast<sockaddr_un*>(data)->sun_path, name.size());
    return static_cast<int>(*length = sizeof(sockaddr_un));
  });
  const std::string path = scratch().File("client");
  DatagramPeer longest =
      OpenDatagram(address, "a client with a path of 108 bytes");
  DatagramPeer client = ClientAt(path, "another client");
  longest.SendTo(SocketPath(), RandomText(3), Bytes(3));
  Ask(client, RandomText(4));
  server.Prints(Line(3, name) + Line(4, path));
}

TEST_F(UnixDatagram, PrintsAtOnce) {
  About(Core(1), "each line is printed when its datagram has come",
        "stdout is flushed at each newline only when it is a terminal: "
        "fflush(stdout), or std::flush, after each line.",
        "man 3 setvbuf");
  Process server = StartServer({"--datagrams=2"});
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  client.SendTo(SocketPath(), RandomText(60), Bytes(60));
  server.Prints(Line(60, path));
}

TEST_F(UnixDatagram, RemovesSocketFile) {
  About(Core(2), "the socket file is gone when the server is, by signal too",
        "bind made the file, and nothing but unlink removes it. SIGINT and "
        "SIGTERM end a program on the spot unless they are caught; a handler "
        "may call unlink and _exit.",
        "handout, step 8; man 2 unlink, man 7 signal-safety");
  const struct {
    int signal;
    const char* name;
  } cases[] = {{0, ""}, {SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}};
  for (const auto& [signal, name] : cases) {
    Process server = StartServer({signal ? "--datagrams=2" : "--datagrams=1"});
    DatagramPeer client =
        OpenDatagram(SocketAddress::UnixUnnamed(), "a client");
    Ask(client, RandomText(5));
    if (signal) server.Signal(signal, name);
    server.Exits(0);
    server.Expect(!SocketFileExists(),
                  absl::StrCat("no file at ", SocketPath()),
                  "it is still there");
  }
}

TEST_F(UnixDatagram, ReplacesStaleSocket) {
  About(Core(1), "a socket file that nobody has open is replaced",
        "A server that was killed leaves its file, and bind refuses any name "
        "that exists. Connecting a datagram socket to it tells: ECONNREFUSED.",
        "handout, step 1; man 7 unix");
  LeaveStaleSocket();
  Process server = StartServer();
  DatagramPeer client = OpenDatagram(SocketAddress::UnixUnnamed(), "a client");
  Ask(client, RandomText(6));
  server.Exits(0);
}

TEST_F(UnixDatagram, KeepsWhatIsNotItsOwn) {
  About(Core(2), "another file, and a live socket, stay as they are",
        "unlink removes whatever has that name: somebody's file, or the name "
        "of a server that then waits on where nobody can reach it. Only a "
        "socket (S_ISSOCK) that is dead (ECONNREFUSED) may be removed.",
        "handout, step 1; man 2 lstat, man 7 unix");
  const auto is_kept = [&](const std::string& path) {
    struct stat before = {}, after = {};
    lstat(path.c_str(), &before);
    Process server = Start("server", {"--socket=" + path});
    server.Refuses({path, "EADDRINUSE"});
    lstat(path.c_str(), &after);
    server.Expect(before.st_ino == after.st_ino, path + " is as it was",
                  after.st_ino ? "it is another file now" : "it is gone");
  };
  const std::string file = scratch().File("file");
  std::ofstream(file) << RandomText(50);
  Step("wrote a text file " + file);
  is_kept(file);
  const std::string link = scratch().File("link");
  const std::string dead = scratch().File("dead");
  ClientAt(dead, "a server of ours").Close();
  if (symlink(dead.c_str(), link.c_str()) < 0) {
    Fail("the checker makes a symbolic link", "it cannot");
  }
  Step("made a symbolic link " + link + " to the file of a dead socket");
  is_kept(link);
  DatagramPeer live = HostDatagrams();
  is_kept(SocketPath());
  const bool asked = recv(live.fd(), nullptr, 0, MSG_DONTWAIT) >= 0;
  if (!over() && asked) {
    Fail("nothing arrives at the live server", "it received a datagram");
  }
  const std::string stream = scratch().File("stream");
  Host(stream);
  is_kept(stream);
}

TEST_F(UnixDatagram, SocketFileIsPrivate) {
  About(Robust(1), "nobody else may send, whatever the umask",
        "To send to a socket file, one needs write permission on it, and bind "
        "gives it whatever the umask leaves. fchmod on the socket before bind, "
        "or a umask around it, decides that beforehand.",
        "handout, step 1; man 7 unix, man 2 umask");
  Process server = StartServer({}, /*sanitized=*/false, /*umask=*/0);
  struct stat status = {};
  lstat(SocketPath().c_str(), &status);
  server.Expect((status.st_mode & 077) == 0,
                "no permission for group and others with umask 0",
                absl::StrCat("mode 0", absl::Hex((status.st_mode >> 6) & 7),
                             absl::Hex((status.st_mode >> 3) & 7),
                             absl::Hex(status.st_mode & 7)));
}

TEST_F(UnixDatagram, Paths) {
  About(Robust(2), "a path is used as it is, or refused",
        "sun_path has 108 bytes: 107 and the NUL that ends them. A path that "
        "is cut to fit is another path, and an empty one lets bind invent a "
        "name.",
        "handout, step 1; man 7 unix");
  const std::string longest = PathOfLength(sizeof(sockaddr_un::sun_path) - 1);
  const std::string text = RandomText(8);
  Process server = Start("server", {"--socket=" + longest});
  server.ReceivesAt(longest);
  DatagramPeer peer = OpenDatagram(SocketAddress::UnixUnnamed(), "a client");
  peer.SendTo(longest, text, Bytes(8));
  peer.Receives(Capitals(text), "them in capitals", longest);
  server.Exits(0);
  unlink(longest.c_str());  // A server that leaves it fails another check.
  DatagramPeer host = ClientAt(longest, "a server of ours");
  Process client = Start("client", {"--socket=" + longest, text});
  const SocketAddress from = ReceiveMessage(host, client, text);
  if (!over()) host.SendTo(from, Capitals(text), "the reply");
  client.Exits(0, Capitals(text) + "\n");
  for (size_t length : {108, 109, 500}) {
    const std::string path = PathOfLength(length);
    Start("server", {"--socket=" + path}).Refuses({path, "ENAMETOOLONG"});
    Start("client", {"--socket=" + path, text}).Refuses({path, "ENAMETOOLONG"});
  }
  Start("server", {"--socket="}).Refuses({"EINVAL"});
}

TEST_F(UnixDatagram, StaysInItsMemory) {
  About(Core(3), "no byte outside its buffers is touched",
        "A datagram may fill the buffer to the last byte, so buffer[count] = 0 "
        "writes behind it. With MSG_TRUNC the count may be more than there is: "
        "send no more back than you have. A reply may be longer than its "
        "question.",
        "handout, steps 2 and 6");
  const size_t size = RandomNumber(10, 1000);
  StartServer({absl::StrCat("--size=", size), "--datagrams=9"},
              /*sanitized=*/true);
  DatagramPeer client = ClientAt(scratch().File("client"));
  for (size_t sent : {size, 3 * size, size_t{1}, size}) {
    const std::string text = RandomText(sent);
    client.SendTo(SocketPath(), text, Bytes(sent));
    client.Receives(Capitals(text.substr(0, size)),
                    sent > size ? "the part that was kept, in capitals"
                                : "them in capitals",
                    SocketPath());
  }
  const std::string hosted = scratch().File("hosted");
  DatagramPeer host =
      OpenDatagram(*SocketAddress::UnixPath(hosted), "a server of ours");
  const std::string message = RandomText(size);
  Process asker = Start("client", {"--socket=" + hosted, message, message},
                        /*sanitized=*/true);
  SocketAddress from = ReceiveMessage(host, asker, message);
  host.SendTo(from, Capitals(message), Bytes(size));
  from = ReceiveMessage(host, asker, message);
  host.SendTo(from, RandomText(5 * size), Bytes(5 * size));
  asker.Refuses({hosted});
}

// The client
// -------------------------------------------------------------------

TEST_F(UnixDatagram, ClientSendsEachArgument) {
  About(Core(3), "the client sends each argument as one datagram",
        "One send is one datagram: the bytes of the argument, no NUL, no "
        "newline. An empty argument is a datagram of 0 bytes.",
        "handout, step 6; man 2 send");
  DatagramPeer host = HostDatagrams();
  std::vector<std::string> messages = {RandomText(RandomNumber(1, 50)), "",
                                       RandomText(3) + " \n" + RandomText(3),
                                       RandomText(RandomNumber(2000, 9000)),
                                       RandomText(1)};
  messages.insert(messages.begin(), "--");
  Process client = StartClient(messages);
  messages.erase(messages.begin());
  std::string replies;
  for (const std::string& message : messages) {
    const SocketAddress from = ReceiveMessage(host, client, message);
    if (!replies.empty()) client.Prints(replies);
    client.FallsAsleep();
    const bool early = recv(host.fd(), nullptr, 0, MSG_DONTWAIT) >= 0;
    client.Expect(!early, "no further message before the reply to this one",
                  "the next one is there already");
    const std::string reply = RandomText(message.size());
    if (!over()) host.SendTo(from, reply, "a reply of as many bytes");
    replies += reply + "\n";
  }
  client.Exits(0, replies);
}

TEST_F(UnixDatagram, ClientPrintsEveryByte) {
  About(Core(1), "the client prints a reply as it is, NULs too",
        "printf(\"%s\") ends at the first NUL, or finds none in time. fwrite "
        "takes a length.",
        "handout, step 6; man 3 fwrite");
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(256);
  Process client = StartClient({message});
  const SocketAddress from = ReceiveMessage(host, client, message);
  const std::string reply = EveryByte();
  if (!over()) host.SendTo(from, reply, "256 bytes, each value once");
  client.Exits(0, reply + "\n");
}

TEST_F(UnixDatagram, ClientsDoNotMix) {
  About(Core(2), "two clients at once have two names, and leave no file",
        "A reply goes to the name that the client's socket is bound to, so "
        "each needs one of its own. bind with the family alone makes the "
        "kernel choose one that is free, abstract, without a file to leave.",
        "handout, step 5; man 7 unix, Autobind feature");
  DatagramPeer host = HostDatagrams();
  const std::string texts[] = {RandomText(11), RandomText(12)};
  Process one = StartClient({texts[0]});
  const SocketAddress from_one = ReceiveMessage(host, one, texts[0]);
  Process two = StartClient({texts[1]});
  const SocketAddress from_two = ReceiveMessage(host, two, texts[1]);
  if (!over()) host.SendTo(from_two, RandomText(12), "the reply to the second");
  two.Exits(0);
  if (!over()) host.SendTo(from_one, Capitals(texts[0]), "that to the first");
  one.Exits(0, Capitals(texts[0]) + "\n");
  for (const SocketAddress& from : {from_one, from_two}) {
    const std::string path(from.path());
    one.Expect(path.empty() || access(path.c_str(), F_OK) < 0,
               "no file is left of a client that has ended",
               path + " is still there");
  }
}

TEST_F(UnixDatagram, ClientNoticesOtherLength) {
  About(Core(2), "a reply that is shorter or longer is told, not printed",
        "The answer is as long as the question, so a reply of another length "
        "was cut on its way: by the server, or by your own buffer. recv with "
        "MSG_TRUNC returns the length that it had before it was cut to fit.",
        "handout, step 6; man 2 recv, MSG_TRUNC");
  DatagramPeer host = HostDatagrams();
  const size_t size = RandomNumber(20, 2000);
  for (size_t replied : {size - 1, size + 1, size_t{0}, 4 * size, size + 256}) {
    const std::string message = RandomText(size);
    Process client = StartClient({"--timeout=600000", message, message});
    const SocketAddress from = ReceiveMessage(host, client, message);
    if (!over()) {
      host.SendTo(from, RandomText(replied),
                  absl::StrCat("a reply of ", Bytes(replied)));
    }
    client.Refuses({SocketPath()});
    client.Expect(client.out().empty(), "nothing on the client's stdout",
                  harness::Escaped(client.out()));
    EndedAtFirstFailure(host, client, from);
  }
}

TEST_F(UnixDatagram, ClientGivesUp) {
  About(Core(2), "a client without a reply gives up in time",
        "A datagram has no connection whose end one could see: when the server "
        "dies, or its answer is lost, recv waits for ever. SO_RCVTIMEO, or "
        "poll with a time, ends that; EAGAIN is then how recv says it, "
        "ETIMEDOUT what it means.",
        "handout, step 6; man 7 socket, SO_RCVTIMEO");
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(14);
  Process client = StartClient({"--timeout=50", message, message});
  const SocketAddress from = ReceiveMessage(host, client, message);
  Step("and does not answer");
  client.Refuses({SocketPath(), "ETIMEDOUT"});
  EndedAtFirstFailure(host, client, from);
}

TEST_F(UnixDatagram, ClientWaitsAsLongAsTold) {
  About(Core(1), "the client waits as long as --timeout says, and no longer",
        "MS times 1000 needs more than 32 bits from 2147484 on, and a client "
        "that is told to wait for long still prints the reply when it comes.",
        "handout, step 6; man 7 socket, SO_RCVTIMEO");
  DatagramPeer host = HostDatagrams();
  for (const char* timeout : {"600000", "2147484", "4294968", "2147483647"}) {
    const std::string message = RandomText(14);
    Process client =
        StartClient({absl::StrCat("--timeout=", timeout), message});
    const SocketAddress from = ReceiveMessage(host, client, message);
    client.FallsAsleep();
    if (!over()) host.SendTo(from, Capitals(message), "the reply");
    client.Exits(0, Capitals(message) + "\n");
  }
}

TEST_F(UnixDatagram, ClientWaitsForRoom) {
  About(Robust(1), "the client waits for room in the server's queue",
        "A full queue is not a failure yet: the server reads on, and then "
        "there is room. Only when MS milliseconds have passed is it ETIMEDOUT.",
        "handout, step 6; man 7 unix");
  DatagramPeer host = HostDatagrams();
  FillQueue();
  const std::string message = RandomText(15);
  Process client = StartClient({"--timeout=600000", message});
  client.FallsAsleep();
  // The message comes as soon as there is room: it stays for ReceiveMessage.
  while (recv(host.fd(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC) ==
         0) {
    recv(host.fd(), nullptr, 0, MSG_DONTWAIT);
  }
  Step("a server of ours reads what waits");
  const SocketAddress from = ReceiveMessage(host, client, message);
  if (!over()) host.SendTo(from, Capitals(message), "the reply");
  client.Exits(0, Capitals(message) + "\n");
}

TEST_F(UnixDatagram, ClientNoticesFailedOutput) {
  About(Robust(1), "a client that cannot print says so",
        "Nobody reads the pipe any more: the reply is lost. The write gives "
        "EPIPE, and SIGPIPE kills a program that does not ignore it. Look at "
        "what fflush returns.",
        "the contract in the handout; man 7 pipe, man 3 fflush");
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(15);
  Process client = StartClient({message});
  const SocketAddress from = ReceiveMessage(host, client, message);
  client.CloseOutput();
  if (!over()) host.SendTo(from, Capitals(message), "the reply");
  client.Refuses({});
}

TEST_F(UnixDatagram, ClientGivesUpSending) {
  About(Robust(2), "a server that never reads does not block the client",
        "When the server's queue is full, send waits as recv does, and needs a "
        "limit as well: SO_SNDTIMEO, or MSG_DONTWAIT and poll.",
        "handout, step 6; man 7 unix, man 7 socket");
  DatagramPeer host = HostDatagrams();
  FillQueue();
  Process client = StartClient({"--timeout=50", RandomText(15)});
  client.Refuses({SocketPath(), "ETIMEDOUT"});
}

TEST_F(UnixDatagram, ClientNamesTheError) {
  About(Core(2), "no server, a dead one and a wrong one are told apart",
        "ENOENT: there is no such file, so perhaps the path is wrong. "
        "ECONNREFUSED: there is one, but nobody has that socket open. "
        "EPROTOTYPE: somebody has, and it is no datagram socket.",
        "handout, step 5; man 2 connect");
  StartClient({"hello"}).Refuses({SocketPath(), "ENOENT"});
  LeaveStaleSocket();
  StartClient({"hello"}).Refuses({SocketPath(), "ECONNREFUSED"});
  unlink(SocketPath().c_str());
  Host(SocketPath());
  StartClient({"hello"}).Refuses({SocketPath(), "EPROTOTYPE"});
}

TEST_F(UnixDatagram, ClientNoticesLostServer) {
  About(Robust(1), "a server that is gone before the next message is noticed",
        "The message finds nobody: ECONNREFUSED from send, if one looks. "
        "Waiting for a reply to what was never sent is waiting in vain.",
        "handout, step 6; man 2 send");
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(16);
  Process client = StartClient({message, RandomText(17)});
  const SocketAddress from = ReceiveMessage(host, client, message);
  FillQueue();  // So that the next message does not slip in before the end.
  if (!over()) host.SendTo(from, Capitals(message), "the reply");
  host.Close();
  client.Refuses({SocketPath(), "ECONNREFUSED"});
  client.Expect(client.out() == Capitals(message) + "\n",
                "the first reply on the client's stdout",
                harness::Escaped(client.out()));
}

TEST_F(UnixDatagram, ClientHearsOnlyItsServer) {
  About(Robust(2), "a datagram from a stranger is no reply",
        "Whoever knows the client's name can send to it, and /proc/net/unix "
        "lists it. A socket that is connected takes datagrams from its peer "
        "only: the stranger gets EPERM. Or compare what recvfrom says.",
        "handout, step 5; man 2 connect");
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(18);
  Process client = StartClient({message});
  const SocketAddress from = ReceiveMessage(host, client, message);
  if (!over()) {
    DatagramPeer stranger =
        OpenDatagram(SocketAddress::UnixUnnamed(), "a stranger");
    const bool sent = sendto(stranger.fd(), RandomText(18).data(), 18, 0,
                             from.data(), from.size()) >= 0;
    Step(sent ? "it sent 18 bytes to the client"
              : "the kernel does not let it send to the client");
    host.SendTo(from, Capitals(message), "the reply");
  }
  client.Exits(0, Capitals(message) + "\n");
}

TEST_F(UnixDatagram, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried, 1 that "
        "it was tried and failed.",
        "the contract in the handout");
  const struct {
    const char* program;
    std::vector<std::string> args;
  } calls[] = {{"server", {"--datagrams=0"}},   {"server", {"--size=0"}},
               {"server", {"--size=many"}},     {"server", {"argument"}},
               {"server", {"--no-such-flag"}},  {"client", {}},
               {"client", {"--timeout=0", "x"}}};
  for (const auto& [program, extra] : calls) {
    std::vector<std::string> args = {SocketFlag()};
    args.insert(args.end(), extra.begin(), extra.end());
    Start(program, args).Refuses({}, /*status=*/2);
  }
}

}  // namespace
