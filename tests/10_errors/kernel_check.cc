// The checks of lab 10 that compare what the program says with what the kernel
// did, as strace saw it. The mutants beside this file show what each one is
// there to catch.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "lib/unique_fd.h"
#include "tests/10_errors/errors_check.h"
#include "tests/support/story.h"
#include "tests/support/strace.h"

namespace {

using harness::Core;
using harness::Handout;
using harness::Process;
using harness::Robust;
using harness::WholeHandout;

// Whether one of `calls` failed as `told` on an AF_UNIX socket.
bool FailsOnUnixSocket(const std::vector<SystemCall>& calls, const Told& told) {
  UnixSockets sockets;
  for (const SystemCall& call : calls) {
    if (call.failed && call.error == told.error &&
        IsCall(told.call, call.name) && sockets.Has(call)) {
      return true;
    }
    sockets.Note(call);
  }
  return false;
}

class Kernel : public Errors {
 protected:
  // Each of `errors` is what the kernel answered the call that is said to have
  // failed.
  void AreSeen(const Words& errors) {
    for (const std::string& error : errors) {
      Part(error);
      BecauseOf(error);
      const auto [program, told, calls, failing] = Provoke(error);
      if (over()) return;
      Because(
          "ENOMEM alone may be injected, and only its line says so. All other "
          "errors are answers that the kernel itself gives.",
          PlaceOf(error, {5}));
      Process judged = program;
      judged.Expect(!told.injected && !MakesFilters(calls),
                    absl::StrCat(error, " is the kernel's, nothing injected"),
                    told.injected ? "the line says \"(injected)\""
                                  : "it made a seccomp filter");
      // ENOTSOCK is of something else; and a limit is reached by any call.
      if (error == "ENOTSOCK" || error == "EMFILE") continue;
      Because(
          "The catalogue is about AF_UNIX sockets. Another call, or a socket "
          "of another family, may know the same error, and mean something "
          "else by it.",
          PlaceOf(error, {2}));
      judged.Expect(
          FailsOnUnixSocket(calls, told),
          absl::StrCat(told.call, " returns ", error, " on an AF_UNIX socket"),
          harness::Escaped(failing->text, 160));
    }
  }

  // Each call on a socket before the one that failed is told, and each call
  // that is told was made, in that order.
  void TellsItsCalls(const Provoked& provoked);
  void TellTheirCalls(const Words& errors) {
    for (const std::string& error : errors) {
      Part(error);
      BecauseOf(error);
      const Provoked provoked = Provoke(error);
      if (over()) return;
      TellsItsCalls(provoked);
      if (over()) return;
    }
  }

  // Holds a descriptor on the way between two sockets of ours.
  void SendOneOnTheWay() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
      return Skip("no pair of sockets can be had");
    }
    on_the_way_[0].reset(ends[0]);
    on_the_way_[1].reset(ends[1]);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    char byte = 'x';
    iovec part = {&byte, 1};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
    if (sendmsg(ends[0], &message, MSG_NOSIGNAL) < 0) {
      Skip("no descriptor can be sent");
    }
  }

 private:
  ipc::UniqueFd on_the_way_[2];
};

