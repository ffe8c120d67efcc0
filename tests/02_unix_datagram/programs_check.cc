// What both programs of lab 02 promise alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/02_unix_datagram/unix_datagram.h"

namespace {

using harness::Core;
using harness::DatagramPeer;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;
using ipc::SocketAddress;

// The line of the server, as the handout shows it.
std::string Line(size_t size, const std::string& sender) {
  return absl::StrCat(size, " bytes from ", sender, "\n");
}

class Programs : public UnixDatagram {
 protected:
  Process StartServer(const std::vector<std::string>& flags, bool sanitized) {
    std::vector<std::string> args = {SocketFlag()};
    args.insert(args.end(), flags.begin(), flags.end());
    Process server = Start("server", args, sanitized);
    server.ReceivesAt(SocketPath());
    return server;
  }
};

TEST_F(Programs, Transcript) {
  About(Core(4), "server and client print the documented transcript",
        "The server must make a datagram socket, bind it to the path, and "
        "answer each datagram to whoever sent it; the client must give its own "
        "socket a name, send each argument and print the reply. Here both are "
        "yours, the server and the client.",
        WholeHandout({1, 2, 4, 9, 10}));
  Process server = StartServer({"--datagrams=3"}, /*sanitized=*/false);
  Process client =
      Start("client", {SocketFlag(), kLong, "one", "datagram", "each"});
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
      harness::Escaped(out));
}

TEST_F(Programs, StaysInItsMemory) {
  About(Core(3), "no byte outside its buffers is touched",
        "A datagram may fill the buffer to the last byte, so buffer[count] = 0 "
        "writes behind it. With MSG_TRUNC the count may be more than there is: "
        "send no more back than you have. A reply may be longer than its "
        "question.",
        WholeHandout({3, 4, 11}));
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
  DatagramPeer host = ClientAt(hosted, "a server of ours");
  const std::string message = RandomText(size);
  Process asker = Start("client", {"--socket=" + hosted, message, message},
                        /*sanitized=*/true);
  for (const size_t replied : {size, 5 * size}) {
    SocketAddress from;
    host.Receive("a message of " + Bytes(size), &from);
    if (!over()) host.SendTo(from, RandomText(replied), Bytes(replied));
  }
  asker.Refuses({hosted});
}

TEST_F(Programs, RefusesBadUsage) {
  About(Robust(1), "a wrong call gets one line and status 2",
        "Status 2 says that the call was wrong and nothing was tried, 1 that "
        "it was tried and failed.",
        WholeHandout({14}));
  // A program that refuses every call would look right below.
  Process server = StartServer({}, /*sanitized=*/false);
  Start("client", {SocketFlag(), kLong, "hello"}).Exits(0);
  server.Exits(0);
  const struct {
    const char* program;
    std::vector<std::string> args;
  } calls[] = {{"server", {"--datagrams=0"}},
               {"server", {"--datagrams=-1"}},
               {"server", {"--size=0"}},
               {"server", {"--size=many"}},
               {"server", {"argument"}},
               {"server", {"--no-such-flag"}},
               {"client", {}},
               {"client", {kLong}},
               {"client", {"--timeout=0", "x"}},
               {"client", {"--timeout=x", "x"}},
               {"client", {"--no-such-flag", "x"}}};
  for (const auto& [program, extra] : calls) {
    Part(absl::StrCat(program, extra.empty() ? " without MESSAGE" : " ",
                      extra.empty() ? "" : extra[0]));
    std::vector<std::string> args = {SocketFlag()};
    args.insert(args.end(), extra.begin(), extra.end());
    Start(program, args).Refuses({}, /*status=*/2);
  }
}

}  // namespace
