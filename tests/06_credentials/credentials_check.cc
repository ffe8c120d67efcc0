// The checks of lab 06. Each states a fact about the programs; the mutants
// beside this file show what each one is there to catch.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/support/check.h"
#include "tests/support/other_uid.h"
#include "tests/support/proc.h"

namespace {

using harness::Core;
using harness::Peer;
using harness::Person;
using harness::Process;
using harness::Robust;

constexpr size_t kRequestSize = 64;
constexpr uid_t kStrangerUid = harness::kStrangerUid;
constexpr gid_t kStrangerGid = 4343;

// A request or an answer as it goes over the socket.
std::string Padded(const std::string& text) {
  return text + std::string(kRequestSize - text.size(), '\0');
}

std::string Ids(pid_t pid, uid_t uid, gid_t gid) {
  return absl::StrCat("pid ", pid, ", uid ", uid, ", gid ", gid);
}
std::string Own(pid_t pid) { return Ids(pid, getuid(), getgid()); }
std::string Me() { return Own(getpid()); }

// What the server prints.
std::string Connected(int client, const std::string& ids) {
  return absl::StrCat("client ", client, ": connected by ", ids, "\n");
}
std::string Line(int client, const std::string& text, const std::string& ids,
                 const std::string& verdict = "granted") {
  return absl::StrCat("client ", client, ": ", text, ", by ", ids, ": ",
                      verdict, "\n");
}

Person Ours() { return {{getuid(), getgid()}, {getuid(), getgid()}}; }
Person Stranger() {
  return {{kStrangerUid, kStrangerGid}, {kStrangerUid, kStrangerGid}};
}
Person OutOfSight() {
  Person person = Ours();
  person.out_of_sight = true;
  return person;
}

// What the kernel says to a process of ours that claims to have `uid`; 0: fine.
int ErrorOfClaim(uid_t uid) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    return errno;
  }
  const ipc::UniqueFd end(ends[0]), other_end(ends[1]);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  char byte = 0;
  iovec part = {&byte, 1};
  msghdr message = {nullptr, 0, &part, 1, control, sizeof(control), 0};
  cmsghdr* claim = CMSG_FIRSTHDR(&message);
  claim->cmsg_level = SOL_SOCKET;
  claim->cmsg_type = SCM_CREDENTIALS;
  claim->cmsg_len = CMSG_LEN(sizeof(ucred));
  const ucred claimed = {getpid(), uid, getgid()};
  memcpy(CMSG_DATA(claim), &claimed, sizeof(claimed));
  return sendmsg(end.get(), &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

class Credentials : public harness::Check {
 protected:
  // Nobody else's: abstract names are shared by all who share the network.
  const std::string name_ = "lab-" + RandomText(12);
  const ipc::SocketAddress address_ = *ipc::SocketAddress::Abstract(name_);
  const std::string flag_ = "--name=" + name_;

  // The server, listening.
  Process StartServer(const std::vector<std::string>& flags = {},
                      bool sanitized = false) {
    std::vector<std::string> args = {flag_};
    args.insert(args.end(), flags.begin(), flags.end());
    Process server = Start("whoserver", args, sanitized);
    server.ListensAt("@" + name_);
    return server;
  }

  Peer ConnectOurs(const std::string& name = "a client") {
    return Connect(address_, name);
  }

  // The server's answer begins with `expected`, or is it.
  void Answers(Peer& client, const std::string& expected, bool all = true) {
    std::string seen = client.Receive(kRequestSize);
    if (over()) return;
    seen = seen.substr(0, seen.find('\0'));
    if (all ? seen != expected : !absl::StartsWith(seen, expected)) {
      Fail(absl::StrCat("the answer \"", expected, all ? "\"" : "...\""),
           harness::Difference(expected, seen));
    }
    Step(absl::StrCat("it answered \"", seen, "\""));
  }

  // Among what it printed is `text`.
  static void HasPrinted(Process& program, const std::string& text) {
    program.Expect(
        absl::StrContains(program.out(), text),
        absl::StrCat("among what it prints: ", absl::StripSuffix(text, "\n")),
        absl::StripSuffix(program.out(), "\n"));
  }

  // How many descriptors `pid` and its descendants have.
  static int CountDescriptors(pid_t pid) {
    std::vector<pid_t> pids = harness::Descendants(pid);
    pids.push_back(pid);
    size_t count = 0;
    for (pid_t one : pids) count += harness::Descriptors(one).size();
    return static_cast<int>(count);
  }

  // Whether nobody has the other end of the pipe `fd` any more.
  static bool OtherEndIsGone(int fd) {
    pollfd entry = {fd, 0, 0};
    return poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0;
  }
};

// The transcript --------------------------------------------------------------

TEST_F(Credentials, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server says who connected, and who sent each request; the client "
        "says who serves it, and prints the two answers. They are your server "
        "and your client here, both.",
        "handout, steps 1 to 5");
  Process server = StartServer();
  Process client = Start("whoami_client", {flag_});
  client.Exits(0);
  pid_t child = 0;
  const size_t at = client.out().find("child: ");
  if (at != std::string::npos) {
    sscanf(client.out().c_str() + at, "child: granted: you are pid %d", &child);
  }
  const std::string parent_ids = Own(client.pid()), child_ids = Own(child);
  client.Exits(0, absl::StrCat("server: ", Own(server.pid()),
                               "\nparent: granted: you are ", parent_ids,
                               "\nchild: granted: you are ", child_ids, "\n"));
  server.Exits(0, Connected(1, parent_ids) + Line(1, "parent", parent_ids) +
                      Line(1, "child", child_ids));
}

