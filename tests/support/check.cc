#include "tests/support/check.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/errno_status.h"
#include "lib/fd_passing.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "tests/support/other_uid.h"
#include "tests/support/proc.h"

namespace harness {
namespace {

// For one check, all its waits together. Only what hangs in a way that
// Supervisor cannot call hopeless ever takes as long.
constexpr absl::Duration kPatience = absl::Seconds(10);

// For all checks of a run together: less than the 60 seconds after which Bazel
// ends a small test, so that the verdict is ours to tell.
constexpr absl::Duration kBudget = absl::Seconds(50);

absl::Time Deadline() {
  static const absl::Time end_of_run = absl::Now() + kBudget;
  return std::min(absl::Now() + kPatience, end_of_run);
}

// Leaks are not what the labs are about, and looking for them takes ptrace,
// which strace needs. Said to every program: with --config=asan all have a
// sanitizer.
constexpr char kAsanOptions[] =
    "ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0";

constexpr char kStrace[] = "/usr/bin/strace";

// As recv(2); `sender` is who sent it.
ssize_t ReceiveFrom(int fd, char* buffer, size_t size, ucred* sender) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(*sender))];
  iovec part = {buffer, size};
  msghdr message = {nullptr, 0, &part, 1, control, sizeof(control), 0};
  const ssize_t count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* first = count > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (first && first->cmsg_type == SCM_CREDENTIALS) {
    memcpy(sender, CMSG_DATA(first), sizeof(*sender));
  }
  return count;
}

// Beside this checker, in its runfiles.
constexpr char kOtherUid[] = "tests/support/libother_uid.so";

ipc::UniqueFd StreamSocket(int family) {
  return ipc::UniqueFd(
      socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Whether the other end, in this network namespace, has read all that was sent
// on `fd`. For TCP, SIOCOUTQ counts what has not arrived yet.
bool AllRead(int fd) {
  int unsent = 0;
  if (ioctl(fd, SIOCOUTQ, &unsent) < 0 || unsent > 0) return false;
  const auto local = ipc::LocalAddress(fd), remote = ipc::PeerAddress(fd);
  if (!local.ok() || !remote.ok() || local->family() == AF_UNIX) return true;
  for (const IpSocket& socket : TcpSockets()) {
    if (socket.unread > 0 && socket.local.port() == remote->port() &&
        socket.remote.port() == local->port()) {
      return false;
    }
  }
  return true;
}

// For programs whose output is as big as what they are fed.
constexpr size_t kMuchOutput = size_t{16} << 20;

// As send and recv, with descriptors. What is sent is small: all of it goes.
ssize_t SendWithFds(int fd, absl::string_view bytes,
                    const std::vector<int>& fds) {
  const absl::Status status = ipc::SendFds(fd, bytes, fds);
  errno = ipc::StatusErrno(status);
  return status.ok() ? static_cast<ssize_t>(bytes.size()) : -1;
}

ssize_t ReceiveWithFds(int fd, char* buffer, size_t size,
                       std::vector<ipc::UniqueFd>* fds) {
  auto received = ipc::ReceiveFds(fd, absl::MakeSpan(buffer, size));
  if (!received.ok()) {
    errno = ipc::StatusErrno(received.status());
    return -1;
  }
  std::move(received->fds.begin(), received->fds.end(),
            std::back_inserter(*fds));
  return static_cast<ssize_t>(received->size);
}

// Whether strace is there and may trace: some containers forbid ptrace.
bool CanTrace() {
  static const bool can = [] {
    ChildOptions options;
    options.name = "strace";
    options.program = kStrace;
    options.args = {"-qq", "-o/dev/null", "/bin/true"};
    Supervisor supervisor(absl::Now() + kPatience);
    const auto child = supervisor.Spawn(options);
    return child.ok() &&
           supervisor.WaitUntil([&] { return (*child)->ended(); }) ==
               Waited::kMet &&
           (*child)->wait_status() == 0;
  }();
  return can;
}

std::map<std::string, std::string>& Programs() {
  static auto& programs = *new std::map<std::string, std::string>;
  return programs;
}

// A command line for people: what is long is cut.
std::string CommandLine(const std::string& program,
                        const std::vector<std::string>& args) {
  constexpr size_t kShown = 120, kShownInAll = 1000;
  std::string line = program;
  for (const std::string& arg : args) {
    if (line.size() > kShownInAll) return line + " ...";
    const char* quote = arg.empty() || absl::StrContains(arg, " ") ? "'" : "";
    absl::StrAppend(&line, " ", quote, arg.substr(0, kShown),
                    arg.size() > kShown ? "..." : "", quote);
  }
  return line;
}

// The head of what a program wrote on stderr. Of a sanitizer's pages, the lines
// that a learner needs: the error, where it happened, what was overrun.
std::string StderrDigest(const std::string& text) {
  constexpr size_t kLines = 6;
  const bool sanitizer = absl::StrContains(text, "Sanitizer: ");
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (sanitizer && !absl::StrContains(line, "ERROR: ") &&
        !absl::StrContains(line, ".cc:") &&
        !absl::StrContains(line, "<== Memory access")) {
      continue;
    }
    if (lines.size() == kLines) {
      lines.push_back("...");
      break;
    }
    lines.push_back(std::string(
        absl::StripAsciiWhitespace(absl::string_view(line).substr(0, 160))));
  }
  return absl::StrJoin(lines, "\n");
}

// In the runfiles as well.
constexpr char kCatalogue[] = "docs/errors.md";

// The entries of the catalogue for the errors that `err` tells, each behind a
// space: of "connect: No such file or directory (ENOENT)", " ENOENT".
std::string CatalogueEntries(const std::string& err) {
  std::string entries;
  std::ifstream catalogue(kCatalogue);
  for (std::string line; std::getline(catalogue, line);) {
    absl::string_view name = line;
    if (absl::ConsumePrefix(&name, "## ") &&
        absl::StrContains(err, absl::StrCat("(", name, ")"))) {
      absl::StrAppend(&entries, " ", name);
    }
  }
  return entries;
}

}  // namespace