void Kernel::TellsItsCalls(const Provoked& provoked) {
  const Told& told = provoked.told;
  const std::vector<SystemCall>& calls = provoked.calls;
  const SystemCall* const failing = provoked.failing;
  Process judged = provoked.program;
  const Words& before = told.before;
  // What was made before the last call, by anybody.
  const auto made_before = [&](const std::string& said) {
    return std::any_of(calls.data(), failing, [&](const SystemCall& call) {
      return !call.failed && IsCall(said, call);
    });
  };
  const auto unmade =
      std::find_if_not(before.begin(), before.end(), made_before);
  if (unmade != before.end()) {
    const bool is_last = IsCall(*unmade, failing->name);
    Because(is_last ? "The call that returned the error has a line of its own, "
                      "\"ENAME: ...\". The lines before are of calls that "
                      "returned something good."
                    : "Behind two spaces stands the name of a call as in "
                      "section 2 of the manual, and nothing before it. A line "
                      "says that this call was made, and returned something "
                      "good.",
            Handout(1, {3}, "man 1 strace"));
    judged.Expect(
        false,
        "each line with two spaces is of a call that was made, and worked",
        absl::StrCat("strace saw no call \"", *unmade, "\" before ",
                     told.call));
    return;
  }
  Because(
      "The error is the answer to the last call in a row of calls. Each of "
      "these that was made on a socket, socket() included, has a line on "
      "standard output.",
      Handout(1, {3}, "man 1 strace"));
  auto next = before.begin();
  UnixSockets sockets;
  std::map<std::string, int> made;  // On sockets, by name.
  for (const SystemCall* call = calls.data(); call != failing; ++call) {
    if (call->failed) continue;
    if (next != before.end() && IsCall(*next, *call)) ++next;
    const bool on_socket = sockets.Has(*call);
    sockets.Note(*call);
    if (!on_socket || call->pid != failing->pid) continue;
    // A close that only tidies up leads nowhere.
    if (call->name == "close" && told.error != "ECONNRESET" &&
        told.error != "EPIPE") {
      continue;
    }
    const auto said = std::count_if(
        before.begin(), before.end(),
        [&](const auto& name) { return IsCall(name, call->name); });
    if (++made[call->name] <= said) continue;
    judged.Expect(
        false,
        absl::StrCat("a line for each call on a socket before ", told.call),
        absl::StrCat(
            said == 0 ? "none for " : "one line too few for calls such as ",
            harness::Escaped(call->text, 160)));
    return;
  }
  if (next == before.end()) return;
  Because(
      "The lines are in the order in which the calls were made, each as often "
      "as it was made: print each when it has returned.",
      Handout(1, {3}, "man 1 strace"));
  judged.Expect(
      false,
      absl::StrCat("the calls were made in this order: ",
                   absl::StrJoin(before, ", ")),
      absl::StrCat("strace saw no ", *next, " behind ",
                   next == before.begin() ? "the start" : *std::prev(next)));
}

