// Sole ownership of a file descriptor.
//
//   ipc::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
//   if (!fd.valid()) return ipc::ErrnoStatus("socket", "");
//   Serve(fd.get());         // an int parameter borrows
//   Keep(std::move(fd));     // a UniqueFd parameter takes over
//
// The type is in the signature, so nobody has to ask who closes what.
#ifndef LIB_UNIQUE_FD_H_
#define LIB_UNIQUE_FD_H_

#include <utility>

namespace ipc {

class UniqueFd {
 public:
  UniqueFd() = default;                   // Owns nothing.
  explicit UniqueFd(int fd) : fd_(fd) {}  // Owns `fd`, unless it is negative.
  ~UniqueFd() { reset(); }

  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }

  bool valid() const { return fd_ >= 0; }

  // The descriptor, still owned here; negative when there is none.
  int get() const { return fd_; }

  // The descriptor, now the caller's to close; -1 when there was none.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  // Closes what is owned and owns `fd` instead. close(2) is called once
  // whatever it returns: Linux has freed the number even after EINTR, and a
  // second call could close a descriptor that another thread just got. errno is
  // left as it was, so cleaning up never hides the error that caused it.
  void reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0) Close(old);  // Most that are destroyed have been moved from.
  }

 private:
  static void Close(int fd);

  int fd_ = -1;
};

}  // namespace ipc

#endif  // LIB_UNIQUE_FD_H_
