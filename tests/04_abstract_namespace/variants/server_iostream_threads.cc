// A variant with a thread for each client, and a lock around std::cout.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include "lib/program.h"

namespace {

std::mutex g_out;
std::atomic<bool> g_failed{false};
std::mutex g_count;
std::condition_variable g_zero;
int g_running = 0;

bool Say(const std::string& line) {
  std::lock_guard<std::mutex> lock(g_out);
  errno = 0;
  if ((std::cout << line).flush()) return true;
  ipc::ReportErrno("write", "std::cout", errno ? errno : EIO);
  g_failed = true;
  return false;
}

void Serve(int fd, int k) {
  std::string pending;
  char piece[700];
  while (true) {
    ssize_t n = recv(fd, piece, sizeof piece, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      ipc::ReportErrno("recv", "client");
      g_failed = true;
      break;
    }
    if (n == 0) {
      if (pending.empty()) break;
      std::ostringstream problem;
      problem << "short record of " << pending.size() << " bytes";
      ipc::Report("recv", ("client " + std::to_string(k)).c_str(),
                  problem.str().c_str());
      g_failed = true;
      break;
    }
    pending.append(piece, n);
    if (pending.size() < 1024) continue;
    std::string text = pending.substr(0, 1024);
    pending.erase(0, 1024);
    text.resize(std::min(text.find('\0'), text.size()));
    if (!Say("client " + std::to_string(k) + ": " + text + "\n")) break;
  }
  close(fd);
  std::lock_guard<std::mutex> lock(g_count);
  if (--g_running == 0) g_zero.notify_one();
}

}  // namespace

int main(int argc, char** argv) {
  const char* flag = "lab";
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &flag, "abstract name, @ for a NUL"},
                   {"clients", &clients, "how many clients to serve"}});
  std::ios::sync_with_stdio(false);
  signal(SIGPIPE, SIG_IGN);
  std::string name = flag;
  if (name.size() > 107) {
    ipc::ReportErrno("name", flag, ENAMETOOLONG);
    return 1;
  }
  if (!name.empty()) name.insert(name.begin(), '@');
  for (char& c : name) {
    if (c == '@') c = '\0';
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, name.size());
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 ||
      bind(listener, reinterpret_cast<sockaddr*>(&address),
           sizeof(sa_family_t) + name.size()) < 0 ||
      listen(listener, 5) < 0) {
    ipc::ReportErrno("bind", flag);
    return 1;
  }
  socklen_t size = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::ostringstream line;
  line << "listening at ";
  for (unsigned i = 0; i < size - sizeof(sa_family_t); ++i) {
    line << (address.sun_path[i] ? address.sun_path[i] : '@');
  }
  line << ", " << size << " bytes of address\n";
  if (!Say(line.str())) return 1;
  for (int k = 0; k < clients;) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR) continue;
      ipc::ReportErrno("accept", flag);
      g_failed = true;
      break;
    }
    ucred peer{};
    size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
      ipc::ReportErrno("getsockopt", flag);
      g_failed = true;
      close(fd);
      continue;
    }
    if (peer.uid != geteuid()) {
      ipc::Report("accept", flag,
                  ("wrong uid: " + std::to_string(peer.uid)).c_str());
      close(fd);
      continue;
    }
    {
      std::lock_guard<std::mutex> lock(g_count);
      ++g_running;
    }
    std::thread(Serve, fd, ++k).detach();
  }
  close(listener);
  std::unique_lock<std::mutex> lock(g_count);
  g_zero.wait(lock, [] { return g_running == 0; });
  return g_failed ? 1 : 0;
}
