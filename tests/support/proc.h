// What the kernel shows of processes and sockets under /proc: the view from
// outside that lets a check wait for a program without asking it to cooperate.
// Every function answers for this moment only, and treats a process that has
// just ended as one that has nothing. None blocks. When this process has no
// descriptor left to look with, it ends with status 2 and one line on stderr:
// whoever brought that about must not look innocent for it. See proc(5).
#ifndef TESTS_SUPPORT_PROC_H_
#define TESTS_SUPPORT_PROC_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "lib/socket_address.h"

namespace harness {

// A line of /proc/net/unix of this network namespace.
struct UnixSocket {
  uint64_t inode;
  bool listening;
  int type;          // SOCK_STREAM, ...
  std::string path;  // "@..." for an abstract name, "" for none.
};
std::vector<UnixSocket> UnixSockets();

// A line of /proc/net/tcp, udp, or the same for IPv6, of this network
// namespace.
struct IpSocket {
  uint64_t inode;
  bool listening, connected;
  ipc::SocketAddress local, remote;
  // Bytes that arrived and were not read; as the kernel counts memory, by UDP.
  // Of a socket that listens it is something else.
  size_t unread;
};
std::vector<IpSocket> TcpSockets();
std::vector<IpSocket> UdpSockets();

// An open descriptor of a process.
struct Descriptor {
  int number;
  std::string target;  // "/dev/null", "socket:[4711]", "pipe:[42]", ...
  bool close_on_exec;
};
// A process that does not let us look (PR_SET_DUMPABLE in prctl(2)) has just
// one, of number INT_MAX, target kHidden and without close_on_exec.
constexpr char kHidden[] = "hidden from the checker";
std::vector<Descriptor> Descriptors(pid_t pid);

// Whether `pid` or one of its descendants has a socket listening at `path`,
// given as it was in bind(2).
bool ListensAt(pid_t pid, const std::string& path);

// The same for a datagram socket that is bound to `path`.
bool ReceivesAt(pid_t pid, const std::string& path);

// The names of all TCP sockets with which `pid` or its descendants listen.
std::vector<ipc::SocketAddress> TcpListeners(pid_t pid);

// The names of all UDP sockets of `pid` or its descendants that are bound, and
// connected to nobody: getaddrinfo(3) connects one now and then.
std::vector<ipc::SocketAddress> UdpNames(pid_t pid);

// The children of `pid`, zombies included.
std::vector<pid_t> Children(pid_t pid);

// All descendants of `pid`, not itself, zombies included.
std::vector<pid_t> Descendants(pid_t pid);

// Whether `pid` exists and is no zombie.
bool IsAlive(pid_t pid);

// The name of the program that `pid` runs; at most 15 bytes. See comm in
// proc(5).
std::string CommandName(pid_t pid);

// Those threads of `pid` that do not sleep right now, and how many they are. A
// thread that is traced by us runs, unless a signal has stopped it.
std::vector<pid_t> RunningThreadIds(pid_t pid);
int RunningThreads(pid_t pid);

// Whether every thread of `pid` is stopped by a signal.
bool IsStopped(pid_t pid);

// How much processor time `pid` has used. 0 if it has ended.
absl::Duration ProcessorTime(pid_t pid);

// How often the threads of `pid` have gone to sleep so far.
int64_t Wakes(pid_t pid);

// How long `pid` could have run and had to wait for a processor: see
// "schedstat" in the kernel's sched-stats. 0 if it has ended, or where the
// kernel does not count that.
absl::Duration WaitForProcessor(pid_t pid);

// Who traces `pid`; 0: nobody.
pid_t TracerOf(pid_t pid);

// Bytes of memory that `pid` occupies right now.
size_t ResidentMemory(pid_t pid);

// Bytes of files that have no name any more and that `pids` have open: memory
// of memfd_create(2), or space on a disk. Each file counts once.
size_t NamelessFiles(const std::vector<pid_t>& pids);

// What a set of processes is doing, thread by thread.
struct Activity {
  // True when every thread sleeps in a call that only another process can end:
  // no running thread, no time-out, no timer. (An alarm clock whose signal is
  // left to kill or awaited by sigwait(3) is not seen, and a socket's time-out
  // only where pidfd_getfd(2) is permitted.) False also when the kernel does
  // not let us look.
  bool blocked = false;
  // Changes whenever any of the threads has run. Two equal ones, both blocked,
  // mean that nothing has happened in between, and that nothing will.
  std::string fingerprint;
  // For people: "read on descriptor 4 (socket:[4711])" and so on.
  std::string description;
};
Activity ObserveActivity(const std::vector<pid_t>& pids);

}  // namespace harness

#endif  // TESTS_SUPPORT_PROC_H_
