#include "tests/10_errors/catalogue.h"

#include <cerrno>
#include <map>
#include <string>

const std::map<std::string, CatalogueEntry>& Catalogue() {
  static const auto& catalogue = *new std::map<std::string, CatalogueEntry>{
      {"ENOMEM",
       {ENOMEM, 6,
        "A seccomp filter has one system call return ENOMEM: first "
        "PR_SET_NO_NEW_PRIVS, then the filter, then that call. The filter lets "
        "all other calls through, for the process still has to write its line.",
        "man 2 seccomp"}},
      {"ECONNREFUSED",
       {ECONNREFUSED, 1,
        "Two calls: socket, and connect to an abstract name that is made from "
        "your pid. No socket has that name, so the kernel refuses. (A path "
        "where no file is gives ENOENT instead.)",
        "man 7 unix, man 2 connect"}},
      {"EINVAL",
       {EINVAL, 3,
        "A call that makes no sense now: listen on a stream before bind.",
        "man 2 listen"}},
      {"EOPNOTSUPP",
       {EOPNOTSUPP, 3,
        "A datagram socket does not have listen. (A stream has it; before bind "
        "that is EINVAL.) ENOTSUP is the same number, and not in the list.",
        "man 2 listen"}},
      {"EPROTONOSUPPORT",
       {EPROTONOSUPPORT, 3,
        "AF_UNIX has the protocols 0 and 1, which mean the same. Ask socket "
        "for another one.",
        "man 2 socket"}},
      {"ESOCKTNOSUPPORT",
       {ESOCKTNOSUPPORT, 3,
        "AF_UNIX does not have the type SOCK_RDM. (A number that is not a type "
        "at all gives EINVAL.)",
        "man 2 socket"}},
      {"EPROTOTYPE",
       {EPROTOTYPE, 3,
        "A stream socket is bound to a path, and a datagram socket connects to "
        "that path. (With two sockets of one type it is ECONNREFUSED, until "
        "the first one listens.)",
        "man 2 connect"}},
      {"EADDRINUSE",
       {EADDRINUSE, 3,
        "The first bind must work, the second one to the same name is refused. "
        "When the first one fails, an earlier run or error left the name.",
        "man 2 bind"}},
      {"EISCONN",
       {EISCONN, 3,
        "sendto with an address on a pair of streams. (Datagrams may have an "
        "address, and a connection already: there it is another error.)",
        "man 2 send"}},
      {"ENOTCONN",
       {ENOTCONN, 3,
        "send on a stream that has no peer. (recv gives EINVAL there.)",
        "man 2 send"}},
      {"ECONNRESET",
       {ECONNRESET, 3,
        "You send a byte, the other end closes and has not read it, you "
        "receive. When the other end had read everything, or had sent the byte "
        "itself, that is not an error: recv returns what there is, then 0.",
        "man 2 recv, man 7 unix"}},
      {"EPIPE",
       {EPIPE, 3,
        "The other end is closed, and you send with MSG_NOSIGNAL. Without it "
        "SIGPIPE comes along, which ends the process before it says anything.",
        "man 2 send, man 7 signal"}},
      {"EFAULT",
       {EFAULT, 3,
        "Give the kernel 1 byte or more at an address where no memory is, such "
        "as 8. With 0 bytes it does not look there, and a program that looks "
        "there itself dies of SIGSEGV.",
        "man 2 send"}},
      {"EPERM",
       {EPERM, 5,
        "SCM_CREDENTIALS with the pid of another process. Root may claim that, "
        "until capset lays its capabilities down. (Another uid is EINVAL in a "
        "user namespace that does not have it, and its own is allowed.)",
        "man 7 unix, man 7 capabilities"}},
      {"ENOENT",
       {ENOENT, 3,
        "connect to a path where no file is. (An abstract name that no socket "
        "has gives ECONNREFUSED.)",
        "man 2 connect"}},
      {"EACCES",
       {EACCES, 5,
        "connect needs write permission on the socket file. For its owner the "
        "owner's own bit counts, so take that one away: chmod to 0.",
        "man 7 unix, man 2 chmod"}},
      {"EAGAIN",
       {EAGAIN, 3,
        "recv with MSG_DONTWAIT when nothing is there. Without it recv waits, "
        "for ever. EAGAIN's message is \"Resource temporarily unavailable\".",
        "man 2 recv"}},
      {"EMSGSIZE",
       {EMSGSIZE, 3,
        "A datagram that SO_SNDBUF will never hold: make SO_SNDBUF small first "
        "(its default differs from machine to machine). A stream takes any "
        "number of bytes, in parts.",
        "man 2 send, man 7 socket"}},
      {"ETOOMANYREFS",
       {ETOOMANYREFS, 5,
        "Descriptors are sent and not received. With a RLIMIT_NOFILE of 0 the "
        "first sendmsg goes and the second one is refused; or already the "
        "first, when another program of this user has some on the way. Root "
        "has to lay its capabilities down first.",
        "man 7 unix, man 2 setrlimit"}},
      {"ENOBUFS",
       {ENOBUFS, 4,
        "A msg_controllen of more than net.core.optmem_max bytes. 2 GiB, "
        "INT_MAX + 1, are too many on every machine. So few that the kernel "
        "looks at them give EINVAL.",
        "man 2 sendmsg"}},
      {"EMFILE",
       {EMFILE, 4,
        "setrlimit makes RLIMIT_NOFILE 0. Then no call can make a descriptor.",
        "man 2 setrlimit"}},
      {"ENOTSOCK",
       {ENOTSOCK, 3,
        "A call for sockets, on a pipe that you made. (A descriptor that is "
        "not open gives EBADF.)",
        "man 2 listen, man 2 pipe"}}};
  return catalogue;
}
