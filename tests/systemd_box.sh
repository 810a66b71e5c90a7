#!/usr/bin/env bash
# A real systemd as PID 1 of namespaces of its own, over a throw-away overlay of this
# machine's root: boot it, run a command in it, switch it off again.
#
#   systemd_box.sh CMD...      the command's exit status; 125 where there can be no box, saying why
#
# Needs root, systemd and overlayfs; the machine itself need not run systemd. What
# CMD writes goes to memory and is gone afterwards. The network is the machine's.
# Where the host keeps its cgroup controllers on cgroup v1, MemoryMax= and
# CPUQuota= are accepted without effect.
set -euo pipefail

NO_BOX=125
BOOT_S=60

say() { printf 'systemd_box: %s\n' "$*" >&2; }
refuse() { say "$*"; exit $NO_BOX; }

check() {
    [ "$(id -u)" = 0 ] || refuse "needs root"
    [ -x /lib/systemd/systemd ] || refuse "systemd is not installed"
    command -v nsenter >/dev/null || refuse "nsenter is not installed"
    grep -qw overlay /proc/filesystems || modprobe -q overlay 2>/dev/null || refuse "the kernel has no overlayfs"
    unshare --mount --pid --fork --uts --ipc true 2>/dev/null || refuse "namespaces cannot be made here"
}

outside() {
    check
    top=$(mktemp -d /tmp/systemd-box.XXXXXX)
    cgroup=/$(basename "$top")
    setsid unshare --mount --pid --fork --kill-child --uts --ipc "$0" --inside "$top" "$cgroup" \
        >"$top/boot.log" 2>&1 </dev/null &
    box=$!
    trap finish EXIT
    await_boot
    local status=0
    "${inside[@]}" "$@" || status=$?
    "${inside[@]}" systemctl poweroff >/dev/null 2>&1 || true
    for ((i = 0; i < 100; i++)); do
        kill -0 "$box" 2>/dev/null || break
        sleep 0.05
    done
    exit "$status"
}

finish() {
    kill -9 "$box" 2>/dev/null || true
    wait "$box" 2>/dev/null || true
    local dir
    for dir in /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ -d "$dir$cgroup" ] && find "$dir$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
    done
    rm -rf "$top"
}

await_boot() {
    local i first state=none
    for ((i = 0; i < BOOT_S * 20; i++)); do
        kill -0 "$box" 2>/dev/null || break
        first=$(pgrep -P "$box" || true)
        if [ -n "$first" ]; then
            inside=(nsenter -t "$first" -m -u -i -p -C -r -w
                env -i PATH="$PATH:/usr/sbin:/sbin" HOME=/root TERM=dumb LC_ALL=C.UTF-8)
            state=$("${inside[@]}" systemctl is-system-running 2>/dev/null) || true
            case $state in running | degraded) return ;; esac
        fi
        sleep 0.05
    done
    cat "$top/boot.log" >&2
    refuse "it did not boot (state $state)"
}

inside() {
    local top=$1 cgroup=$2 root=$1/root node
    mount --make-rprivate /
    mkdir "$top/mem"
    mount -t tmpfs -o mode=755 tmpfs "$top/mem"
    mkdir "$top/mem/upper" "$top/mem/work" "$root"
    mount -t overlay -o "lowerdir=/,upperdir=$top/mem/upper,workdir=$top/mem/work" overlay "$root"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys" # the kernel's settings are the host's: read-only
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup$cgroup"
    echo $$ >"$root/sys/fs/cgroup$cgroup/cgroup.procs"
    mount --bind "$root/sys/fs/cgroup$cgroup" "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null zero full random urandom tty; do
        : >"$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    rm -f "$root/etc/fstab"
    mkdir -p "$root/etc/tmpfiles.d"
    ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf" # keep what lies in /tmp
    mount --make-rshared "$root" # or a service does not see the credentials that systemd mounts for it
    # Nothing of the machine's own services: only what CMD starts.
    exec env -i container=systemd-box PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        unshare --cgroup chroot "$root" /lib/systemd/systemd \
        --unit=basic.target --log-target=console --log-level=notice --show-status=no
}

if [ "${1:-}" = --inside ]; then
    inside "$2" "$3"
else
    outside "$@"
fi