TEST_F(Kernel, OfMaking) {
  About(Core(3), "a socket is refused for its type, protocol, or number",
        "socket(AF_UNIX, ...) knows SOCK_STREAM, SOCK_DGRAM and "
        "SOCK_SEQPACKET, and the protocols 0 and 1. A process may have as many "
        "descriptors as RLIMIT_NOFILE says; and not every descriptor is a "
        "socket.",
        Handout(3, {5}, "man 2 socket, man 2 setrlimit"));
  AreSeen({"EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "ENOTSOCK", "EMFILE"});
}

TEST_F(Kernel, OfNames) {
  About(Core(4), "a name is missing, taken, dead, not allowed, of another type",
        "ENOENT: no file of that name. ECONNREFUSED: a name, and nobody "
        "listens there. EACCES: a file that you may not write to. EPROTOTYPE: "
        "a socket file of another type. EADDRINUSE: the name exists already.",
        Handout(3, {5}, "man 7 unix, man 2 connect, man 2 bind"));
  AreSeen({"ECONNREFUSED", "ENOENT", "EPROTOTYPE", "EADDRINUSE", "EACCES"});
}

TEST_F(Kernel, OfState) {
  About(Core(3), "a call does not fit the state of its socket",
        "A stream needs a connection before send, and has one address only. "
        "listen needs a name first, and datagram sockets do not listen.",
        Handout(3, {5}, "man 2 listen, man 2 send"));
  AreSeen({"EINVAL", "EOPNOTSUPP", "EISCONN", "ENOTCONN"});
}

TEST_F(Kernel, OfPeers) {
  About(Core(3), "the other end is gone, or has nothing to say",
        "ECONNRESET is read by the end that sent something which its peer "
        "never read. EPIPE is for the end that writes. EAGAIN: nothing is "
        "there now, and the call was told not to wait.",
        Handout(3, {5}, "man 2 send, man 2 recv"));
  AreSeen({"ECONNRESET", "EPIPE", "EAGAIN"});
}

TEST_F(Kernel, OfMessages) {
  About(Core(4), "a message is too big, nowhere, or not yours to send",
        "EMSGSIZE: more than SO_SNDBUF takes in one. ENOBUFS: too many control "
        "messages. EFAULT: at an address without memory. EPERM: credentials "
        "of another process. ETOOMANYREFS: too many descriptors on the way.",
        Handout(3, {5}, "man 7 unix, man 7 capabilities"));
  AreSeen({"EMSGSIZE", "EFAULT", "ENOBUFS", "EPERM", "ETOOMANYREFS"});
}

TEST_F(Kernel, OutOfMemory) {
  About(Core(3),
        "ENOMEM is returned by the call, and injected is said to be so",
        "The kernel does not run out of memory on demand. A seccomp filter "
        "makes a call return any errno. But then the kernel does not say so, "
        "and the reader of the line must know: \" (injected)\" is its end.",
        Handout(6, {5}, "man 2 seccomp"));
  BecauseOf("ENOMEM");
  Provoked provoked = Provoke("ENOMEM");
  if (over()) return;
  BecauseOfTheWhole();
  const Told& told = provoked.told;
  const std::vector<SystemCall>& calls = provoked.calls;
  provoked.program.Expect(
      told.injected == MakesFilters(calls),
      "\" (injected)\" at the end of the line if there is a seccomp filter, "
      "and "
      "only then",
      told.injected ? "the line says so, and there is none"
                    : "there is a filter, and the line does not end with it");
  // Everybody's programs here run with PR_SET_NO_NEW_PRIVS on, so that the
  // kernel permits the filter.
  const auto filter = std::find_if(calls.begin(), calls.end(), IsFilter);
  if (over() || filter == calls.end()) return;
  const bool asks =
      std::any_of(calls.begin(), filter, [](const SystemCall& call) {
        return absl::StartsWith(call.text, "prctl(PR_SET_NO_NEW_PRIVS, 1") ||
               absl::StartsWith(call.text, "prctl(PR_GET_NO_NEW_PRIVS");
      });
  if (asks) return;
  Part("a user without privileges");
  Because(
      "The kernel takes a filter from everybody, but only after "
      "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0): otherwise it says EACCES to all "
      "users but root. (The checker starts programs with that on; here strace "
      "has the call fail as it would without.)",
      Handout(6, {6}, "man 2 seccomp, man 2 prctl"));
  Tells(StartTraced("provoke", {"ENOMEM"}, trace(),
                    {Inject(*filter, "error=EACCES")}),
        {"ENOMEM"});
}

constexpr char kTellsWhy[] =
    "The error alone explains nothing: it is the answer to the last call in a "
    "row of calls. Each that was made on a socket is one of the lines before, "
    "and each line is a call that was made.";

TEST_F(Kernel, TellsTheCalls) {
  About(Core(2), "the calls that led there are told, as they were made",
        kTellsWhy, Handout(1, {3}, "man 1 strace"));
  TellTheirCalls({"ECONNREFUSED", "EINVAL", "EOPNOTSUPP", "EPROTOTYPE",
                  "EADDRINUSE", "ENOENT", "EACCES", "ENOTCONN"});
}

TEST_F(Kernel, TellsCallsOfPairs) {
  About(Core(2), "the calls on pairs of sockets are told, as they were made",
        kTellsWhy, Handout(1, {3}, "man 1 strace"));
  TellTheirCalls({"EISCONN", "ECONNRESET", "EPIPE", "EFAULT", "EAGAIN",
                  "EMSGSIZE", "ENOTSOCK"});
}

TEST_F(Kernel, TellsCallsOfLimits) {
  About(Core(2), "the calls that set limits are told, as they were made",
        kTellsWhy, Handout(1, {3}, "man 1 strace"));
  TellTheirCalls({"EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EMFILE", "ENOBUFS",
                  "EPERM", "ETOOMANYREFS", "ENOMEM"});
}

// Every user, every machine ---------------------------------------------------

// Whether the process lays down what root may do more than others.
bool GivesUpCapabilities(const std::vector<SystemCall>& calls,
                         const SystemCall* end) {
  return std::any_of(calls.data(), end, [](const SystemCall& call) {
    return call.name == "capset" && !call.failed;
  });
}

constexpr char kAsRoot[] = "--inject=getuid,geteuid:retval=0";

TEST_F(Kernel, RootToo) {
  About(Core(2), "root sees EACCES, EPERM and ETOOMANYREFS, too", "",
        Handout(5, {6}, "man 7 capabilities"));
  for (const char* error : {"EACCES", "EPERM", "ETOOMANYREFS"}) {
    Part(error);
    BecauseOf(error);
    const Provoked provoked = Provoke(error);
    if (over()) return;
    if (GivesUpCapabilities(provoked.calls, provoked.failing)) continue;
    // A datagram socket that is connected to another one says EPERM to root.
    const bool claims =
        absl::StrContains(provoked.failing->text, "SCM_CREDENTIALS");
    if (provoked.told.error == "EPERM" && !claims) continue;
    Because(
        "Root may connect to each file, claim each pid, and have as many "
        "descriptors on the way as it likes, until capset lays its "
        "capabilities down. Other users have none, and may call capset as "
        "well. (Another uid is not a way there: root of a user namespace does "
        "not have one.)",
        Handout(5, {6}, "man 7 capabilities, man 2 capset"));
    // As root sees it: its uid is 0, and the last call works. (Another uid than
    // its own in the credentials would be EINVAL here: that does not matter.)
    Process as_root = StartTraced(
        "provoke", {error}, trace(),
        {kAsRoot,
         Inject(*provoked.failing,
                provoked.told.call == "connect" ? "retval=0" : "retval=1")});
    as_root.ComesDownTo(0, "processes of it that run", [&] {
      return access(absl::StrCat("/proc/", as_root.pid()).c_str(), F_OK) == 0
                 ? 1
                 : 0;
    });
    const std::vector<SystemCall> calls = Trace();
    as_root.Expect(GivesUpCapabilities(calls, calls.data() + calls.size()),
                   "a call of capset before the last call", "none");
  }
}

TEST_F(Kernel, RootSeesAll) {
  About(Core(1), "--all provokes the same for root", "", WholeHandout({2, 6}));
  SeenAlone({"EACCES", "ETOOMANYREFS"});
  Part("--all");
  Process all = StartTraced("provoke", {"--all"}, trace(), {kAsRoot});
  all.ComesDownTo(0, "processes of it that run", [&] {
    return access(absl::StrCat("/proc/", all.pid()).c_str(), F_OK) == 0 ? 1 : 0;
  });
  Because("--all provokes all 22 for root, too.", WholeHandout({2, 6}));
  for (const char* error : {"\nEACCES: ", "\nETOOMANYREFS: "}) {
    all.Expect(absl::StrContains(all.out(), error),
               absl::StrCat("a line \"", error + 1,
                            "...\" (strace says that the "
                            "uid is 0)"),
               "none");
  }
}

TEST_F(Kernel, AnyMachine) {
  About(Robust(1), "what the administrator chose does not matter", "",
        Handout(4, {6}, "man 2 sendmsg"));
  Part("ENOBUFS");
  BecauseOf("ENOBUFS");
  Provoked provoked = Provoke("ENOBUFS");
  if (over()) return;
  // sendmsg(FD, {..., msg_controllen=N, ...}, FLAGS)
  const auto size = provoked.failing->arguments.size() > 1
                        ? harness::Number(harness::Field(
                              provoked.failing->arguments[1], "msg_controllen"))
                        : absl::nullopt;
  const bool looks = std::any_of(
      provoked.calls.begin(), provoked.calls.end(), [](const SystemCall& call) {
        return absl::StrContains(call.text, "optmem_max");
      });
  if (!size || looks) return;
  Because(
      "net.core.optmem_max says how many bytes of control messages are too "
      "many, and the administrator may make it larger. More than INT_MAX bytes "
      "(2147483647) are too many on every machine.",
      Handout(4, {6}, "man 2 sendmsg"));
  provoked.program.Expect(*size == 0 || *size > INT_MAX,
                          "a msg_controllen of more than 2147483647",
                          absl::StrCat(*size));
}

TEST_F(Kernel, WhatItInherits) {
  About(Robust(2), "what the program inherits does not matter", "",
        Handout(4, {6}, "man 2 umask, man 2 pipe"));
  SeenAlone({"EPROTOTYPE", "EADDRINUSE", "EACCES"});
  for (const char* error : {"EPROTOTYPE", "EADDRINUSE", "EACCES"}) {
    Part(absl::StrCat(error, ", with a umask of 0777"));
    Because(
        "bind makes a file with the permissions that the umask leaves, and "
        "connect needs write permission. Set the umask, or the permissions, "
        "before you need them.",
        Handout(4, {6}, "man 2 umask"));
    Tells(Start("provoke", {error}, /*sanitized=*/false, 0777), {error});
  }
  Part("ENOTSOCK");
  BecauseOf("ENOTSOCK");
  const Provoked other = Provoke("ENOTSOCK");
  if (over()) return;
  int fd = -1;
  if (!other.failing->arguments.empty()) {
    (void)absl::SimpleAtoi(other.failing->arguments[0], &fd);
  }
  const bool made = std::any_of(
      other.calls.data(), other.failing, [&](const SystemCall& call) {
        return (absl::StartsWith(call.name, "dup") ||
                absl::StartsWith(call.name, "open")) &&
               absl::EndsWith(call.text, absl::StrCat(" = ", fd));
      });
  Because(
      "stdin, stdout and stderr are what the program was given: a file, a "
      "pipe, a socket, or nothing. Make a descriptor of your own, such as a "
      "pipe.",
      Handout(3, {6}, "man 2 pipe"));
  Process(other.program)
      .Expect(fd < 0 || fd > 2 || made,
              "a descriptor that the program has made",
              absl::StrCat("descriptor ", fd));
  Part("EMFILE");
  BecauseOf("EMFILE");
  const Provoked full = Provoke("EMFILE");
  if (over()) return;
  const auto limit = std::find_if(
      full.calls.rbegin(), full.calls.rend(), [&](const SystemCall& call) {
        return &call < full.failing && !call.failed &&
               absl::StrContains(call.text, "RLIMIT_NOFILE, {rlim_cur=");
      });
  if (limit == full.calls.rend() ||
      absl::StrContains(limit->text, "RLIMIT_NOFILE, {rlim_cur=0,")) {
    return;
  }
  Because(
      "How many descriptors are open at the start is not yours to say: with "
      "stdin closed there is room for one more below a limit of 3. Make the "
      "limit 0, or go on until the error comes. (Here strace has the call work "
      "once more.)",
      Handout(4, {6}, "man 2 setrlimit"));
  Tells(StartTraced("provoke", {"EMFILE"}, trace(),
                    {Inject(*full.failing, "retval=77")}),
        {"EMFILE"});
}

TEST_F(Kernel, OnTheWay) {
  About(Core(2), "ETOOMANYREFS comes, whatever else is on the way", "",
        Handout(5, {5, 6}, "man 7 unix"));
  SendOneOnTheWay();
  if (over()) return;
  Part("another program of this user has a descriptor on the way");
  BecauseOf("ETOOMANYREFS");
  const Provoked provoked = Provoke("ETOOMANYREFS");
  if (over()) return;
  const bool sent = std::any_of(
      provoked.calls.data(), provoked.failing, [&](const SystemCall& call) {
        return call.name == provoked.failing->name && !call.failed;
      });
  const size_t length = provoked.failing->text.find("iov_len=");
  int bytes = 0;
  if (length != std::string::npos) {
    const std::string behind = provoked.failing->text.substr(length + 8);
    (void)absl::SimpleAtoi(
        behind.substr(0, behind.find_first_not_of("0123456789")), &bytes);
  }
  if (sent || bytes <= 0) return;
  Part("nothing is on the way: the first descriptor goes");
  Because(
      "Only when more descriptors than RLIMIT_NOFILE are on the way *before* "
      "a sendmsg is it refused. With a limit of 0 the first one goes, unless "
      "another program has some on the way: then send another one. (Here "
      "strace has the first sendmsg work.)",
      Handout(5, {5, 6}, "man 7 unix"));
  const Provoked twice =
      Provoke("ETOOMANYREFS",
              {Inject(*provoked.failing, absl::StrCat("retval=", bytes))});
  if (over()) return;
  TellsItsCalls(twice);
}

}  // namespace
