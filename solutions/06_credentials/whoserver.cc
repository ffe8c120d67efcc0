// Tells the clients of an abstract UNIX stream socket who the kernel says they
// are, and grants their requests, or refuses them, by uid.
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/program.h"

#ifndef SO_PEERPIDFD  // Linux 6.5; older headers lack it.
#define SO_PEERPIDFD 77
#endif

namespace {

constexpr int kRequestSize = 64;  // Of an answer too.
constexpr int kBacklog = 5;
constexpr ucred kUnknown = {0, static_cast<uid_t>(-1), static_cast<gid_t>(-1)};

// A client: its connection, and whoever called connect.
struct Client {
  int socket;
  int number;
  ucred connecter;
  int process;  // A pidfd of the connecter; -1 when there was none to be had.
};

// A request: its text, and who sent it.
struct Request {
  char text[kRequestSize + 1];
  int size;  // Less than kRequestSize at the end of the stream.
  ucred sender;
  bool by_several;  // `sender` is but one of them.
};

// The uid that `text` spells; false when it is none.
bool ParseUid(const char* text, uid_t* uid) {
  char* end = nullptr;
  errno = 0;
  const unsigned long number = strtoul(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
    return false;
  }
  *uid = static_cast<uid_t>(number);
  return number < kUnknown.uid;
}

// The uid that the kernel shows in place of all that have none here.
uid_t OverflowUid() {
  unsigned uid = 65534;
  if (FILE* file = fopen("/proc/sys/kernel/overflowuid", "re")) {
    if (fscanf(file, "%u", &uid) != 1) uid = 65534;
    fclose(file);
  }
  return uid;
}

// The listening socket, whose clients have the kernel say who they are; -1
// after reporting why not.
int Listen(const char* name) {
  const size_t length = strlen(name);
  sockaddr_un address = {};
  if (length >= sizeof(address.sun_path)) {
    ipc::ReportErrno("bind", name, ENAMETOOLONG);
    return -1;
  }
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, name, length);
  const socklen_t size = offsetof(sockaddr_un, sun_path) + 1 + length;

  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  const char* failed = nullptr;
  if (listener < 0) {
    failed = "socket";
  } else if (setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) <
             0) {  // Before anybody can connect: clients inherit it.
    failed = "setsockopt";
  } else if (bind(listener, reinterpret_cast<const sockaddr*>(&address), size) <
             0) {
    failed = "bind";
  } else if (listen(listener, kBacklog) < 0) {
    failed = "listen";
  }
  if (!failed) return listener;
  ipc::ReportErrno(failed, name);
  if (listener >= 0) close(listener);
  return -1;
}

// A descriptor that stays the connecter's, whoever may have its pid one day.
int OpenConnecter(int socket, pid_t pid) {
  int process = -1;
  socklen_t size = sizeof(process);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &process, &size) == 0) {
    return process;
  }
  if (errno != ENOPROTOOPT || pid == 0) return -1;
  // Before Linux 6.5, as soon as we can.
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

bool HasEnded(int process) {
  if (process < 0) return true;
  pollfd entry = {process, POLLIN, 0};
  return poll(&entry, 1, 0) > 0;
}

// Receives at most `size` bytes, all from one sender, and who that is. What
// recvmsg returned.
ssize_t ReceiveFrom(int socket, char* buffer, size_t size, ucred* sender) {
  iovec part = {buffer, size};
  // Room for the credentials and no more: descriptors that come along find
  // none, and the kernel closes them.
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t count;
  do {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  *sender = kUnknown;
  if (count <= 0) return count;  // The end has credentials too: root's.
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one;
       one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_CREDENTIALS &&
        one->cmsg_len == CMSG_LEN(sizeof(ucred))) {
      memcpy(sender, CMSG_DATA(one), sizeof(ucred));
    }
  }
  return count;
}

// Fills `request` from however many pieces it takes; false on error.
bool ReceiveRequest(int socket, Request* request) {
  *request = {};
  while (request->size < kRequestSize) {
    ucred sender;
    const ssize_t count =
        ReceiveFrom(socket, request->text + request->size,
                    static_cast<size_t>(kRequestSize - request->size), &sender);
    if (count < 0) return false;
    if (count == 0) break;
    if (request->size > 0 &&
        memcmp(&sender, &request->sender, sizeof(sender)) != 0) {
      request->by_several = true;
    }
    request->sender = sender;
    request->size += static_cast<int>(count);
  }
  // Nobody shall forge a line of ours.
  for (char* byte = request->text; *byte; ++byte) {
    if (*byte < ' ' || *byte > '~') *byte = '?';
  }
  return true;
}

