#include "tests/support/unflushed.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "gtest/gtest.h"
#include "lib/socket.h"

namespace harness {
namespace {

// What is seen in a process that has done `act` and sleeps.
std::string SeenAfter(void (*act)()) {
  auto pair = ipc::SocketPair(SOCK_STREAM);
  EXPECT_TRUE(pair.ok());
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(pair->second.get(), STDOUT_FILENO);
    act();
    (void)!write(pair->second.get(), "r", 1);
    pause();
  }
  char ready = 0;
  while (ready != 'r') EXPECT_EQ(read(pair->first.get(), &ready, 1), 1);
  const std::string seen = Unflushed(pid);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return seen;
}

TEST(Unflushed, IsWhatWaitsInStdout) {
  EXPECT_EQ(SeenAfter([] { printf("kept %d\n", 7); }), "kept 7\n");
  EXPECT_EQ(SeenAfter([] {
              setvbuf(stdout, nullptr, _IOFBF, 100);
              fputs("kept", stdout);
            }),
            "kept");
}

TEST(Unflushed, IsNothingAfterAFlush) {
  EXPECT_EQ(SeenAfter([] {
              printf("told\n");
              fflush(stdout);
            }),
            "");
  EXPECT_EQ(SeenAfter([] {}), "");
}

TEST(Unflushed, IsNothingOfAProcessThatIsGone) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  waitpid(pid, nullptr, 0);
  EXPECT_EQ(Unflushed(pid), "");
}

}  // namespace
}  // namespace harness
