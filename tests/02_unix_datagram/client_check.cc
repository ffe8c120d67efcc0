// What the client of lab 02 sends, takes for a reply, and prints. The mutants
// beside this file show what each check is there to catch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/02_unix_datagram/unix_datagram.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Fault;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::SocketAddress;

// Step 5: the client's name ---------------------------------------------------

TEST_F(Client, ClientSends) {
  About(Core(2), "the client sends its message to PATH, from a named socket",
        "socket with SOCK_DGRAM, bind for a name that no other client has "
        "(EADDRINUSE), connect to say where to send, send. connect makes no "
        "connection, and sends nothing.",
        Handout(5, {9, 10}, "man 2 connect, man 2 send"));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(10);
  ReceiveMessage(host, StartClient({kLong, message}), message);
}

TEST_F(Client, ClientNamesTheError) {
  About(Core(2), "no server, a dead one and a wrong one are told apart",
        "ENOENT: there is no such file, so perhaps the path is wrong. "
        "ECONNREFUSED: there is one, but nobody has that socket open. "
        "EPROTOTYPE: somebody has, and it is not a datagram socket. The line "
        "on stderr names PATH and the error, and the exit status is 1.",
        Handout(5, {13, 14}, "man 2 connect"));
  Part("a path that does not exist");
  StartClient({kLong, "hello", "again"}).Refuses({SocketPath(), "ENOENT"});
  Part("a socket file whose server is gone");
  HostDatagrams().Close();
  StartClient({kLong, "hello", "again"})
      .Refuses({SocketPath(), "ECONNREFUSED"});
  unlink(SocketPath().c_str());
  Part("a stream server");
  Host(SocketPath());
  Process client = StartClient({kLong, "hello", "again"});
  client.Refuses({SocketPath(), "EPROTOTYPE"});
  client.Expect(client.out().empty(), "nothing on the client's stdout",
                harness::Escaped(client.out()));
}

TEST_F(Client, ClientPaths) {
  About(Core(1), "a path of 107 bytes is used as it is, a longer one refused",
        "sun_path has 108 bytes: 107 and the NUL that ends them. A path that "
        "is cut to fit is another path.",
        Handout(5, {14, 16}, "man 7 unix"));
  Part("a path of 107 bytes");
  const std::string path = PathOfLength(sizeof(sockaddr_un::sun_path) - 1);
  DatagramPeer host = ClientAt(path, "a server of ours");
  const std::string text = RandomText(8);
  Process client = Start("client", {"--socket=" + path, kLong, text});
  const SocketAddress from = ReceiveMessage(host, client, text);
  Reply(host, from, Capitals(text));
  Finishes(client);
  for (const size_t length : {108, 109, 500}) {
    Part(absl::StrCat("a path of ", length, " bytes"));
    const std::string longer = PathOfLength(length);
    Start("client", {"--socket=" + longer, "hello"})
        .Refuses({longer, "ENAMETOOLONG"});
  }
}

TEST_F(Client, ClientsDoNotMix) {
  About(Core(2), "two clients at once have two names",
        "A reply goes to the name that the client's socket is bound to, so "
        "each needs one of its own. bind with the family alone makes the "
        "kernel choose one that is free, abstract, without a file to leave.",
        Handout(5, {10}, "man 7 unix, Autobind feature"));
  DatagramPeer host = HostDatagrams();
  const std::string texts[] = {RandomText(11), RandomText(12)};
  Process one = StartClient({kLong, texts[0]});
  const SocketAddress from_one = ReceiveMessage(host, one, texts[0]);
  Process two = StartClient({kLong, texts[1]});
  const SocketAddress from_two = ReceiveMessage(host, two, texts[1]);
  two.Expect(from_one.ToString() != from_two.ToString(), "another name",
             "both clients have the name " + from_two.ToString());
  Reply(host, from_two, Capitals(texts[1]), "the reply to the second client");
  Finishes(two);
  Reply(host, from_one, Capitals(texts[0]), "the reply to the first client");
  Finishes(one);
}

