// A variant that has a thread for each call that waits, and a condition
// variable that knows when its time is over.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "lib/program.h"

// Runs `call` in a thread; false (and the thread is left behind) when it takes
// longer than `ms`.
struct Task {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<ssize_t> result;
  int error = 0;
};

template <typename Call>
static ssize_t InTime(int ms, Call call) {
  auto task = std::make_shared<Task>();
  std::thread([task, call] {
    ssize_t n;
    do n = call();
    while (n < 0 && errno == EINTR);
    std::lock_guard<std::mutex> hold(task->mutex);
    task->error = errno;
    task->result = n;
    task->changed.notify_one();
  }).detach();
  std::unique_lock<std::mutex> hold(task->mutex);
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  if (!task->changed.wait_until(hold, end,
                                [&] { return task->result.has_value(); })) {
    errno = ETIMEDOUT;
    return -1;
  }
  errno = task->error;
  return *task->result;
}

int main(int argc, char** argv) {
  const char* path = "/tmp/unix.dgram";
  int ms = 5000;
  const int first = ipc::ParseFlags(
      argc, argv, {{"socket", &path, "path"}, {"timeout", &ms, "milliseconds"}},
      "MESSAGE...");
  if (first >= argc) {
    ipc::Report("MESSAGE...", "", "give at least one");
    return 2;
  }
  int fd;
  while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && fd <= 2) {
  }
  close(fd);
  signal(SIGPIPE, SIG_IGN);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t n = strlen(path);
  if (n < 1 || n > 107) {
    ipc::ReportErrno("connect", path, n < 1 ? EINVAL : ENAMETOOLONG);
    return 1;
  }
  memcpy(address.sun_path, path, n);
  fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sa_family_t family = AF_UNIX;
  if (fd < 0 || bind(fd, (sockaddr*)&family, sizeof family) < 0) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  if (connect(fd, (sockaddr*)&address, sizeof address) < 0) {
    ipc::ReportErrno("connect", path);
    return 1;
  }
  char junk[1];
  while (recv(fd, junk, 1, MSG_DONTWAIT) >= 0) {
  }
  for (int i = first; i < argc; i++) {
    const std::string message = argv[i];
    if (InTime(ms, [=] {
          return send(fd, message.data(), message.size(), MSG_NOSIGNAL);
        }) < 0) {
      ipc::ReportErrno("send", path);
      _exit(1);  // A thread may be waiting still.
    }
    auto reply = std::make_shared<std::string>(message.size() + 1, '\0');
    const ssize_t got = InTime(
        ms, [=] { return recv(fd, &(*reply)[0], reply->size(), MSG_TRUNC); });
    if (got < 0) {
      ipc::ReportErrno("recv", path);
      _exit(1);
    }
    if (got != static_cast<ssize_t>(message.size())) {
      char text[80];
      snprintf(text, sizeof text, "%zd bytes in answer to %zu", got,
               message.size());
      ipc::Report("recv", path, text);
      return 1;
    }
    (*reply)[got] = '\n';
    if (fwrite(reply->data(), 1, reply->size(), stdout) != reply->size() ||
        fflush(stdout) != 0) {
      ipc::ReportErrno("fwrite", "stdout");
      return 1;
    }
  }
  return 0;
}
