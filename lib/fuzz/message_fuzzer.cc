// A peer that sends what it likes: the input is a script of raw sendmsg calls,
// with control messages of any level, type, length and content, over a socket
// pair of each type, and of what the receiver does meanwhile. What ReceiveFds
// and ReceiveWithCredentials return is compared with what the kernel took, and
// the open descriptors with those before.
//
// A second kind of script forges what recvmsg returns, for what today's kernel
// cannot be made to send: other orders, foreign control messages, cut ones.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "lib/credentials.h"
#include "lib/errno_status.h"
#include "lib/fd_passing.h"
#include "lib/fuzz/fuzz_input.h"
#include "lib/unique_fd.h"

namespace ipc {
namespace {

// Enough for a message of kMaxFds, few enough to be looked at often.
constexpr int kMaxOpenFiles = 320;

// Which of this process's possible descriptors are open, by one system call.
std::bitset<kMaxOpenFiles> OpenFds() {
  pollfd all[kMaxOpenFiles];
  for (int fd = 0; fd < kMaxOpenFiles; ++fd) all[fd] = {fd, 0, 0};
  Require(poll(all, kMaxOpenFiles, 0) >= 0, "poll works");
  std::bitset<kMaxOpenFiles> open;
  for (int fd = 0; fd < kMaxOpenFiles; ++fd) {
    open[fd] = !(all[fd].revents & POLLNVAL);
  }
  return open;
}

void LimitOpenFiles(int limit) {
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = limit;
  Require(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit works");
}

// An open file, whatever its descriptor's number.
using FileId = std::pair<dev_t, ino_t>;

FileId Identify(int fd) {
  struct stat file;
  Require(fstat(fd, &file) == 0, "it is open");
  return {file.st_dev, file.st_ino};
}

std::vector<FileId> Identify(const FdList& fds) {
  std::vector<FileId> ids;
  for (const UniqueFd& fd : fds) {
    Require(fcntl(fd.get(), F_GETFD) == FD_CLOEXEC, "it is close-on-exec");
    ids.push_back(Identify(fd.get()));
  }
  return ids;
}

// Four files that can be told apart, open for good.
int SomeFd(uint8_t choice) {
  static const std::vector<int>* fds = [] {
    auto* made = new std::vector<int>;
    for (int i = 0; i < 4; ++i) made->push_back(memfd_create("passed", 0));
    return made;
  }();
  return (*fds)[choice % fds->size()];
}

bool operator==(const Credentials& a, const Credentials& b) {
  return a.pid == b.pid && a.uid == b.uid && a.gid == b.gid;
}

bool IsRights(const cmsghdr& header) {
  return header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS;
}

bool IsCredentials(const cmsghdr& header) {
  return header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_CREDENTIALS;
}

template <typename T>
void AppendBytes(const T& value, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// One control message of the script: well-formed ones often, and any other.
std::string ControlMessage(FuzzInput* input) {
  const uint8_t kind = input->Byte();
  cmsghdr header = {0, SOL_SOCKET, SCM_RIGHTS};
  std::string payload;
  switch (kind % 4) {
    case 0:
      for (int count = input->Byte(); count > 0; --count) {
        AppendBytes(SomeFd(input->Byte()), &payload);
      }
      break;
    case 1: {
      header.cmsg_type = SCM_CREDENTIALS;
      ucred claimed = {getpid(), getuid(), getgid()};
      if (kind & 0x10) claimed.pid = input->Byte();
      if (kind & 0x20) claimed.uid = input->Word();
      if (kind & 0x40) claimed.gid = input->Word();
      AppendBytes(claimed, &payload);
      break;
    }
    case 2:  // Descriptors by their numbers: open or not, the pair's own too.
      for (const char fd : input->Bytes(input->Byte() % 8)) {
        AppendBytes(int{fd}, &payload);
      }
      break;
    case 3:
      header.cmsg_level = input->Byte();
      header.cmsg_type = input->Byte();
      payload = input->Bytes(input->Byte());
      break;
  }
  header.cmsg_len = CMSG_LEN(payload.size());
  if (kind & 0x80) header.cmsg_len += static_cast<int8_t>(input->Byte());
  std::string message;
  AppendBytes(header, &message);
  message += payload;
  message.resize(CMSG_ALIGN(message.size()));
  return message;
}

// A script with the kernel in between.
class Conversation {
 public:
  Conversation(int type, FuzzInput* input) : type_(type), input_(input) {
    int fds[2];
    Require(
        socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0,
        "socketpair works");
    receiver_.reset(fds[0]);
    sender_.reset(fds[1]);
  }

  void Run() {
    for (int step = 0; step < 24 && !input_->empty(); ++step) {
      const uint8_t what = input_->Byte();
      switch (what % 8) {
        case 0:
        case 1:
        case 2:
          Send(what);
          break;
        case 3:
        case 4:
        case 5:
          Receive(what);
          break;
        case 6:
          Require(AcceptCredentials(receiver_.get()).ok(), "SO_PASSCRED");
          accepts_credentials_ = true;
          break;
        case 7:
          if (what & 0x80) {
            sender_.reset();
          } else {
            shutdown(sender_.get(), SHUT_WR);
          }
          ended_ = true;
          break;
      }
    }
  }

 private:
  // What the kernel took from one sendmsg, as far as it was not received yet.
  struct Sent {
    std::string data;
    std::vector<FileId> files;
    Credentials sender;
    bool sender_is_known;
  };

  bool stream() const { return type_ == SOCK_STREAM; }

  void Send(uint8_t how) {
    Sent sent;
    sent.sender = {getpid(), getuid(), getgid()};
    sent.sender_is_known = accepts_credentials_;
    const size_t size = how & 0x80 ? input_->Word() % 5000 : input_->Byte() % 8;
    // Content that shows when bytes are lost, doubled or swapped.
    while (sent.data.size() < size) sent.data += static_cast<char>(counter_++);

    std::string control;
    for (int count = (how >> 3) % 4; count > 0; --count) {
      control += ControlMessage(input_);
    }
    // Ends it in the middle.
    if (how & 0x20)
      control.resize(control.size() -
                     input_->Byte() % 32 % (control.size() + 1));
    iovec part = {&sent.data[0], sent.data.size()};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = &control[0];
    header.msg_controllen = control.size();
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (how & 0x40) {
      constexpr int kFlags[] = {MSG_OOB, MSG_EOR, MSG_MORE, MSG_CONFIRM};
      flags |= kFlags[input_->Byte() % 4];
    }
    // Before the call, which may pass on the only descriptor of a file.
    TakeControl(control, &sent);
    const ssize_t count = sendmsg(sender_.get(), &header, flags);
    if (count < 0) return;
    // A byte out of band is not in order; what was written with it may be.
    if (stream() && (flags & MSG_OOB)) in_order_ = false;
    sent.data.resize(count);
    // Without data, a stream drops the rest.
    if (!stream() || count > 0) queue_.push_back(std::move(sent));
  }

  // Reads `control` as the kernel does.
  void TakeControl(const std::string& control, Sent* sent) {
    cmsghdr header;
    for (size_t at = 0; at + sizeof(header) <= control.size();
         at += CMSG_ALIGN(header.cmsg_len)) {
      memcpy(&header, &control[at], sizeof(header));
      // The kernel will refuse the whole message.
      if (header.cmsg_len < CMSG_LEN(0) ||
          header.cmsg_len > control.size() - at) {
        return;
      }
      const char* payload = control.data() + at + CMSG_LEN(0);
      const size_t size = header.cmsg_len - CMSG_LEN(0);
      if (IsRights(header)) {
        for (size_t i = 0; i + sizeof(int) <= size; i += sizeof(int)) {
          int fd;
          memcpy(&fd, payload + i, sizeof(fd));
          if (fcntl(fd, F_GETFD) < 0) return;  // Refused as well.
          sent->files.push_back(Identify(fd));
        }
      } else if (IsCredentials(header) && size == sizeof(ucred)) {
        ucred claimed;
        memcpy(&claimed, payload, size);
        sent->sender = {claimed.pid, claimed.uid, claimed.gid};
        sent->sender_is_known = true;
      }
    }
  }

  void Receive(uint8_t how) {
    std::vector<char> buffer(how & 0x80 ? input_->Word() % 6000
                                        : input_->Byte() % 8);
    // A stream has no reason to read nothing; 0 would look like its end.
    if (stream() && buffer.empty()) buffer.resize(1);
    const bool with_credentials = how & 0x40;
    const auto before = OpenFds();
    size_t room = SIZE_MAX;
    if (how & 0x20) {
      const int limit = input_->Byte();
      room = 0;
      for (int fd = 0; fd < limit; ++fd) room += !before[fd];
      LimitOpenFiles(limit);
    }
    if (with_credentials) {
      auto received =
          ReceiveWithCredentials(receiver_.get(), absl::MakeSpan(buffer));
      LimitOpenFiles(kMaxOpenFiles);
      Judge(received.status(), room, &buffer,
            received.ok() ? received->size : 0, nullptr,
            received.ok() ? &received->sender : nullptr);
    } else {
      auto received = ReceiveFds(receiver_.get(), absl::MakeSpan(buffer));
      LimitOpenFiles(kMaxOpenFiles);
      std::vector<FileId> files;
      if (received.ok()) files = Identify(received->fds);
      Judge(received.status(), room, &buffer,
            received.ok() ? received->size : 0, &files, nullptr);
    }
    Require(OpenFds() == before, "no descriptor is left open, or closed");
  }

  void Judge(const absl::Status& status, size_t room, std::vector<char>* buffer,
             size_t size, const std::vector<FileId>* files,
             const absl::optional<Credentials>* sender) {
    Require(size <= buffer->size(), "no more data than there is room for");
    if (!in_order_) return;
    const int error = StatusErrno(status);
    if (queue_.empty()) {
      Require(ended_ || error == EAGAIN, "nothing has come yet");
      // A socket that keeps boundaries knows no end while it is not closed.
      Require(error == EAGAIN || error == 0, "nothing, or the end");
      Require(size == 0 && (!files || files->empty()),
              "nothing comes at the end");
      Require(!sender || !*sender, "nobody has sent the end");
      return;
    }
    const Sent first = queue_.front();
    const bool fits = stream() || first.data.size() <= buffer->size();
    if (error == EMSGSIZE) {
      Require(
          !fits || first.files.size() > room || (stream() && room != SIZE_MAX),
          "EMSGSIZE is about data or descriptors without room");
      if (!stream()) queue_.pop_front();
      // How many bytes were lost is not told.
      if (stream()) in_order_ = false;
      return;
    }
    Require(error == 0, "what was sent is received");
    Require(fits && (!files || first.files.size() <= room || stream()),
            "there is room");
    Require(!stream() || size > 0, "a stream that goes on is not at its end");

    // A stream may return several messages at once.
    std::string data;
    std::vector<FileId> sent_files;
    do {
      Sent& sent = queue_.front();
      const size_t taken = std::min(size - data.size(), sent.data.size());
      data.append(sent.data, 0, taken);
      sent_files.insert(sent_files.end(), sent.files.begin(), sent.files.end());
      if (sender && accepts_credentials_ && sent.sender_is_known) {
        Require(*sender && **sender == sent.sender, "it says who sent it");
      }
      sent.files.clear();
      sent.data.erase(0, taken);
      if (!sent.data.empty()) break;
      queue_.pop_front();
    } while (stream() && data.size() < size && !queue_.empty());
    Require(data == std::string(buffer->data(), size),
            "the data that was sent");
    Require(!files || *files == sent_files, "the descriptors that were sent");
    Require(!sender || !*sender || accepts_credentials_, "not asked for");
    Require(!sender || !*sender || **sender == first.sender,
            "no credentials that nobody sent");
  }

  const int type_;
  FuzzInput* const input_;
  UniqueFd receiver_;
  UniqueFd sender_;
  std::deque<Sent> queue_;
  bool accepts_credentials_ = false;
  bool ended_ = false;
  bool in_order_ = true;
  uint8_t counter_ = 0;
};

// What the next recvmsg returns.
struct Forgery {
  int interruptions = 0;
  int error = 0;
  size_t size = 0;
  int flags = 0;
  std::string control;
};
Forgery* g_forgery = nullptr;

// A script that stands in for the kernel. It may invent everything but a
// control message that is not well-formed, which no kernel writes.
void Forge(FuzzInput* input) {
  const auto before = OpenFds();
  {
    Forgery forgery;
    std::vector<FileId> files;
    absl::optional<Credentials> sender;
    std::vector<char> buffer(input->Byte());
    forgery.interruptions = input->Byte() % 3;
    forgery.size = std::min<size_t>(input->Byte(), buffer.size());
    constexpr int kFlags[] = {0, MSG_TRUNC, MSG_CTRUNC, MSG_EOR | MSG_OOB};
    forgery.flags = kFlags[input->Byte() % 4] | MSG_CMSG_CLOEXEC;
    const uint8_t error = input->Byte();
    if (error > 0x80) forgery.error = error & 0x7F;
    // A signal that never stops would be a script that never ends.
    if (forgery.error == EINTR) forgery.error = EIO;
    const bool with_credentials = input->Byte() % 2;
    // The library's room for control messages.
    size_t space =
        CMSG_SPACE(kMaxFds * sizeof(int)) + CMSG_SPACE(sizeof(ucred));
    while (!forgery.error && !input->empty()) {
      const uint8_t kind = input->Byte();
      cmsghdr header = {0, SOL_SOCKET, SCM_RIGHTS};
      std::string payload;
      if (kind % 3 == 0) {
        const int count = input->Byte() % 32;
        // As the kernel, no descriptor for which there is no room.
        if (CMSG_SPACE(count * sizeof(int)) > space) break;
        for (int i = 0; i < count; ++i) {
          const int fd = fcntl(SomeFd(input->Byte()), F_DUPFD_CLOEXEC, 0);
          files.push_back(Identify(fd));
          AppendBytes(fd, &payload);
        }
      } else if (kind % 3 == 1) {
        // Now and then with a field more, or less, than this kernel has.
        header.cmsg_type = SCM_CREDENTIALS;
        payload = input->Bytes(sizeof(ucred) + (kind < 0xF0 ? 0 : 4));
      } else {
        // Numbers of descriptors that are not meant, and must stay open.
        header.cmsg_level = input->Byte();
        header.cmsg_type = input->Byte();
        for (int i = 0; i < input->Byte() % 4; ++i) {
          AppendBytes(SomeFd(i), &payload);
        }
        if (IsRights(header)) continue;
      }
      header.cmsg_len = CMSG_LEN(payload.size());
      if (CMSG_SPACE(payload.size()) > space) break;
      if (IsCredentials(header) && payload.size() == sizeof(ucred)) {
        ucred said;
        memcpy(&said, payload.data(), sizeof(said));
        sender = Credentials{said.pid, said.uid, said.gid};
      }
      space -= CMSG_SPACE(payload.size());
      AppendBytes(header, &forgery.control);
      forgery.control += payload;
      forgery.control.resize(CMSG_ALIGN(forgery.control.size()));
    }

    const int expected = forgery.error ? forgery.error
                         : forgery.flags & (MSG_TRUNC | MSG_CTRUNC) ? EMSGSIZE
                                                                    : 0;
    g_forgery = &forgery;
    if (with_credentials) {
      const auto received = ReceiveWithCredentials(-1, absl::MakeSpan(buffer));
      Require(StatusErrno(received.status()) == expected, "the error");
      if (received.ok()) {
        Require(received->size == forgery.size, "the size");
        // Numbers 0 and 65534 may mean nobody: lib/credentials.cc says when.
        if (received->sender || (sender && sender->pid != 0)) {
          Require(received->sender && sender && *received->sender == *sender,
                  "the sender");
        }
      }
    } else {
      const auto received = ReceiveFds(-1, absl::MakeSpan(buffer));
      Require(StatusErrno(received.status()) == expected, "the error");
      if (received.ok()) {
        Require(received->size == forgery.size, "the size");
        Require(Identify(received->fds) == files, "the descriptors, in order");
      }
    }
    g_forgery = nullptr;
  }
  Require(OpenFds() == before, "no descriptor is left open, or closed");
}

}  // namespace
}  // namespace ipc

// In place of the C library's.
extern "C" ssize_t recvmsg(int fd, msghdr* header, int flags) {
  ipc::Forgery* forgery = ipc::g_forgery;
  if (!forgery) return syscall(SYS_recvmsg, fd, header, flags);
  if (forgery->interruptions-- > 0) {
    errno = EINTR;
    return -1;
  }
  if (forgery->error) {
    errno = forgery->error;
    return -1;
  }
  ipc::Require(forgery->control.size() <= header->msg_controllen,
               "there is room for all that can come");
  memcpy(header->msg_control, forgery->control.data(), forgery->control.size());
  header->msg_controllen = forgery->control.size();
  header->msg_flags = forgery->flags;
  return static_cast<ssize_t>(forgery->size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int kTypes[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  static const bool limited = (ipc::LimitOpenFiles(ipc::kMaxOpenFiles), true);
  (void)limited;
  ipc::SomeFd(0);
  const auto before = ipc::OpenFds();
  ipc::FuzzInput input(data, size);
  const uint8_t kind = input.Byte() % 4;
  if (kind == 3) {
    ipc::Forge(&input);
  } else {
    ipc::Conversation(kTypes[kind], &input).Run();
  }
  ipc::Require(ipc::OpenFds() == before, "every descriptor is closed");
  return 0;
}
