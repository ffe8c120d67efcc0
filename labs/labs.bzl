"""The one list of labs, and who may use which part of the library.

Write it once by hand, then earn the library's version: what a lab teaches is out
of its reach, and within reach of every later lab that does not teach it again.
"""

# Each lab, and the targets of //lib that do for you what it makes you write.
LABS = {
    "01_unix_stream": [
        "errno_status",
        "unique_fd",
        "socket_address",
        "socket",
        "stream_io",
        "wait",
        "socket_path",
    ],
    "02_unix_datagram": ["datagram"],
    # With a target, whatever includes it has to be out of reach.
    "03_socketpair": [
        "socket",
        "socket_path",
    ],
    # Whatever takes an address: the address is the lesson.
    "04_abstract_namespace": [
        "socket_address",
        "socket",
        "socket_path",
        "datagram",
    ],
    # These two include lib/message.h, which does most of either lab.
    "05_fd_passing": [
        "fd_passing",
        "credentials",
    ],
    "06_credentials": [
        "credentials",
        "fd_passing",
    ],
    "07_tcp": [
        "socket_address",
        "socket",
        "socket_path",
        "datagram",
    ],
    # The datagrams are the lesson here as they were in lab 02: what is new is
    # that they get lost.
    "08_udp": ["datagram"],
    "09_scatter_gather": ["scatter_gather"],
    # The name and the message of an errno; and so whatever returns a status.
    "10_errors": [
        "errno_status",
        "socket_address",
        "socket",
        "stream_io",
        "wait",
        "socket_path",
        "datagram",
        "fd_passing",
        "credentials",
        "scatter_gather",
    ],
}

# The checks never link a student's code, and the tests may use everything.
_OURS = [
    "//lib:__subpackages__",
    "//tests:__subpackages__",
    "//tools:__subpackages__",
]

def _packages(labs):
    return (["//labs/%s:__pkg__" % lab for lab in labs] +
            ["//solutions/%s:__pkg__" % lab for lab in labs])

def _earned(lab):
    """The targets that `lab` may use: its name is later than what teaches them."""
    return {
        target: None  # Once, though two labs may teach it.
        for earlier in LABS
        for target in LABS[earlier]
        if earlier < lab and target not in LABS[lab]
    }.keys()

EVERY_LAB = _packages(LABS) + _OURS

def users_of(target):
    """Visibility of //lib:`target`: the labs that have earned it, and the kit."""
    return _packages([lab for lab in LABS if target in _earned(lab)]) + _OURS

def earned_deps(lab):
    """What the programs of `lab` may include headers of, without more ado."""
    return ["//lib:" + target for target in ["program"] + _earned(lab)]