// Who it is -------------------------------------------------------------------

TEST_F(Credentials, ToldBySender) {
  About(Core(3), "a request is by whoever sent it, not by whoever connected",
        "SO_PEERCRED was written down when somebody called connect, and never "
        "changes. A child that inherited the connection, or whoever was passed "
        "it, is another process: only SCM_CREDENTIALS tells which.",
        "handout, step 3; man 7 unix, SCM_CREDENTIALS");
  Process server = StartServer();
  Peer client = ConnectOurs();
  const std::string text = RandomText(20);
  const pid_t sender = client.SendAs(Ours(), Padded(text), "a request");
  Answers(client, "granted: you are " + Own(sender));
  server.Prints(Connected(1, Me()) + Line(1, text, Own(sender)));
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, FromTheFirstByte) {
  About(Core(3), "the first bytes of the first client have a sender",
        "The kernel notes the sender of what is sent once SO_PASSCRED is on. "
        "Switched on after accept, it comes too late for a client that is "
        "quick: his bytes have pid 0, and a uid that is nobody's. Switch it on "
        "for the listening socket, before listen; each client inherits it.",
        "handout, step 3; man 7 unix, SO_PASSCRED");
  Process server =
      StartStoppedAfter({"listen", "accept"}, "whoserver", {flag_});
  server.ListensAt("@" + name_);
  Peer client = ConnectOurs();
  server.Continue();
  server.ComesDownTo(0, "clients that wait to be accepted", [&] {
    const auto sockets = harness::UnixSockets();
    return std::any_of(sockets.begin(), sockets.end(),
                       [&](const harness::UnixSocket& one) {
                         return one.path == "@" + name_ && !one.listening &&
                                one.inode != 0;
                       })
               ? 0
               : 1;
  });
  client.Send(Padded("quick"), "a request, right after accept");
  server.Continue();
  Answers(client, "granted: you are " + Me());
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, WholeCredentials) {
  About(Core(2), "pid, uid and gid arrive whole",
        "A ucred has 12 bytes, and its control message CMSG_LEN(12) = 28. What "
        "does not fit is cut off, MSG_CTRUNC says so, and what you read behind "
        "the cut is whatever lay in your buffer: gid 0, perhaps, which is "
        "root's. Have room for CMSG_SPACE(sizeof(ucred)).",
        "handout, step 3; man 3 cmsg");
  ExpectStrangers();
  Process server = StartServer();
  Peer client = ConnectOurs();
  const pid_t sender =
      client.SendAs({{getuid(), kStrangerGid}, {getuid(), getgid()}},
                    Padded("hello"), "a request, of gid 4343");
  Answers(client, "granted: you are " + Ids(sender, getuid(), kStrangerGid));
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, EndIsNotRoot) {
  About(Core(3), "a client that says nothing is nobody",
        "At the end of a stream recvmsg returns 0, and with it, all the same, "
        "credentials: pid 0, uid 0, gid 0. That is not root, it is nobody: "
        "memory that was never filled in. Look at the count first.",
        "handout, step 4; man 2 recvmsg");
  Process server = StartServer({"--clients=3"});
  std::string expected;
  for (int i = 1; i <= 2; ++i) {
    ConnectOurs("a client that says nothing").Close();
    expected += Connected(i, Me());
  }
  Peer client = ConnectOurs();
  const std::string text = RandomText(10);
  client.Send(Padded(text), "a request");
  Answers(client, "granted: you are " + Me());
  client.Close();
  server.Exits(0, expected + Connected(3, Me()) + Line(3, text, Me()));
}

