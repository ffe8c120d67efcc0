// The checks of lab 06 that judge the server. The mutants beside this file show
// what each one is there to catch.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/06_credentials/credentials_check.h"
#include "tests/support/check.h"
#include "tests/support/other_uid.h"
#include "tests/support/proc.h"
#include "tests/support/tracer.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Peer;
using harness::Person;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

constexpr uid_t kStrangerUid = harness::kStrangerUid;
constexpr gid_t kStrangerGid = 4343;

Person Someone(uid_t uid, gid_t gid) { return {{uid, gid}, {uid, gid}}; }
Person Ours() { return Someone(getuid(), getgid()); }
Person Stranger() { return Someone(kStrangerUid, kStrangerGid); }
Person OutOfSight() {
  Person person = Ours();
  person.out_of_sight = true;
  return person;
}

class Whoserver : public Credentials {
 protected:
  Whoserver() { Judges("whoserver"); }

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
    const std::string answer = client.Receive(kRequestSize);
    if (over()) return;
    const std::string seen = answer.substr(0, answer.find('\0'));
    if (all ? seen != expected : !absl::StartsWith(seen, expected)) {
      Fail(absl::StrCat("the answer \"", expected, all ? "\"" : "...\""),
           harness::Difference(expected, seen));
    } else if (answer != Padded(seen)) {
      Because(
          "An answer is 64 bytes: a text, and zeros. What lay in the buffer "
          "before is not part of it: fill it with zeros first.",
          Handout(3, {4}, "man 3 memset"));
      Fail("zeros behind the text of the answer",
           harness::Difference(Padded(seen), answer));
    }
    Step(absl::StrCat("it answered \"", seen, "\""));
  }

  // How many descriptors `pid` and its descendants have.
  static int CountDescriptors(pid_t pid) {
    size_t count = 0;
    for (pid_t one : Tree(pid)) count += harness::Descriptors(one).size();
    return static_cast<int>(count);
  }

  // Whether nobody has the other end of the pipe `fd` any more.
  static bool OtherEndIsGone(int fd) {
    pollfd entry = {fd, 0, 0};
    return poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0;
  }

  // Connects to the server by a process of ours that lives until EndConnecter;
  // its pid.
  pid_t ConnectByLiving(ipc::UniqueFd* socket_of_it) {
    if (over()) return 0;
    int life[2];
    socket_of_it->reset(
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (pipe2(life, O_CLOEXEC) < 0) {
      Fail("the checker can open a pipe", strerror(errno));
      return 0;
    }
    life_.reset(life[1]);
    const ipc::UniqueFd read_end(life[0]);
    connecter_ = fork();
    if (connecter_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      life_.reset();
      if (connect(socket_of_it->get(), address_.data(), address_.size()) < 0) {
        _exit(1);
      }
      socket_of_it->reset();
      char byte;
      _exit(read(read_end.get(), &byte, 1) < 0 ? 1 : 0);
    }
    Step(absl::StrCat("process ", connecter_, " connected, and lives"));
    return connecter_;
  }
  void EndConnecter() {
    if (over()) return;
    life_.reset();
    waitpid(connecter_, nullptr, 0);
    Step(absl::StrCat("process ", connecter_,
                      " has ended, and its parent has waited for it"));
  }

 private:
  ipc::UniqueFd life_;
  pid_t connecter_ = 0;
};

// Who connected ---------------------------------------------------------------

