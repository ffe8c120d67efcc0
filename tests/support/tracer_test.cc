// What the tracer does to a program's calls, and that the program notices
// nothing else of it. tracee_program.cc makes the calls and tells their
// results.
#include "tests/support/tracer.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/errno_status.h"
#include "tests/support/misbehave.h"
#include "tests/support/proc.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/supervisor.h"

namespace harness {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr char kProgram[] = "tests/support/tracee_program";

class TracerTest : public HarnessTest {
 protected:
  void SetUp() override {
    if (!CanTrace().ok()) GTEST_SKIP() << CanTrace();
  }

  // Starts the program with `faults`.
  void Start(std::vector<Fault> faults, std::vector<std::string> actions) {
    ChildOptions options;
    options.program = kProgram;
    options.name = "program";
    options.args = std::move(actions);
    options.folder = scratch_.path();
    auto tracer = Tracer::Start(std::move(faults));
    ASSERT_TRUE(tracer.ok()) << tracer.status();
    tracer_ = std::move(*tracer);
    options.gate = tracer_->gate();
    child_ = SpawnWith(options);
    tracer_->CloseGate();
    ASSERT_TRUE(child_);
  }

  // The same, to its end; what it said.
  std::string Run(std::vector<Fault> faults, std::vector<std::string> actions) {
    Start(std::move(faults), std::move(actions));
    return Finish();
  }
  std::string Finish() {
    EXPECT_TRUE(Await([&] { return child_->closed(); }, {child_.get()}));
    EXPECT_EQ(child_->err(), "");
    EXPECT_EQ(child_->Ending(), "exit status 0");
    EXPECT_FALSE(tracer_->WasKilled());
    return child_->out();
  }

  // The words for the call that suffered the first fault.
  std::string Suffered() const {
    const auto call = tracer_->Suffered(0);
    return call ? call->Words() : "none";
  }

  // It has made so many calls, and sleeps.
  bool AwaitAsleep(size_t calls) {
    return Await([&] {
      return tracer_->Calls().size() == calls &&
             RunningThreads(child_->pid()) == 0;
    });
  }

  std::vector<std::string> CallNames() const {
    std::vector<std::string> names;
    for (const TracedCall& call : tracer_->Calls()) names.push_back(call.name);
    return names;
  }