// Who may ---------------------------------------------------------------------

TEST_F(Credentials, RefusesStrangers) {
  About(Core(3), "a stranger's request is refused on anybody's connection",
        "Whoever has the connection may write to it, and got it, perhaps, from "
        "a process that you trust. The real uid of who sent this request is in "
        "its SCM_CREDENTIALS.",
        "handout, step 5; man 7 unix, SCM_CREDENTIALS");
  ExpectStrangers();
  Process server = StartServer();
  Peer client = ConnectOurs();
  // As a set-user-id program of ours would be, which a stranger runs.
  const pid_t sender =
      client.SendAs({{kStrangerUid, getgid()}, {getuid(), getgid()}},
                    Padded("stranger"), "a request, of uid 4242");
  Answers(client,
          absl::StrCat("refused: you are pid ", sender, ", uid ", kStrangerUid,
                       ","),
          /*all=*/false);
  client.Send(Padded("ours"), "a request, of our own uid");
  Answers(client, "granted: you are ", /*all=*/false);
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, RefusesStrangersConnections) {
  About(Core(3),
        "a request on a stranger's connection is refused, whoever sent it",
        "The stranger connects, and has your log daemon, or your shell, write "
        "to the connection: the sender is one that you trust, and means "
        "something else. The answer goes to the stranger. Both have to be "
        "allowed: who connected, and who sent.",
        "handout, step 5; man 7 unix, SO_PEERCRED");
  ExpectStrangers();
  Process server = StartServer();
  pid_t connecter = 0;
  Peer client = ConnectAs({{getuid(), getgid()}, {kStrangerUid, kStrangerGid}},
                          address_, &connecter);
  server.Prints(Connected(1, Ids(connecter, kStrangerUid, kStrangerGid)));
  client.Send(Padded("deputy"), "a request, of our own uid");
  Answers(client, "refused: you are ", /*all=*/false);
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, AllowsAnother) {
  About(Core(2), "--allow grants another uid, and the own no longer",
        "Who is granted is the uid that was named, and nobody else: not the "
        "server's own, not root's.",
        "the contract in the handout");
  ExpectStrangers();
  Process server =
      StartServer({absl::StrCat("--allow=", kStrangerUid), "--clients=2"});
  pid_t connecter = 0;
  Peer client = ConnectAs(Stranger(), address_, &connecter);
  client.SendAs(Stranger(), Padded("allowed"), "a request, of uid 4242");
  Answers(client, "granted: you are ", /*all=*/false);
  client.Close();
  Peer ours = ConnectOurs("a client of our own uid");
  ours.Send(Padded("ours"), "a request");
  Answers(ours, "refused: you are " + Me());
  ours.Close();
  server.Exits(0);
}