TEST_F(Client, ClientLeavesNoFile) {
  About(Core(1), "when the client ends, no file of it is left",
        "bind to a path makes a file, and only unlink removes it. A name that "
        "the kernel chooses is abstract: it has no file, and goes with the "
        "socket.",
        Handout(5, {10}, "man 7 unix, man 2 unlink"));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(13);
  Process client = StartClient({kLong, message});
  SocketAddress from = ReceiveMessage(host, client, message);
  Reply(host, from, Capitals(message));
  Finishes(client);
  ExpectNoFile(client, from);
}

TEST_F(Client, ClientHearsOnlyItsServer) {
  About(Core(2), "a datagram from a stranger is not a reply",
        "Whoever knows the client's name can send to it, and /proc/net/unix "
        "lists it. A socket that is connected takes datagrams from its peer "
        "only: the stranger gets EPERM.",
        Handout(5, {11}, "man 2 connect"));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(18);
  Process client = StartClient({kLong, message});
  const SocketAddress from = ReceiveMessage(host, client, message);
  if (over()) return;
  DatagramPeer strangers[] = {
      Unnamed(), Autobound("a stranger"),
      ClientAt(SocketPath() + "2", "a stranger"),
      ClientAt(SocketPath().substr(0, SocketPath().size() - 1), "a stranger")};
  std::vector<std::string> lies;
  for (DatagramPeer& stranger : strangers) {
    for (const int size : {18, 5}) {
      lies.push_back(RandomText(size));
      const bool sent = sendto(stranger.fd(), lies.back().data(), size, 0,
                               from.data(), from.size()) >= 0;
      Step(sent ? absl::StrCat("it sent ", size, " bytes to the client")
                : "the kernel does not let it send to the client");
    }
  }
  const std::string reply = Capitals(message);
  Reply(host, from, reply);
  Settle(client, [] { return false; });
  for (const std::string& lie : lies) {
    client.Expect(
        !absl::StrContains(client.out(), lie),
        "the client prints the server's reply, " + reply,
        "it prints what a stranger sent: " + harness::Escaped(client.out()));
  }
  Finishes(client);
}

// Step 6: ask -----------------------------------------------------------------

TEST_F(Client, ClientSendsArgument) {
  About(Core(2), "the client sends the bytes of an argument as they are",
        "One send is one datagram: the bytes of the argument, no NUL, no "
        "newline. What follows -- are arguments, also when they look like "
        "flags.",
        Handout(6, {9}, "man 2 send"));
  DatagramPeer host = HostDatagrams();
  for (const std::string& message :
       {RandomText(RandomNumber(2, 50)), RandomText(1),
        std::string(" two\nlines \r\n"), std::string("--socket=x"),
        std::string("100% %s \\n"), std::string("\xc3\xa4\xff\x80\x01"),
        RandomText(RandomNumber(2000, 9000)), RandomText(100000)}) {
    Part("a message of " + Bytes(message.size()));
    Process client = StartClient({kLong, "--", message});
    const SocketAddress from = ReceiveMessage(host, client, message);
    Reply(host, from, Capitals(message));
    Finishes(client);
  }
}

TEST_F(Client, ClientPrintsEachReply) {
  About(Core(3), "the client sends each message, and prints each reply at once",
        "One message after the other: send, take its reply out of the queue "
        "(recv), print the bytes of the reply and one newline, flush, and only "
        "then send the next. The user may need the reply, and the next one may "
        "fail. Nothing else goes to stdout.",
        Handout(6, {9}, "man 2 recv, man 3 fwrite, man 3 fflush"));
  DatagramPeer host = HostDatagrams();
  const std::string messages[] = {RandomText(20), RandomText(20),
                                  RandomText(20), RandomText(3000),
                                  RandomText(8)};
  std::vector<std::string> args = ArgsFor({kLong});
  args.insert(args.end(), std::begin(messages), std::end(messages));
  // It is stopped when it has sent its second message.
  Fault hold = Fault::Hold({"send", "sendmsg", "sendmmsg", "write"}, 2);
  hold.on = {harness::DescriptorKind::kUnixDatagram};
  Process client = StartWithFault(hold, "client", args);
  std::string output;
  for (int i = 0; i < 5; ++i) {
    const SocketAddress from = ReceiveMessage(host, client, messages[i]);
    // What it has printed before it sent that is here now.
    Settle(client, [&] { return absl::StartsWith(client.out(), output); });
    client.Expect(absl::StartsWith(client.out(), output),
                  absl::StrCat("what it has printed before it sends that: ",
                               harness::Escaped(output)),
                  harness::Difference(output, client.out()));
    const std::string reply = Capitals(messages[i]);
    Reply(host, from, reply, "the reply, " + Bytes(reply.size()));
    output += reply + "\n";
    if (i == 1) client.Continue();
  }
  client.Exits(0, output);
}