// Process ---------------------------------------------------------------------

void Process::ListensAt(const std::string& path) {
  if (!child_ || check_->over()) return;
  if (check_->Await(absl::StrCat("a stream socket of ", child_->name(),
                                 " listens at ", path),
                    [&] { return harness::ListensAt(child_->pid(), path); })) {
    check_->Step("it listens there");
    check_->listened_here_ |= path == check_->socket_path_;
  }
}

void Process::ReceivesAt(const std::string& path) {
  if (!child_ || check_->over()) return;
  if (check_->Await(absl::StrCat("a datagram socket of ", child_->name(),
                                 " is bound to ", path),
                    [&] { return harness::ReceivesAt(child_->pid(), path); })) {
    check_->Step("it has a datagram socket there");
    check_->listened_here_ |= path == check_->socket_path_;
  }
}

ipc::SocketAddress Process::ListensOnTcp() {
  ipc::SocketAddress name;
  if (!child_ || check_->over()) return name;
  if (check_->Await(
          absl::StrCat("a TCP socket of ", child_->name(), " listens"), [&] {
            const auto names = TcpListeners(child_->pid());
            if (!names.empty()) name = names[0];
            return !names.empty();
          })) {
    check_->Step(absl::StrCat("it listens at ", name.ToString()));
  }
  return name;
}

ipc::SocketAddress Process::ReceivesOnUdp() {
  ipc::SocketAddress name;
  if (!child_ || check_->over()) return name;
  if (check_->Await(
          absl::StrCat("a UDP socket of ", child_->name(), " is bound"), [&] {
            const auto names = UdpNames(child_->pid());
            if (!names.empty()) name = names[0];
            return !names.empty();
          })) {
    check_->Step(absl::StrCat("it waits at ", name.ToString()));
  }
  return name;
}

void Process::Prints(absl::string_view text) {
  if (!child_ || check_->over()) return;
  const auto agrees = [&] { return absl::StartsWith(child_->out(), text); };
  const auto differs = [&] {
    const size_t length = std::min(child_->out().size(), text.size());
    return child_->out().compare(0, length, text.data(), length) != 0;
  };
  const absl::string_view last_line =
      text.substr(text.find_last_of('\n', text.size() - 2) + 1);
  if (check_->Await(
          absl::StrCat(child_->name(), " prints ", Escaped(last_line)),
          [&] { return agrees() || differs(); }) &&
      !agrees()) {
    check_->Fail(absl::StrCat("on the stdout of ", child_->name(),
                              ", line by line: ", Escaped(text, 200)),
                 Difference(text, child_->out()));
  }
}

std::string Process::PrintsLine() {
  std::string line;
  if (!child_ || check_->over()) return line;
  check_->Await(absl::StrCat(child_->name(), " prints a line"), [&] {
    const size_t end = child_->out().find('\n');
    if (end == std::string::npos) return false;
    line = child_->out().substr(0, end + 1);
    return true;
  });
  return line;
}

bool Process::EndedWith(int status) const {
  return WIFEXITED(child_->wait_status()) &&
         WEXITSTATUS(child_->wait_status()) == status;
}

void Process::AwaitEnd(absl::string_view expected) {
  check_->Await(expected, [&] { return child_->ended(); });
}

void Process::Exits(int status) {
  if (!child_ || check_->over()) return;
  const std::string expected =
      absl::StrCat(child_->name(), " ends with exit status ", status);
  AwaitEnd(expected);
  if (check_->over()) return;
  if (!EndedWith(status)) check_->Fail(expected, child_->Ending());
  check_->Step(absl::StrCat("it ended with ", child_->Ending()));
}