TEST_F(Credentials, OutOfSight) {
  About(Core(2), "who has pid 0 is refused, whatever his uid",
        "A process outside of your pid namespace, the host's to a container, "
        "has no pid here: the kernel says 0. Of whatever it has no credentials "
        "for it says pid 0 too, and the uid it puts there may be root's, or "
        "yours. Nobody that you can name has vouched for it.",
        "handout, step 5; man 7 pid_namespaces");
  ExpectStrangers();
  Process server = StartServer({"--clients=2"});
  Peer client = ConnectOurs();
  client.SendAs(OutOfSight(), Padded("hello"),
                "a request, from another pid namespace");
  Answers(client, "refused: you are " + Own(0));
  client.Close();
  pid_t connecter = 0;
  Peer other = ConnectAs(OutOfSight(), address_, &connecter);
  other.Send(Padded("hello"), "a request");
  Answers(other, "refused: you are " + Me());
  other.Close();
  server.Exits(0);
}

TEST_F(Credentials, SeveralAuthors) {
  About(Core(3), "a request that several wrote is refused",
        "With SO_PASSCRED on, the kernel never gives you the bytes of two "
        "senders by one recvmsg. But a request may take several, and then each "
        "has its own. Who looks only at the first lets anybody finish what he "
        "began; who looks only at the last lets anybody begin.",
        "handout, step 4; man 7 unix");
  ExpectStrangers();
  Process server = StartServer();
  const std::string request = Padded(RandomText(40));
  const std::string begin = request.substr(0, 20), end = request.substr(20);
  const std::string refusal = "refused: you are more than one";
  Peer client = ConnectOurs();
  client.SendAs(Stranger(), begin, "20 bytes of a request, of uid 4242");
  client.Send(end, "the rest of it, of our own uid");
  Answers(client, refusal);
  client.Send(begin, "20 bytes of a request, of our own uid");
  client.SendAs(Stranger(), end, "the rest of it, of uid 4242");
  Answers(client, refusal);
  client.Send(begin, "20 bytes of a request, of our own uid");
  client.SendAs(Ours(), end, "the rest of it, of our own uid too");
  Answers(client, refusal);
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, RefusesOverflowUid) {
  About(
      Robust(1), "the overflow uid cannot be allowed",
      "Where a uid has no number in your user namespace, the kernel shows the "
      "one in /proc/sys/kernel/overflowuid, 65534. Who has it is not "
      "\"nobody\", he is anybody: to grant it is to grant everyone.",
      "handout, step 5; man 7 user_namespaces");
  std::string uid = "65534";
  if (FILE* file = fopen("/proc/sys/kernel/overflowuid", "re")) {
    char text[16] = "";
    if (fscanf(file, "%15[0-9]", text) == 1) uid = text;
    fclose(file);
  }
  Start("whoserver", {flag_, "--allow=" + uid}).Refuses({uid}, /*status=*/2);
}

// What clients do -------------------------------------------------------------