TEST_F(Client, ClientAsksOneAtATime) {
  About(Core(2), "the next message waits for the reply to the last one",
        "Sent all at once, the messages may fill the server's queue, and a "
        "reply that is missing leaves the others without an owner. Send one, "
        "wait for its reply, print it, and only then send the next.",
        Handout(6, {9}, "man 2 send, man 2 recv"));
  DatagramPeer host = HostDatagrams();
  const std::string messages[] = {RandomText(8), RandomText(9), RandomText(8)};
  Process client = StartClient({kLong, messages[0], messages[1], messages[2]});
  for (const std::string& message : messages) {
    const SocketAddress from = ReceiveMessage(host, client, message);
    Because(kIdle, Handout(6, {12}, "man 2 recv"));
    client.Expect(client.FallsAsleep(), "client sleeps until the reply comes",
                  "it uses the processor all the time");
    BecauseOfTheWhole();
    client.Expect(!Waits(host), "no further message before the reply to this",
                  "the next one is there already");
    Reply(host, from, Capitals(message));
  }
  Finishes(client);
}

TEST_F(Client, ClientSendsEmptyMessage) {
  About(Core(1), "an empty message is a datagram of no bytes, with a reply",
        "A MESSAGE may have 0 bytes: send with a length of 0 sends a datagram. "
        "Its reply has 0 bytes, too, and recv returns 0: that is not an end, "
        "for there is no connection that could end. A newline is printed.",
        Handout(6, {9}, "man 2 send, man 2 recv"));
  DatagramPeer host = HostDatagrams();
  const std::string messages[] = {"", RandomText(9), "", ""};
  std::vector<std::string> args = {kLong};
  args.insert(args.end(), std::begin(messages), std::end(messages));
  Process client = StartClient(args);
  std::string output;
  for (const std::string& message : messages) {
    const SocketAddress from = ReceiveMessage(host, client, message);
    Reply(host, from, Capitals(message));
    output += Capitals(message) + "\n";
  }
  client.Exits(0, output);
}

TEST_F(Client, ClientPrintsEveryByte) {
  About(Core(2), "the client prints a reply as it is, whatever is in it",
        "A reply is the datagram that the server sent, any bytes, also none of "
        "the message. printf(\"%s\") ends at the first NUL, or finds none in "
        "time, and a reply is not a format. fwrite takes a length.",
        Handout(6, {9}, "man 3 fwrite"));
  DatagramPeer host = HostDatagrams();
  const std::string replies[] = {"other", EveryByte(), "100%% %d %c %n %s \\n",
                                 "ends with a newline\n\n",
                                 std::string("\0\0", 2)};
  for (const std::string& reply : replies) {
    Part("a reply of " + Bytes(reply.size()));
    const std::string message = RandomText(reply.size());
    Process client = StartClient({kLong, message});
    const SocketAddress from = ReceiveMessage(host, client, message);
    Reply(host, from, reply,
          reply.size() == 512 ? "512 bytes, each value twice"
                              : harness::Escaped(reply));
    client.Exits(0, reply + "\n");
  }
}

