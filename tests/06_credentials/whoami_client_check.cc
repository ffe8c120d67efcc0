// The checks of lab 06 that judge the client, and the transcript of both
// programs. The mutants beside this file show what each check is there to
// catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"
#include "tests/06_credentials/credentials_check.h"
#include "tests/support/check.h"
#include "tests/support/proc.h"
#include "tests/support/tracer.h"

namespace {

using harness::Core;
using harness::Fault;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

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

class WhoamiClient : public Credentials {
 protected:
  WhoamiClient() { Judges("whoami_client"); }

  // The next request, which is to be `text`; who sent it.
  ucred Asks(Process& client, Peer& server, const std::string& text) {
    ucred sender = {};
    const std::string seen = server.Receive(kRequestSize, &sender);
    client.Expect(seen == Padded(text),
                  absl::StrCat("\"", text, "\" in 64 bytes, padded with zeros"),
                  harness::Difference(Padded(text), seen));
    return sender;
  }
};

class CredentialsTranscript : public Credentials {};

TEST_F(CredentialsTranscript, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server says who connected, and who sent each request; the client "
        "says who serves it, and prints the two answers. They are your server "
        "and your client here, both.",
        WholeHandout({3, 5, 14, 15}));
  Process server = Start("whoserver", {flag_});
  server.ListensAt("@" + name_);
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

// Whose server ----------------------------------------------------------------

TEST_F(WhoamiClient, ClientNamesTheError) {
  About(Core(1), "a client that finds nobody says so, at once",
        "Nobody has the name: ECONNREFUSED. Status 0 would mean that all was "
        "granted, and 2 that the call was wrong. Nothing is printed on stdout.",
        Handout(2, {14, 18, 19}, "man 2 connect"));
  Process client = Start("whoami_client", {flag_});
  client.Refuses({"connect", name_, "ECONNREFUSED"});
  client.Exits(1, "");
}

TEST_F(WhoamiClient, ClientKnowsItsServer) {
  About(Core(2), "the client says who listens at the other end",
        "SO_PEERCRED works both ways: the client learns who called listen. "
        "Before connect there is nobody: getsockopt succeeds, and says pid 0, "
        "uid 4294967295. The line comes before the first request.",
        Handout(2, {14}, "man 7 unix, SO_PEERCRED"));
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Because(
      "An abstract name begins with a NUL, and has no end but the size that "
      "connect was given: the two bytes of the family, the NUL, and the bytes "
      "of NAME. With sizeof(sockaddr_un) it is another name.",
      Handout(2, {1, 14}, "lab 04, step 3; man 7 unix, abstract"));
  Peer server = Accept();
  BecauseOfTheWhole();
  client.Prints(absl::StrCat("server: ", Me(), "\n"));
}

// Two requests ----------------------------------------------------------------

TEST_F(WhoamiClient, ParentAndChild) {
  About(Core(3), "a parent and its child ask, on one connection",
        "fork copies the descriptor of the connection, so the child needs no "
        "connect of its own. It has to do the sending itself, or it is not "
        "the child that sent. It asks when its parent has been answered.",
        Handout(2, {4, 15}, "man 2 fork"));
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  std::string output = absl::StrCat("server: ", Me(), "\n");
  ucred sender[2] = {};
  for (int i = 0; i < 2; ++i) {
    const std::string who = i == 0 ? "parent" : "child";
    sender[i] = Asks(client, server, who);
    const std::string answer = "granted: " + RandomText(20);
    server.Send(Padded(answer), "an answer");
    absl::StrAppend(&output, who, ": ", answer, "\n");
  }
  client.Expect(
      sender[0].pid == client.pid() && sender[1].pid != sender[0].pid &&
          sender[1].pid != 0,
      absl::StrCat("\"parent\" by pid ", client.pid(),
                   ", \"child\" by another"),
      absl::StrCat("by pid ", sender[0].pid, " and pid ", sender[1].pid));
  Because(
      "Each of the two prints its own answer, behind its own name. What is in "
      "stdio's buffer at fork is there twice, and what is in it at _exit is "
      "lost: flush stdout before both.");
  client.Exits(0, output);
}

TEST_F(WhoamiClient, ChildAsksSecond) {
  About(Core(1), "the child asks when its parent has been answered",
        "Two that ask on one connection at the same time cannot know which "
        "answer is whose.",
        Handout(2, {15}, "man 2 fork"));
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  Asks(client, server, "parent");
  Sleeps(client);
  char byte;
  const bool silent = recv(server.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
  client.Expect(silent, "no other request before the first is answered",
                "there is one");
}

TEST_F(WhoamiClient, AnyAnswer) {
  About(Core(2), "the text of an answer is printed as it is, and to its end",
        "The text ends at the first zero, or with the 64 bytes. It is no "
        "format: give it to %s.",
        Handout(2, {4, 15}, "man 3 printf"));
  for (const std::string& text :
       {"granted: " + RandomText(kRequestSize - 9),
        "granted: 100%d %c %5$s %%" + RandomText(3), std::string("granted: "),
        "granted: " + RandomText(kRequestSize - 10)}) {
    Host(address_);
    Process client = Start("whoami_client", {flag_});
    Peer server = Accept();
    for (const char* who : {"parent", "child"}) {
      Asks(client, server, who);
      server.Send(Padded(text), absl::StrCat("an answer with ", text.size(),
                                             " bytes of text"));
    }
    client.Exits(0, absl::StrCat("server: ", Me(), "\nparent: ", text,
                                 "\nchild: ", text, "\n"));
    CloseHost();
  }
}

TEST_F(WhoamiClient, ClientTellsRefusal) {
  About(Core(2), "the client ends with 1 when either request was refused",
        "The child's verdict is its exit status, and nobody knows it until the "
        "parent has waited for it and looked. The child asks even if the "
        "parent was refused.",
        Handout(2, {15, 18}, "man 2 wait"));
  for (const bool child_refused : {false, true}) {
    Part(child_refused ? "the child is refused" : "the parent is refused");
    Host(address_);
    Process client = Start("whoami_client", {flag_});
    Peer server = Accept();
    for (const bool child : {false, true}) {
      Asks(client, server, child ? "child" : "parent");
      server.Send(
          Padded(child == child_refused ? "refused: you" : "granted: you"),
          child == child_refused ? "a refusal" : "a grant");
    }
    client.Exits(1);
    CloseHost();
  }
  for (const char* answer :
       {"refused: you are granted: nothing", "not granted: you", "no"}) {
    Part("another answer");
    Because(
        "An answer is a grant if it begins with \"granted: \", and no other "
        "answer is.");
    Host(address_);
    Process client = Start("whoami_client", {flag_});
    Peer server = Accept();
    for (const char* who : {"parent", "child"}) {
      Asks(client, server, who);
      server.Send(Padded(answer), absl::StrCat("\"", answer, "\""));
    }
    client.Exits(1);
    CloseHost();
  }
}

TEST_F(WhoamiClient, ChildIsKilled) {
  About(Robust(1), "a child that is killed was granted nothing",
        "WEXITSTATUS of a child that a signal has ended is 0. Ask WIFEXITED "
        "first, or compare the whole status with 0.",
        Handout(2, {18}, "man 2 wait"));
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  Asks(client, server, "parent");
  server.Send(Padded("granted: you"), "a grant");
  const ucred child = Asks(client, server, "child");
  const std::vector<pid_t> pids = harness::Descendants(client.pid());
  client.Expect(std::count(pids.begin(), pids.end(), child.pid) == 1,
                "a child of the client has asked",
                absl::StrCat("pid ", child.pid, " has asked"));
  if (over()) return;
  Step("the child was sent SIGKILL");
  kill(child.pid, SIGKILL);
  client.Exits(1);
}

TEST_F(WhoamiClient, InterruptedWait) {
  About(Robust(1), "a child's refusal is told when waitpid was interrupted",
        "waitpid that returns -1 has not told how the child ended: the status "
        "is what it was before. After EINTR, call it again.",
        Handout(2, {18, 20}, "man 2 waitpid"));
  Host(address_);
  Process client = StartWithFault(Fault::Interrupt({"waitpid", "waitid"}, 0),
                                  "whoami_client", {flag_});
  Peer server = Accept();
  Asks(client, server, "parent");
  server.Send(Padded("granted: you"), "a grant");
  Asks(client, server, "child");
  Sleeps(client);
  server.Send(Padded("refused: you"), "a refusal");
  client.Exits(1);
}

TEST_F(WhoamiClient, ClientWaitsForAllOfAnAnswer) {
  About(Robust(2), "an answer may arrive in pieces, or not at all",
        "recv returns what is there. Call it again until 64 bytes have come.",
        Handout(2, {4, 15}, "lab 01, step 6; man 2 recv"));
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  Asks(client, server, "parent");
  const std::string answer = "granted: " + RandomText(20);
  server.Send(Padded(answer).substr(0, 12), "12 bytes of an answer");
  server.AwaitRead();
  server.Send(Padded(answer).substr(12), "the rest");
  client.Prints(absl::StrCat("server: ", Me(), "\nparent: ", answer, "\n"));
  Asks(client, server, "child");
  Because(
      "recv returns 0 when the server has gone. That is no answer: say so, "
      "and do not end with 0.",
      Handout(2, {16, 18}, "man 2 recv"));
  server.Close();
  client.Exits(1);
  client.Expect(!absl::StrContains(client.out(), "child: "),
                "nothing printed of the child, who had no answer",
                client.out());
  HasComplained(client);
}

TEST_F(WhoamiClient, HalfAnAnswer) {
  About(Robust(1), "an answer that ends in the middle is none",
        "What came of it may begin with \"granted\", and is no answer: it has "
        "less than 64 bytes. Say so on stderr.",
        Handout(2, {16, 18, 19}, "man 2 recv"));
  for (const size_t size : {size_t{0}, size_t{20}, kRequestSize - 1}) {
    Host(address_);
    Process client = Start("whoami_client", {flag_});
    Peer server = Accept();
    Asks(client, server, "parent");
    if (size > 0) {
      server.Send(Padded("granted: " + RandomText(8)).substr(0, size),
                  absl::StrCat(size, " bytes of an answer"));
    }
    // Not Close: what the child sends then shall not reset the connection.
    server.StopWriting();
    client.Exits(1);
    client.Expect(!absl::StrContains(client.out(), "parent: "),
                  "nothing printed of an answer that did not come as a whole",
                  client.out());
    HasComplained(client);
    CloseHost();
  }
}

TEST_F(WhoamiClient, ServerLeavesFirst) {
  About(Robust(1), "a server that leaves before the request is told",
        "To send to a connection that the other side has closed raises "
        "SIGPIPE, which ends the program. MSG_NOSIGNAL makes it EPIPE.",
        Handout(2, {18, 19}, "lab 01, step 8; man 2 send"));
  Host(address_);
  Process client = StartStoppedAfter({"connect"}, "whoami_client", {flag_});
  Peer server = Accept();
  server.Close();
  CloseHost();
  client.Continue();
  client.Exits(1);
  HasComplained(client);
}

TEST_F(WhoamiClient, ClientNameOf107Bytes) {
  About(Core(1), "the client finds a name of 107 bytes, and cuts none",
        "sun_path has 108 bytes: one for the NUL at the beginning and 107 for "
        "the name, which has no NUL at its end.",
        Handout(2, {1, 14}, "lab 04, step 1; man 7 unix, abstract"));
  NameIs(NameOfLength(kMaxName));
  Host(address_);
  Start("whoami_client", {flag_});
  Peer server = Accept();
  server.Close();
  Because(
      "A name that does not fit must be refused. Cut to fit, it is the name of "
      "another server.");
  Process lost = Start("whoami_client", {flag_ + "x"});
  bool connected = false;
  lost.ComesDownTo(0, "clients that have neither ended nor connected", [&] {
    const auto sockets = harness::UnixSockets();
    const auto at_host =
        std::count_if(sockets.begin(), sockets.end(), [&](const auto& one) {
          return one.path == "@" + name_ && !one.listening && one.inode == 0;
        });
    connected = connected || at_host > 0;
    return connected || !harness::IsAlive(lost.pid()) ? 0 : 1;
  });
  lost.Expect(!connected && lost.out().empty(),
              "no connection: the name has 108 bytes",
              "it connected to the name of the first 107");
}

TEST_F(WhoamiClient, ClientIsPatient) {
  About(Robust(1), "the client waits for an answer, however long",
        "The contract has no time-out. A server may take its time: a person "
        "who is asked, a machine that sleeps.",
        Handout(2, {15}, "man 2 recv"));
  Host(address_);
  Process client = Start("whoami_client", {flag_});
  Peer server = Accept();
  std::string output = absl::StrCat("server: ", Me(), "\n");
  for (const char* who : {"parent", "child"}) {
    Asks(client, server, who);
    Sleeps(client);
    client.OutlastsTimeLimits();
    const std::string answer = "granted: " + RandomText(20);
    server.Send(Padded(answer), "an answer");
    absl::StrAppend(&output, who, ": ", answer, "\n");
  }
  client.Exits(0, output);
}

TEST_F(WhoamiClient, ClientSaysThatItCannotPrint) {
  About(Robust(1), "an answer that cannot be printed is a failure",
        "printf and fflush say whether they have printed. A disk may be full. "
        "Status 0 would mean that all went well.",
        Handout(2, {18}, "man 3 fflush, man 2 write"));
  for (const int line : {1, 2}) {
    Host(address_);
    Fault full = Fault::Fail({"write", "writev"}, line, ENOSPC);
    full.output = true;
    full.on = {harness::DescriptorKind::kPipe};
    Process client = StartWithFault(full, "whoami_client", {flag_});
    Peer server = Accept();
    // It may have ended already.
    const std::string answers = Padded("granted: you") + Padded("granted: too");
    if (!over()) {
      send(server.fd(), answers.data(), answers.size(), MSG_NOSIGNAL);
      Step("our server sent two answers");
    }
    client.Exits(1);
    CloseHost();
  }
}

TEST_F(WhoamiClient, ClientWhateverHappens) {
  About(Robust(2), "the client does its work whatever its system calls return",
        "A call may be interrupted, or move fewer bytes than it was asked for. "
        "Here the checker makes that happen, to one call at a time.",
        Handout(2, {4, 15, 20}, "man 7 signal, man 2 send"));
  harness::SweepOptions options;
  options.errors = {};  // Which of both processes fails is not known.
  Sweep(
      "whoami_client",
      [&](const Starter& start) {
        Host(address_);
        Process client = start({flag_}, "/dev/null");
        Peer server = Accept();
        std::string output = absl::StrCat("server: ", Me(), "\n");
        for (const char* who : {"parent", "child"}) {
          Asks(client, server, who);
          const std::string answer = "granted: " + RandomText(20);
          server.Send(Padded(answer), "an answer");
          absl::StrAppend(&output, who, ": ", answer, "\n");
        }
        client.Exits(0, output);
      },
      options);
}

// The claim -------------------------------------------------------------------

TEST_F(WhoamiClient, ClientClaims) {
  About(Core(3),
        "a false claim is sent, and what the kernel says to it is told",
        "With SCM_CREDENTIALS a sender names its own ids, and the kernel "
        "checks: its real, effective and saved ones are fine, others take "
        "CAP_SETUID. EPERM says: you are not that. EINVAL: nobody is, in this "
        "user namespace. Either way nothing was sent, and no answer will come.",
        Handout(8, {17, 18, 19}, "man 7 unix, SCM_CREDENTIALS"));
  const std::string server_line = absl::StrCat("server: ", Me(), "\n");
  for (const uid_t claimed : {getuid(), static_cast<uid_t>(-1),
                              getuid() + 20202, uid_t{3000000000}}) {
    Part(absl::StrCat("--claim=", claimed));
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
      client.Exits(1, server_line);
    } else {
      const ucred sender = Asks(client, server, "claim");
      client.Expect(
          sender.pid == client.pid() && sender.uid == claimed &&
              sender.gid == getgid(),
          absl::StrCat("\"claim\", by ", Ids(client.pid(), claimed, getgid()),
                       ": itself, but for the uid"),
          absl::StrCat("by ", Ids(sender.pid, sender.uid, sender.gid)));
      const std::string answer =
          "granted: you are " + Ids(sender.pid, sender.uid, sender.gid);
      server.Send(Padded(answer), "an answer");
      client.Exits(0, absl::StrCat(server_line, "claim: ", answer, "\n"));
      const std::string more = server.ReceiveAll();
      client.Expect(more.empty(), "one request, and no other",
                    absl::StrCat(more.size(), " bytes more"));
    }
    CloseHost();
  }
  Part("the claim is refused");
  Host(address_);
  Process client =
      Start("whoami_client", {flag_, absl::StrCat("--claim=", getuid())});
  Peer server = Accept();
  Asks(client, server, "claim");
  server.Send(Padded("refused: you"), "a refusal");
  client.Exits(1, server_line + "claim: refused: you\n");
}

TEST_F(WhoamiClient, ClientRefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried. atoi "
        "makes 0 of a word, and uid 0 is root; strtoul takes a sign, blanks, "
        "0x in base 0, and numbers that do not fit into 32 bits.",
        Handout(8, {17, 18, 19}, "man 3 strtoul"));
  Start("whoami_client", {flag_, "--claim=1"})
      .Refuses({"connect", "ECONNREFUSED"});
  for (const char* flag : {"--claim=me", "--claim=", "--claim=-1", "--claim=+1",
                           "--claim= 1", "--claim=1x", "--claim=0x10",
                           "--claim=4294967296", "--claim=18446744073709551617",
                           "--claim=99999999999999999999", "--no-such-flag"}) {
    Start("whoami_client", {flag_, flag}).Refuses({}, /*status=*/2);
  }
}

}  // namespace