void Process::Exits(int status, absl::string_view output) {
  if (!child_ || check_->over()) return;
  AwaitEnd(
      absl::StrCat(child_->name(), " prints all that it should, and ends"));
  // What it printed tells more than the status, unless it was killed.
  if (!check_->over() && WIFEXITED(child_->wait_status()) &&
      child_->out() != output) {
    check_->Fail(
        absl::StrCat("in all, on the stdout of ", child_->name(), ": ",
                     output.empty() ? "nothing" : Escaped(output, 200)),
        Difference(output, child_->out()));
  }
  Exits(status);
}

void Process::Refuses(const std::vector<std::string>& words, int status) {
  if (!child_ || check_->over()) return;
  const std::string expected = absl::StrCat(
      child_->name(), " ends with exit status ", status,
      " and one line on stderr, starting with \"", child_->name(), ": \"",
      words.empty() ? "" : " and containing ", absl::StrJoin(words, ", "));
  AwaitEnd(expected);
  if (check_->over()) return;
  const std::string& err = child_->err();
  const bool one_line = !err.empty() && err.find('\n') == err.size() - 1;
  const bool says_all = std::all_of(
      words.begin(), words.end(),
      [&](const std::string& word) { return absl::StrContains(err, word); });
  if (!EndedWith(status)) {
    check_->Fail(expected, child_->Ending());
  } else if (!one_line || !says_all ||
             !absl::StartsWith(err, child_->name() + ": ")) {
    check_->Fail(
        expected,
        absl::StrCat("on stderr: ", err.empty() ? "nothing" : Escaped(err)));
  } else {
    check_->Step(
        absl::StrCat("it said ", Escaped(absl::StripSuffix(err, "\n"), 160)));
  }
}

void Process::ComesDownTo(int most, absl::string_view what,
                          absl::FunctionRef<int()> count) {
  if (!child_ || check_->over()) return;
  int seen = 0;
  const auto down = [&] { return (seen = count()) <= most; };
  if (check_->supervisor_->WaitUntil(down) != Waited::kMet) {
    check_->Fail(absl::StrCat("at most ", most, " ", what),
                 child_->ended()
                     ? absl::StrCat("it ended first: ", child_->name(), ", ",
                                    child_->Ending())
                 : seen == INT_MAX ? kHidden
                                   : absl::StrCat(seen));
  }
}

bool Process::FallsAsleep() {
  const auto used = [&] {
    clockid_t clock;
    timespec time = {};
    if (clock_getcpuclockid(pid(), &clock) == 0) clock_gettime(clock, &time);
    return absl::DurationFromTimespec(time);
  };
  const absl::Duration most = used() + absl::Milliseconds(200);
  constexpr int kMoment = 5;  // Looks.
  bool busy = false;
  int quiet_looks = 0;
  ComesDownTo(0, "threads that run", [&] {
    const int running = RunningThreads(pid());
    quiet_looks = running ? 0 : quiet_looks + 1;
    busy = busy || used() > most;
    return busy || quiet_looks >= kMoment ? 0 : std::max(running, 1);
  });
  return !busy;
}

void Process::ClosesOnExec(pid_t pid) {
  if (!child_ || check_->over()) return;
  std::string leaky;
  for (const Descriptor& open : Descriptors(pid ? pid : child_->pid())) {
    if (open.number > 2 && !open.close_on_exec) {
      absl::StrAppend(&leaky, " ", open.number, " (", open.target, ")");
    }
  }
  Expect(leaky.empty(), "every descriptor above 2 has FD_CLOEXEC",
         "without it:" + leaky);
}

void Process::Stop() {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " was stopped, for a while"));
  child_->Signal(SIGSTOP);
  check_->Await(absl::StrCat(child_->name(), " stops"),
                [&] { return IsStopped(child_->pid()); });
}

void Process::Continue() {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " goes on"));
  child_->Signal(SIGCONT);
  for (pid_t pid : Descendants(child_->pid())) kill(pid, SIGCONT);
}

void Process::Feed(absl::string_view bytes, absl::string_view what) {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " was fed ", what));
  // One that reads no more has ended or will: what is expected next tells.
  check_->Await(
      absl::StrCat(child_->name(), " reads its standard input"),
      [&] { return !child_->Feed(&bytes) || bytes.empty(); }, child_->input(),
      POLLOUT);
}

void Process::EndInput() {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat("the standard input of ", child_->name(), " ends"));
  child_->EndInput();
}

void Process::HoldOutput() {
  if (!child_ || check_->over()) return;
  check_->Step("nobody reads what it prints");
  child_->HoldOutput(true);
  check_->Await(absl::StrCat(child_->name(), " prints something"),
                [&] { return child_->OutputWaits() > 0; });
}

void Process::ReadOutput() {
  if (!child_ || check_->over()) return;
  check_->Step("we read it, a little at a time");
  child_->HoldOutput(false);
}

void Process::CloseOutput() {
  if (!child_ || check_->over()) return;
  check_->Step(
      absl::StrCat("we closed the pipe that ", child_->name(), " prints into"));
  child_->CloseOutput();
}