TEST_F(Client, ClientNoticesOtherLength) {
  About(Core(3), "a reply that is shorter or longer is told, not printed",
        "The answer is as long as the question, so a reply of another length "
        "was cut on its way: by the server, or by your own buffer. recv with "
        "MSG_TRUNC returns the length that it had before it was cut to fit. "
        "Say so on stderr, print nothing, and end with status 1.",
        Handout(6, {11, 13}, "man 2 recv, MSG_TRUNC"));
  DatagramPeer host = HostDatagrams();
  const size_t any = RandomNumber(20, 2000);
  const struct {
    size_t size, replied;
  } cases[] = {{any, any - 1},   {any, any + 1}, {any, 0}, {any, 4 * any},
               {any, any + 256}, {0, 1},         {1, 0},   {any, any + 65536}};
  for (const auto& [size, replied] : cases) {
    Part(
        absl::StrCat("a reply of ", Bytes(replied), " to a message of ", size));
    const std::string message = RandomText(size);
    Process client = StartClient({kLong, message, message});
    const SocketAddress from = ReceiveMessage(host, client, message);
    Reply(host, from, RandomText(replied), "a reply of " + Bytes(replied));
    EndsAtFirstFailure(host, client, from, {SocketPath()});
    client.Expect(client.out().empty(), "nothing on the client's stdout",
                  harness::Escaped(client.out()));
  }
}

TEST_F(Client, ClientGivesUp) {
  About(Core(3), "a client without a reply gives up: ETIMEDOUT",
        "A datagram has no connection whose end one could see: when the server "
        "dies, or its answer is lost, recv waits for ever. SO_RCVTIMEO, or "
        "poll with a time, ends that; EAGAIN is then how recv says it, "
        "ETIMEDOUT what it means.",
        Handout(6, {12, 13}, "man 7 socket, SO_RCVTIMEO"));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(14);
  for (const char* timeout : {"--timeout=50", "--timeout=1", ""}) {
    Part(*timeout ? timeout : "without --timeout");
    std::vector<std::string> args = ArgsFor({message, message});
    if (*timeout) args.insert(args.begin(), timeout);
    Process client =
        *timeout ? Start("client", args) : StartOutOfTime("client", args);
    const SocketAddress from = ReceiveMessage(host, client, message);
    Step("and does not answer");
    EndsAtFirstFailure(host, client, from, {SocketPath(), "ETIMEDOUT"});
  }
}

TEST_F(Client, ClientGivesUpInTime) {
  About(Core(2), "the client waits for MS milliseconds, not less, not more",
        "A timeval has seconds and microseconds, poll takes milliseconds: 300 "
        "milliseconds are 0 seconds and 300000 microseconds. 0 and 0 would be "
        "for ever.",
        Handout(6, {12}, "man 7 socket, SO_RCVTIMEO"));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(14);
  const absl::Time start = absl::Now();
  Process client = StartClient({"--timeout=150", message});
  ReceiveMessage(host, client, message);
  const absl::Time late = absl::Now() + absl::Milliseconds(750);
  int asleep = 0;
  client.ComesDownTo(0, "moments to wait", [&] {
    asleep = absl::Now() > late && Sleeps(client) ? asleep + 1 : 0;
    return harness::IsAlive(client.pid()) && asleep < 3 ? 1 : 0;
  });
  client.Expect(asleep < 3, "with --timeout=150 it waits for 150 ms",
                "after 750 ms it still sleeps");
  client.Refuses({SocketPath(), "ETIMEDOUT"});
  const absl::Duration took = absl::Now() - start;
  client.Expect(
      took >= absl::Milliseconds(150 - 2),
      "with --timeout=150 it waits for 150 ms",
      absl::StrCat("it ends after ", absl::ToInt64Milliseconds(took), " ms"));
}

TEST_F(Client, ClientWaitsByDefault) {
  About(Core(1), "without --timeout the client waits for 5000 milliseconds",
        "The user who gives no flag relies on what the handout says.",
        Handout(6, {12}, ""));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(14);
  Process client = StartClient({message});
  const SocketAddress from = ReceiveMessage(host, client, message);
  // Not for all of that: the whole check would take as long.
  const absl::Time late = absl::Now() + absl::Milliseconds(1250);
  client.ComesDownTo(0, "moments to wait", [&] {
    return absl::Now() < late && harness::IsAlive(client.pid()) ? 1 : 0;
  });
  client.Expect(harness::IsAlive(client.pid()),
                "the client still waits after 1250 ms", "it has ended");
  Reply(host, from, message, "the reply, after 1250 ms");
  client.Exits(0);
}