TEST_F(Credentials, RequestsInPieces) {
  About(Core(2), "a request may arrive in pieces, or with the next",
        "SO_PASSCRED changes nothing about that: bytes of one sender are "
        "merged and split as ever. Ask for what the request lacks, until it is "
        "whole.",
        "lab 01, step 6; man 2 recvmsg");
  Process server = StartServer();
  Peer client = ConnectOurs();
  const std::string first = RandomText(30), second = RandomText(10);
  const std::string requests = Padded(first) + Padded(second);
  client.Send(requests.substr(0, 10), "10 bytes of a request");
  client.AwaitRead();
  client.Send(requests.substr(10, 80), "the rest, and a part of the next");
  Answers(client, "granted: you are " + Me());
  client.AwaitRead();
  client.Send(requests.substr(90), "what was missing");
  Answers(client, "granted: you are " + Me());
  server.Prints(Connected(1, Me()) + Line(1, first, Me()) +
                Line(1, second, Me()));
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, ClosesDescriptors) {
  About(
      Core(3), "descriptors that nobody asked for are closed at once",
      "Any message may carry up to 253 descriptors. They are yours as soon as "
      "recvmsg returns, in whatever room your control buffer has beyond the "
      "credentials: close each one. Or have no room: then the kernel does "
      "it, and says MSG_CTRUNC, which is no reason to turn away a client.",
      "handout, step 6; man 7 unix, SCM_RIGHTS");
  Process server = StartServer();
  Peer client = ConnectOurs();
  for (size_t count : {1, 2, 40}) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
      return Fail("the checker can open a pipe", strerror(errno));
    }
    const ipc::UniqueFd read_end(ends[0]);
    ipc::UniqueFd write_end(ends[1]);
    client.Send(Padded("hello"),
                absl::StrCat("a request, and ", count,
                             count == 1 ? " descriptor" : " descriptors"),
                std::vector<int>(count, write_end.get()));
    write_end.reset();
    Answers(client, "granted: you are " + Me());
    server.ComesDownTo(0, "descriptors that came along and are open",
                       [&] { return OtherEndIsGone(read_end.get()) ? 0 : 1; });
  }
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, LeavesNothingOfAClient) {
  About(Core(2), "of a client that is done, no descriptor is left",
        "The connection has to be closed, and so has all that was opened for "
        "it, on each way out: a pidfd is a descriptor too.",
        "handout, steps 1 and 7; man 2 close");
  constexpr int kClients = 8;
  Process server = StartServer({absl::StrCat("--clients=", kClients + 1)});
  // What a program opens once, with its first client, is its own.
  const int most = CountDescriptors(server.pid()) + 2;
  for (int i = 0; i < kClients; i += 2) {
    Peer client = ConnectOurs("a client");
    client.Send(Padded("hello"), "a request");
    Answers(client, "granted: you are " + Me());
    client.Close();
    Peer broken = ConnectOurs("a client that stops halfway");
    broken.Send("hello", "5 bytes of a request");
    broken.Close();
  }
  server.ComesDownTo(most,
                     "open descriptors, two more than before the first client",
                     [&] { return CountDescriptors(server.pid()); });
}

TEST_F(Credentials, ForgesNoLine) {
  About(
      Robust(2), "a client cannot forge a line of the server's",
      "The text of a request is his. If it has a newline in it and you print "
      "that, what follows looks like a line of yours: somebody else, granted. "
      "An escape sequence does worse to a terminal. Print ? for each byte "
      "that is no printable ASCII.",
      "handout, step 6; man 3 isprint");
  Process server = StartServer();
  Peer client = ConnectOurs();
  const std::string tail = RandomText(5);
  client.Send(
      Padded("x\nclient 9: sudo, by pid 1, uid 0\x1b[2K\r\x7f\xff" + tail),
      "a request with a newline in it, and an escape sequence");
  Answers(client, "granted: you are " + Me());
  server.Prints(
      Connected(1, Me()) +
      Line(1, "x?client 9: sudo, by pid 1, uid 0?[2K???" + tail, Me()));
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, StaysInItsMemory) {
  About(Core(2), "no byte outside its buffers is touched",
        "A request of 64 bytes of text has no NUL at its end: whoever prints "
        "it with %s reads on. %.*s with a length does not, nor does %s on a "
        "buffer with a byte more.",
        "lab 01, step 6; man 3 printf");
  Process server = StartServer({}, /*sanitized=*/true);
  Peer client = ConnectOurs();
  const std::string text = RandomText(kRequestSize);
  client.Send(text, "a request of 64 bytes of text");
  Answers(client, "granted: you are " + Me());
  server.Prints(Connected(1, Me()) + Line(1, text, Me()));
  client.Close();
  server.Exits(0);
}