  const ScratchDir scratch_;
  std::unique_ptr<Tracer> tracer_;
  std::unique_ptr<Child> child_;
};

// Interrupted -----------------------------------------------------------------

TEST_F(TracerTest, CallThatWaitsIsInterrupted) {
  EXPECT_EQ(Run({Fault::Interrupt({"recv"}, 1)},
                {"stream", "send=4", "recv=4", "recv=4"}),
            "send 4\nrecv EINTR\nrecv 4\n");
  EXPECT_EQ(Suffered(), "recv on descriptor 3 (a UNIX stream socket)");
  EXPECT_EQ(Run({Fault::Interrupt({"accept4", "accept"}, 1)},
                {"listen-unix", "connect-unix", "accept", "accept"}),
            "connect 0\naccept EINTR\naccept 0\n");
  EXPECT_EQ(Run({Fault::Interrupt({"poll"}, 1)}, {"stream", "poll=1000"}),
            "poll EINTR\n");
  EXPECT_EQ(Run({Fault::Interrupt({"select"}, 1)}, {"stream", "select=1000"}),
            "select EINTR\n");
  EXPECT_EQ(Run({Fault::Interrupt({"epoll_wait"}, 1)}, {"stream", "epoll=-1"}),
            "epoll_wait EINTR\n");
  EXPECT_EQ(Suffered(), "epoll_wait on descriptor 5 (an epoll instance)");
  EXPECT_EQ(Run({Fault::Interrupt({"waitpid"}, 1)}, {"child", "wait", "wait"}),
            "waitpid EINTR\nwaitpid 1\n");
  EXPECT_EQ(Suffered(), "waitpid");
  EXPECT_EQ(Run({Fault::Interrupt({"write"}, 1)}, {"pipe", "write=4"}),
            "write EINTR\n");
  EXPECT_EQ(Suffered(), "write on descriptor 4 (a pipe)");
  EXPECT_EQ(Run({Fault::Interrupt({"recvmsg"}, 1)},
                {"dgram", "send=4", "recvmsg=4", "recvmsg=4"}),
            "send 4\nrecvmsg EINTR\nrecvmsg 4\n");
  EXPECT_EQ(Run({Fault::Interrupt({"nanosleep"}, 1)}, {"sleep=500", "sleep=1"}),
            "nanosleep EINTR\nleft 500\nnanosleep 0\n");
}

TEST_F(TracerTest, CallThatDoesNotWaitIsNotInterrupted) {
  const auto nothing = [&](std::vector<std::string> actions) {
    std::string out = Run({Fault::Interrupt({}, 1)}, std::move(actions));
    EXPECT_EQ(Suffered(), "none");
    return out;
  };
  EXPECT_EQ(nothing({"stream", "recv-dontwait=4"}), "recv EAGAIN\n");
  EXPECT_EQ(nothing({"stream", "nonblock", "recv=4"}), "recv EAGAIN\n");
  EXPECT_EQ(nothing({"stream", "poll=0", "select=0", "epoll=0"}),
            "poll 0\nselect 0\nepoll_wait 0\n");
  EXPECT_EQ(nothing({"wait"}), "waitpid ECHILD\n") << "it has no child";
  EXPECT_THAT(nothing({"child", "wait-nohang"}), StartsWith("waitpid "));
  EXPECT_EQ(nothing({"file=new", "write=4", "rewind", "read=4"}),
            "write 4\nread 4\n");
  EXPECT_EQ(nothing({"file=/dev/null", "read=4"}), "read 0\n");
  EXPECT_EQ(nothing({"say=output"}), "output 0\n");
  EXPECT_EQ(nothing({"socket"}), "socket 0\n");
}

TEST_F(TracerTest, TimeLimitsPassAtOnce) {
  constexpr char kHour[] = "3600000";
  const auto limit = [&](const char* call) {
    return absl::StrCat(call, kHour);
  };
  EXPECT_EQ(Run({Fault::TimeOut()},
                {"stream", limit("poll="), "select=900", limit("epoll="),
                 "rcvtimeo=3600", "recv=4", "send=4", limit("poll="), "recv=4",
                 "send=4", "read=4"}),
            "poll 0\nselect 0\nepoll_wait 0\nrecv EAGAIN\nsend 4\npoll 1\n"
            "recv 4\nsend 4\nread 4\n")
      << "what has happened already is told";
}

TEST_F(TracerTest, InterruptedConnectOfTcpGoesOn) {
  if (!CopyDescriptor(getpid(), 1).valid()) GTEST_SKIP() << "pidfd_getfd";
  const std::string out = Run({Fault::Interrupt({"connect"}, 1)},
                              {"listen-tcp", "connect-tcp", "accept"});
  EXPECT_EQ(out, "connect EINTR\nconnect 0\nnonblock 0\naccept 0\n");
  EXPECT_EQ(Suffered(), "connect on descriptor 4 (a TCP socket)");
}

TEST_F(TracerTest, InterruptedConnectOfUnixHasNotBegun) {
  EXPECT_EQ(Run({Fault::Interrupt({"connect"}, 1)},
                {"listen-unix", "connect-unix", "connect-unix"}),
            "connect EINTR\nconnect 0\n");
}

TEST_F(TracerTest, ConnectOfADatagramSocketIsNotInterrupted) {
  EXPECT_EQ(Run({Fault::Interrupt({"connect"}, 1)}, {"udp"}), "");
  EXPECT_EQ(Suffered(), "none");
}

TEST_F(TracerTest, InterruptedAgainAndAgain) {
  EXPECT_EQ(Run({Fault::Interrupt({}, 0)},
                {"stream", "send=1", "send=8", "recv=1", "recv=1", "recv=1",
                 "recv=1", "recv=1", "poll=-1"}),
            "send EINTR\nsend 8\nrecv EINTR\nrecv 1\nrecv 1\nrecv EINTR\n"
            "recv 1\npoll EINTR\n");
}

// Cut short -------------------------------------------------------------------

TEST_F(TracerTest, StreamIsCut) {
  const auto cut = [&](std::vector<std::string> actions, Fault fault) {
    const std::string out = Run({fault}, std::move(actions));
    return out.substr(out.find('\n') + 1);  // Less what was sent before.
  };
  const auto to = [](const char* call, size_t bytes) {
    return Fault::CutTo({call}, 1, bytes);
  };
  const auto half = [](const char* call) { return Fault::CutHalf({call}, 1); };
  EXPECT_EQ(cut({"stream", "send=9", "recv=9", "recv=9"}, to("recv", 1)),
            "recv 1\nrecv 8\n");
  EXPECT_EQ(cut({"stream", "send=9", "recv=9", "recv=9"}, half("recvfrom")),
            "recv 4\nrecv 5\n");
  EXPECT_EQ(cut({"pipe", "write=9", "read=9", "read=9"}, half("read")),
            "read 4\nread 5\n");
  EXPECT_EQ(cut({"stream", "send=9", "readv=4,5", "recv=9"}, to("readv", 1)),
            "readv 1\nrecv 8\n");
  EXPECT_EQ(cut({"stream", "send=9", "readv=4,5", "recv=9"}, to("readv", 4)),
            "readv 4\nrecv 5\n");
  EXPECT_EQ(cut({"stream", "send=9", "readv=4,0,5", "recv=9"}, to("readv", 6)),
            "readv 6\nrecv 3\n");
  EXPECT_EQ(
      cut({"stream", "send=9", "recvmsg=2,2,9", "recv=9"}, half("recvmsg")),
      "recvmsg 6\nrecv 3\n");
  EXPECT_EQ(cut({"stream", "say=x", "send=9", "waits"}, half("send")),
            "send 4\nwaits 4\n");
  EXPECT_EQ(cut({"stream", "say=x", "writev=3,3,3", "waits"}, to("writev", 5)),
            "writev 5\nwaits 5\n");
  EXPECT_EQ(
      cut({"stream", "say=x", "sendmsg=3,3,3", "waits"}, to("sendmsg", 1)),
      "sendmsg 1\nwaits 1\n");
  EXPECT_EQ(cut({"pipe", "say=x", "write=5000", "waits"}, half("write")),
            "write 2500\nwaits 2500\n");
}

TEST_F(TracerTest, RegistersAreAsTheyWere) {
  EXPECT_EQ(Run({Fault::CutTo({"read"}, 1, 1)},
                {"stream", "send=9", "raw-read=9", "raw-read=9"}),
            "send 9\nread 1\nregister 0\nread 8\nregister 0\n");
}

TEST_F(TracerTest, MessagesAreNotCut) {
  for (const char* kind : {"dgram", "seqpacket", "udp"}) {
    EXPECT_EQ(Run({Fault::CutTo({}, 1, 1)},
                  {kind, "send=9", "recvmsg=4,5", "writev=4,5", "read=9"}),
              "send 9\nrecvmsg 9\nwritev 9\nread 9\n");
    EXPECT_EQ(Suffered(), "none") << kind;
  }
  EXPECT_EQ(Run({Fault::CutHalf({"sendmmsg"}, 1)},
                {"udp", "sendmmsg=9,8,7,6", "recv=9"}),
            "sendmmsg 2\nrecv 9\n")
      << "but there may be fewer of them";
}

TEST_F(TracerTest, WhatTheKernelMovesInOneIsNotCut) {
  EXPECT_EQ(Run({Fault::CutHalf({}, 1)},
                {"pipe", "write=4096", "read=1", "file=new", "write=4"}),
            "write 4096\nread 1\nwrite 4\n");
  EXPECT_EQ(Suffered(), "none");
}

// Failing ---------------------------------------------------------------------

TEST_F(TracerTest, CallFails) {
  EXPECT_EQ(
      Run({Fault::Fail({"socket"}, 2, EMFILE)}, {"socket", "socket", "socket"}),
      "socket 0\nsocket EMFILE\nsocket 0\n");
  EXPECT_EQ(Suffered(), "socket");
  EXPECT_EQ(Run({Fault::Fail({"send"}, 1, EPIPE)},
                {"dgram", "send=4", "send=4", "waits"}),
            "send EPIPE\nsend 4\nwaits 4\n");
  EXPECT_EQ(Run({Fault::Fail({"open"}, 1, ENFILE)},
                {"open=/etc/passwd", "open=none"}),
            "open 0\nopen ENFILE\n")
      << "libraries open what is in /etc";
}

TEST_F(TracerTest, OutputIsLeftAloneUnlessItIsAskedFor) {
  EXPECT_EQ(Run({Fault::Fail({"write"}, 1, EIO)}, {"say=1", "say=2"}),
            "1 0\n2 0\n");
  Fault fault = Fault::Fail({"write"}, 1, EIO);
  fault.output = true;
  EXPECT_EQ(Run({fault}, {"say=1", "say=2"}), "2 0\n");
}

TEST_F(TracerTest, OnlyOnDescriptorsOfTheKind) {
  Fault fault = Fault::Fail({"read"}, 1, EIO);
  fault.on = {DescriptorKind::kPipe};
  EXPECT_EQ(Run({fault}, {"stream", "send=4", "read=4", "pipe", "read=4"}),
            "send 4\nread 4\nread EIO\n");
}

// Many of them ----------------------------------------------------------------

TEST_F(TracerTest, CountsInAllThreadsAndProcesses) {
  EXPECT_EQ(Run({Fault::Fail({"recv"}, 4, EIO)},
                {"stream", "send=9", "recv=1", "thread", "recv=1", ".", "fork",
                 "recv=1", "recv=1", "recv=1", ".", "recv=1"}),
            "send 9\nrecv 1\nrecv 1\nrecv 1\nrecv EIO\nrecv 1\nrecv 1\n");
  const auto call = tracer_->Suffered(0);
  ASSERT_TRUE(call);
  EXPECT_NE(call->process, child_->pid());
}

TEST_F(TracerTest, SeveralFaults) {
  EXPECT_EQ(Run({Fault::Fail({"recv"}, 1, EIO), Fault::Fail({"recv"}, 2, EBADF),
                 Fault::Fail({"socket"}, 1, ENFILE)},
                {"stream", "send=9", "socket", "socket", "recv=1", "recv=1",
                 "recv=1", "recv=1"}),
            "send 9\nsocket ENFILE\nsocket 0\nrecv EIO\nrecv 1\nrecv EBADF\n"
            "recv 1\n");
}

TEST_F(TracerTest, CallsAreRecorded) {
  Run({}, {"stream", "send=9", "recv=4", "thread", "recv=2", ".", "fork",
           "recv=8", ".", "socket", "exec", "pipe", "read=0"});
  EXPECT_THAT(
      CallNames(),
      // The parent may come to its wait before or after what the child does.
      UnorderedElementsAre("socketpair", "send", "write", "recv", "write",
                           "pthread_create", "recv", "write", "fork", "waitpid",
                           "recv", "write", "socket", "write", "pipe", "read",
                           "write"));
  const std::vector<TracedCall> calls = tracer_->Calls();
  ASSERT_EQ(calls.size(), 17U);
  EXPECT_EQ(calls[1].Words(), "send on descriptor 4 (a UNIX stream socket)");
  EXPECT_EQ(calls[1].size, 9U);
  EXPECT_EQ(calls[1].result, 9);
  EXPECT_TRUE(calls[2].output);
  EXPECT_NE(calls[6].thread, child_->pid());
  EXPECT_EQ(calls[6].process, child_->pid());
  const auto by_child = std::find_if(
      calls.begin(), calls.end(),
      [&](const TracedCall& call) { return call.process != child_->pid(); });
  ASSERT_NE(by_child, calls.end());
  EXPECT_EQ(by_child->result, 3);
  EXPECT_TRUE(by_child->may_be_cut && by_child->may_be_interrupted);
}

TEST_F(TracerTest, ExecByAnyThread) {
  EXPECT_EQ(Run({Fault::Fail({"recv"}, 2, EIO)},
                {"stream", "send=4", "recv=1", "thread", "exec", "stream",
                 "send=4", "recv=1", "recv=1"}),
            "send 4\nrecv 1\nsend 4\nrecv EIO\nrecv 1\n");
  EXPECT_EQ(Run({}, {"fork", "exec", "say=child", "exit=0", ".", "say=parent",
                     "vfork", "say=end"}),
            "child 0\nparent 0\nend 0\n");
}

// Signals ---------------------------------------------------------------------

TEST_F(TracerTest, SignalsArrive) {
  EXPECT_EQ(Run({}, {"handle=10", "raise=10", "fork", "raise=10", ".",
                     "handle=5", "raise=5"}),
            "signal 10\nsignal 10\nsignal 5\n");
  Start({}, {"stream", "recv=1"});
  ASSERT_TRUE(AwaitAsleep(2));
  child_->Signal(SIGTERM);
  ASSERT_TRUE(Await([&] { return child_->closed(); }, {child_.get()}));
  EXPECT_EQ(child_->Ending(), "killed by SIGTERM");
}

TEST_F(TracerTest, CallThatTheKernelMakesAgainIsOne) {
  Start({}, {"handle=10", "stream", "recv=1"});
  ASSERT_TRUE(AwaitAsleep(2));
  for (size_t i = 1; i <= 3; ++i) {
    child_->Signal(SIGUSR1);
    ASSERT_TRUE(
        Await([&] { return child_->out().size() == i * strlen("signal 10\n"); },
              {child_.get()}));
    ASSERT_TRUE(AwaitAsleep(2 + i)) << "beside it, one write each time";
  }
  EXPECT_THAT(CallNames(),
              ElementsAre("socketpair", "recv", "write", "write", "write"));
}

TEST_F(TracerTest, StopsAndGoesOn) {
  Start({}, {"handle=10", "pipe", "thread", "read=1"});
  ASSERT_TRUE(AwaitAsleep(3));
  for (int i = 0; i < 3; ++i) {
    child_->Signal(SIGSTOP);
    EXPECT_TRUE(Await([&] { return IsStopped(child_->pid()); }));
    EXPECT_THAT(ObserveActivity({child_->pid()}).description,
                HasSubstr("is stopped by a signal"));
    child_->Signal(SIGCONT);
    EXPECT_TRUE(Await([&] { return !IsStopped(child_->pid()); }));
    EXPECT_TRUE(Await([&] { return RunningThreads(child_->pid()) == 0; }));
  }
  child_->Signal(SIGUSR1);
  EXPECT_TRUE(
      Await([&] { return child_->out() == "signal 10\n"; }, {child_.get()}));
}

TEST_F(TracerTest, HoldsAndIsReleased) {
  Start({Fault::Hold({"socket"}, 1), Fault::Hold({"recv"}, 2)},
        {"stream", "send=4", "socket", "recv=1", "recv=1", "recv=1"});
  const auto stopped = [&] { return IsStopped(child_->pid()); };
  ASSERT_TRUE(Await(stopped, {child_.get()}));
  child_->Pump();
  EXPECT_EQ(child_->out(), "send 4\n");
  EXPECT_TRUE(tracer_->Suffered(0));
  child_->Signal(SIGCONT);
  ASSERT_TRUE(
      Await([&] { return tracer_->Suffered(1) && stopped(); }, {child_.get()}));
  child_->Pump();
  EXPECT_EQ(child_->out(), "send 4\nsocket 0\nrecv 1\n");
  child_->Signal(SIGCONT);
  EXPECT_EQ(Finish(), "send 4\nsocket 0\nrecv 1\nrecv 1\nrecv 1\n");
}

TEST_F(TracerTest, KilledProgramIsReaped) {
  Start({}, {"thread", "pipe", "read=1"});
  ASSERT_TRUE(AwaitAsleep(3));
  child_->Signal(SIGKILL);
  ASSERT_TRUE(Await([&] { return child_->closed(); }, {child_.get()}));
  EXPECT_EQ(child_->Ending(), "killed by SIGKILL");
  Start({}, {"pipe", "fork", "read=1"});
  ASSERT_TRUE(AwaitAsleep(4));
  child_.reset();  // Kills its process group.
  Start({}, {"exit-thread"});
  ASSERT_TRUE(Await([&] { return child_->closed(); }, {child_.get()}));
}

// The helper ------------------------------------------------------------------

TEST_F(TracerTest, HelperIsNobody) {
  Start({}, {"pipe", "read=1"});
  ASSERT_TRUE(AwaitAsleep(2));
  EXPECT_THAT(Descendants(getpid()), ElementsAre(child_->pid()));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), 0) << "the child, and it alone";
  EXPECT_EQ(Descriptors(child_->pid()).size(), 5U) << "the pipe is its own";
  Supervisor supervisor(absl::Now() + kPatience);
  EXPECT_EQ(supervisor.WaitUntil([] { return false; }), Waited::kBlocked);
  EXPECT_THAT(supervisor.detail(), HasSubstr("waits in read"));
}

