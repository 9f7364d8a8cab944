#!/usr/bin/env bash
# Makes what the machine boots: vmlinux, initrd, root.ext4, in a folder named by this script's hash, and prints
# that folder. All of it comes from Debian packages; what we add (guest/) goes in with each start.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../mirror.sh

SUITE=bookworm
KERNEL=linux-image-cloud-amd64 # of the suite: 6.1
MODULES="virtio_mmio virtio_blk virtio_console overlay"
PACKAGES=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,python3,kmod,procps,iproute2,iptables
PACKAGES+=,apparmor,uidmap,busybox-static,strace,util-linux,ca-certificates,libseccomp2,criu
PACKAGES+=,runc,crun,podman,conmon,containerd,netavark,fuse-overlayfs,passwd,login
# What would only cost time at each boot.
MASKED="apt-daily.timer apt-daily-upgrade.timer apparmor.service containerd.service dpkg-db-backup.timer
  e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service ldconfig.service podman.service
  podman.socket podman-auto-update.timer podman-restart.service serial-getty@ttyS0.service
  systemd-firstboot.service systemd-hwdb-update.service systemd-journal-catalog-update.service
  systemd-journal-flush.service systemd-machine-id-commit.service systemd-networkd.service
  systemd-pstore.service systemd-random-seed.service systemd-sysusers.service systemd-timesyncd.service
  systemd-udev-settle.service systemd-udev-trigger.service systemd-update-done.service
  systemd-update-utmp.service systemd-binfmt.service modprobe@drm.service modprobe@efi_pstore.service
  dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount"

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tare
OUT=$CACHE/vm-$(sha256sum <build.sh | cut -c1-16)

main() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/vm.lock"
  flock 9
  if [ ! -e "$OUT/root.ext4" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "vm: only root can make the machine's root filesystem" >&2; exit 1; }
    WORK=$(mktemp -d "$CACHE/vm-new.XXXXXX")
    trap 'rm -rf --one-file-system "$WORK"' EXIT
    mkdir "$WORK/out"
    apt-get update -q >/dev/null 2>&1 || true # without the mirrors, what is known may do
    VERSION=$(apt-cache depends "$KERNEL" | sed -n 's/.*Depends: linux-image-//p' | head -1)
    [ -n "$VERSION" ] || { echo "vm: apt knows no $KERNEL; apt-get update helps" >&2; exit 1; }
    step "kernel" make_kernel
    step "initrd" make_initrd
    step "root filesystem (debootstrap $SUITE)" make_root
    rm -rf "$OUT"
    mv "$WORK/out" "$OUT"
  fi
  echo "$OUT"
}

step() {
  local status
  echo "vm: making the $1" >&2
  set +e
  (set -e; "$2") >"$WORK/log" 2>&1
  status=$?
  set -e
  [ $status -eq 0 ] || { tail -20 "$WORK/log" >&2; exit 1; }
}

make_kernel() {
  local image=$WORK/kernel/boot/vmlinuz-$VERSION
  (cd "$WORK" && apt-get download -q "linux-image-$VERSION" && dpkg -x linux-image-*.deb kernel)
  # microvm starts a plain ELF file; it lies compressed in the bzImage, where its header says
  # (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length; the last four bytes are
  # the length when unpacked).
  python3 - "$image" >"$WORK/payload" <<'PYTHON'
import struct, sys
image = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", image, 0x248)
start = (image[0x1F1] + 1) * 512 + offset
sys.stdout.buffer.write(image[start : start + length - 4])
PYTHON
  case $(head -c 4 "$WORK/payload" | od -An -tx1 | tr -d ' ') in
    02214c18) lz4 -dc "$WORK/payload" >"$WORK/out/vmlinux" ;;
    fd377a58) xz --format=xz -dc "$WORK/payload" >"$WORK/out/vmlinux" ;;
    28b52ffd) zstd -dc "$WORK/payload" >"$WORK/out/vmlinux" ;;
    *) echo "$image is packed in a way that is new to us"; return 1 ;;
  esac
  depmod -b "$WORK/kernel" "$VERSION"
}

make_initrd() {
  local tree=$WORK/initrd module
  mkdir -p "$tree"/{bin,guest,modules,proc,sys,dev,root}
  cp /bin/busybox "$tree/bin/"
  for module in $MODULES; do
    modprobe -d "$WORK/kernel" -S "$VERSION" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | awk '!seen[$0]++' | while read -r module; do
    cp "$module" "$tree/modules/"
    basename "$module"
  done >"$tree/modules/list"
  (cd "$tree" && find . | cpio -o -H newc --quiet) >"$WORK/out/initrd"
}

make_root() {
  local root=$WORK/root unit
  debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root" "$(mirror)"
  rm -rf "$root"/usr/share/{doc,man,locale} "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
  cp -a "$WORK/kernel/lib/modules" "$root/lib/"
  echo vm >"$root/etc/hostname"
  echo "127.0.0.1 localhost vm" >"$root/etc/hosts"
  : >"$root/etc/fstab"
  head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$root/etc/machine-id"
  # Someone who is not root: user units, delegated cgroups, podman without root.
  chroot "$root" useradd --create-home --shell /bin/bash someone
  for unit in $MASKED; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
  truncate -s 4G "$WORK/out/root.ext4"
  mke2fs -q -F -t ext4 -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -d "$root" "$WORK/out/root.ext4"
}

main
