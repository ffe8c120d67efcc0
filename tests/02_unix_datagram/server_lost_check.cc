// What the server of lab 02 does with answers that it cannot send. The mutants
// beside this file show what each check is there to catch.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "tests/02_unix_datagram/unix_datagram.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Fault;
using harness::Handout;
using harness::Process;
using harness::Robust;
using ipc::SocketAddress;

// The checks of an answer that is lost.
class LostAnswer : public Server {
 protected:
  // `gone`, called `name`, asks, and does `leave` before its answer is sent.
  // Others are served all the same.
  void Loses(const std::string& name, const char* error, DatagramPeer& gone,
             absl::FunctionRef<void()> leave) {
    // It is stopped when it has the datagram, or finds none.
    Fault hold = Fault::Hold({"recv", "recvmsg", "recvmmsg", "read"}, 1);
    hold.on = {harness::DescriptorKind::kUnixDatagram};
    Process server = StartWithFault(hold, "server", ArgsFor({"--datagrams=3"}));
    HasStarted(&server);
    Send(gone, RandomText(30));
    leave();
    server.Continue();
    Says(server, 30, name);
    const std::string path = scratch().File("other");
    DatagramPeer other = ClientAt(path, "another client");
    for (const size_t size : {40, 41}) {
      Ask(other, RandomText(size));
      Says(server, size, path);
    }
    Ends(server, 1);
    ExpectReport(server, name, error);
    ExpectErrors(server, 1);
    Because("The file is the server's to remove, however the server ends.",
            Handout(8, {7}, "man 2 unlink"));
    ExpectNoSocketFile(server);
    BecauseOfTheWhole();
    other.Close();
    unlink(path.c_str());
  }
};

TEST_F(LostAnswer, GoneSender) {
  About(Core(3), "an answer that nobody takes is reported, and life goes on",
        "Whoever asked may be gone, or its name. That is one answer lost, not "
        "the end of the server: one line on stderr with the client's name, "
        "exit status 1 at the end.",
        Handout(7, {6}, "man 2 sendto"));
  Part("a client whose socket file is gone");
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  Loses(path, "ENOENT", client, [&] {
    unlink(path.c_str());
    Step("it removed its socket file");
  });
  Part("a client that is gone, and whose socket file is still there");
  const std::string dead_path = scratch().File("dead");
  DatagramPeer dead = ClientAt(dead_path);
  Loses(dead_path, "ECONNREFUSED", dead, [&] { dead.Close(); });
}

TEST_F(LostAnswer, GoneName) {
  About(Core(1), "an answer to an abstract name that is gone is lost",
        "An abstract name goes with its socket. The line on stderr has the "
        "name as the line on stdout has it.",
        Handout(7, {6}, "man 7 unix, man 2 sendto"));
  const std::string name = "lab02-" + RandomText(12);
  DatagramPeer client =
      OpenDatagram(*SocketAddress::Abstract(name), "a client");
  Loses("@" + name, "ECONNREFUSED", client, [&] { client.Close(); });
}

TEST_F(LostAnswer, UnwillingClient) {
  About(Robust(2), "an answer that the client cannot take is lost, too",
        "The client's path may belong to another socket by now, and a socket "
        "that is connected takes datagrams from its peer only. Whatever the "
        "error is, one answer is lost.",
        Handout(7, {6}, "man 2 sendto, man 2 connect"));
  Part("a client whose path belongs to a stream socket now");
  const std::string stream_path = scratch().File("stream");
  DatagramPeer stream = ClientAt(stream_path);
  Loses(stream_path, "EPROTOTYPE", stream, [&] {
    unlink(stream_path.c_str());
    Host(stream_path);
  });
  Part("a client that takes datagrams from somebody else only");
  const std::string path = scratch().File("deaf");
  DatagramPeer deaf = ClientAt(path), peer = Autobound("somebody else");
  Loses(path, "EPERM", deaf, [&] {
    const auto to = ipc::LocalAddress(peer.fd());
    if (to.ok() && connect(deaf.fd(), to->data(), to->size()) == 0) {
      Step("it connected its socket to somebody else's");
    }
  });
}

TEST_F(LostAnswer, ManyLostAnswers) {
  About(Robust(1), "the status is 1, however many answers were lost",
        "An exit status has 8 bits, and 1 means that something failed. The "
        "number of failures is another thing: 2 would say that the call was "
        "wrong, and 256 is 0 again.",
        Handout(7, {6, 14}, "man 3 exit"));
  const std::string path = scratch().File("gone");
  DatagramPeer gone = ClientAt(path);
  unlink(path.c_str());
  Step("it removed its socket file");
  for (const int count : {2, 256}) {
    Part(absl::StrCat("it sends ", count, " datagrams"));
    Process server = StartServer({absl::StrCat("--datagrams=", count)});
    for (int i = 0; i < count && !over(); ++i) {
      gone.SendTo(SocketPath(), "x", i > 2 ? "" : Bytes(1));
    }
    server.Exits(1);
    ExpectErrors(server, count);
  }
}

