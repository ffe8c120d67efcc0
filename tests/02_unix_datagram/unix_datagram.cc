#include "tests/02_unix_datagram/unix_datagram.h"

#include <cerrno>

using harness::DatagramPeer;
using harness::Handout;
using harness::Process;
using ipc::SocketAddress;

bool UnixDatagram::Sleeps(Process program) {
  std::vector<pid_t> pids = harness::Descendants(program.pid());
  pids.push_back(program.pid());
  return harness::IsAlive(program.pid()) &&
         std::all_of(pids.begin(), pids.end(), [](pid_t pid) {
           return harness::RunningThreads(pid) == 0;
         });
}

void UnixDatagram::Settle(Process program, absl::FunctionRef<bool()> done) {
  int quiet = 0;
  const absl::Time enough = absl::Now() + absl::Milliseconds(300);
  program.ComesDownTo(0, "moments to wait", [&] {
    quiet = harness::RunningThreads(program.pid()) ? 0 : quiet + 1;
    return done() || quiet > 4 || absl::Now() > enough ||
                   !harness::IsAlive(program.pid())
               ? 0
               : 1;
  });
}

void Server::Send(DatagramPeer& client, const std::string& text,
                  const std::string& name) {
  if (over()) return;
  const auto to = *SocketAddress::UnixPath(SocketPath());
  if (sendto(client.fd(), text.data(), text.size(), MSG_NOSIGNAL, to.data(),
             to.size()) >= 0) {
    return Step(absl::StrCat(name, " sent ", Bytes(text.size())));
  }
  if (errno == EPERM) {
    Because(
        "The server's socket is connected to another client, and takes "
        "datagrams from that client only: all others get EPERM. Do not "
        "connect it: sendto takes the address of each sender.",
        Handout(4, {4}, "man 2 connect, man 2 sendto"));
  }
  client.SendTo(SocketPath(), text, Bytes(text.size()));
}

void Server::Answers(DatagramPeer& client, const std::string& text,
                     size_t kept) {
  const std::string expected = Capitals(text.substr(0, kept));
  const std::string what =
      kept < text.size() ? absl::StrCat("the first ", kept, " in capitals")
                         : "them in capitals";
  SocketAddress from;
  const std::string answer =
      client.Receive("the answer to " + Bytes(text.size()), &from);
  if (over()) return;
  // In a sweep the server may have failed.
  const bool came = !answer.empty() || from.named();
  if (came && answer.size() == expected.size() && answer != expected) {
    Because(
        "a to z become A to Z, and every other byte stays as it is: capital "
        "letters, NULs, bytes above 127, what stands next to a and z. toupper "
        "looks at the locale, and a loop that stops at a NUL stops too early.",
        Handout(4, {4}, "man 7 ascii"));
  } else if (came && answer.size() != expected.size()) {
    Because(
        kept < text.size()
            ? "The server sends back what it has of the datagram. With "
              "MSG_TRUNC recvfrom returns how long the datagram was, which may "
              "be more than the buffer has."
            : "The answer has as many bytes as the datagram: nothing ends it, "
              "nothing is put behind it. strlen stops at the first NUL, or "
              "runs on into what a longer datagram left in the buffer. The "
              "length is what recvfrom returned.",
        Handout(4, {3, 4}, "man 2 recv, man 2 sendto"));
  }
  if (answer != expected) {
    Fail(absl::StrCat("the client receives ", what, ", ",
                      Bytes(expected.size())),
         absl::StrCat(Bytes(answer.size()), "\n",
                      harness::Difference(expected, answer)));
  } else if (from.path() != SocketPath()) {
    Because(
        "A client takes an answer only from the server that it asked. The "
        "server sends from the socket that it received with: another socket "
        "has another name, or none.",
        Handout(4, {4}, "man 2 sendto"));
    Fail("the answer comes from " + SocketPath(),
         "it comes from " + from.ToString());
  } else {
    Step("it received " + what);
  }
}