// A pid of 0 is somebody who cannot be seen from here.
bool IsAllowed(const ucred& peer, uid_t allowed) {
  return peer.pid != 0 && peer.uid == allowed;
}

// Whether what was printed is out.
bool Flush() {
  if (fflush(stdout) == 0 && !ferror(stdout)) return true;
  ipc::ReportErrno("write", "stdout");
  clearerr(stdout);
  return false;
}

// Answers and prints a request; whether both worked.
bool Answer(const Client& client, const Request& request, uid_t allowed) {
  const bool granted = !request.by_several &&
                       IsAllowed(client.connecter, allowed) &&
                       IsAllowed(request.sender, allowed);
  const char* verdict = granted ? "granted" : "refused";
  char who[48] = "more than one";
  if (!request.by_several) {
    snprintf(who, sizeof(who), "pid %d, uid %u, gid %u", request.sender.pid,
             request.sender.uid, request.sender.gid);
  }
  printf("client %d: %s, by %s: %s", client.number, request.text, who, verdict);
  if (HasEnded(client.process)) {
    printf(" (pid %d has ended)", client.connecter.pid);
  }
  printf("\n");
  const bool printed = Flush();

  char answer[kRequestSize + 1] = {};
  snprintf(answer, sizeof(answer), "%s: you are %s", verdict, who);
  for (int sent = 0; sent < kRequestSize;) {
    const ssize_t count =
        send(client.socket, answer + sent,
             static_cast<size_t>(kRequestSize - sent), MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) {
      ipc::ReportErrno("send", "client");
      return false;
    }
    if (count > 0) sent += static_cast<int>(count);
  }
  return printed;
}

// Answers the client's requests until it ends; whether that was between two.
bool AnswerAll(const Client& client, uid_t allowed) {
  Request request;
  while (ReceiveRequest(client.socket, &request)) {
    if (request.size == 0) return true;
    if (request.size < kRequestSize) {
      char problem[64];
      snprintf(problem, sizeof(problem), "end of file after %d of %d bytes",
               request.size, kRequestSize);
      ipc::Report("recvmsg", "client", problem);
      return false;
    }
    if (!Answer(client, request, allowed)) return false;
  }
  ipc::ReportErrno("recvmsg", "client");
  return false;
}

// Serves the client at the other end of `socket`; whether all went well.
bool ServeClient(int socket, int number, uid_t allowed) {
  Client client = {socket, number, kUnknown, -1};
  socklen_t size = sizeof(client.connecter);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &client.connecter, &size) <
      0) {
    ipc::ReportErrno("getsockopt", "SO_PEERCRED");
    return false;
  }
  client.process = OpenConnecter(socket, client.connecter.pid);
  printf("client %d: connected by pid %d, uid %u, gid %u\n", number,
         client.connecter.pid, client.connecter.uid, client.connecter.gid);
  const bool printed = Flush();
  const bool all_well = AnswerAll(client, allowed) && printed;
  if (client.process >= 0) close(client.process);
  return all_well;
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = "who";
  const char* allow = nullptr;
  int clients = 1;
  ipc::ParseFlags(argc, argv,
                  {{"name", &name, "abstract name to listen at"},
                   {"allow", &allow, "the uid that is granted, else our own"},
                   {"clients", &clients, "how many clients to serve"}});
  uid_t allowed = geteuid();
  if (allow && !ParseUid(allow, &allowed)) {
    ipc::Report("--allow", allow, "not a uid");
    return 2;
  }
  if (allow && allowed == OverflowUid()) {
    ipc::Report("--allow", allow, "the uid of all that have none here");
    return 2;
  }

  const int listener = Listen(name);
  if (listener < 0) return 1;
  bool all_well = true;
  for (int number = 1; number <= clients;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0 && errno == EINTR) continue;
    if (client < 0) {
      ipc::ReportErrno("accept", name);
      return 1;
    }
    all_well = ServeClient(client, number++, allowed) && all_well;
    close(client);
  }
  close(listener);
  return all_well ? 0 : 1;
}