TEST_F(Whoserver, TellsWhoConnected) {
  About(Core(1), "each client is told as soon as it has connected, by number",
        "An abstract name begins with a NUL, and has no end but the size that "
        "bind was given: the two bytes of the family, the NUL, and the bytes "
        "of NAME. With sizeof(sockaddr_un) it is another name.",
        Handout(1, {1}, "lab 04, step 1; man 7 unix, abstract"));
  Process server = StartServer({"--clients=3"});
  Because(
      "Ask getsockopt(client, SOL_SOCKET, SO_PEERCRED, ...), on the socket "
      "that accept returned: the kernel knows who called connect before the "
      "client has sent a byte. Print the line on stdout, and flush it at once.",
      Handout(1, {3, 7}, "man 7 unix, SO_PEERCRED; man 3 fflush"));
  std::string output;
  for (int i = 1; i <= 3; ++i) {
    Peer client = ConnectOurs(absl::StrCat("client ", i));
    server.Prints(output += Connected(i, Me()));
    client.Close();
    Because(
        "A client that connects and ends without a request counts, and nothing "
        "is wrong with it: recvmsg returns 0, and there is no request. The "
        "next client has the next number. After N clients the server ends, "
        "with status 0.",
        Handout(1, {2, 3, 18}, "man 2 accept, man 2 recvmsg"));
  }
  server.Exits(0, output);
}

TEST_F(Whoserver, NameOf107Bytes) {
  About(Core(1), "a name may have 107 bytes, and is never cut",
        "sun_path has 108 bytes: one for the NUL at the beginning and 107 for "
        "the name, which has no NUL at its end.",
        Handout(1, {1}, "lab 04, step 1; man 7 unix, abstract"));
  NameIs(NameOfLength(kMaxName));
  Process server = StartServer();
  ConnectOurs().Close();
  server.Exits(0);
  Because(
      "A name that does not fit must be refused. Cut to fit, it is the name of "
      "another server.");
  Process lost = Start("whoserver", {flag_ + "x"});
  bool listens = false;
  lost.ComesDownTo(0, "servers that have neither ended nor listen", [&] {
    const auto sockets = harness::UnixSockets();
    listens = listens ||
              std::any_of(sockets.begin(), sockets.end(), [&](const auto& one) {
                return one.listening &&
                       absl::StartsWith(one.path, "@" + name_.substr(0, 16));
              });
    return listens || !harness::IsAlive(lost.pid()) ? 0 : 1;
  });
  lost.Expect(!listens, "the name of 108 bytes is refused",
              "it listens at another one");
}

TEST_F(Whoserver, NameTaken) {
  About(Core(1), "a name that another server has is an error",
        "bind says EADDRINUSE. The server cannot serve then: it says so and "
        "ends with status 1.",
        Handout(1, {18, 19}, "man 2 bind"));
  Host(address_);
  Start("whoserver", {flag_}).Refuses({name_, "EADDRINUSE"});
  Because(
      "The name is free again when the other server has ended. (This part "
      "shows that the server can work.)");
  CloseHost();
  Process server = StartServer();
  ConnectOurs().Close();
  server.Exits(0);
}

TEST_F(Whoserver, OneAfterTheOther) {
  About(Core(1), "the next client is served when the one before has ended",
        "The clients are served one after the other: accept is called again "
        "when the connection before is closed.",
        Handout(1, {2}, "man 2 accept"));
  Process server = StartServer({"--clients=2"});
  Peer first = ConnectOurs("the first client");
  const std::string output = Connected(1, Me());
  server.Prints(output);
  Peer second = ConnectOurs("the second client");
  Sleeps(server);
  server.Expect(server.out() == output,
                "nothing of the second client while the first is there",
                harness::Difference(output, server.out()));
  first.Close();
  server.Prints(output + Connected(2, Me()));
  second.Close();
  server.Exits(0);
}

// Who sent this ---------------------------------------------------------------

TEST_F(Whoserver, AnswersAre64Bytes) {
  About(Core(1), "an answer is 64 bytes, a text and zeros, to each request",
        "The client reads 64 bytes. With fewer it waits for the rest, and with "
        "one more the next answer begins with it. A string of 64 bytes has no "
        "room for a NUL, and needs none.",
        Handout(3, {2, 4}, "man 2 send"));
  Process server = StartServer();
  Peer client = ConnectOurs();
  constexpr int kRequests = 3;
  for (int i = 0; i < kRequests; ++i) {
    client.Send(Padded(RandomText(i == 0 ? kRequestSize : 5)), "a request");
    const std::string answer = client.Receive(kRequestSize);
    const std::string text = answer.substr(0, answer.find('\0'));
    server.Expect(
        absl::StartsWith(text, "granted: you are ") ||
            absl::StartsWith(text, "refused: you are "),
        "an answer that begins with \"granted: you are \" or \"refused: ...\"",
        harness::Escaped(answer));
    server.Expect(answer == Padded(text), "zeros behind its text",
                  harness::Escaped(answer));
    if (!over()) Step(absl::StrCat("it answered \"", text, "\""));
  }
  client.StopWriting();
  const std::string more = client.ReceiveAll();
  server.Expect(more.empty(), "nothing after the last answer",
                absl::StrCat("\"", harness::Escaped(more), "\""));
  Because("The end of a client between two requests is no error.",
          Handout(3, {2, 18}, "man 2 recvmsg"));
  server.Exits(0);
}