void Server::Says(Process server, size_t length, const std::string& name,
                  size_t kept) {
  if (over()) return;
  const std::string start = absl::StrCat(said_, length, " bytes from ");
  const std::string named = start + name;
  const std::string cut =
      kept < length ? absl::StrCat(", cut to ", kept) : std::string();
  const std::string line = absl::StrCat(named, cut, "\n");
  // Where the line differs tells why.
  const auto has_line = [&] {
    const std::string out = server.out();
    return out.size() > said_.size() &&
           out.find('\n', said_.size()) != std::string::npos;
  };
  Settle(server, has_line);
  const std::string out = server.out();
  if (has_line() && !absl::StartsWith(out, line)) {
    if (absl::StartsWith(out, start) && !absl::StartsWith(out, named + "\n") &&
        !absl::StartsWith(out, named + ",")) {
      if (!about_names_) {
        Because(
            name[0] == '@'
                ? "An abstract name begins with a NUL, which is shown as @. "
                  "The rest of it is the length - 3 bytes that follow, and no "
                  "NUL ends it."
            : name[0] == '('
                ? "The sender's socket was never bound, so it has no name: "
                  "recvfrom gives a length of 0, and leaves the address as it "
                  "was."
                : "recvfrom tells the sender's address, if you ask for it, and "
                  "how long that is. NAME is the whole path in sun_path, as "
                  "the sender's bind had it, and no NUL. Set the length again "
                  "before each call, or a short name cuts all that come after "
                  "it.",
            Handout(3, {2}, "man 2 recvfrom, man 7 unix"));
      }
    } else if (absl::StartsWith(out, named)) {
      Because(
          kept < length
              ? "What does not fit in the buffer is thrown away, and whoever "
                "reads the line must learn that: `, cut to BYTES` stands at "
                "its end."
              : "The line ends behind NAME. Only a datagram of more than BYTES "
                "bytes (1024, or what --size says) was cut: one of exactly "
                "BYTES fits.",
          Handout(2, {2, 3}, "man 2 recv, MSG_TRUNC"));
    } else if (kept < length &&
               absl::StartsWith(out, absl::StrCat(said_, kept))) {
      Because(
          "LENGTH is how long the datagram was. Without MSG_TRUNC recvfrom "
          "returns what it kept of it, as if nothing had happened. With "
          "MSG_TRUNC it returns how long the datagram was; recvmsg sets that "
          "flag in msg_flags.",
          Handout(2, {3}, "man 2 recv, MSG_TRUNC"));
    }
  }
  server.Prints(line);
  said_ = line;
}

void Server::Ends(Process server, int status) {
  if (over()) return;
  Settle(server, [&] { return !harness::IsAlive(server.pid()); });
  const std::string out = server.out();
  if (out.size() > said_.size() && absl::StartsWith(out, said_)) {
    Because(
        "The server prints one line for each datagram, and nothing else on "
        "stdout: another program may read it. Errors go to stderr.",
        Handout(2, {2}, "man 3 stdout"));
  }
  if (out == said_ && harness::IsAlive(server.pid())) {
    Because(
        "The server serves N datagrams, and then it ends. It does not wait for "
        "one more: count from 0, while the count is less than N.",
        Handout(2, {1}, "man 2 recvfrom"));
  }
  server.Exits(status, said_);
  BecauseOfTheWhole();
}

void Server::ExpectReport(Process server, const std::string& name,
                          const std::string& error) {
  const std::string err = server.err();
  server.Expect(absl::StrContains(err, name) && absl::StrContains(err, error),
                absl::StrCat("a line on stderr with the client's name, ", name,
                             ", and ", error),
                err.empty() ? "nothing on stderr" : err);
}

SocketAddress UnixDatagram::ReceiveMessage(DatagramPeer& host, Process client,
                                           const std::string& text) {
  SocketAddress from;
  const std::string received =
      host.Receive(absl::StrCat("a message of ", Bytes(text.size())), &from);
  if (over()) return from;
  // In a sweep the client may have failed.
  const bool came = !received.empty() || from.named();
  if (came && received != text) {
    Because(
        "One send is one datagram: the bytes of one MESSAGE. No NUL or newline "
        "ends it, and nothing stands before it. A MESSAGE of 0 bytes is a "
        "datagram of 0 bytes. Flags are not a MESSAGE: ParseFlags returns the "
        "index of the first one.",
        Handout(6, {9}, "man 2 send"));
  } else if (came && !from.named()) {
    Because(
        "A socket that was never bound sends without a name, and nobody can "
        "answer it. bind with the family alone has the kernel choose a name.",
        Handout(5, {10}, "man 7 unix, Autobind feature"));
  }
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

void Client::ExpectNoFile(Process client, const SocketAddress& name) {
  const std::string path(name.path());
  client.Expect(path.empty() || !Exists(path),
                "no file is left of a client that has ended",
                path + " is still there");
}

void Client::Finishes(Process client) {
  Because(
      "The reply is there, and as long as the message. recv returns it as soon "
      "as it comes. The client prints it and ends with status 0.",
      Handout(6, {9}, "man 2 recv"));
  client.Exits(0);
  BecauseOfTheWhole();
}

void Client::EndsAtFirstFailure(DatagramPeer& host, Process client,
                                const SocketAddress& name,
                                const std::vector<std::string>& words) {
  if (over()) return;
  Settle(client, [&] { return Waits(host); });
  const auto expect_no_more = [&] {
    if (over() || !Waits(host)) return;
    // One that has said nothing does not know that it has failed.
    if (!client.err().empty()) {
      Because(
          "The first failure ends the client. A later MESSAGE may need an "
          "earlier one, and a reply that is late would be taken for the next "
          "one's.",
          Handout(6, {13}, "man 3 exit"));
    }
    Fail("the client fails, and sends nothing more", "the next message came");
  };
  expect_no_more();
  client.Refuses(words);
  expect_no_more();
  if (over()) return;
  Because(
      "bind to a path makes a file, and only unlink removes it: also when the "
      "client fails. A name that the kernel chooses has no file.",
      Handout(5, {10}, "man 2 unlink, man 7 unix"));
  ExpectNoFile(client, name);
  BecauseOfTheWhole();
}