TEST_F(Credentials, BrokenRequest) {
  About(Robust(2), "half a request is told, and the next client served",
        "The end of file in the middle of a request is an error of that "
        "client. It is worth a line on stderr and the exit status, not the end "
        "of the service.",
        "the contract in the handout");
  Process server = StartServer({"--clients=2"});
  Peer client = ConnectOurs("the first client");
  client.Send(RandomText(23), "23 bytes of a request");
  client.Close();
  Peer other = ConnectOurs("the second client");
  const std::string text = RandomText(9);
  other.Send(Padded(text), "a request");
  Answers(other, "granted: you are " + Me());
  server.Prints(Connected(1, Me()) + Connected(2, Me()) + Line(2, text, Me()));
  other.Close();
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "23"),
                "a line on stderr that says how many bytes came: 23",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(Credentials, GoneBeforeTheAnswer) {
  About(Core(2), "a client that does not wait for his answer does no harm",
        "To send to a connection that the other side has closed raises "
        "SIGPIPE, which ends the program. MSG_NOSIGNAL makes it EPIPE.",
        "lab 01, step 8; man 2 send");
  Process server = StartServer({"--clients=3"});
  Peer first = ConnectOurs("the first client");
  server.Prints(Connected(1, Me()));
  Peer hasty = ConnectOurs("the second client, in the queue,");
  hasty.Send(Padded("hasty"), "a request");
  hasty.Close();
  Peer third = ConnectOurs("the third client, behind it,");
  first.Close();
  third.Close();
  server.Exits(1);
  HasPrinted(server, Connected(3, Me()));
}

TEST_F(Credentials, ConnecterHasEnded) {
  About(Robust(3), "it is told when the process that connected has ended",
        "A pid is a number, and a number is given out again. kill(pid, 0) asks "
        "after whoever has it now: a successor, or a zombie that nobody has "
        "waited for. A pidfd means that one process for ever, and poll says "
        "POLLIN once it has ended.",
        "handout, step 7; man 2 pidfd_open");
  Process server = StartServer({"--clients=2"});
  pid_t connecter = 0;
  Peer client = ConnectAs(Ours(), address_, &connecter);
  client.Send(Padded("later"), "a request");
  Answers(client, "granted: you are ", /*all=*/false);
  client.Close();
  Peer other = ConnectOurs("a client that stays");
  other.Send(Padded("now"), "a request");
  Answers(other, "granted: you are ", /*all=*/false);
  other.Close();
  server.Exits(0);
  HasPrinted(server, absl::StrCat(" (pid ", connecter, " has ended)\n"));
  HasPrinted(server, Line(2, "now", Me()));
}

TEST_F(Credentials, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried. atoi "
        "makes 0 of a word, and uid 0 is root; -1 is the uid that means none.",
        "the contract in the handout");
  const struct {
    const char* program;
    const char* flag;
  } calls[] = {{"whoserver", "--allow=root"},   {"whoserver", "--allow="},
               {"whoserver", "--allow=12x"},    {"whoserver", "--allow=-1"},
               {"whoserver", "--clients=0"},    {"whoserver", "--no-such-flag"},
               {"whoami_client", "--claim=me"}, {"whoami_client", "--claim="},
               {"whoami_client", "--claim=-1"}};
  for (const auto& [program, flag] : calls) {
    Start(program, {flag_, flag}).Refuses({}, /*status=*/2);
  }
}

// The client ------------------------------------------------------------------

TEST_F(Credentials, ClientKnowsItsServer) {
  About(Core(2), "the client says who listens at the other end",
        "SO_PEERCRED works both ways: the client learns who called listen. "
        "Before connect there is nobody: getsockopt succeeds, and says pid 0, "
        "uid 4294967295.",
        "handout, step 2; man 7 unix, SO_PEERCRED");
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  client.Prints(absl::StrCat("server: ", Me(), "\n"));
}

TEST_F(Credentials, ParentAndChild) {
  About(Core(3), "a parent and its child ask, on one connection",
        "fork copies the descriptor of the connection, so the child needs no "
        "connect of its own. It has to do the sending itself, or it is not "
        "the child that sent.",
        "handout, step 2; man 2 fork");
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  std::string expected;
  ucred parent = {}, child = {};
  for (const std::string who : {"parent", "child"}) {
    const std::string seen =
        server.Receive(kRequestSize, who == "parent" ? &parent : &child);
    client.Expect(seen == Padded(who),
                  absl::StrCat("\"", who, "\" in 64 bytes, padded with zeros"),
                  harness::Difference(Padded(who), seen));
    const std::string answer = "granted: " + RandomText(20);
    server.Send(Padded(answer), "an answer");
    absl::StrAppend(&expected, who, ": ", answer, "\n");
  }
  client.Expect(
      parent.pid == client.pid() && child.pid != parent.pid && child.pid != 0,
      absl::StrCat("\"parent\" by pid ", client.pid(),
                   ", \"child\" by another"),
      absl::StrCat("by pid ", parent.pid, " and pid ", child.pid));
  client.Exits(0);
  HasPrinted(client, expected);
}

