// What the server of lab 01 does with its clients and their records.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/01_unix_stream/unix_stream.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;
using harness::Robust;

// Of the harness: a program that waits for something uses no processor time.
constexpr char kIdle[] =
    "A call that waits (accept, read) sleeps in the kernel until there is "
    "something to do. A loop that asks again and again keeps a processor busy "
    "and gains nothing.";

TEST_F(Server, Listens) {
  About(Core(1), "the server listens at its path, and waits",
        "The server makes a socket (socket), gives it the path as its name "
        "(bind) and lets it wait for clients (listen). Then it waits for a "
        "client in accept.",
        Handout(1, {1}, "man 2 socket, man 2 bind, man 2 listen"));
  Process server = StartServer();
  Because(kIdle, Handout(5, {1}, "man 2 accept"));
  server.Expect(server.FallsAsleep(), "server sleeps until a client comes",
                "it uses the processor all the time");
}

TEST_F(Server, RelativePath) {
  About(Core(1), "a relative path is used as it is",
        "A path that does not begin with / starts in the current directory of "
        "the program. It is as good a path as any other, for the bind and for "
        "the unlink.",
        Handout(2, {1, 4}, "man 7 path_resolution"));
  Process relative = Start("server", {"--socket=relative"});
  relative.ListensAt("relative");
  Peer client = Connect(scratch().File("relative"));
  client.Close();
  Because(
      "accept gives a descriptor for each client. Print the header when a "
      "client has come, and read until read returns 0: that is its end.",
      Handout(6, {2, 3}, "man 2 accept, man 2 read"));
  relative.Exits(0, kHeader);
  Because(
      "The path means the same file in unlink as it did in bind, as long as "
      "the program stays in its directory.",
      Handout(8, {4}, "man 2 unlink"));
  relative.Expect(!Exists(scratch().File("relative")), "no file `relative`",
                  "it is still there");
}

TEST_F(Server, OneRecord) {
  About(Core(2), "the server accepts a client and prints its record",
        "accept gives a new descriptor for the connection with the client. "
        "Read the record from this one, not from the listening socket.",
        Handout(5, {1, 2}, "man 2 accept, man 2 read"));
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  const std::string text = RandomText(20);
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, kHeader + Line(text));
}

