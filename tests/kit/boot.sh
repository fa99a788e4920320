#!/bin/bash
# boot.sh FOLDER [SOURCE:TARGET ...]: a machine of its own in FOLDER, with the real systemd as its first process.
#
# Its root is an overlay of ours, so that every program is there and nothing that is written comes back. Namespaces for
# mounts, processes, names, network and control groups are its own. It first moves into a control group below the
# caller's and lets that be the root of what it sees: systemd gathers every process of its root group, and those must be
# none but its own. SOURCE is bound to TARGET in it. It ends with the caller; to end it at once, kill its first process.
set -euo pipefail
folder=$1
shift
groups=/sys/fs/cgroup
name=foresight-machine-$$

hierarchies() { # folders below $groups, each with our own group in it: v1 has one for each controller, v2 one for all
  if [ -f $groups/cgroup.controllers ]; then
    echo ". $(sed -n 's/^0:://p' /proc/self/cgroup)"
    return
  fi
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
    echo "$controller $(sed -n "s/^[0-9]*:\(name=\)\?$controller://p" /proc/self/cgroup)"
  done
  echo "unified $(sed -n 's/^0:://p' /proc/self/cgroup)"
}

hierarchies > "$folder/hierarchies"
: > "$folder/groups"
while read -r hierarchy own; do
  group=$groups/$hierarchy${own%/}/$name
  mkdir -p "$group"
  echo "$group" >> "$folder/groups"
  if [ "$hierarchy" = cpuset ]; then
    for file in cpus mems; do cat "${group%/*}/cpuset.$file" > "$group/cpuset.$file"; done
  fi
  echo $$ > "$group/cgroup.procs"
done < "$folder/hierarchies"

cat > "$folder/init" <<'INIT'
set -euo pipefail
folder=$1
shift
mount --make-rprivate /
mount -t tmpfs -o size=4g,mode=755 tmpfs "$folder/machine"
mkdir "$folder"/machine/{upper,work,root}
root=$folder/machine/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/machine/upper,workdir=$folder/machine/work" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind /dev/$device "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${stream%:*}" "$root/dev/${stream#*:}"; done

groups=$root/sys/fs/cgroup
if grep -q '^\. ' "$folder/hierarchies"; then
  mount -t cgroup2 -o nsdelegate cgroup2 "$groups"
else
  mount -t tmpfs -o mode=755 tmpfs "$groups"
  while read -r hierarchy _; do
    mkdir "$groups/$hierarchy"
    case $hierarchy in
      systemd) mount -t cgroup -o none,name=systemd cgroup "$groups/systemd" ;;
      unified) mount -t cgroup2 cgroup2 "$groups/unified" ;;
      *) mount -t cgroup -o "$hierarchy" cgroup "$groups/$hierarchy" ;;
    esac
  done < "$folder/hierarchies"
fi

for bound in "$@"; do
  mkdir -p "$root${bound#*:}"
  mount --bind "${bound%%:*}" "$root${bound#*:}"
done

# No unit of ours is the machine's: it starts a journal and nothing else.
rm -rf "$root/etc/systemd/system" "$root/etc/systemd/system.conf.d"
mkdir -p "$root/etc/systemd/system" "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nAudit=no\nForwardToWall=no\nRateLimitBurst=0\n' > "$root/etc/systemd/journald.conf.d/machine.conf"
ln -s /dev/null "$root/etc/systemd/system/systemd-journald-audit.socket"
cat > "$root/etc/systemd/system/machine.target" <<'TARGET'
[Unit]
Requires=systemd-journald.socket
Wants=systemd-journald.service sockets.target
After=systemd-journald.service
AllowIsolate=yes
TARGET
rm -f "$root/etc/machine-id"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
: > "$root/etc/fstab"

mkdir -p "$root/before"
cd "$root"
pivot_root . before
umount -l /before
rmdir /before
ip link set lo up
hostname machine
mount --make-rshared /
exec env -i container=machine PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  /lib/systemd/systemd --system --unit=machine.target --log-target=journal-or-kmsg --log-level=info --show-status=0
INIT
mkdir "$folder/machine"
exec unshare --mount --pid --fork --kill-child=SIGKILL --uts --ipc --cgroup --net --propagation private \
  bash "$folder/init" "$folder" "$@" < /dev/null
