// A listening UNIX socket together with the file that is its name.
//
//   auto server = ipc::ListenAtPath(path);
//   if (!server.ok()) return server.status();
//   auto client = ipc::Accept(server->listener.get());
//   // ~PathListener removes the file and closes the socket.
//
// The file outlives the process that made it: after a crash it stands in the
// way of the next bind(2), though nobody listens. Unlinking before every bind
// is no answer: it takes a live server's name away, or deletes a file that was
// never a socket.
#ifndef LIB_SOCKET_PATH_H_
#define LIB_SOCKET_PATH_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/unique_fd.h"

namespace ipc {

// Owns a socket file, and unlinks it when destroyed, provided that the file at
// the path is still the one it was given, and that this is still the process
// that was given it: neither a forked child's copy nor somebody's new file of
// the same name is touched. Move-only.
class SocketPath {
 public:
  SocketPath() = default;
  SocketPath(SocketPath&& other) noexcept { *this = std::move(other); }
  SocketPath& operator=(SocketPath&& other) noexcept;
  ~SocketPath() { Remove(); }

  // Takes over the socket file at `path`. ENOENT, EACCES, ...: no such file;
  // ENOTSOCK: not a socket. See stat(2).
  static absl::StatusOr<SocketPath> Adopt(absl::string_view path);

  // Empty once removed or moved from.
  const std::string& path() const { return path_; }

  // What the destructor does, now. errno is left as it was.
  void Remove();

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  pid_t owner_ = 0;
};

struct PathListener {
  // Destroyed in reverse order: first the name goes, then nobody listens. Were
  // it the other way round, the file would be stale for a moment in which
  // another server may replace it; and since the kernel gives out inode numbers
  // again, the file removed could be that server's.
  UniqueFd listener;
  SocketPath path;
};

// Removes the socket file at `path` if no process has it open any more, and
// nothing else: EADDRINUSE for a socket that is alive, of whatever type, and
// for anything that is no socket. OK also when there is nothing. A live server
// does not notice being asked. EACCES when the file may not be written; ENOENT
// and others from the file system.
absl::Status RemoveStaleSocket(absl::string_view path);

// A stream socket listening at `path`, whose file has mode `mode`, less the
// umask: by default nobody but its owner can connect. A stale socket in the way
// is replaced as by RemoveStaleSocket. Servers that start at the same moment
// are put in order by a lock on the folder, flock(2), for which this may block;
// one of them wins, the others get EADDRINUSE. Errors as for
// SocketAddress::UnixPath, Listen and open(2) of the folder.
absl::StatusOr<PathListener> ListenAtPath(absl::string_view path,
                                          int backlog = SOMAXCONN,
                                          mode_t mode = 0600);

}  // namespace ipc

#endif  // LIB_SOCKET_PATH_H_
