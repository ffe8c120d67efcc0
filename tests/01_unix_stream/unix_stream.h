// What the checks of lab 01 have in common.
#ifndef TESTS_01_UNIX_STREAM_UNIX_STREAM_H_
#define TESTS_01_UNIX_STREAM_UNIX_STREAM_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/check.h"

constexpr size_t kRecordSize = 1024;
constexpr char kHeader[] = "\n===== info =====\n";

// A record as it goes over the socket, and the line it becomes.
inline std::string Record(const std::string& text) {
  return text + std::string(kRecordSize - text.size(), '\0');
}
inline std::string Line(const std::string& text) {
  return absl::StrCat("Message from client (1024): ", text, "\n");
}

class UnixStream : public harness::Check {
 protected:
  std::string SocketFlag() const { return "--socket=" + SocketPath(); }

  // The server, listening; `flags` beside --socket.
  harness::Process StartServer(const std::vector<std::string>& flags = {},
                               bool sanitized = false, mode_t umask = 022) {
    std::vector<std::string> args = {SocketFlag()};
    args.insert(args.end(), flags.begin(), flags.end());
    harness::Process server = Start("server", args, sanitized, umask);
    server.ListensAt(SocketPath());
    return server;
  }

  // A client that sends `records`, and ends. The server has read them.
  void Send(const std::string& name, const std::string& records,
            const std::string& what) {
    harness::Peer client = Connect(SocketPath(), name);
    client.Send(records, what);
    client.AwaitRead();
    client.Close();
  }

  static bool Exists(const std::string& path) {
    struct stat status;
    return lstat(path.c_str(), &status) == 0;
  }
  void ExpectNoSocketFile(harness::Process* server) {
    server->Expect(!Exists(SocketPath()),
                   absl::StrCat("no file at ", SocketPath()),
                   "it is still there");
  }

  // A path in this check's folder that is `length` bytes long.
  std::string PathOfLength(size_t length) const {
    const std::string start = scratch().path() + "/";
    return start + std::string(length - start.size(), 'p');
  }

  // A socket file whose server is gone.
  void LeaveStaleSocket(const std::string& path) {
    Host(path);
    CloseHost();
    Step("and is gone, as after a crash: its file is still there");
  }
};

// The checks that judge the server alone.
class Server : public UnixStream {
 protected:
  Server() { Judges("server"); }
};

#endif  // TESTS_01_UNIX_STREAM_UNIX_STREAM_H_
