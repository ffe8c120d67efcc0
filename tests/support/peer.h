// The checker's ends of what it exchanges with a program that is judged. Each
// method tells its step, waits with the deadline of the check, and does nothing
// once the check is over.
#ifndef TESTS_SUPPORT_PEER_H_
#define TESTS_SUPPORT_PEER_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "lib/socket_address.h"
#include "lib/unique_fd.h"

namespace harness {

class Check;

// Who a process of ours is.
struct Person {
  struct Ids {
    uid_t uid;
    gid_t gid;
  };
  Ids real, effective;
  // In a pid namespace that the program cannot see.
  bool out_of_sight = false;
};

// One end of a connection with a program that is judged, in our hands.
class Peer {
 public:
  Peer(Check* check, ipc::UniqueFd fd, std::string name)
      : check_(check), fd_(std::move(fd)), name_(std::move(name)) {}

  // Sends all of `bytes`, `what` they are in words (no step is told if it is
  // empty), in one message with the descriptors `fds`. The program must take
  // them in, if they are more than the kernel keeps for it.
  void Send(absl::string_view bytes, absl::string_view what,
            const std::vector<int>& fds = {});

  // Sends as much of `bytes` as the program takes in while nobody reads what it
  // sends; how much that is.
  size_t SendUntilStuck(absl::string_view bytes, absl::string_view what);

  // The same by another process, of `who`, which ends with that. Its pid.
  pid_t SendAs(const Person& who, absl::string_view bytes,
               absl::string_view what);

  // Waits until the program has read all that was sent. Only then does the next
  // Send arrive by itself: a stream merges what waits.
  void AwaitRead();

  // Reads until the program ends the connection; what came.
  std::string ReceiveAll();

  // Reads exactly `count` bytes. The descriptors that came along go to `fds`;
  // without, the kernel closes them. In the place of a server, `sender` is who
  // sent the last of the bytes.
  std::string Receive(size_t count);
  std::string Receive(size_t count, std::vector<ipc::UniqueFd>* fds);
  std::string Receive(size_t count, ucred* sender);

  // The program's next write to us fails. See SHUT_RD in shutdown(2).
  void StopReading();

  // The program reads an end of file, and may still write. See SHUT_WR.
  void StopWriting();

  void Close();

  // Closes a TCP connection so that the program finds it reset.
  void Reset();

  int fd() const { return fd_.get(); }

 private:
  std::string ReceiveUpTo(size_t count, absl::string_view expected,
                          absl::FunctionRef<ssize_t(char*, size_t)> receive);
  std::string ReceiveExactly(size_t count,
                             absl::FunctionRef<ssize_t(char*, size_t)> receive);

  Check* check_;
  ipc::UniqueFd fd_;
  std::string name_;
};

// A datagram socket in our hands, which exchanges datagrams with a program that
// is judged.
class DatagramPeer {
 public:
  DatagramPeer(Check* check, ipc::UniqueFd fd, std::string name)
      : check_(check), fd_(std::move(fd)), name_(std::move(name)) {}

  int fd() const { return fd_.get(); }

  // Sends `bytes`, `what` they are in words, as one datagram to whoever is
  // bound to `to`, as soon as there is room in their queue. No step is told
  // when `what` is empty.
  void SendTo(const ipc::SocketAddress& to, absl::string_view bytes,
              absl::string_view what);
  void SendTo(const std::string& path, absl::string_view bytes,
              absl::string_view what);

  // Waits for the next datagram and returns its bytes; `from` is who sent it.
  std::string Receive(absl::string_view what, ipc::SocketAddress* from);

  // Waits for the next datagram, and tells the difference if it is not `bytes`,
  // or was not sent from the socket bound to `path`.
  void Receives(absl::string_view bytes, absl::string_view what,
                const std::string& path);

  void Close();

 private:
  Check* check_;
  ipc::UniqueFd fd_;
  std::string name_;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_PEER_H_