TEST_F(Whoserver, ToldBySender) {
  About(Core(3), "a request is by whoever sent it, not by whoever connected",
        "SO_PEERCRED was written down when somebody called connect, and never "
        "changes. A child that inherited the connection, or whoever was passed "
        "it, is another process: only SCM_CREDENTIALS tells which.",
        Handout(3, {5}, "man 7 unix, SCM_CREDENTIALS"));
  Process server = StartServer();
  Peer client = ConnectOurs();
  const std::string text = RandomText(20);
  const pid_t sender = client.SendAs(Ours(), Padded(text), "a request");
  Answers(client, "granted: you are " + Own(sender));
  std::string output = Connected(1, Me()) + Line(1, text, Own(sender));
  Because(
      "The line has the same IDS as the answer, and is out at once: stdout "
      "into a pipe or a file is flushed at the end only, unless you call "
      "fflush.",
      Handout(3, {5, 7}, "man 3 fflush"));
  server.Prints(output);
  BecauseOfTheWhole();
  client.Send(Padded(text), "the same request, by the one that connected");
  Answers(client, "granted: you are " + Me());
  server.Prints(output += Line(1, text, Me()));
  client.Close();
  server.Exits(0, output);
}

TEST_F(Whoserver, FromTheFirstByte) {
  About(Core(3), "the first bytes of the first client have a sender",
        "The kernel notes the sender of what is sent once SO_PASSCRED is on. "
        "Switched on after accept, it comes too late for a client that is "
        "quick: his bytes have pid 0, and a uid that is nobody's. Switch it on "
        "for the listening socket, before listen; each client inherits it.",
        Handout(3, {5}, "man 7 unix, SO_PASSCRED"));
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

TEST_F(Whoserver, WholeCredentials) {
  About(Core(2), "pid, uid and gid arrive whole",
        "A ucred has 12 bytes, and its control message CMSG_LEN(12) = 28. What "
        "does not fit is cut off, MSG_CTRUNC says so, and what you read behind "
        "the cut is whatever lay in your buffer: gid 0, perhaps, which is "
        "root's. Have room for CMSG_SPACE(sizeof(ucred)). (A grant depends on "
        "the uids alone, not on the gids.)",
        Handout(3, {5}, "man 3 cmsg"));
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

// Pieces ----------------------------------------------------------------------

TEST_F(Whoserver, RequestsInPieces) {
  About(Core(2), "a request may arrive in pieces, or with the next",
        "SO_PASSCRED changes nothing about that: bytes of one sender are "
        "merged and split as ever. Ask for what the request lacks, until it is "
        "whole.",
        Handout(4, {4, 5}, "lab 01, step 6; man 2 recvmsg"));
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

TEST_F(Whoserver, EndIsNotRoot) {
  About(Core(3), "a client that says nothing is nobody",
        "At the end of a stream recvmsg returns 0, and with it, all the same, "
        "credentials: pid 0, uid 0, gid 0. That is not root, it is nobody: "
        "memory that was never filled in. Look at the count first.",
        Handout(4, {2, 5}, "man 2 recvmsg"));
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

TEST_F(Whoserver, RefusesStrangers) {
  About(Core(3), "a stranger's request is refused on anybody's connection",
        "Whoever has the connection may write to it, and got it, perhaps, from "
        "a process that you trust. The real uid of who sent this request is in "
        "its SCM_CREDENTIALS.",
        Handout(5, {8}, "man 7 unix, SCM_CREDENTIALS"));
  ExpectStrangers();
  Process server = StartServer();
  Peer client = ConnectOurs();
  std::string output = Connected(1, Me());
  for (int i = 0; i < 2; ++i) {
    // As a set-user-id program of ours would be, which a stranger runs.
    const pid_t sender =
        client.SendAs({{kStrangerUid, getgid()}, {getuid(), getgid()}},
                      Padded("stranger"), "a request, of uid 4242");
    const std::string ids = Ids(sender, kStrangerUid, getgid());
    Answers(client, "refused: you are " + ids);
    server.Prints(output += Line(1, "stranger", ids, "refused"));
    Because(
        "Each request is judged for itself: what the one before was means "
        "nothing for the next.");
    client.Send(Padded("ours"), "a request, of our own uid");
    Answers(client, "granted: you are " + Me());
    server.Prints(output += Line(1, "ours", Me()));
  }
  Because("A refusal is an answer, and nothing that went wrong.",
          Handout(5, {12, 18}, ""));
  client.Close();
  server.Exits(0);
}

TEST_F(Whoserver, RefusesStrangersConnections) {
  About(Core(3),
        "a request on a stranger's connection is refused, whoever sent it",
        "The stranger connects, and has your log daemon, or your shell, write "
        "to the connection: the sender is one that you trust, and means "
        "something else. The answer goes to the stranger. Both have to be "
        "allowed: who connected, and who sent. (That the one that connected "
        "has ended is for the line alone, and not for the answer.)",
        Handout(5, {8}, "man 7 unix, SO_PEERCRED"));
  ExpectStrangers();
  Process server = StartServer();
  pid_t connecter = 0;
  Peer client = ConnectAs({{getuid(), getgid()}, {kStrangerUid, kStrangerGid}},
                          address_, &connecter);
  server.Prints(Connected(1, Ids(connecter, kStrangerUid, kStrangerGid)));
  client.Send(Padded("deputy"), "a request, of our own uid");
  Answers(client, "refused: you are " + Me());
  client.Close();
  server.Exits(0);
}

TEST_F(Whoserver, SeveralAuthors) {
  About(Core(3), "a request that several wrote is refused",
        "With SO_PASSCRED on, the kernel never gives you the bytes of two "
        "senders by one recvmsg. But a request may take several, and then each "
        "has its own. Who looks only at the first lets anybody finish what he "
        "began; who looks only at the last lets anybody begin.",
        Handout(5, {9}, "step 4, man 7 unix"));
  ExpectStrangers();
  Process server = StartServer();
  const std::string text = RandomText(40), request = Padded(text);
  const std::string begin = request.substr(0, 20), end = request.substr(20);
  const std::string refusal = "refused: you are more than one";
  std::string output = Connected(1, Me());
  const std::string line = Line(1, text, "more than one", "refused");
  Peer client = ConnectOurs();
  client.SendAs(Stranger(), begin, "20 bytes of a request, of uid 4242");
  client.Send(end, "the rest of it, of our own uid");
  Answers(client, refusal);
  server.Prints(output += line);
  client.Send(begin, "20 bytes of a request, of our own uid");
  client.SendAs(Stranger(), end, "the rest of it, of uid 4242");
  Answers(client, refusal);
  server.Prints(output += line);
  client.Send(begin, "20 bytes of a request, of our own uid");
  client.SendAs(Ours(), end, "the rest of it, of our own uid too");
  Answers(client, refusal);
  server.Prints(output += line);
  Because(
      "Each piece counts, not the first and the last alone: compare the sender "
      "of each with the one before.");
  client.Send(begin, "20 bytes of a request, of our own uid");
  client.SendAs(Stranger(), end.substr(0, 4), "4 bytes, of uid 4242");
  client.Send(end.substr(4), "the rest of it, of our own uid");
  Answers(client, refusal);
  server.Prints(output += line);
  Because(
      "Each request has senders of its own. That the one before had several "
      "means nothing for the next, nor for the exit status.");
  client.Send(request, "a request, of our own uid");
  Answers(client, "granted: you are " + Me());
  server.Prints(output += Line(1, text, Me()));
  client.Close();
  server.Exits(0);
}

TEST_F(Whoserver, AllowsAnother) {
  About(Core(2), "--allow grants another uid, and the own no longer",
        "Who is granted is the uid that was named, and nobody else: not the "
        "server's own, not root's. That the process that connected has ended "
        "changes only the line.",
        Handout(5, {8}, "man 7 credentials"));
  ExpectStrangers();
  Process server =
      StartServer({absl::StrCat("--allow=", kStrangerUid), "--clients=3"});
  pid_t connecter = 0;
  Peer client = ConnectAs(Stranger(), address_, &connecter);
  client.SendAs(Stranger(), Padded("allowed"), "a request, of uid 4242");
  Answers(client, "granted: you are ", /*all=*/false);
  client.Close();
  Peer ours = ConnectOurs("a client of our own uid");
  ours.Send(Padded("ours"), "a request");
  Answers(ours, "refused: you are " + Me());
  ours.Close();
  const Person root = Someone(0, 0);
  Peer roots = ConnectAs(root, address_, &connecter);
  roots.SendAs(root, Padded("root"), "a request, of uid 0");
  Answers(roots, "refused: you are ", /*all=*/false);
  roots.Close();
  server.Exits(0);
}

TEST_F(Whoserver, OutOfSight) {
  About(Core(2), "who has pid 0 is refused, whatever his uid",
        "A process outside of your pid namespace, the host's to a container, "
        "has no pid here: the kernel says 0. Of whatever it has no credentials "
        "for it says pid 0 too, and the uid it puts there may be root's, or "
        "yours. Nobody that you can name has vouched for it.",
        Handout(5, {8}, "man 7 pid_namespaces"));
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

TEST_F(Whoserver, UidsHaveNoSign) {
  About(Core(1), "a uid or gid may be as large as 4294967294",
        "uid_t and gid_t have 32 bits and no sign: print them with %u, and "
        "read UID by strtoul or strtoull. 4294967295 alone means none.",
        Handout(5, {3, 5, 13}, "man 3 printf, man 3 strtoul"));
  constexpr uid_t kUid = 4294967294;
  constexpr gid_t kGid = 4294967293;
  ExpectStrangers();
  Process server = StartServer({absl::StrCat("--allow=", kUid)});
  pid_t connecter = 0;
  Peer client = ConnectAs(Someone(kUid, kGid), address_, &connecter);
  server.Prints(Connected(1, Ids(connecter, kUid, kGid)));
  const pid_t sender =
      client.SendAs(Someone(kUid, kGid), Padded("large"), "a request");
  Answers(client, "granted: you are " + Ids(sender, kUid, kGid));
  client.Close();
  server.Exits(0);
}

TEST_F(Whoserver, RefusesOverflowUid) {
  About(
      Robust(1), "the overflow uid cannot be allowed",
      "Where a uid has no number in your user namespace, the kernel shows the "
      "one in /proc/sys/kernel/overflowuid, 65534. Who has it is not "
      "\"nobody\", he is anybody: to grant it is to grant everyone.",
      Handout(5, {13, 18}, "man 7 user_namespaces"));
  std::string uid = "65534";
  if (FILE* file = fopen("/proc/sys/kernel/overflowuid", "re")) {
    char text[16] = "";
    if (fscanf(file, "%15[0-9]", text) == 1) uid = text;
    fclose(file);
  }
  Start("whoserver", {flag_, "--allow=" + uid}).Refuses({uid}, /*status=*/2);
}

TEST_F(Whoserver, ServerRefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried. atoi "
        "makes 0 of a word, and uid 0 is root; -1 is the uid that means none. "
        "strtoul takes a sign, blanks, 0x in base 0, and numbers that do not "
        "fit into 32 bits.",
        Handout(5, {13, 18, 19}, "man 3 strtoul"));
  Process server = StartServer({"--allow=1", "--clients=1"});
  ConnectOurs().Close();
  server.Exits(0);
  for (const char* flag :
       {"--allow=root", "--allow=", "--allow=12x", "--allow=-1", "--allow=+1",
        "--allow= 1", "--allow=1 ", "--allow=0x10", "--allow=4294967295",
        "--allow=4294967296", "--allow=18446744073709551617",
        "--allow=99999999999999999999", "--clients=0", "--no-such-flag"}) {
    Start("whoserver", {flag_, flag}).Refuses({}, /*status=*/2);
  }
}

// What clients do -------------------------------------------------------------

TEST_F(Whoserver, ClosesDescriptors) {
  About(
      Core(3), "descriptors that nobody asked for are closed at once",
      "Any message may carry up to 253 descriptors. They are yours as soon as "
      "recvmsg returns, in whatever room your control buffer has beyond the "
      "credentials: close each one. Or have no room: then the kernel does "
      "it, and says MSG_CTRUNC, which is no reason to turn away a client.",
      Handout(6, {11}, "man 7 unix, SCM_RIGHTS"));
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

TEST_F(Whoserver, ForgesNoLine) {
  About(
      Robust(2), "a client cannot forge a line of the server's",
      "The text of a request is his. If it has a newline in it and you print "
      "that, what follows looks like a line of yours: somebody else, granted. "
      "An escape sequence does worse to a terminal. Print ? for each byte "
      "that is not printable ASCII.",
      Handout(6, {6}, "man 3 isprint"));
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

TEST_F(Whoserver, AnyText) {
  About(Core(2), "a text may be any bytes, and each request has its line",
        "The text ends at the first zero, or with the 64 bytes. Printable "
        "ASCII is ' ' to '~', and is printed as it is; each other byte is one "
        "?. A text is no format: give it to %s.",
        Handout(6, {5, 6}, "man 3 printf, man 3 isprint"));
  std::vector<std::string> texts = {"",
                                    "100%d %c %5$s %%" + RandomText(3),
                                    "  blanks, and more  ",
                                    "\xc3\xa4\xe2\x82\xac" + RandomText(3),
                                    "",
                                    RandomText(kRequestSize - 1)};
  for (int first = 1; first < 256; first += kRequestSize) {
    std::string text;
    for (int byte = first;
         byte < 256 && byte < first + static_cast<int>(kRequestSize); ++byte) {
      text.push_back(static_cast<char>(byte));
    }
    texts.push_back(text);
  }
  Process server = StartServer();
  Peer client = ConnectOurs();
  std::string output = Connected(1, Me());
  for (const std::string& text : texts) {
    client.Send(Padded(text),
                absl::StrCat("a request with ", text.size(),
                             " bytes of text: ", harness::Escaped(text)));
    std::string shown = text;
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; },
        '?');
    Answers(client, "granted: you are " + Me());
    server.Prints(output += Line(1, shown, Me()));
  }
  client.Close();
  server.Exits(0, output);
}

TEST_F(Whoserver, StaysInItsMemory) {
  About(Core(2), "no byte outside its buffers is touched",
        "A request of 64 bytes of text has no NUL at its end: whoever prints "
        "it with %s reads on. %.*s with a length does not, nor does %s on a "
        "buffer with a byte more.",
        WholeHandout({4, 5}, "lab 01, step 6; man 3 printf"));
  Process server = StartServer({}, /*sanitized=*/true);
  Peer client = ConnectOurs();
  const std::string text = RandomText(kRequestSize);
  client.Send(text, "a request of 64 bytes of text");
  Answers(client, "granted: you are " + Me());
  server.Prints(Connected(1, Me()) + Line(1, text, Me()));
  client.Close();
  server.Exits(0);
}

TEST_F(Whoserver, BrokenRequest) {
  About(Robust(2), "half a request is told, and the next client served",
        "The end of file in the middle of a request is an error of that "
        "client. It is worth a line on stderr and the exit status, not the end "
        "of the service.",
        Handout(6, {12, 18}, "man 2 recvmsg"));
  Process server = StartServer({"--clients=2"});
  Peer client = ConnectOurs("the first client");
  client.Send(RandomText(20), "20 bytes of a request");
  client.AwaitRead();
  client.Send(RandomText(17), "17 bytes more");
  client.Close();
  Peer other = ConnectOurs("the second client");
  const std::string text = RandomText(9);
  other.Send(Padded(text), "a request");
  Answers(other, "granted: you are " + Me());
  server.Prints(Connected(1, Me()) + Connected(2, Me()) + Line(2, text, Me()));
  other.Close();
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "37"),
                "a line on stderr that says how many bytes came: 37",
                server.err().empty() ? "nothing on stderr" : server.err());
}

TEST_F(Whoserver, GoneBeforeTheAnswer) {
  About(Core(2), "a client that does not wait for his answer does no harm",
        "To send to a connection that the other side has closed raises "
        "SIGPIPE, which ends the program. MSG_NOSIGNAL makes it EPIPE, which "
        "is worth a line on stderr and the exit status. The line of the "
        "request is printed all the same.",
        Handout(6, {5, 12, 18}, "lab 01, step 8; man 2 send"));
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
  HasPrinted(server, Line(2, "hasty", Me()));
  HasPrinted(server, Connected(3, Me()));
  HasComplained(server);
}

TEST_F(Whoserver, ServerIsPatient) {
  About(Robust(1), "the server waits for its clients, however long",
        "The contract has no time-out: nobody comes for a while, or says "
        "nothing for a while, or half of a request.",
        Handout(6, {2}, "man 2 recvmsg"));
  Process server = StartServer();
  Sleeps(server);
  server.OutlastsTimeLimits();
  Peer client = ConnectOurs();
  Sleeps(server);
  server.OutlastsTimeLimits();
  const std::string text = RandomText(20);
  client.Send(Padded(text).substr(0, 30), "30 bytes of a request");
  client.AwaitRead();
  Sleeps(server);
  server.OutlastsTimeLimits();
  client.Send(Padded(text).substr(30), "the rest");
  Answers(client, "granted: you are " + Me());
  client.Close();
  server.Exits(0, Connected(1, Me()) + Line(1, text, Me()));
}

TEST_F(Whoserver, ServerSaysThatItCannotPrint) {
  About(Robust(1), "a line that cannot be printed is a failure",
        "printf and fflush say whether they have printed. A disk may be full. "
        "Status 0 would mean that all went well.",
        Handout(6, {18}, "man 3 fflush, man 2 write"));
  for (const int line : {1, 2}) {
    Fault full = Fault::Fail({"write", "writev"}, line, ENOSPC);
    full.output = true;
    full.on = {harness::DescriptorKind::kPipe};
    Process server = StartWithFault(full, "whoserver", {flag_});
    server.ListensAt("@" + name_);
    Peer client = ConnectOurs();
    // It may have ended already.
    if (!over()) {
      send(client.fd(), Padded("hello").data(), kRequestSize, MSG_NOSIGNAL);
      Step("a client sent a request, and ends its half");
      shutdown(client.fd(), SHUT_WR);
    }
    server.Exits(1);
  }
}

TEST_F(Whoserver, AcceptIsCalledAgain) {
  About(Core(1), "accept that a signal interrupts is called again",
        "A signal that is handled ends the call that waits, which returns -1 "
        "with EINTR: no client has come yet, and nothing is wrong.",
        Handout(6, {20}, "man 2 accept, man 7 signal"));
  Process server =
      StartWithFault(Fault::Interrupt({"accept"}, 1), "whoserver", {flag_});
  server.ListensAt("@" + name_);
  Peer client = ConnectOurs();
  const std::string text = RandomText(9);
  client.Send(Padded(text), "a request");
  Answers(client, "granted: you are " + Me());
  client.Close();
  server.Exits(0, Connected(1, Me()) + Line(1, text, Me()));
}

TEST_F(Whoserver, ServerWhateverHappens) {
  About(Robust(2), "the server does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        Handout(6, {4, 18, 19, 20}, "man 7 signal, man 2 recvmsg"));
  harness::SweepOptions options;
  // What an error of a connection is to the server is for other checks.
  options.errors = {
      {"bind", EACCES, {}}, {"listen", EADDRINUSE, {}}, {"accept", EMFILE, {}}};
  Sweep(
      "whoserver",
      [&](const Starter& start) {
        Process server = start({flag_, "--clients=2"}, "/dev/null");
        server.ListensAt("@" + name_);
        std::string output;
        for (int i = 1; i <= 2; ++i) {
          const std::string text = RandomText(30);
          Peer client = ConnectOurs();
          client.Send(Padded(text), "a request");
          Answers(client, "granted: you are " + Me());
          client.Close();
          output += Connected(i, Me()) + Line(i, text, Me());
        }
        server.Exits(0, output);
      },
      options);
}

// Pidfds ----------------------------------------------------------------------

TEST_F(Whoserver, ConnecterHasEnded) {
  About(Robust(3), "it is told when the process that connected has ended",
        "A pid is a number, and a number is given out again. kill(pid, 0) asks "
        "after whoever has it now: a successor, or a zombie that nobody has "
        "waited for. A pidfd means that one process for ever, and poll says "
        "POLLIN once it has ended.",
        Handout(7, {10}, "man 2 pidfd_open"));
  Process server = StartServer({"--clients=2"});
  pid_t connecter = 0;
  Peer client = ConnectAs(Ours(), address_, &connecter);
  client.Send(Padded("later"), "a request");
  Answers(client, "granted: you are " + Me());
  std::string output =
      Connected(1, Own(connecter)) +
      Line(1, "later", Me(),
           absl::StrCat("granted (pid ", connecter, " has ended)"));
  server.Prints(output);
  client.Close();
  Because("The process that connected now lives: its line is as usual.");
  Peer other = ConnectOurs("a client that stays");
  other.Send(Padded("now"), "a request");
  Answers(other, "granted: you are " + Me());
  server.Prints(output += Connected(2, Me()) + Line(2, "now", Me()));
  other.Close();
  server.Exits(0);
}

TEST_F(Whoserver, ConnecterEndsLater) {
  About(Robust(2), "it is looked at each request whether the connecter lives",
        "The process that connected may end at any time, and another one has "
        "its connection still. Open the pidfd when the client is accepted, and "
        "ask poll at each request.",
        Handout(7, {10}, "man 2 pidfd_open, man 2 poll"));
  Part("it ends between two requests");
  Process server = StartServer();
  ipc::UniqueFd fd;
  pid_t connecter = ConnectByLiving(&fd);
  Peer client(this, std::move(fd), "the checker, on its connection,");
  std::string output = Connected(1, Own(connecter));
  server.Prints(output);
  client.Send(Padded("early"), "a request");
  Answers(client, "granted: you are " + Me());
  server.Prints(output += Line(1, "early", Me()));
  EndConnecter();
  client.Send(Padded("late"), "a request");
  Answers(client, "granted: you are " + Me());
  server.Prints(output +=
                Line(1, "late", Me(),
                     absl::StrCat("granted (pid ", connecter, " has ended)")));
  client.Close();
  server.Exits(0);

  Part("it ends before the first request, which is refused");
  Process other = StartServer({absl::StrCat("--allow=", kStrangerUid)});
  ipc::UniqueFd other_fd;
  connecter = ConnectByLiving(&other_fd);
  Peer refused(this, std::move(other_fd), "the checker, on its connection,");
  output = Connected(1, Own(connecter));
  other.Prints(output);
  Sleeps(other);
  EndConnecter();
  refused.Send(Padded("late"), "a request");
  Answers(refused, "refused: you are " + Me());
  other.Prints(output +
               Line(1, "late", Me(),
                    absl::StrCat("refused (pid ", connecter, " has ended)")));
  refused.Close();
  other.Exits(0);
}

TEST_F(Whoserver, LeavesNothingOfAClient) {
  About(Core(2), "of a client that is done, no descriptor is left",
        "The connection has to be closed, and so has all that was opened for "
        "it, on each way out: a pidfd is a descriptor too.",
        Handout(7, {11}, "man 2 close"));
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

}  // namespace