TEST_F(Client, EachReplyHasItsTime) {
  About(Robust(1), "MS milliseconds are for each message, not for all together",
        "The client waits for MS milliseconds for a reply. How long the other "
        "replies have taken does not matter: reckon anew for each message.",
        Handout(6, {12}, "man 2 clock_gettime"));
  constexpr int kMessages = 5;
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(14), reply = Capitals(message);
  for (const int limit : {160, 480, 1440}) {
    Part(absl::StrCat("--timeout=", limit, ", and each reply after ", limit / 2,
                      " ms"));
    std::vector<std::string> args = {absl::StrCat("--timeout=", limit)};
    args.insert(args.end(), kMessages, message);
    Process client = StartClient(args);
    // The client asks after the last reply, so its time began after that.
    bool in_time = true;
    absl::Time last = absl::InfinitePast();
    int replies = 0;
    for (; replies < kMessages && !over(); ++replies) {
      const auto lives = [&] { return harness::IsAlive(client.pid()); };
      if (replies > 0) {  // It may have given up.
        client.ComesDownTo(0, "messages that are to come",
                           [&] { return !Waits(host) && lives() ? 1 : 0; });
        if (over() || !Waits(host)) break;
      }
      const SocketAddress from = ReceiveMessage(host, client, message);
      if (replies > 0) {
        const absl::Time then = absl::Now() + absl::Milliseconds(limit / 2);
        client.ComesDownTo(0, "moments to wait", [&] {
          return absl::Now() < then && lives() ? 1 : 0;
        });
      }
      sendto(host.fd(), reply.data(), reply.size(), 0, from.data(),
             from.size());
      const absl::Time now = absl::Now();
      if (replies > 0 && now - last > absl::Milliseconds(limit - 10)) {
        in_time = false;
      }
      last = now;
      Step(replies == 0 ? "a server of ours replied at once"
                        : absl::StrCat("it replied after ", limit / 2, " ms"));
    }
    client.ComesDownTo(0, "clients that still run",
                       [&] { return harness::IsAlive(client.pid()) ? 1 : 0; });
    const std::string out = client.out();
    const auto lines = std::count(out.begin(), out.end(), '\n');
    if (lines == kMessages || over()) return;
    // Our replies were late, on a machine that has too much to do.
    if (!in_time || lines == 0) continue;
    Fail(absl::StrCat("the client prints ", kMessages, " replies"),
         absl::StrCat("it gives up after ", lines));
  }
}

TEST_F(Client, ClientWaitsAsLongAsTold) {
  About(Robust(2), "--timeout may be any number of milliseconds",
        "MS times 1000 needs more than 32 bits from 2147484 on, and a client "
        "that is told to wait for long still prints the reply when it comes.",
        Handout(6, {12}, "man 7 socket, SO_RCVTIMEO"));
  DatagramPeer host = HostDatagrams();
  for (const char* timeout : {"600000", "2147484", "4294968", "2147483647"}) {
    Part(absl::StrCat("--timeout=", timeout));
    const std::string message = RandomText(14);
    Process client =
        StartClient({absl::StrCat("--timeout=", timeout), message});
    const SocketAddress from = ReceiveMessage(host, client, message);
    client.FallsAsleep();
    Reply(host, from, Capitals(message));
    client.Exits(0);
  }
}

