#!/usr/bin/env bash
# Run a command in a throw-away VM that has a fake webcam and, once loaded, a virtual camera.
#
#   rig.sh build                 fetch a Debian kernel, build v4l2loopback, pack an initramfs (cached)
#   rig.sh run '<command>'       boot it, run the command as root inside, give back its exit status
#
# Inside:  /dev/video0 = vivid in webcam mode, /run/rig/v4l2loopback.ko to be loaded with insmod.
# The guest's root is this machine's own / through 9p: read-only, with a tmpfs overlay (every write is
# thrown away), so the same Python, virtual environment and ffmpeg are there, at the same paths.
# No root image, no network, no module and no /dev/video* on the host. Needs: qemu-system-x86_64, gcc,
# make, gzip, apt-get (Debian 12). Environment:
#   RIG_CACHE    build folders           (default ~/.cache/livestyle-rig)
#   RIG_LOOP_SRC v4l2loopback's source   (default: Debian's v4l2loopback-dkms)
#   RIG_TIMEOUT  seconds, once it boots  (default 600; exit status 124)
set -euo pipefail

SELF=$(realpath "$0")
STAMP=$(echo "${RIG_LOOP_SRC:-}" | cat "$SELF" - | sha256sum | cut -c1-12)
CACHE=${RIG_CACHE:-$HOME/.cache/livestyle-rig}/$STAMP
BOOT_TIMEOUT=90  # seconds; 15 are usual
VIVID='n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 vid_cap_nr=0'

build() {
    local k deb
    if [ -e "$CACHE/ok" ]; then return; fi
    mkdir -p "$CACHE/debs"; cd "$CACHE"; rm -rf x initrd; mkdir -p x initrd/bin
    k=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: linux-image-//p' | head -1)
    [ -n "$k" ] || { echo "rig: no linux-image-amd64 known to apt (apt-get update?)" >&2; exit 1; }
    (cd debs && apt-get -q download "linux-image-$k" "linux-headers-$k" "linux-headers-${k%-amd64}-common" \
        "linux-kbuild-$(echo "$k" | cut -d. -f1,2)" v4l2loopback-dkms busybox-static)
    for deb in debs/*.deb; do dpkg-deb -x "$deb" x; done
    if [ -n "${RIG_LOOP_SRC:-}" ]; then rm -rf x/usr/src/v4l2loopback-*; cp -r "$RIG_LOOP_SRC" x/usr/src/v4l2loopback-src; fi
    # the header package's one absolute path, turned to where it was unpacked
    sed -i "s#/usr/src/#$CACHE/x/usr/src/#" "x/usr/src/linux-headers-$k/Makefile"
    make -s -C "x/usr/src/linux-headers-$k" M="$(echo "$CACHE"/x/usr/src/v4l2loopback-*)" modules
    cp x/bin/busybox initrd/bin/
    cp x/usr/src/v4l2loopback-*/v4l2loopback.ko initrd/
    x/bin/busybox depmod -b "$CACHE/x" "$k"
    # the modules we load, and what they need; videodev and its like come with vivid
    local m f
    for m in virtio_pci 9pnet_virtio 9p overlay vivid; do
        f=$(grep -E "/$m\.ko:" "x/lib/modules/$k/modules.dep")
        for f in ${f/:/ }; do
            mkdir -p "initrd/lib/modules/$k/$(dirname "$f")"
            cp "x/lib/modules/$k/$f" "initrd/lib/modules/$k/$f"
        done
    done
    x/bin/busybox depmod -b "$CACHE/initrd" "$k"
    cat > initrd/init <<INIT
#!/bin/busybox sh
# stage 1: the host's / read-only through 9p, a tmpfs over it, then into it
/bin/busybox --install -s /bin; export PATH=/bin
mkdir -p /proc /sys /dev /ro /rw /new
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in virtio_pci 9pnet_virtio 9p overlay; do modprobe \$m; done
modprobe vivid $VIVID
O=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o ro,\$O,cache=loose hostroot /ro
mount -t tmpfs rw /rw; mkdir /rw/up /rw/work
mount -t overlay -o lowerdir=/ro,upperdir=/rw/up,workdir=/rw/work root /new
for d in proc sys dev; do mkdir -p /new/\$d; mount --move /\$d /new/\$d; done
mkdir -p /new/run; mount -t tmpfs run /new/run
mkdir -p /new/dev/shm /new/dev/pts /new/run/rig
mount -t tmpfs shm /new/dev/shm; mount -t devpts pts /new/dev/pts
cp /bin/busybox /v4l2loopback.ko /new/run/rig/
mkdir /new/run/rig/job; mount -t 9p -o \$O,cache=none job /new/run/rig/job
ifconfig lo up
exec switch_root /new /bin/bash /run/rig/job/stage2
INIT
    chmod +x initrd/init
    (cd initrd && find . | ../x/bin/busybox cpio -o -H newc | gzip -1) > initrd.gz
    cp "x/boot/vmlinuz-$k" vmlinuz
    rm -rf x initrd debs
    touch ok
    echo "rig: built for $k in $CACHE: $(du -sh . | cut -f1)"
}