void Process::Signal(int signal, absl::string_view name) {
  if (!child_ || check_->over()) return;
  check_->Step(absl::StrCat(child_->name(), " was sent ", name));
  child_->Signal(signal);
}

void Process::Expect(bool condition, absl::string_view expected,
                     absl::string_view seen) {
  if (child_ && !check_->over() && !condition) check_->Fail(expected, seen);
}

// Peer ------------------------------------------------------------------------

void Peer::Send(absl::string_view bytes, absl::string_view what,
                const std::vector<int>& fds) {
  if (!fd_.valid() || check_->over()) return;
  if (!what.empty()) check_->Step(absl::StrCat(name_, " sent ", what));
  bool with_fds = !fds.empty();
  int error = 0;
  check_->Await(
      absl::StrCat("the program reads what ", name_, " sends"),
      [&] {
        while (!bytes.empty()) {
          const ssize_t count = with_fds ? SendWithFds(fd_.get(), bytes, fds)
                                         : send(fd_.get(), bytes.data(),
                                                bytes.size(), MSG_NOSIGNAL);
          if (count < 0) {
            error = errno == EAGAIN ? 0 : errno;
            return error != 0;
          }
          bytes.remove_prefix(count);
          with_fds = false;
        }
        return true;
      },
      fd_.get(), POLLOUT);
  if (error) {
    check_->Fail("the connection is there to be written to",
                 absl::StrCat("the program closed it: ",
                              ipc::ErrnoStatus("send", "", error).message()));
  }
}

size_t Peer::SendUntilStuck(absl::string_view bytes, absl::string_view what) {
  if (!fd_.valid() || check_->over()) return 0;
  size_t sent = 0;
  // Between two reads of a program that goes on, our buffer may be full and
  // everybody asleep as well, but for a moment only.
  constexpr absl::Duration kStuck = absl::Milliseconds(50);
  absl::Time moved = absl::Now();
  const auto nobody_runs = [] {
    const std::vector<pid_t> pids = Descendants(getpid());
    return std::all_of(pids.begin(), pids.end(),
                       [](pid_t pid) { return RunningThreads(pid) == 0; });
  };
  check_->Await(
      absl::StrCat("the program takes in some of what ", name_, " sends"),
      [&] {
        while (sent < bytes.size()) {
          const ssize_t count = send(fd_.get(), bytes.data() + sent,
                                     bytes.size() - sent, MSG_NOSIGNAL);
          if (count < 0 && errno != EAGAIN) return true;
          if (count < 0 && nobody_runs()) return absl::Now() - moved >= kStuck;
          moved = absl::Now();
          if (count < 0) return false;
          sent += count;
        }
        return true;
      },
      fd_.get(), POLLOUT);
  check_->Step(absl::StrCat(name_, " sent ", what, ", and reads nothing"));
  return sent;
}

pid_t Peer::SendAs(const Person& who, absl::string_view bytes,
                   absl::string_view what) {
  if (!fd_.valid() || check_->over()) return 0;
  const pid_t pid =
      check_->ActAs(who, absl::StrCat("somebody else sends ", what), [&] {
        const ssize_t count =
            send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count < 0) return errno;
        return count == static_cast<ssize_t>(bytes.size()) ? 0 : EMSGSIZE;
      });
  check_->Step(absl::StrCat("process ", pid, " sent ", what,
                            ", on the same connection"));
  return pid;
}

void Peer::AwaitRead() {
  if (!fd_.valid() || check_->over()) return;
  check_->Await(absl::StrCat("the program reads all that ", name_, " sent"),
                [&] { return AllRead(fd_.get()); });
}

void Peer::StopReading() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " reads no more"));
  shutdown(fd_.get(), SHUT_RD);
}

void Peer::StopWriting() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " ended its half, and still reads"));
  shutdown(fd_.get(), SHUT_WR);
}

std::string Peer::ReceiveUpTo(
    size_t count, absl::string_view expected,
    absl::FunctionRef<ssize_t(char* buffer, size_t size)> receive) {
  std::string received;
  if (!fd_.valid() || check_->over()) return received;
  check_->Await(
      expected,
      [&] {
        char buffer[4096];
        while (received.size() < count) {
          const ssize_t got = receive(
              buffer, std::min(sizeof(buffer), count - received.size()));
          if (got < 0) return errno != EAGAIN;
          if (got == 0) return true;
          received.append(buffer, got);
        }
        return true;
      },
      fd_.get(), POLLIN);
  return received;
}

std::string Peer::ReceiveAll() {
  constexpr size_t kTooMuch = size_t{1} << 20;
  return ReceiveUpTo(kTooMuch, "the program ends the connection",
                     [&](char* buffer, size_t size) {
                       return recv(fd_.get(), buffer, size, 0);
                     });
}

std::string Peer::Receive(size_t count) {
  return ReceiveExactly(count, [&](char* buffer, size_t size) {
    return recv(fd_.get(), buffer, size, 0);
  });
}

