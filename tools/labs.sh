#!/bin/bash
# Prints the names of the labs: labs/labs.bzl has the one list.
exec sed -n 's/^    "\([0-9][0-9]_[a-z_]*\)": .*/\1/p' "$(dirname "$0")/../labs/labs.bzl"
