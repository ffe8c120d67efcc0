// A variant with three threads: one receives by recvmsg, one answers, one waits
// for signals.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <deque>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lib/program.h"

namespace {

struct Letter {
  std::string text;
  std::vector<char> address;
  std::string name;
};

class Box {
 public:
  void Put(Letter letter) {
    std::lock_guard<std::mutex> lock(mutex_);
    letters_.push_back(std::move(letter));
    news_.notify_one();
  }
  Letter Take() {
    std::unique_lock<std::mutex> lock(mutex_);
    news_.wait(lock, [this] { return !letters_.empty(); });
    Letter letter = std::move(letters_.front());
    letters_.pop_front();
    return letter;
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Letter> letters_;
};

std::string NameOf(const std::vector<char>& address) {
  const size_t start = offsetof(sockaddr_un, sun_path);
  if (address.size() <= start) return "(unnamed)";
  const std::string name(address.begin() + start, address.end());
  return name[0] ? name.substr(0, name.find('\0')) : "@" + name.substr(1);
}

bool BindAt(int fd, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  fchmod(fd, 0600);
  if (bind(fd, generic, sizeof(address)) == 0) return true;
  if (errno != EADDRINUSE) return false;
  struct stat file;
  if (lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode)) {
    const int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool dead =
        connect(probe, generic, sizeof(address)) < 0 && errno == ECONNREFUSED;
    close(probe);
    if (dead && unlink(path.c_str()) == 0) {
      return bind(fd, generic, sizeof(address)) == 0;
    }
  }
  errno = EADDRINUSE;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  const char* path = "/tmp/unix.dgram";
  int datagrams = 1;
  int size = 1024;
  ipc::ParseFlags(argc, argv,
                  {{"socket", &path, "path"},
                   {"datagrams", &datagrams, "count"},
                   {"size", &size, "bytes"}});
  const size_t length = strlen(path);
  if (length == 0 || length > 107) {
    ipc::ReportErrno("bind", path, length ? ENAMETOOLONG : EINVAL);
    return 1;
  }
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, nullptr);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (!BindAt(fd, path)) {
    ipc::ReportErrno("bind", path);
    return 1;
  }
  std::thread([&] {
    int signal;
    sigwait(&stops, &signal);
    unlink(path);
    _exit(0);
  }).detach();

  int lost = 0;
  Box box;
  std::thread postman([&] {
    for (int i = 0; i < datagrams; ++i) {
      Letter letter = box.Take();
      if (letter.address.size() <= sizeof(sa_family_t)) continue;
      for (char& c : letter.text) {
        if (islower(static_cast<unsigned char>(c))) c = toupper(c);
      }
      if (sendto(fd, letter.text.data(), letter.text.size(), MSG_DONTWAIT,
                 reinterpret_cast<sockaddr*>(letter.address.data()),
                 letter.address.size()) < 0) {
        ipc::ReportErrno("sendto", letter.name.c_str());
        ++lost;
      }
    }
  });
  for (int i = 0; i < datagrams; ++i) {
    Letter letter;
    letter.text.resize(size);
    letter.address.resize(sizeof(sockaddr_storage));
    iovec part = {&letter.text[0], letter.text.size()};
    msghdr message = {};
    message.msg_name = letter.address.data();
    message.msg_namelen = letter.address.size();
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    ssize_t count;
    do {
      count = recvmsg(fd, &message, MSG_TRUNC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
      ipc::ReportErrno("recvmsg", path);
      unlink(path);
      _exit(1);
    }
    letter.address.resize(
        std::min<size_t>(message.msg_namelen, sizeof(sockaddr_un)));
    letter.name = NameOf(letter.address);
    std::cout << count << " bytes from " << letter.name;
    if (message.msg_flags & MSG_TRUNC) std::cout << ", cut to " << size;
    if (!(std::cout << std::endl)) {
      ipc::ReportErrno("print", path);
      unlink(path);
      _exit(1);
    }
    letter.text.resize(std::min<size_t>(count, size));
    box.Put(std::move(letter));
  }
  postman.join();
  unlink(path);
  return lost ? 1 : 0;
}