std::string Peer::Receive(size_t count, std::vector<ipc::UniqueFd>* fds) {
  return ReceiveExactly(count, [&](char* buffer, size_t size) {
    return ReceiveWithFds(fd_.get(), buffer, size, fds);
  });
}

std::string Peer::Receive(size_t count, ucred* sender) {
  return ReceiveExactly(count, [&](char* buffer, size_t size) {
    return ReceiveFrom(fd_.get(), buffer, size, sender);
  });
}

std::string Peer::ReceiveExactly(
    size_t count,
    absl::FunctionRef<ssize_t(char* buffer, size_t size)> receive) {
  std::string received = ReceiveUpTo(
      count, absl::StrCat("the program sends ", count, " bytes"), receive);
  if (!check_->over() && received.size() < count) {
    check_->Fail(
        absl::StrCat("the program sends ", count, " bytes"),
        absl::StrCat("it ended the connection after ", received.size()));
  }
  return received;
}

void Peer::Close() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " closed its end"));
  fd_.reset();
}

void Peer::Reset() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " reset the connection"));
  const linger abort = {1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  fd_.reset();
}

// DatagramPeer ----------------------------------------------------------------

void DatagramPeer::SendTo(const ipc::SocketAddress& to, absl::string_view bytes,
                          absl::string_view what) {
  if (!fd_.valid() || check_->over()) return;
  if (!what.empty()) check_->Step(absl::StrCat(name_, " sent ", what));
  int error = 0;
  // Not watched: poll calls an unconnected socket writable even when the queue
  // at the other end is full.
  check_->Await(absl::StrCat("there is room for what ", name_, " sends"), [&] {
    if (sendto(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, to.data(),
               to.size()) >= 0) {
      return true;
    }
    error = errno == EAGAIN ? 0 : errno;
    return error != 0;
  });
  if (error) {
    check_->Fail(absl::StrCat(name_, " can send to ", to.ToString()),
                 ipc::ErrnoStatus("sendto", "", error).message());
  }
}

void DatagramPeer::SendTo(const std::string& path, absl::string_view bytes,
                          absl::string_view what) {
  SendTo(*ipc::SocketAddress::UnixPath(path), bytes, what);
}

