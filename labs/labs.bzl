"""The one list of labs, and who may use which part of the library.

Write it once by hand, then earn the library's version: the targets that a lab
teaches are out of its reach, and within reach of every later lab.
"""

LABS = [
    "01_unix_stream",
]

def _packages(labs):
    return (["//labs/%s:__pkg__" % lab for lab in labs] +
            ["//solutions/%s:__pkg__" % lab for lab in labs])

# The checks never link a student's code, and the tests may use everything.
OURS = [
    "//lib:__subpackages__",
    "//tests:__subpackages__",
    "//tools:__subpackages__",
]

EVERY_LAB = _packages(LABS) + OURS

def earned_by(lab):
    """Visibility of a library target that `lab` teaches to write by hand."""
    return _packages(LABS[LABS.index(lab) + 1:]) + OURS
