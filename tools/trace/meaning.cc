// What each call does, for somebody who meets it for the first time.
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/trace/brief.h"

namespace trace {
namespace {

struct Call {
  const char* meaning;
  const char* page;  // "" where the call has a page of its own.
};

const std::map<std::string, Call>& Calls() {
  static const auto& calls = *new std::map<std::string, Call>{
      {"accept",
       {"Takes the next connection that waits at a listening socket, and "
        "returns a new descriptor for it. Waits if there is none.",
        ""}},
      {"accept4",
       {"Takes the next connection that waits at a listening socket, and "
        "returns a new descriptor for it. Waits if there is none.",
        "accept"}},
      {"bind",
       {"Gives a socket its name: a path, an abstract name, or an address and "
        "a port.",
        ""}},
      {"clone",
       {"Makes a process or a thread. A process gets a copy of all "
        "descriptors, a thread shares them.",
        ""}},
      {"clone3",
       {"Makes a process or a thread. A process gets a copy of all "
        "descriptors, a thread shares them.",
        "clone"}},
      {"close",
       {"Lets go of a descriptor. The connection ends when the last descriptor "
        "of it is closed, in whatever process.",
        ""}},
      {"connect",
       {"Connects a socket with the one that has this name. Of a datagram "
        "socket it only says where to send.",
        ""}},
      {"dup", {"Makes a second descriptor for the same open file.", ""}},
      {"dup2",
       {"Makes a second descriptor, of a number that it is given, for the same "
        "open file.",
        "dup"}},
      {"dup3",
       {"Makes a second descriptor, of a number that it is given, for the same "
        "open file.",
        "dup"}},
      {"epoll_wait", {"Waits until one of many descriptors is ready.", ""}},
      {"epoll_pwait",
       {"Waits until one of many descriptors is ready.", "epoll_wait"}},
      {"execve",
       {"Replaces the program of this process. Descriptors without "
        "close-on-exec stay open.",
        ""}},
      {"exit_group",
       {"Ends the process. The kernel closes all its descriptors.", ""}},
      {"exit", {"Ends the thread.", "_exit"}},
      {"fcntl", {"Asks for, or sets, properties of a descriptor.", ""}},
      {"fork",
       {"Makes a process that is a copy of this one. It gets a copy of all "
        "descriptors.",
        ""}},
      {"futex",
       {"Waits for another thread, or wakes one. Mutexes and joins use it.",
        ""}},
      {"getpeername",
       {"Asks for the name of the socket at the other end.", ""}},
      {"getsockname", {"Asks for the name of the socket itself.", ""}},
      {"getsockopt", {"Asks for an option of a socket.", ""}},
      {"kill", {"Sends a signal to a process.", ""}},
      {"listen",
       {"Makes a socket one that others can connect to. Connections wait in a "
        "queue until accept takes them.",
        ""}},
      {"openat", {"Opens a file and returns a descriptor.", "open"}},
      {"openat2",
       {"Opens a file, with a say in how its path is looked up, and returns a "
        "descriptor.",
        ""}},
      {"pipe",
       {"Makes a pipe: what is written into the second descriptor can be read "
        "from the first.",
        ""}},
      {"pipe2",
       {"Makes a pipe: what is written into the second descriptor can be read "
        "from the first.",
        "pipe"}},
      {"poll", {"Waits until one of several descriptors is ready.", ""}},
      {"ppoll",
       {"Waits until one of several descriptors is ready, or a signal comes.",
        "poll"}},
      {"read",
       {"Takes bytes that are there, at most as many as it is asked for. Waits "
        "if there are none; 0 says that the writer has ended.",
        ""}},
      {"readv", {"As read, into several buffers.", "readv"}},
      {"recvfrom",
       {"Takes bytes of a stream, or one message, from a socket. Of a stream, "
        "0 says that the writer has ended.",
        "recv"}},
      {"recvmsg",
       {"As recv, into several buffers; takes passed descriptors and "
        "credentials, too.",
        ""}},
      {"recvmmsg", {"Takes several messages.", ""}},
      {"rt_sigaction",
       {"Says what is to be done when a signal comes.", "sigaction"}},
      {"rt_sigsuspend", {"Waits for a signal.", "sigsuspend"}},
      {"sendfile",
       {"Sends bytes of a file without reading them into the program.", ""}},
      {"sendmmsg", {"Sends several messages.", ""}},
      {"sendmsg",
       {"As send, from several buffers; passes descriptors and credentials, "
        "too.",
        ""}},
      {"sendto",
       {"Sends bytes of a stream, or one message; of a datagram socket it may "
        "say to whom. send is this call without an address.",
        "send"}},
      {"setsockopt", {"Sets an option of a socket.", ""}},
      {"shutdown",
       {"Ends one direction of a connection, or both, for all who have this "
        "socket. The peer then reads 0.",
        ""}},
      {"socket", {"Makes a socket, and returns a descriptor for it.", ""}},
      {"socketpair",
       {"Makes two sockets that are connected with each other.", ""}},
      {"splice", {"Moves bytes between a pipe and another descriptor.", ""}},
      {"tgkill", {"Sends a signal to a thread.", ""}},
      {"unlink", {"Removes a name, for instance that of a UNIX socket.", ""}},
      {"unlinkat",
       {"Removes a name, for instance that of a UNIX socket.", "unlink"}},
      {"vfork",
       {"Makes a process that borrows the memory of this one until it calls "
        "execve or ends.",
        ""}},
      {"wait4", {"Waits until a child has ended, and learns how.", "wait"}},
      {"waitid", {"Waits until a child has ended, and learns how.", ""}},
      {"write",
       {"Gives bytes to the kernel, which may take fewer than it is given. "
        "Waits if the reader is too far behind.",
        ""}},
      {"writev", {"As write, from several buffers.", "readv"}},
  };
  return calls;
}

}  // namespace

std::string Meaning(absl::string_view call) {
  const auto found = Calls().find(std::string(call));
  return found == Calls().end() ? "" : found->second.meaning;
}

std::string SignalMeaning(absl::string_view signal) {
  if (signal == "SIGPIPE") {
    return "It wrote to a stream that nobody reads any more. Without a handler "
           "this ends the process.";
  }
  if (signal == "SIGCHLD") return "A child has ended, or was stopped.";
  if (signal == "SIGTERM") return "Somebody asks the process to end.";
  if (signal == "SIGINT") return "Somebody pressed Ctrl-C.";
  if (signal == "SIGKILL") return "Ends the process; it cannot be caught.";
  if (signal == "SIGSEGV") {
    return "The program used memory that it does not have.";
  }
  if (signal == "SIGABRT") {
    return "The program gave up: abort, or a failed assertion.";
  }
  if (signal == "SIGALRM") return "The alarm clock rang.";
  return "";
}

std::string ManPage(const Event& event) {
  if (event.kind == Event::kSignal || event.kind == Event::kStop) {
    return "man 7 signal";
  }
  if (event.kind == Event::kExit) return "man 2 wait";
  if (event.kind == Event::kStart) return "man 2 fork";
  const auto found = Calls().find(event.name);
  const char* page = found == Calls().end() ? "" : found->second.page;
  return absl::StrCat("man 2 ", *page ? page : event.name);
}

}  // namespace trace