TEST_F(LostAnswer, SilentClient) {
  About(Core(3), "a client that never reads does not block the server",
        "A receiver's queue holds max_dgram_qlen + 1 datagrams (see "
        "/proc/sys/net/unix). When it is full, sendto waits until its owner "
        "reads, perhaps for ever, and everybody else waits too. MSG_DONTWAIT "
        "makes it EAGAIN: this answer is lost, the next client is served.",
        Handout(7, {6}, "man 2 send, man 7 unix"));
  // With long queues, the server's SO_SNDBUF is full before the client's queue.
  const int requests = std::min(QueueLimit(), 400) + 3;
  Process server = StartServer({absl::StrCat("--datagrams=", requests + 1)});
  const std::string path = scratch().File("silent");
  DatagramPeer silent = ClientAt(path, "a client that never reads");
  Step(absl::StrCat("it sends ", requests, " requests of 1000 bytes"));
  for (int i = 0; i < requests && !over(); ++i) {
    silent.SendTo(SocketPath(), RandomText(1000), "");
    Says(server, 1000, path);
  }
  server.FallsAsleep();  // Having tried to send the last answer.
  silent.Close();
  const std::string other_path = scratch().File("other");
  DatagramPeer other = ClientAt(other_path, "another client");
  Ask(other, RandomText(20));
  Says(server, 20, other_path);
  Ends(server, 1);
  ExpectReport(server, path, "EAGAIN");
}

TEST_F(LostAnswer, LostAtOnce) {
  About(Core(2), "an answer that does not fit is lost at once",
        "The client's queue is full. sendto with MSG_DONTWAIT fails at once: "
        "EAGAIN. A server that waits, tries again or leaves the answer to a "
        "thread sends it when there is room, and others wait meanwhile.",
        Handout(7, {6}, "man 2 send"));
  const int limit = QueueLimit();
  if (limit > 100) Skip("max_dgram_qlen is too large");
  Process server = StartServer({absl::StrCat("--datagrams=", limit + 3)});
  const std::string path = scratch().File("slow");
  DatagramPeer slow = ClientAt(path, "a client that reads late");
  Step(absl::StrCat("it sends ", limit + 2, " requests of 20 bytes"));
  for (int i = 0; i < limit + 2 && !over(); ++i) {
    slow.SendTo(SocketPath(), RandomText(20), "");
    Says(server, 20, path);
  }
  server.FallsAsleep();  // Having tried to send the last answer.
  int answers = 0;
  while (recv(slow.fd(), nullptr, 0, MSG_DONTWAIT) >= 0) ++answers;
  Step(absl::StrCat("it reads ", harness::Count(answers, "answer")));
  const std::string other_path = scratch().File("other");
  DatagramPeer other = ClientAt(other_path, "another client");
  Ask(other, RandomText(21));
  Says(server, 21, other_path);
  Ends(server, 1);
  ExpectErrors(server, 1);
}

TEST_F(LostAnswer, AnswerTooLong) {
  About(Robust(2), "an answer that is too long to send is reported",
        "A datagram goes whole or not at all. The sender's SO_SNDBUF, less 32 "
        "bytes, is the limit; what is longer is EMSGSIZE. A client with a "
        "larger buffer than yours can send what you cannot send back.",
        Handout(7, {6}, "man 7 unix, man 7 socket"));
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
  Send(client, RandomText(size));
  Says(server, size, path);
  DatagramPeer other = ClientAt(scratch().File("other"), "another client");
  Ask(other, RandomText(50));
  server.ComesDownTo(0, "servers that still run",
                     [&] { return harness::IsAlive(server.pid()) ? 1 : 0; });
  // A server that has enlarged its own buffer can answer.
  const bool answered =
      recv(client.fd(), nullptr, 0, MSG_PEEK | MSG_TRUNC) == size;
  server.Exits(answered ? 0 : 1);
  if (!answered) ExpectReport(server, path, "EMSGSIZE");
}

TEST_F(LostAnswer, AnswerCannotBeSent) {
  About(Robust(1),
        "an answer that cannot be sent is reported, whatever the "
        "reason",
        "sendto may fail for many reasons, and for each of them one answer is "
        "lost. The server reports the client's name and the error, and goes "
        "on.",
        Handout(7, {6}, "man 2 sendto"));
  Process server = StartFailingOnce({"sendto", "sendmsg"}, ENOBUFS, "server",
                                    ArgsFor({"--datagrams=3"}));
  HasStarted(&server);
  const std::string path = scratch().File("client");
  DatagramPeer client = ClientAt(path);
  Send(client, RandomText(30));
  Says(server, 30, path);
  for (const size_t size : {20, 21}) {
    Ask(client, RandomText(size));
    Says(server, size, path);
  }
  Ends(server, 1);
  ExpectReport(server, path, "ENOBUFS");
  ExpectErrors(server, 1);
}

}  // namespace