TEST_F(Client, ClientWaitsForRoom) {
  About(Robust(2), "the client waits for room in the server's queue",
        "A full queue is not a failure yet: the server reads on, and then "
        "there is room. Only when MS milliseconds have passed is it ETIMEDOUT.",
        Handout(6, {12}, "man 7 unix"));
  DatagramPeer host = HostDatagrams();
  FillQueue();
  const std::string message = RandomText(15);
  Process client = StartClient({kLong, message});
  // Only of a socket that is connected does poll say when there is room.
  client.Expect(client.FallsAsleep(/*may_look=*/true),
                "client sleeps until there is room",
                "it uses the processor all the time");
  // The message comes as soon as there is room: it stays for ReceiveMessage.
  while (recv(host.fd(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC) ==
         0) {
    recv(host.fd(), nullptr, 0, MSG_DONTWAIT);
  }
  Step("a server of ours reads what waits");
  const SocketAddress from = ReceiveMessage(host, client, message);
  Reply(host, from, Capitals(message));
  client.Exits(0);
}

TEST_F(Client, ClientGivesUpSending) {
  About(Robust(2), "a server that never reads does not block the client",
        "When the server's queue is full, send waits as recv does, and needs a "
        "limit as well: SO_SNDTIMEO, or MSG_DONTWAIT and poll. EAGAIN is how "
        "send says that the time is up, ETIMEDOUT what it means.",
        Handout(6, {12}, "man 7 unix, man 7 socket"));
  DatagramPeer host = HostDatagrams();
  FillQueue();
  Process client = StartClient({"--timeout=50", RandomText(15)});
  client.Refuses({SocketPath(), "ETIMEDOUT"});
}

TEST_F(Client, ClientNoticesLostServer) {
  About(Robust(1), "a server that is gone before the next message is noticed",
        "The message finds nobody: ECONNREFUSED from send, if one looks. "
        "Waiting for a reply to what was never sent is waiting in vain.",
        Handout(6, {13, 14}, "man 2 send"));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(16);
  Process client = StartClient({kLong, message, RandomText(17)});
  const SocketAddress from = ReceiveMessage(host, client, message);
  FillQueue();  // So that the next message does not slip in before the end.
  Reply(host, from, Capitals(message));
  host.Close();
  client.Refuses({SocketPath(), "ECONNREFUSED"});
  client.Expect(client.out() == Capitals(message) + "\n",
                "the first reply on the client's stdout",
                harness::Escaped(client.out()));
}

TEST_F(Client, ClientNoticesFailedOutput) {
  About(Robust(2), "a client that cannot print says so",
        "printf only fills a buffer. fflush, or write, says whether the bytes "
        "are out: a disk may be full. Status 0 would mean that all was "
        "printed.",
        Handout(6, {14}, "man 3 fflush, man 2 write"));
  DatagramPeer host = HostDatagrams();
  const std::string message = RandomText(15);
  Part("on a full disk");
  Process client = StartOnFullDisk("client", ArgsFor({kLong, message}));
  SocketAddress from = ReceiveMessage(host, client, message);
  Reply(host, from, message);
  client.Refuses({"ENOSPC"});
  Part("into a pipe that nobody reads any more");
  Because(
      "The write gives EPIPE, and SIGPIPE kills a program that does not ignore "
      "it.",
      Handout(6, {14}, "man 7 pipe, man 7 signal"));
  client = StartClient({kLong, message});
  from = ReceiveMessage(host, client, message);
  client.CloseOutput();
  Reply(host, from, message);
  client.Refuses({});
}

TEST_F(Client, ClientWhateverHappens) {
  About(Robust(2), "the client does its work whatever its system calls return",
        "A call may be interrupted or fail. Here the checker makes that "
        "happen, to one call at a time.",
        WholeHandout({15}, "man 7 signal"));
  harness::SweepOptions options;
  // One that has looked at a reply (MSG_PEEK) can be sure of taking it.
  options.interrupted = {"recv", "recvfrom", "recvmsg", "recvmmsg", "read"};
  options.errors = {{"bind", EACCES, {}},
                    {"connect", EACCES, {}},
                    {"send", ENOBUFS, {}},
                    {"sendmsg", ENOBUFS, {}}};
  Sweep(
      "client",
      [&](const Starter& start) {
        DatagramPeer host = HostDatagrams();
        const std::string messages[] = {RandomText(20), RandomText(30)};
        Process client =
            start(ArgsFor({kLong, messages[0], messages[1]}), "/dev/null");
        std::string output;
        for (const std::string& message : messages) {
          const SocketAddress from = ReceiveMessage(host, client, message);
          client.FallsAsleep();  // Only a call that waits can be interrupted.
          Reply(host, from, message);
          output += message + "\n";
        }
        client.Exits(0, output);
      },
      options);
}

}  // namespace
