#!/bin/bash
# enter.sh ROOT PACKAGES NAMESPACES COMMAND...: runs COMMAND in the system in the folder
# ROOT, with apt's packages in the folder PACKAGES. In mount and pid namespaces that
# are new, see systems.sh. NAMESPACES is yes, or no for a system whose processes
# cannot make user namespaces: the kernel refuses these after chroot(2).
set -eu
root=$1 packages=$2 namespaces=$3
shift 3
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys 2>/dev/null || true
mount --bind /dev dev
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount --bind "$packages" var/cache/apt/archives
clean=(env -i ${CI:+CI="$CI"} HOME=/root LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
if [[ $namespaces == yes ]]; then
  pivot_root . mnt
  cd /
  umount -l mnt
  exec "${clean[@]}" "$@"
fi
exec "${clean[@]}" chroot . "$@"
