// What the server of lab 04 does with the records of one client.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/04_abstract_namespace/abstract_namespace.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Peer;
using harness::Process;

TEST_F(Server, OneClient) {
  About(Core(2), "the server prints the record of its client, and ends",
        "accept gives a new descriptor for the connection with the client. "
        "Read 1024 bytes from this one, print `client K: ` and the text up to "
        "the first NUL, and flush. The number of the first client is 1. It has "
        "the uid of the server, so it is not refused.",
        Handout(4, {3, 6}, "man 2 accept, man 2 read"));
  Process server = StartServer(name_);
  Peer client = Connect(Address(name_), "a client");
  const std::string first = RandomText(20), second = RandomText(9);
  client.Send(Record(first), "one record, and stays connected");
  server.Prints(Listening(name_) + Line(1, first));
  client.Send(Record(second), "one more record");
  server.Prints(Listening(name_) + Line(1, first) + Line(1, second));
  Because(
      "The server ends when all of its clients have ended. After the last "
      "accept it waits for every child or thread that still serves.",
      Handout(4, {3}, "man 2 wait"));
  ExpectToWaitFor(&server, "its client");
  client.Close();
  Because(
      "read returns 0 when the client has closed: be done with this client. "
      "An end between two records is not a failure. When all N clients are "
      "done, the server ends. N is 1 without "
      "--clients.",
      Handout(4, {3, 8}, "man 2 read"));
  server.Exits(0, Listening(name_) + Line(1, first) + Line(1, second));
}

TEST_F(Server, NoRecord) {
  About(Core(1), "a client may end before its first record",
        "When the client has closed, read returns 0, at once and every time. "
        "A record of no bytes does not exist: there is nothing to print and "
        "nothing to report.",
        Handout(4, {8}, "man 2 read, RETURN VALUE"));
  Process server = StartServer(name_);
  Connect(Address(name_), "a client").Close();
  server.Exits(0, Listening(name_));
  server.Expect(server.err().empty(), "nothing on stderr", server.err());
}

TEST_F(Server, AnyText) {
  About(
      Core(2), "the text of a record is any bytes, and each record is a line",
      "The text ends at the first NUL of the record, or with the record. What "
      "is in it is not for the server to judge: a newline, a blank at the end, "
      "a percent sign and bytes that are no letters are printed as they are, "
      "and so is an empty text.",
      Handout(4, {6}, "man 3 printf"));
  Process server = StartServer(name_);
  Peer client = Connect(Address(name_), "a client");
  std::string output = Listening(name_);
  const std::string same = RandomText(12), full = RandomText(kRecordSize);
  std::string every;
  for (int byte = 1; byte < 256; ++byte) every.push_back(char(byte));
  for (const std::string& text :
       {same, same, std::string(), full, RandomText(3),
        std::string("100%d %s%n %%"),
        RandomText(4) + "\n" + RandomText(4) + "\n", std::string("blanks \t "),
        every, full.substr(1)}) {
    client.Send(Record(text),
                absl::StrCat("a record with ", text.size(), " bytes of text"));
    output += Line(1, text);
    server.Prints(output);
  }
  std::string record = Record("first");
  record.replace(100, 6, "second");
  record.back() = 'x';
  client.Send(record, "a record with more text behind the first NUL");
  output += Line(1, "first");
  client.Close();
  server.Exits(0, output);
}

TEST_F(Server, RecordsInPieces) {
  About(
      Core(2), "a record may arrive in pieces, or with the next",
      "What you learned in lab 01 holds here: read returns what is there. It "
      "takes as many calls as it takes until 1024 bytes have come, and none of "
      "them asks for more than the record lacks.",
      Handout(4, {6}, "lab 01, step 6; man 2 read"));
  Process server = StartServer(name_);
  Peer client = Connect(Address(name_), "a client");
  const std::string first = RandomText(1000), second = RandomText(7);
  const std::string records = Record(first) + Record(second);
  client.Send(records.substr(0, 1), "1 byte of a record");
  client.AwaitRead();
  client.Send(records.substr(1, 99), "99 bytes of it");
  client.AwaitRead();
  client.Send(records.substr(100, 1500), "the rest, and a part of the next");
  client.AwaitRead();
  client.Send(records.substr(1600), "what was missing");
  std::string output = Listening(name_) + Line(1, first) + Line(1, second);
  std::string many;
  for (int i = 0; i < 260; ++i) {
    const std::string text = RandomText(500);
    many += Record(text);
    output += Line(1, text);
  }
  client.Send(many, "260 records at once");
  client.Close();
  server.Exits(0, output);
}

TEST_F(Server, BrokenRecord) {
  About(Core(2), "an end in the middle of a record is reported",
        "A client that dies half-way leaves half a record. Printing it would "
        "pass off a piece as the whole, dropping it silently would hide that "
        "something is wrong. The line says how many bytes of this record came, "
        "all pieces together. The exit status at the end is 1: that of a child "
        "reaches the server by waitpid alone, so look at each status.",
        Handout(4, {8}, "man 2 read, man 2 waitpid"));
  for (const int count : {700, 1, 1023}) {
    Part(absl::StrCat(count, " bytes of a record, and the end"));
    Process server = StartServer(name_);
    Peer client = Connect(Address(name_), "a client");
    const std::string text = RandomText(13);
    client.Send(Record(text), "one record");
    client.AwaitRead();
    client.Send(RandomText(count / 2), absl::StrCat(count / 2, " bytes"));
    client.AwaitRead();
    client.Send(RandomText(count - count / 2), "the rest of these");
    client.AwaitRead();
    client.Close();
    server.Exits(1, Listening(name_) + Line(1, text));
    ExpectOnStderr(
        &server, absl::StrCat(count),
        absl::StrCat("a line on stderr that says how many bytes came: ",
                     count));
    Because(
        "One process says what went wrong, not two: the child that read it, or "
        "the parent.",
        Handout(4, {8, 13}, ""));
    const std::string err = server.err();
    server.Expect(CountLines(err) == 1, "one line on stderr", err);
    BecauseOfTheWhole();
  }
}

}  // namespace