TEST_F(Credentials, ClientClaims) {
  About(Core(3),
        "a false claim is sent, and what the kernel says to it is told",
        "With SCM_CREDENTIALS a sender names its own ids, and the kernel "
        "checks: its real, effective and saved ones are fine, others take "
        "CAP_SETUID. EPERM says: you are not that. EINVAL: nobody is, in this "
        "user namespace. Either way nothing was sent, and no answer will come.",
        "handout, step 8; man 7 unix, SCM_CREDENTIALS");
  for (const uid_t claimed :
       {getuid(), static_cast<uid_t>(-1), getuid() + 20202}) {
    Host(address_);
    Process client =
        Start("whoami_client", {flag_, absl::StrCat("--claim=", claimed)});
    Peer server = Accept();
    // What is right depends on who we are: the kernel knows.
    if (const int error = ErrorOfClaim(claimed)) {
      client.Refuses({"sendmsg", error == EPERM ? "EPERM" : "EINVAL"});
      const std::string seen = server.ReceiveAll();
      client.Expect(seen.empty(), "nothing is sent",
                    absl::StrCat(seen.size(), " bytes"));
    } else {
      ucred sender = {};
      const std::string seen = server.Receive(kRequestSize, &sender);
      client.Expect(seen == Padded("claim") && sender.uid == claimed,
                    absl::StrCat("\"claim\", of uid ", claimed),
                    absl::StrCat("\"", seen.substr(0, seen.find('\0')),
                                 "\", of uid ", sender.uid));
      server.Send(
          Padded("granted: you are " + Ids(sender.pid, sender.uid, sender.gid)),
          "an answer");
      client.Exits(0);
    }
    CloseHost();
  }
}

TEST_F(Credentials, ClientTellsRefusal) {
  About(Core(2), "the client ends with 1 when either request was refused",
        "The child's verdict is its exit status, and nobody knows it until the "
        "parent has waited for it and looked.",
        "handout, step 2; man 2 wait");
  for (const bool child_refused : {false, true}) {
    Host(address_);
    Process client = Start("whoami_client", {flag_});
    Peer server = Accept();
    for (const bool child : {false, true}) {
      server.Receive(kRequestSize);
      server.Send(
          Padded(child == child_refused ? "refused: you" : "granted: you"),
          child == child_refused ? "a refusal" : "a grant");
    }
    client.Exits(1);
    CloseHost();
  }
}

TEST_F(Credentials, ClientWaitsForAllOfAnAnswer) {
  About(
      Robust(2), "an answer may arrive in pieces, or not at all",
      "recv returns what is there, and 0 when the server has gone. That is no "
      "answer.",
      "lab 01, step 6; man 2 recv");
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  server.Receive(kRequestSize);
  const std::string answer = "granted: " + RandomText(20);
  server.Send(Padded(answer).substr(0, 12), "12 bytes of an answer");
  server.AwaitRead();
  server.Send(Padded(answer).substr(12), "the rest");
  server.Receive(kRequestSize);
  server.Close();
  client.Exits(1);
  HasPrinted(client, absl::StrCat("parent: ", answer, "\n"));
  client.Expect(!absl::StrContains(client.out(), "child: "),
                "nothing printed of the child, who had no answer",
                client.out());
}

TEST_F(Credentials, ClientNamesTheError) {
  About(Core(1), "a client that finds nobody says so",
        "Nobody has the name: ECONNREFUSED. Status 0 would mean that all was "
        "granted.",
        "the contract in the handout; man 2 connect");
  Start("whoami_client", {flag_}).Refuses({"connect", name_, "ECONNREFUSED"});
}

}  // namespace
