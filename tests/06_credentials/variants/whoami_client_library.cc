// The client with what earlier labs have earned: everything but the
// credentials, which are this lab's.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/types/span.h"
#include "lib/program.h"
#include "lib/socket.h"
#include "lib/socket_address.h"
#include "lib/stream_io.h"
#include "lib/unique_fd.h"

namespace {

constexpr size_t kSize = 64;

int Failed(const absl::Status& status) {
  fprintf(stderr, "whoami_client: %s\n", std::string(status.message()).c_str());
  return 1;
}

bool Flush() {
  if (fflush(stdout) == 0) return true;
  ipc::ReportErrno("write", "stdout");
  return false;
}

int PrintAnswer(int server, const char* text) {
  char answer[kSize + 1] = {};
  const absl::StatusOr<bool> got =
      ipc::ReadExact(server, absl::MakeSpan(answer, kSize));
  if (!got.ok()) return Failed(got.status());
  if (!*got) return Failed(absl::UnavailableError("recv: no answer"));
  printf("%s: %s\n", text, answer);
  return Flush() && absl::StartsWith(answer, "granted: ") ? 0 : 1;
}

int Ask(int server, std::string text) {
  const std::string name = text;
  text.resize(kSize);
  const absl::Status status = ipc::WriteAll(server, text);
  return status.ok() ? PrintAnswer(server, name.c_str()) : Failed(status);
}

int Claim(int server, uid_t uid) {
  char request[kSize] = "claim";
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  iovec part = {request, sizeof(request)};
  msghdr message = {nullptr, 0, &part, 1, control, sizeof(control), 0};
  cmsghdr* claim = CMSG_FIRSTHDR(&message);
  *claim = {CMSG_LEN(sizeof(ucred)), SOL_SOCKET, SCM_CREDENTIALS};
  const ucred claimed = {getpid(), uid, getgid()};
  std::copy_n(reinterpret_cast<const char*>(&claimed), sizeof(claimed),
              CMSG_DATA(claim));
  if (sendmsg(server, &message, MSG_NOSIGNAL) < 0) {
    ipc::ReportErrno("sendmsg", "claim");
    return 1;
  }
  return PrintAnswer(server, "claim");
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "who";
  const char* claim = nullptr;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "name"}, {"claim", &claim, "uid"}});
  unsigned uid = 0;
  if (claim && (!absl::ascii_isdigit(claim[0]) ||
                !absl::ascii_isdigit(claim[strlen(claim) - 1]) ||
                !absl::SimpleAtoi(claim, &uid))) {
    ipc::Report("--claim", claim, "not a uid");
    return 2;
  }
  const auto address = ipc::SocketAddress::Abstract(name);
  if (!address.ok()) return Failed(address.status());
  const auto server = ipc::Connect(*address);
  if (!server.ok()) return Failed(server.status());
  ucred peer;
  socklen_t size = sizeof(peer);
  if (getsockopt(server->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    ipc::ReportErrno("getsockopt", name);
    return 1;
  }
  printf("server: pid %d, uid %u, gid %u\n", peer.pid, peer.uid, peer.gid);
  if (!Flush()) return 1;
  if (claim) return Claim(server->get(), uid);
  int refused = Ask(server->get(), "parent");
  const pid_t child = fork();
  if (child == 0) _exit(Ask(server->get(), "child"));
  int status = -1;
  if (child > 0) waitpid(child, &status, 0);
  return refused == 0 && status == 0 ? 0 : 1;
}
