// The system calls that a trace is made of.
#ifndef TOOLS_TRACE_CALLS_H_
#define TOOLS_TRACE_CALLS_H_

namespace trace {

// For strace's option -e trace=. Whatever moves bytes, makes or closes a
// descriptor or a process, sends a signal, or waits. "?" says that a machine
// need not have the call.
constexpr char kTracedCalls[] =
    "?read,?write,?readv,?writev,?preadv2,?pwritev2,?recvfrom,?recvmsg,?"
    "recvmmsg,"
    "?recvmmsg_time64,?sendto,?sendmsg,?sendmmsg,?sendfile,?sendfile64,?splice,"
    "?tee,"
    "?vmsplice,?socket,?socketpair,?bind,?listen,?accept,?accept4,?connect,"
    "?shutdown,?getsockopt,?setsockopt,?getsockname,?getpeername,?close,"
    "?close_range,?dup,?dup2,?dup3,?fcntl,?fcntl64,?pipe,?pipe2,?open,?openat,"
    "?openat2,?creat,?unlink,?unlinkat,?execve,?execveat,?clone,?clone3,?fork,"
    "?vfork,?exit,?exit_group,?wait4,?waitid,?kill,?tgkill,?tkill,"
    "?rt_sigqueueinfo,?pidfd_send_signal,?pidfd_open,?pidfd_getfd,?poll,?ppoll,"
    "?ppoll_time64,?select,?pselect6,?pselect6_time64,?epoll_create1,?epoll_"
    "ctl,"
    "?epoll_wait,?epoll_pwait,?epoll_pwait2,?eventfd2,?signalfd4,?timerfd_"
    "create,"
    "?memfd_create,?pause,?rt_sigsuspend,?nanosleep,?clock_nanosleep,?futex,?"
    "chdir,"
    "?fchdir,?io_uring_setup,?io_uring_enter";

}  // namespace trace

#endif  // TOOLS_TRACE_CALLS_H_