TEST_F(Server, RecordInPieces) {
  About(
      Core(3), "a record may arrive in pieces",
      "A stream keeps the order of the bytes and nothing else. read returns as "
      "soon as there is anything, so one read is not one record: it takes as "
      "many as it takes until 1024 bytes are there.",
      Handout(6, {2}, "man 2 read, man 7 unix"));
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

TEST_F(Server, RecordsRunTogether) {
  About(Core(3), "what arrives may be more than one record",
        "A stream merges what waits to be read. Ask for what the record still "
        "lacks, 1024 - got, not for 1024 again: what is read beyond the end of "
        "this record is missing from the next.",
        Handout(6, {2}, "man 2 read"));
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

TEST_F(Server, EndOfFile) {
  About(
      Core(3), "read returning 0 is the end of the client",
      "When the client has closed, read returns 0, at once and every time. A "
      "record of length 0 does not exist: stop reading, and be done with this "
      "client.",
      Handout(6, {3}, "man 2 read, RETURN VALUE"));
  Process server = StartServer({"--clients=2"});
  Peer silent = Connect(SocketPath(), "the first client");
  silent.Close();
  Peer client = Connect(SocketPath(), "the second client");
  const std::string text = RandomText(12);
  client.Send(Record(text), "one record");
  client.Close();
  server.Exits(0, absl::StrCat(kHeader, kHeader, Line(text)));
}

TEST_F(Server, BrokenRecord) {
  About(Robust(2), "an end in the middle of a record is reported",
        "A client that dies half-way leaves half a record. Printing it would "
        "pass off a piece as the whole, dropping it silently would hide that "
        "something is wrong.",
        Handout(6, {3}, "man 2 read"));
  for (const size_t count : {700, 1, 1023}) {
    Part(absl::StrCat(count, " bytes of a record, and the end"));
    Process server = StartServer({"--clients=2"});
    const std::string text = RandomText(30);
    Send("the first client", Record(text) + RandomText(count),
         absl::StrCat("one record and ", count, " bytes of the next"));
    // A client after it ends well, and does not make the failure good.
    Send("the second client", Record(text), "one record");
    server.Exits(1, absl::StrCat(kHeader, Line(text), kHeader, Line(text)));
    server.Expect(
        absl::StrContains(server.err(), absl::StrCat(count)),
        absl::StrCat("a line on stderr that says how many bytes came: ", count),
        server.err().empty() ? "nothing on stderr" : server.err());
    Because(
        "The file is the server's to remove, however the server ends: also "
        "when a client did something wrong.",
        Handout(8, {4}, "man 2 unlink"));
    ExpectNoSocketFile(&server);
    BecauseOfTheWhole();
  }
}

TEST_F(Server, ManyBrokenRecords) {
  About(Robust(1), "the status is 1, however many clients failed",
        "An exit status has 8 bits, and 1 means that something failed. The "
        "number of failures is another thing: 2 would say that the call was "
        "wrong, and 256 is 0 again.",
        Handout(6, {3, 8}, "man 3 exit"));
  for (const int count : {2, 256}) {
    Part(absl::StrCat(count, " clients end in the middle of a record"));
    Process server = StartServer({absl::StrCat("--clients=", count)});
    std::string output;
    for (int i = 1; i <= count; ++i) {
      Peer client = Connect(SocketPath(), absl::StrCat("client ", i));
      client.Send("half", i > 3 ? "" : "4 bytes of a record, and ends");
      client.Close();
      output += kHeader;
    }
    server.Exits(1, output);
  }
}

TEST_F(Server, PrintsAtOnce) {
  About(Core(2), "each record is printed when it has come",
        "stdout is flushed at each newline only when it is a terminal. Into a "
        "pipe or a file it keeps back some 4096 bytes, which nobody sees until "
        "the program ends, or ever, when it is killed. fflush(stdout), or "
        "std::flush, after each line.",
        Handout(6, {2}, "man 3 setvbuf"));
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  const std::string text = RandomText(40);
  client.Send(Record(text), "one record, and stays connected");
  server.Prints(kHeader + Line(text));
  Because(kIdle, Handout(6, {2}, "man 2 read"));
  server.Expect(server.FallsAsleep(), "server sleeps until more bytes come",
                "it uses the processor all the time");
}

TEST_F(Server, TextAsItIs) {
  About(
      Core(2), "the text of a record is printed as it is",
      "A text is no format: printf(record) makes one % of two. The text ends "
      "at its first NUL and nowhere else: spaces, newlines, control characters "
      "and bytes above 127 belong to it, and what follows the NUL does not.",
      Handout(6, {2}, "man 3 printf"));
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

TEST_F(Server, ManyClients) {
  About(Core(2), "--clients=3 serves three clients, one after another",
        "The listening socket stays as it is when accept returns: it is the "
        "accepted one that belongs to the client. Call accept again for the "
        "next.",
        Handout(5, {1}, "man 2 accept"));
  for (const int count : {3, 258}) {
    Part(absl::StrCat("--clients=", count));
    Process server = StartServer({absl::StrCat("--clients=", count)});
    std::string output;
    for (int i = 1; i <= count; ++i) {
      Peer client = Connect(SocketPath(), absl::StrCat("client ", i));
      const std::string text = RandomText(25);
      client.Send(Record(text), i > 3 ? "" : "one record");
      output += kHeader + Line(text);
      client.Close();
    }
    server.Exits(0, output);
    Because(
        "A counter of 8 bits begins anew after 255 clients. Count with an int.",
        Handout(5, {1}, "man 2 accept"));
  }
}

TEST_F(Server, OneAfterAnother) {
  About(Core(1), "the second client waits until the first one has ended",
        "The kernel keeps a client that connects until the server accepts it, "
        "and what the client sends meanwhile. The server need not do anything "
        "about it before it is done with the client that it serves.",
        Handout(5, {1}, "man 2 listen, man 2 accept"));
  Process server = StartServer({"--clients=2"});
  Peer first = Connect(SocketPath(), "client A");
  const std::string a = RandomText(10), b = RandomText(10), c = RandomText(10);
  first.Send(Record(a), "one record");
  first.AwaitRead();
  Peer second = Connect(SocketPath(), "client B");
  second.Send(Record(b), "one record");
  second.Close();
  server.FallsAsleep();
  first.Send(Record(c), "one more record");
  first.Close();
  server.Exits(0, absl::StrCat(kHeader, Line(a), Line(c), kHeader, Line(b)));
}

TEST_F(Server, HasPatience) {
  About(
      Robust(1), "the server waits for as long as a client is silent",
      "A client may be slow, or stopped for an hour. The contract has no time "
      "limit: a server that gives a client up after some seconds loses its "
      "records.",
      Handout(6, {1}, "man 2 read"));
  Process server = StartOutOfTime("server", {SocketFlag()});
  server.ListensAt(SocketPath());
  server.FallsAsleep();
  Peer client = Connect(SocketPath());
  const std::string text = RandomText(30);
  client.Send(Record(text).substr(0, 10), "10 bytes of a record");
  client.AwaitRead();
  server.FallsAsleep();
  client.Send(Record(text).substr(10), "the rest of it, after a long time");
  client.Close();
  server.Exits(0, kHeader + Line(text));
}

TEST_F(Server, ClosesEachClient) {
  About(Core(2), "a client's descriptor is closed when the client is done",
        "Every accept makes a new descriptor, and only close gives it back. A "
        "server that forgets runs out of them after some hundred clients "
        "(EMFILE), and its clients never see an end of file.",
        Handout(5, {6}, "man 2 close, man 2 accept"));
  Process server = StartServer({"--clients=8"});
  for (int i = 1; i <= 6; ++i) {
    Peer client = Connect(SocketPath(), absl::StrCat("client ", i));
    const std::string bytes = Record(RandomText(10));
    // The end in the middle of a record is an end, too.
    client.Send(i % 3 ? bytes : bytes.substr(0, 100),
                i % 3 ? "one record" : "100 bytes of a record");
    client.AwaitRead();
    server.ComesDownTo(2, "open sockets: the listening one, this client's",
                       [&] { return CountSockets(server.pid()); });
    client.Close();
    Step("and has ended");
    server.ComesDownTo(1,
                       "open socket: the listening one, while the server "
                       "waits for the next client",
                       [&] { return CountSockets(server.pid()); });
  }
}

TEST_F(Server, CloseOnExec) {
  About(
      Robust(1), "no descriptor would leak into another program",
      "Descriptors survive exec unless told not to. One that is left open in a "
      "helper program keeps the connection alive after you closed it. "
      "SOCK_CLOEXEC for socket; accept4, since accept forgets the flag.",
      Handout(5, {6}, "man 2 socket, man 2 accept"));
  Process server = StartServer();
  Peer client = Connect(SocketPath());
  client.Send(Record(RandomText(5)), "one record");
  client.AwaitRead();
  server.ClosesOnExec();
}

TEST_F(Server, SaysThatItCannotPrint) {
  About(Robust(1), "a line that cannot be printed is a failure",
        "printf only fills a buffer. fflush, or write, says whether the bytes "
        "are out: a disk may be full. Status 0 would mean that all was "
        "printed.",
        Handout(6, {8}, "man 3 fflush, man 2 write"));
  Process server = StartOnFullDisk("server", {SocketFlag()});
  server.ListensAt(SocketPath());
  // The server may end as soon as it cannot print the header.
  server.Stop();
  Peer client = Connect(SocketPath());
  client.Send(Record(RandomText(20)), "one record");
  client.Close();
  server.Continue();
  server.Exits(1);
  server.Expect(absl::StrContains(server.err(), "ENOSPC"),
                "a line on stderr with ENOSPC",
                server.err().empty() ? "nothing on stderr" : server.err());
  Because("The file is the server's to remove, however the server ends.",
          Handout(8, {4}, "man 2 unlink"));
  ExpectNoSocketFile(&server);
}

TEST_F(Server, ServerWhateverHappens) {
  About(Robust(3), "the server does its work whatever its system calls return",
        "A call may be interrupted, move fewer bytes than it was asked for, or "
        "fail. Here the checker makes that happen, to one call at a time.",
        Handout(6, {9}, "man 7 signal, man 2 read"));
  // In pieces, what a call has brought before the next one is interrupted must
  // not be lost. An error would come in the middle of a record then, and there
  // would be two things to report.
  for (const bool in_pieces : {true, false}) {
    harness::SweepOptions options;
    if (in_pieces) options.errors = {};
    options.interrupt = options.cut = in_pieces;
    Sweep(
        "server",
        [&](const Starter& start) {
          Process server = start({SocketFlag(), "--clients=2"}, "/dev/null");
          server.ListensAt(SocketPath());
          std::string output;
          for (int i = 0; i < 2; ++i) {
            const std::string text = RandomText(30), record = Record(text);
            output += kHeader + Line(text);
            Peer client = Connect(SocketPath());
            if (in_pieces) {
              client.Send(record.substr(0, 20), "20 bytes of a record");
              client.AwaitRead();
              client.Send(record.substr(20), "the rest of it");
            } else {
              client.Send(record, "a record");
            }
            client.Close();
          }
          server.Exits(0, output);
        },
        options);
  }
}

}  // namespace