TEST_F(TracerTest, ProgramGoesOnWhenItIsLetGo) {
  Start({}, {"handle=10", "pipe", "read=1"});
  ASSERT_TRUE(AwaitAsleep(2));
  EXPECT_TRUE(tracer_->LetGo());
  EXPECT_FALSE(tracer_->WasKilled());
  child_->Signal(SIGUSR1);
  EXPECT_TRUE(
      Await([&] { return child_->out() == "signal 10\n"; }, {child_.get()}));
  EXPECT_FALSE(child_->ended());
}

TEST_F(TracerTest, HelperLeavesAfterTheLastFault) {
  Start({Fault::Fail({"socket"}, 1, EIO)}, {"socket", "pipe", "read=1"});
  ASSERT_TRUE(
      Await([&] { return child_->out() == "socket EIO\n"; }, {child_.get()}));
  EXPECT_TRUE(Await(
      [&] { return RunningThreads(child_->pid()) == 0 && !child_->ended(); }));
  EXPECT_TRUE(Await([&] { return tracer_->Ended(); }));
  EXPECT_FALSE(tracer_->WasKilled());
}

TEST_F(TracerTest, KillingTheHelperIsSeen) {
  Start({}, {"pipe", "read=1"});
  ASSERT_TRUE(AwaitAsleep(2));
  kill(tracer_->helper(), SIGKILL);
  EXPECT_TRUE(Await([&] { return tracer_->WasKilled(); }));
}