boot() {
    # mitigations=off: emulated, each of them costs more than the work (half of all the time was theirs)
    exec timeout -k 5 "${RIG_TIMEOUT:-600}" qemu-system-x86_64 \
        -accel tcg,thread=multi,tb-size=1024 -cpu max -smp 2 -m 2048 \
        -nodefaults -display none -no-reboot \
        -kernel "$CACHE/vmlinuz" -initrd "$CACHE/initrd.gz" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off" \
        -serial "file:$job/boot.log" -serial stdio \
        -virtfs "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap" \
        -virtfs "local,path=$job,mount_tag=job,security_model=none" \
        < /dev/null
}

# Whether the VM with that process id gets to our command; if not in time, it is ended.
wait_for_boot() {
    local second
    for ((second = 0; second < BOOT_TIMEOUT; second++)); do
        if [ -e "$job/uptime" ] || ! kill -0 "$1" 2> /dev/null; then return 0; fi
        sleep 1
    done
    kill -TERM "$1" 2> /dev/null || true # timeout hands it on, and follows with KILL after 5 s
    wait "$1" 2> /dev/null || true
    return 1
}

run() {
    (build) >&2
    local job rc=255
    job=$(mktemp -d); trap "rm -rf '$job'" EXIT
    printf '%s' "$1" > "$job/command"
    export -p > "$job/env"
    cat > "$job/stage2" <<STAGE2
# stage 2: in the host's file tree, as process 1
. /run/rig/job/env; export HOME=/root TMPDIR=/tmp
cd "$PWD"; /run/rig/busybox stty -F /dev/ttyS1 -opost
read -r up _ < /proc/uptime; echo "\$up" > /run/rig/job/uptime
setsid bash /run/rig/job/command < /dev/null > /dev/ttyS1 2>&1
echo \$? > /run/rig/job/rc
sync; /run/rig/busybox poweroff -f
STAGE2
    # On a busy machine the emulated kernel now and then hangs while it boots: then it is started anew.
    local try
    for try in 1 2 3 4; do
        boot & wait_for_boot $! && { wait $! || rc=$?; break; }
        echo "rig: no boot within $BOOT_TIMEOUT s (try $try)" >&2
    done
    [ -e "$job/uptime" ] || echo "rig: the machine never booted" >&2
    if [ -s "$job/rc" ]; then
        rc=$(cat "$job/rc"); echo "rig: boot to command: $(cat "$job/uptime") s (guest uptime)" >&2
    else
        echo "rig: the command did not finish (qemu: $rc); the guest's console:" >&2; tail -30 "$job/boot.log" >&2
    fi
    return "$rc"
}

case "${1:-}" in
    build) build ;;
    run) shift; run "$*" ;;
    *) sed -n '2,5p' "$0"; exit 2 ;;
esac