std::string DatagramPeer::Receive(absl::string_view what,
                                  ipc::SocketAddress* from) {
  std::string received;
  if (!fd_.valid() || check_->over()) return received;
  ssize_t size = -1;
  check_->Await(
      absl::StrCat(name_, " receives ", what),
      [&] {
        size = recv(fd_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
        return size >= 0;
      },
      fd_.get(), POLLIN);
  if (check_->over()) return received;
  received.resize(size);
  from->FillBy([&](sockaddr* address, socklen_t* length) {
    return recvfrom(fd_.get(), &received[0], received.size(), 0, address,
                    length);
  });
  return received;
}

void DatagramPeer::Receives(absl::string_view bytes, absl::string_view what,
                            const std::string& path) {
  ipc::SocketAddress from;
  const std::string received = Receive(what, &from);
  if (!fd_.valid() || check_->over()) return;
  if (received != bytes) {
    check_->Fail(
        absl::StrCat(name_, " receives ", what, ", ", bytes.size(), " bytes"),
        absl::StrCat(received.size(), " bytes\n", Difference(bytes, received)));
  } else if (from.path() != path) {
    check_->Fail(absl::StrCat("what ", name_, " receives comes from ", path),
                 absl::StrCat("it comes from ", from.ToString()));
  } else {
    check_->Step(absl::StrCat("it received ", what));
  }
}

void DatagramPeer::Close() {
  if (!fd_.valid() || check_->over()) return;
  check_->Step(absl::StrCat(name_, " closed its socket"));
  fd_.reset();
}

// Check -----------------------------------------------------------------------

std::vector<Result>& Check::Results() {
  static auto& results = *new std::vector<Result>;
  return results;
}

void Check::SetProgram(const std::string& name, const std::string& path) {
  Programs()[name] = path;
}

Check::Check()
    : socket_path_(scratch_.File("socket")),
      supervisor_(std::make_unique<Supervisor>(Deadline())) {
  result_.check = testing::UnitTest::GetInstance()->current_test_info()->name();
  CanTrace();  // Before any program could have a hand in it, to skip a check.
}

Check::~Check() = default;

void Check::About(Points points, absl::string_view title, absl::string_view why,
                  absl::string_view read) {
  story_.Begin(title, why, read);
  result_.title = std::string(title);
  result_.kind = points.kind;
  result_.points = points.points;
}

void Check::TearDown() {
  const bool all_ended =
      std::all_of(children_.begin(), children_.end(),
                  [](const Child* child) { return child->ended(); });
  if (failed()) {
    std::string told;
    for (const Child* child : children_) {
      told += child->err();
      const std::string digest = StderrDigest(child->err());
      if (!digest.empty()) {
        story_.Remark("stderr",
                      absl::StrCat(child->name(), " wrote:\n", digest));
      }
    }
    const std::string entries = CatalogueEntries(told);
    if (!entries.empty()) {
      story_.ReadAlso(absl::StrCat(kCatalogue, ",", entries));
    }
  }
  if (all_ended) supervisor_->AwaitNobody();
  supervisor_.reset();
  const std::vector<std::string> left =
      KillDescendants(absl::Now() + kPatience);
  if (all_ended && !left.empty()) {
    Fail("nothing of the program is left running when it has ended",
         absl::StrCat("still there, now killed: ", absl::StrJoin(left, ", ")));
  }
  struct stat status;
  if (all_ended && listened_here_ && !failed() &&
      lstat(socket_path_.c_str(), &status) == 0) {
    Note("the program ended and left its socket file behind");
  }

  result_.passed = !failed() && !HasFailure();  // An exception, for instance.
  result_.story = failed() ? story_.Tell() : "";
  const bool skipped = !result_.skipped.empty();
  RecordProperty("kind", result_.kind == Kind::kCore ? "core" : "robust");
  RecordProperty("points", result_.passed && !skipped ? result_.points : 0);
  RecordProperty("points_possible", skipped ? 0 : result_.points);
  if (failed()) ADD_FAILURE() << story_.title() << "\n\n" << result_.story;
  Results().push_back(result_);
}

Process Check::Start(const std::string& program,
                     const std::vector<std::string>& args, bool sanitized,
                     mode_t umask) {
  ChildOptions options;
  options.name = program;
  options.program = Programs()[sanitized ? program + "_asan" : program];
  options.args = args;
  options.umask = umask;
  if (sanitized) {
    options.limits.address_space = 0;  // It reserves terabytes.
  }
  return Run(options, absl::StrCat("started ", CommandLine(program, args),
                                   sanitized ? " under AddressSanitizer" : ""));
}

Process Check::StartFed(const std::string& program, const std::string& input,
                        bool sanitized) {
  ChildOptions options;
  options.name = program;
  options.program = Programs()[sanitized ? program + "_asan" : program];
  options.input = input;
  options.output_room = 4096;
  options.limits.output = kMuchOutput;
  if (sanitized) options.limits.address_space = 0;
  return Run(options, absl::StrCat("started ", program,
                                   sanitized ? " under AddressSanitizer" : "",
                                   input.empty() ? "" : " < ", input));
}

Process Check::StartInterrupted(const std::string& program,
                                const std::vector<std::string>& args) {
  // strace makes the call fail as if a signal with a handler had come, which
  // only a call that waits does. The first reads and writes are the loader's
  // and a sanitizer's; each process counts for itself.
  constexpr char kEarly[] = "read,write";
  constexpr char kOthers[] =
      "accept,accept4,"
      "recvfrom,recvmsg,sendto,sendmsg,readv,writev,wait4,waitid,"
      "?poll,ppoll,?select,pselect6,?epoll_wait,epoll_pwait";
  ChildOptions options;
  if (!Traced(program, args,
              {"-f", absl::StrCat("-etrace=", kEarly, ",", kOthers),
               absl::StrCat("--inject=", kEarly, ":error=EINTR:when=12+5"),
               absl::StrCat("--inject=", kOthers, ":error=EINTR:when=1+3")},
              &options)) {
    return Process(this, nullptr);
  }
  options.input = "";
  options.limits.output = kMuchOutput;
  return Run(options, absl::StrCat("started ", CommandLine(program, args),
                                   ", to be interrupted by signals"));
}

bool Check::Traced(const std::string& program,
                   const std::vector<std::string>& args,
                   const std::vector<std::string>& tracing,
                   ChildOptions* options) {
  char path[PATH_MAX];
  if (!CanTrace() || !realpath(Programs()[program].c_str(), path)) {
    Skip("strace cannot trace here (is it installed, is ptrace permitted?)");
    return false;
  }
  options->name = program;
  options->program = kStrace;
  options->args = {"-qq", "-o/dev/null"};
  options->args.insert(options->args.end(), tracing.begin(), tracing.end());
  options->args.push_back(path);
  options->args.insert(options->args.end(), args.begin(), args.end());
  return true;
}

Process Check::StartTraced(const std::string& program,
                           const std::vector<std::string>& args,
                           const std::string& trace,
                           const std::vector<std::string>& options) {
  std::vector<std::string> tracing = {"-f", "-o" + trace};
  tracing.insert(tracing.end(), options.begin(), options.end());
  ChildOptions child;
  if (!Traced(program, args, tracing, &child)) return Process(this, nullptr);
  std::string step =
      absl::StrCat("started ", CommandLine(program, args), ", under strace");
  if (!options.empty()) {
    absl::StrAppend(&step, " ", absl::StrJoin(options, " "));
  }
  return Run(child, step);
}

Process Check::StartStoppedAfter(const std::string& call,
                                 const std::string& program,
                                 const std::vector<std::string>& args) {
  // strace sends the signal on entry to the call; it takes effect on the way
  // back, before the program's next instruction.
  ChildOptions options;
  if (!Traced(program, args,
              {"-etrace=" + call,
               absl::StrCat("--inject=", call, ":signal=SIGSTOP:when=1")},
              &options)) {
    return Process(this, nullptr);
  }
  return Run(options, absl::StrCat("started ", CommandLine(program, args),
                                   ", to be stopped right after ", call));
}

Process Check::StartFailingOnce(const std::string& call,
                                const std::string& error,
                                const std::string& program,
                                const std::vector<std::string>& args) {
  ChildOptions options;
  if (!Traced(program, args,
              {"-f", "-etrace=" + call,
               absl::StrCat("--inject=", call, ":error=", error, ":when=1")},
              &options)) {
    return Process(this, nullptr);
  }
  return Run(options, absl::StrCat("started ", CommandLine(program, args),
                                   ", whose first ", call, " fails: ", error));
}

Process Check::Run(ChildOptions options, absl::string_view step) {
  if (over()) return Process(this, nullptr);
  Step(step);
  options.folder = scratch_.path();
  options.environment = {kAsanOptions};
  char other_uid[PATH_MAX];
  if (expects_strangers_ && realpath(kOtherUid, other_uid)) {
    options.environment.push_back(absl::StrCat("LD_PRELOAD=", other_uid));
    options.environment.push_back(
        absl::StrCat(kDisguises, "=", scratch_.File(kDisguises)));
  }
  absl::StatusOr<Child*> child = supervisor_->Spawn(options);
  if (!child.ok()) {
    Fail("the program can be run", child.status().message());
    return Process(this, nullptr);
  }
  children_.push_back(*child);
  return Process(this, *child);
}

Peer Check::Connect(const std::string& path, const std::string& name) {
  return Connect(*ipc::SocketAddress::UnixPath(path), name);
}

Peer Check::Connect(const ipc::SocketAddress& address,
                    const std::string& name) {
  ipc::UniqueFd fd = StreamSocket(address.family());
  if (over()) return Peer(this, std::move(fd), name);
  int error = 0;
  Await("the server takes a connection", [&] {
    if (connect(fd.get(), address.data(), address.size()) == 0) return true;
    // EAGAIN: the queue is full just now. The others: TCP is at it.
    const bool again = errno == EAGAIN || errno == EINPROGRESS ||
                       errno == EALREADY || errno == EISCONN;
    error = again ? 0 : errno;
    return error != 0 || errno == EISCONN;
  });
  if (error) {
    Fail(absl::StrCat("a client can connect to ", address.ToString()),
         ipc::ErrnoStatus("connect", "", error).message());
  }
  if (!over()) Step(absl::StrCat(name, " connected"));
  return Peer(this, std::move(fd), name);
}

void Check::ExpectStrangers() {
  if (!over() && access(kOtherUid, R_OK) < 0) {
    Skip(absl::StrCat(kOtherUid, " is not here: run the checker by Bazel"));
  }
  const ipc::UniqueFd file(open(scratch_.File(kDisguises).c_str(),
                                O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  if (ftruncate(file.get(), kMostDisguises * sizeof(Disguise)) < 0) {
    Fail("the checker can write in its folder",
         ipc::ErrnoStatus("ftruncate", kDisguises).message());
  }
  expects_strangers_ = true;
}

Peer Check::ConnectAsStranger(const ipc::SocketAddress& address) {
  constexpr Person::Ids kIds = {kStrangerUid, kStrangerUid};
  pid_t pid;
  return ConnectAs({kIds, kIds}, address, &pid);
}

// Where the ids themselves cannot be had, other_uid.cc tells them.
void Check::PutOnDisguise(const Person& who) const {
  const pid_t seen = who.out_of_sight ? 0 : getpid();
  const Disguise disguise = {getpid(),
                             {seen, who.effective.uid, who.effective.gid},
                             {seen, who.real.uid, who.real.gid}};
  const ipc::UniqueFd file(
      open(scratch_.File(kDisguises).c_str(), O_WRONLY | O_CLOEXEC));
  if (pwrite(file.get(), &disguise, sizeof(disguise),
             static_cast<off_t>(persons_ * sizeof(disguise))) < 0) {
    _exit(errno);
  }
}

pid_t Check::ActAs(const Person& who, absl::string_view expected,
                   absl::FunctionRef<int()> act) {
  if (over()) return 0;
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool is_us =
        who.real.uid == getuid() && who.effective.uid == geteuid() &&
        who.real.gid == getgid() && who.effective.gid == getegid();
    if (who.out_of_sight ||
        (!is_us &&
         (setresgid(who.real.gid, who.effective.gid, who.real.gid) < 0 ||
          setresuid(who.real.uid, who.effective.uid, who.real.uid) < 0))) {
      PutOnDisguise(who);
    }
    _exit(act());
  }
  if (pid > 0) ++persons_;
  siginfo_t ending = {};
  // It stays a zombie: its pid shall not become somebody else's.
  const bool ended = Await(expected, [&] {
    return pid < 0 ||
           waitid(P_PID, static_cast<id_t>(pid), &ending,
                  WEXITED | WNOHANG | WNOWAIT) < 0 ||
           ending.si_pid != 0;
  });
  if (ended && (ending.si_code != CLD_EXITED || ending.si_status != 0)) {
    Fail(expected,
         ipc::ErrnoStatus("it failed", "", ending.si_status).message());
  }
  return pid;
}

Peer Check::ConnectAs(const Person& who, const ipc::SocketAddress& address,
                      pid_t* pid) {
  ipc::UniqueFd fd = StreamSocket(address.family());
  *pid = ActAs(who, "the server takes a connection", [&] {
    return connect(fd.get(), address.data(), address.size()) < 0 ? errno : 0;
  });
  const std::string uid =
      who.out_of_sight ? "" : absl::StrCat(" of uid ", who.effective.uid);
  Step(absl::StrCat("process ", *pid, uid, " connected, and ended"));
  return Peer(this, std::move(fd), "the checker, on its connection,");
}

void Check::Host(const std::string& path) {
  Host(*ipc::SocketAddress::UnixPath(path));
}

void Check::Host(const ipc::SocketAddress& address) {
  if (over()) return;
  auto listener = ipc::Listen(address);
  if (!listener.ok()) {
    Fail("the checker can listen there", listener.status().message());
    return;
  }
  host_ = std::move(*listener);
  fcntl(host_.get(), F_SETFL, O_NONBLOCK);
  const int on = 1;
  setsockopt(host_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  Step(absl::StrCat("a server of ours listens at ", HostAddress().ToString()));
}

ipc::SocketAddress Check::HostAddress() const {
  const auto name = ipc::LocalAddress(host_.get());
  return name.ok() ? *name : ipc::SocketAddress();
}

Peer Check::Accept() {
  ipc::UniqueFd fd;
  if (!over()) {
    Await(
        "the client connects",
        [&] {
          fd.reset(accept4(host_.get(), nullptr, nullptr,
                           SOCK_CLOEXEC | SOCK_NONBLOCK));
          return fd.valid();
        },
        host_.get(), POLLIN);
  }
  if (!over()) Step("it connected");
  return Peer(this, std::move(fd), "our server");
}

DatagramPeer Check::OpenDatagram(const ipc::SocketAddress& address,
                                 const std::string& name) {
  ipc::UniqueFd fd;
  if (over()) return DatagramPeer(this, std::move(fd), name);
  const int family = address.named() ? address.family() : AF_UNIX;
  fd.reset(socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (address.family() != AF_UNSPEC &&
      bind(fd.get(), address.data(), address.size()) < 0) {
    Fail("the checker can bind its socket",
         ipc::ErrnoStatus("bind", address.ToString()).message());
  }
  const auto bound = ipc::LocalAddress(fd.get());
  Step(absl::StrCat(name, " opened a datagram socket, ",
                    bound.ok() && bound->named()
                        ? "bound to " + bound->ToString()
                        : "bound to no name"));
  return DatagramPeer(this, std::move(fd), name);
}

int Check::CountSockets(pid_t pid) {
  const std::vector<Descriptor> open = Descriptors(pid);
  if (!open.empty() && open.back().target == kHidden) return INT_MAX;
  return static_cast<int>(
      std::count_if(open.begin(), open.end(), [](const Descriptor& one) {
        return absl::StartsWith(one.target, "socket:");
      }));
}

std::string Check::RandomText(size_t count) {
  static auto& engine = *new std::mt19937(std::random_device{}());
  std::uniform_int_distribution<int> letter('a', 'z');
  std::string text;
  while (text.size() < count) text.push_back(static_cast<char>(letter(engine)));
  return text;
}

void Check::Skip(absl::string_view reason) {
  result_.skipped = std::string(reason);
}

void Check::Step(absl::string_view step) {
  if (!over()) story_.Step(step);
}

void Check::Fail(absl::string_view expected, absl::string_view seen) {
  story_.Fail(expected, seen);
}

bool Check::Await(absl::string_view expected,
                  absl::FunctionRef<bool()> condition, int watched_fd,
                  short events) {
  switch (supervisor_->WaitUntil(condition, {watched_fd, events, 0})) {
    case Waited::kMet:
      return true;
    case Waited::kEnded: {
      std::string seen = "it ended first:";
      for (const Child* child : children_) {
        absl::StrAppend(&seen, " ", child->name(), ", ", child->Ending());
      }
      Fail(expected, seen);
      break;
    }
    case Waited::kBlocked:
      Fail(expected, absl::StrCat("nobody will ever move again: ",
                                  supervisor_->detail()));
      break;
    case Waited::kBroke:
      Fail(expected, supervisor_->detail());
      break;
    case Waited::kDeadline:
      Fail(expected, "time is up, and the program is still busy");
      break;
  }
  return false;
}

}  // namespace harness
