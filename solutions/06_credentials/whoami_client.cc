// Asks the server who the kernel says we are: by ourselves and by a child that
// has our connection; or with a claim to be somebody else.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

namespace {

constexpr int kRequestSize = 64;  // Of an answer too.

// The uid that `text` spells; false when it is none. What the kernel thinks of
// it is for the kernel to say.
bool ParseUid(const char* text, uid_t* uid) {
  char* end = nullptr;
  errno = 0;
  const unsigned long number = strtoul(text, &end, 10);
  *uid = static_cast<uid_t>(number);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 &&
         number == *uid;
}

// A socket connected to the server called `name`; -1 after reporting why not.
int Connect(const char* name) {
  const size_t length = strlen(name);
  sockaddr_un address = {};
  if (length >= sizeof(address.sun_path)) {
    ipc::ReportErrno("connect", name, ENAMETOOLONG);
    return -1;
  }
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, name, length);
  const socklen_t size = offsetof(sockaddr_un, sun_path) + 1 + length;

  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0) {
    ipc::ReportErrno("socket", name);
    return -1;
  }
  int result;
  do {
    result = connect(server, reinterpret_cast<const sockaddr*>(&address), size);
  } while (result < 0 && errno == EINTR);
  if (result < 0) {
    ipc::ReportErrno("connect", name);
    close(server);
    return -1;
  }
  return server;
}

// Whether what was printed is out.
bool Flush() {
  if (fflush(stdout) == 0 && !ferror(stdout)) return true;
  ipc::ReportErrno("write", "stdout");
  return false;
}

// Prints who called listen at the other end.
bool PrintServer(int server) {
  ucred peer;
  socklen_t size = sizeof(peer);
  if (getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    ipc::ReportErrno("getsockopt", "SO_PEERCRED");
    return false;
  }
  printf("server: pid %d, uid %u, gid %u\n", peer.pid, peer.uid, peer.gid);
  return Flush();
}

// Sends a request, with the claim `claimed` where that is not null.
bool SendRequest(int server, const char* text, const ucred* claimed) {
  char request[kRequestSize] = {};
  memcpy(request, text, strlen(text));
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  for (int sent = 0; sent < kRequestSize;) {
    iovec part = {request + sent, static_cast<size_t>(kRequestSize - sent)};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (claimed) {  // With each piece: a claim holds for its own bytes only.
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* claim = CMSG_FIRSTHDR(&message);
      claim->cmsg_level = SOL_SOCKET;
      claim->cmsg_type = SCM_CREDENTIALS;
      claim->cmsg_len = CMSG_LEN(sizeof(ucred));
      memcpy(CMSG_DATA(claim), claimed, sizeof(ucred));
    }
    const ssize_t count = sendmsg(server, &message, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) sent += static_cast<int>(count);
  }
  return true;
}

// Sends a request and prints the answer; whether it was granted.
bool Ask(int server, const char* text, const ucred* claimed = nullptr) {
  if (!SendRequest(server, text, claimed)) {
    ipc::ReportErrno("sendmsg", text);
    return false;
  }
  char answer[kRequestSize + 1] = {};
  for (int got = 0; got < kRequestSize;) {
    const ssize_t count =
        recv(server, answer + got, static_cast<size_t>(kRequestSize - got), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ipc::ReportErrno("recv", text);
      return false;
    }
    if (count == 0) {
      ipc::Report("recv", text, "the server ended without an answer");
      return false;
    }
    got += static_cast<int>(count);
  }
  printf("%s: %s\n", text, answer);
  return Flush() && strncmp(answer, "granted: ", strlen("granted: ")) == 0;
}

// The same by a child of ours, on our connection.
bool AskByChild(int server, const char* text) {
  const pid_t child = fork();
  if (child < 0) {
    ipc::ReportErrno("fork", text);
    return false;
  }
  if (child == 0) _exit(Ask(server, text) ? 0 : 1);
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "who";
  const char* claim = nullptr;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "the server's abstract name"},
                   {"claim", &claim, "a uid to claim to have"}});
  ucred claimed = {getpid(), 0, getgid()};
  if (claim && !ParseUid(claim, &claimed.uid)) {
    ipc::Report("--claim", claim, "not a uid");
    return 2;
  }

  const int server = Connect(name);
  if (server < 0) return 1;
  bool granted = PrintServer(server);
  if (claim) {
    granted = Ask(server, "claim", &claimed) && granted;
  } else {
    granted = Ask(server, "parent") && granted;
    granted = AskByChild(server, "child") && granted;
  }
  close(server);
  return granted ? 0 : 1;
}