TEST_F(TracerTest, ProgramThatCannotBeRunIsTold) {
  auto tracer = Tracer::Start({});
  ASSERT_TRUE(tracer.ok());
  ChildOptions options;
  options.program = "/etc/passwd";
  options.name = "passwd";
  options.gate = (*tracer)->gate();
  EXPECT_THAT(Child::Spawn(options).status().message(), HasSubstr("EACCES"));
}

TEST_F(TracerTest, ThousandsOfCallsInAMoment) {
  std::vector<std::string> actions = {"stream"};
  for (int i = 0; i < 2000; ++i) {
    actions.push_back("send=1");
    actions.push_back("recv=1");
  }
  const absl::Time start = absl::Now();
  Run({}, actions);
  const absl::Duration recorded = absl::Now() - start;
  EXPECT_EQ(tracer_->Calls().size(), 8001U);
  RecordProperty("us_per_recorded_call",
                 static_cast<int>(recorded / absl::Microseconds(8001)));
}

// ptrace(2) answers EPERM, as in some containers.
void ForbidPtrace() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {4, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST(TracerWithoutPtrace, IsRefused) {
  const pid_t pid = fork();
  if (pid == 0) {
    ForbidPtrace();
    auto tracer = Tracer::Start({});
    ChildOptions options;
    options.program = kProgram;
    options.name = "program";
    options.gate = (*tracer)->gate();
    const bool refused =
        ipc::StatusErrno(Child::Spawn(options).status()) == EPERM;
    _exit(refused && !TryToTrace().ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(DescribeWaitStatus(status), "exit status 0");
}

}  // namespace
}  // namespace harness
