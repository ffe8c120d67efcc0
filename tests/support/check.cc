#include "tests/support/check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/errno_status.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "tests/support/confinement.h"
#include "tests/support/other_uid.h"
#include "tests/support/proc.h"
#include "tests/support/stderr_digest.h"
#include "tests/support/unflushed.h"
#include "tests/support/walls.h"

namespace harness {
namespace {

// For one check, all its waits together. Only what hangs in a way that
// Supervisor cannot call hopeless ever takes as long.
constexpr absl::Duration kPatience = absl::Seconds(10);

// What a program says as long as nobody has written it: see labs/*/starter.
constexpr char kStarterSays[] = "not written yet; begin with step ";

// For all checks of a run together: less than the 60 seconds after which Bazel
// ends a small test, so that the verdict is ours to tell.
constexpr absl::Duration kBudget = absl::Seconds(50);

// Leaks are not what the labs are about, and looking for them takes ptrace,
// which strace needs. Said to every program: with --config=asan all have a
// sanitizer.
constexpr char kAsanOptions[] =
    "ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0";

constexpr char kStrace[] = "/usr/bin/strace";

ipc::UniqueFd StreamSocket(int family) {
  return ipc::UniqueFd(
      socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// For programs whose output is as big as what they are fed.
constexpr size_t kMuchOutput = size_t{16} << 20;

ScratchDir* folder = nullptr;

std::function<void(const Result&)>& Reporter() {
  static auto& reporter = *new std::function<void(const Result&)>;
  return reporter;
}

// At most three lines.
absl::string_view LastLines(absl::string_view text) {
  size_t start = text.size();
  for (int lines = 0; lines < 4 && start != text.npos && start > 0; ++lines) {
    start = text.rfind('\n', start - 1);
  }
  return start == text.npos || start == 0 ? text : text.substr(start + 1);
}

std::map<std::string, std::string>& Programs() {
  static auto& programs = *new std::map<std::string, std::string>;
  return programs;
}

constexpr char kSanitized[] = " under AddressSanitizer";

void UseSanitized(ChildOptions* options) {
  options->program = Programs()[options->name + "_asan"];
  options->limits.address_space = 0;  // It reserves terabytes.
}

// Whether programs are confined, and whether there are walls around all.
bool confine = true, walls_up = false;

std::string RealPath(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) ? real : path;
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

}  // namespace

void Check::SetReporter(std::function<void(const Result&)> report) {
  Reporter() = std::move(report);
}

void Check::SetProgram(const std::string& name, const std::string& path) {
  Programs()[name] = path;
}

void Check::Confine(bool wanted, bool behind_walls) {
  confine = wanted;
  walls_up = behind_walls;
}

void Check::SetFolder(ScratchDir* of_the_check) { folder = of_the_check; }

absl::Time Check::EndOfRun() {
  static const absl::Time end_of_run = absl::Now() + kBudget;
  return end_of_run;
}

bool Check::CanStrace() {
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

Check::Check() : scratch_(folder) {
  Renew();
  result_.check = testing::UnitTest::GetInstance()->current_test_info()->name();
}

Check::~Check() = default;

void Check::Renew() {
  socket_path_ = scratch_->File("socket");
  listened_here_ = false;
  host_.reset();
  persons_ = 0;
  children_.clear();
  supervisor_ = std::make_unique<Supervisor>(
      std::min(absl::Now() + kPatience, EndOfRun()), EndOfRun());
}

void Check::Judges(absl::string_view program) {
  result_.program = std::string(program);
}

void Check::About(Points points, absl::string_view title, absl::string_view why,
                  Place place) {
  story_.Begin(title, why, std::move(place));
  result_.title = std::string(title);
  result_.kind = points.kind;
  result_.points = points.points;
  Result begun = result_;
  begun.not_judged = "the checker did not get to its end";
  Reporter()(begun);
}

void Check::About(Points points, absl::string_view title, absl::string_view why,
                  absl::string_view read) {
  About(points, title, why, Place{0, {}, std::string(read)});
}

void Check::Because(absl::string_view why, Place place) {
  story_.Because(why, std::move(place));
}
void Check::Because(absl::string_view why) { story_.Because(why); }
void Check::BecauseOfTheWhole() { story_.BecauseOfTheWhole(); }

void Check::Part(absl::string_view title) {
  if (!over()) story_.Part(title);
}

void Check::LookForUnflushed() {
  for (const Child* child : children_) {
    if (child->ended()) continue;
    std::vector<pid_t> pids = Descendants(child->pid());
    pids.insert(pids.begin(), child->pid());
    for (pid_t pid : pids) {
      // One that runs may be about to flush.
      const std::string bytes = RunningThreads(pid) ? "" : Unflushed(pid);
      if (bytes.empty()) continue;
      story_.Remark(
          "unflushed",
          absl::StrCat(child->name(), " keeps ", Count(bytes.size(), "byte"),
                       " in the buffer of stdout: ", Escaped(bytes)));
      if (awaits_end_) return;  // Not for that does it go on.
      story_.Explain(absl::StrCat(
          child->name(),
          " has printed these bytes and has not flushed them. printf and "
          "std::cout keep in a buffer what they print, unless stdout is a "
          "terminal: nobody sees it before the buffer is full or the program "
          "ends. Call fflush(stdout) (or use std::flush) after each line."));
      story_.ReadAlso("man 3 setvbuf, man 3 fflush");
      return;
    }
  }
}

void Check::LookForStarter() {
  for (const Child* child : children_) {
    const std::string& said = child->err();
    const size_t at = said.find(kStarterSays);
    if (at == said.npos) continue;
    const int step = atoi(said.c_str() + at + strlen(kStarterSays));
    if (story_.place().step == 0 || step <= story_.place().step) continue;
    story_.Explain(absl::StrCat(child->name(),
                                " is the starter still, and this check "
                                "needs it. Begin ",
                                child->name(), " with step ", step, "."),
                   Handout(step, {}, ""));
  }
}

void Check::TearDown() {
  Finish();
  if (failed()) ADD_FAILURE() << story_.title() << "\n\n" << result_.story;
  Reporter()(result_);
}

void Check::Finish() {
  const bool all_ended =
      std::all_of(children_.begin(), children_.end(),
                  [](const Child* child) { return child->ended(); });
  if (all_ended) {
    supervisor_->AwaitNobody();
    const std::vector<std::string> left =
        KillDescendants(absl::Now() + kPatience);
    if (!left.empty()) {
      Fail(
          "nothing of the program is left running when it has ended",
          absl::StrCat("still there, now killed: ", absl::StrJoin(left, ", ")));
    }
  }
  for (const auto& [child, tracing] : tracings_) {
    if (tracing.tracer->WasKilled()) {
      Fail("the program kills no process but its own",
           "it killed one of the checker's");
    }
  }
  if (failed()) {
    LookForStarter();
    RemarkFaults();
    std::string told;
    for (const Child* child : children_) {
      if (children_.size() > 1 && !child->out().empty()) {
        story_.Remark("stdout",
                      absl::StrCat(child->name(), " printed ",
                                   Escaped(LastLines(child->out()), 160)));
      }
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
  children_.clear();
  supervisor_.reset();
  KillDescendants(absl::Now() + kPatience);
  tracings_.clear();
  struct stat status;
  if (all_ended && listened_here_ && !failed() &&
      lstat(socket_path_.c_str(), &status) == 0) {
    Note("the program ended and left its socket file behind");
  }

  // HasFailure: of an exception, for instance.
  result_.passed = !failed() && !HasFailure() && result_.not_judged.empty();
  if (failed()) {
    result_.story = failed_case_.empty() ? story_.Tell() : failed_case_;
  }
  result_.step = story_.place().step;
}

ChildOptions Check::Options(const std::string& program,
                            const std::vector<std::string>& args,
                            const std::string& input) {
  ChildOptions options;
  options.name = program;
  options.program = Programs()[program];
  options.args = args;
  options.input = input;
  if (input.empty()) options.limits.output = kMuchOutput;
  return options;
}

std::string Check::Started(const std::string& program,
                           const std::vector<std::string>& args) {
  return absl::StrCat("started ", CommandLine(program, args));
}

Process Check::Start(const std::string& program,
                     const std::vector<std::string>& args, bool sanitized,
                     mode_t umask) {
  ChildOptions options = Options(program, args);
  options.umask = umask;
  if (sanitized) UseSanitized(&options);
  return Run(options,
             absl::StrCat(Started(program, args), sanitized ? kSanitized : ""));
}

Process Check::StartOnFullDisk(const std::string& program,
                               const std::vector<std::string>& args) {
  ChildOptions options = Options(program, args);
  options.full_disk = true;
  return Run(options, absl::StrCat(Started(program, args), " > /dev/full"));
}

Process Check::StartWithClosed(int closed, const std::string& program,
                               const std::string& input) {
  ChildOptions options = Options(program, {}, input);
  options.closed = closed;
  return Run(options,
             absl::StrCat(Started(program, {}), closed == 0 ? " <&-" : " >&-"));
}

Process Check::StartFed(const std::string& program, const std::string& input,
                        bool sanitized) {
  ChildOptions options = Options(program, {}, input);
  options.output_room = 4096;
  options.limits.output = kMuchOutput;
  if (sanitized) UseSanitized(&options);
  return Run(options,
             absl::StrCat(Started(program, {}), sanitized ? kSanitized : "",
                          input.empty() ? "" : " < ", input));
}

bool Check::Traced(const std::string& program,
                   const std::vector<std::string>& args,
                   const std::vector<std::string>& tracing,
                   ChildOptions* options) {
  char path[PATH_MAX];
  if (!CanStrace() || !realpath(Programs()[program].c_str(), path)) {
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

Process Check::Run(ChildOptions options, absl::string_view step) {
  if (over()) return Process(this, nullptr);
  Step(step);
  options.folder = scratch_->path();
  options.environment = {kAsanOptions};
  ConfinementOptions confinement;
  confinement.readable = {RealPath(options.program)};
  char other_uid[PATH_MAX];
  if (expects_strangers_ &&
      realpath(Programs()[kOtherUid].c_str(), other_uid)) {
    confinement.readable.push_back(other_uid);
    options.environment.push_back(absl::StrCat("LD_PRELOAD=", other_uid));
    options.environment.push_back(
        absl::StrCat(kDisguises, "=", scratch_->File(kDisguises)));
  }
  confinement.readable.push_back(kKitFolder);
  confinement.writable = {scratch_->path()};
  if (walls_up) {
    confinement.writable.push_back("/tmp");
    confinement.writable.push_back("/dev/shm");
  }
  confinement.signals_own_only = !walls_up;
  confinement.protected_pids = {getpid(), getppid()};
  confinement.traces = options.program == kStrace;
  if (confinement.traces) {
    for (const auto& [name, path] : Programs()) {
      confinement.readable.push_back(RealPath(path));
    }
  }
  const Confinement confined(confinement);
  if (confine) options.confinement = &confined;
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
  if (!over() && !name.empty()) Step(absl::StrCat(name, " connected"));
  return Peer(this, std::move(fd), name);
}

void Check::ExpectStrangers() {
  if (!over() && access(Programs()[kOtherUid].c_str(), R_OK) < 0) {
    Skip(absl::StrCat(kOtherUid, " is not here: run the checker by Bazel"));
  }
  const ipc::UniqueFd file(open(scratch_->File(kDisguises).c_str(),
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
      open(scratch_->File(kDisguises).c_str(), O_WRONLY | O_CLOEXEC));
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

void Check::Host(const std::string& path, int backlog) {
  Host(*ipc::SocketAddress::UnixPath(path), backlog);
}

void Check::Host(const ipc::SocketAddress& address, int backlog) {
  if (over()) return;
  auto listener = ipc::Listen(address, backlog);
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
  // "::" is for IPv4 as well, whatever net.ipv6.bindv6only says.
  const int only_ipv6 = 0;
  setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6,
             sizeof(only_ipv6));
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
  if (!over() && !(lenient_ && differs_)) story_.Step(step);
}

void Check::Fail(absl::string_view expected, absl::string_view seen) {
  differs_ = true;
  if (failed() || lenient_) return;
  story_.Fail(expected, seen);
  LookForUnflushed();
}

bool Check::Await(absl::string_view expected,
                  absl::FunctionRef<bool()> condition, int watched_fd,
                  short events) {
  switch (supervisor_->WaitUntil(condition, {watched_fd, events, 0})) {
    case Waited::kMet:
      return true;
    case Waited::kEnded: {
      std::vector<std::string> endings;
      for (const Child* child : children_) {
        endings.push_back(absl::StrCat(child->name(), ", ", child->Ending()));
      }
      Fail(expected,
           absl::StrCat("it ended first: ", absl::StrJoin(endings, "; ")));
      break;
    }
    case Waited::kBlocked:
      Fail(expected,
           absl::StrCat("this never happens: ", supervisor_->detail()));
      break;
    case Waited::kSpins:
      Fail(expected, supervisor_->detail());
      story_.Explain(
          "The program never sleeps: it makes the same calls again and again, "
          "and none of them waits or moves a byte. Find the loop that makes "
          "these calls, and the result that should end it or send it to "
          "sleep.");
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
