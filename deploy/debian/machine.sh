#!/usr/bin/env bash
# Makes a clean Debian 12 that qemu boots, into target/machine: disk.ext4, vmlinuz, initrd.img, and the key that opens it by SSH.
# Nothing beside the base system, a kernel and an SSH server is in it. A second run only looks.
set -euo pipefail
cd "$(dirname "$0")/../.."
packages=systemd-sysv,udev,linux-image-amd64,openssh-server,netbase
machine=target/machine
root=$machine/root
say() { printf 'machine: %s\n' "$*"; }

if [ -e $machine/disk.ext4 ] && [ $machine/disk.ext4 -nt deploy/debian/machine.sh ]; then
    say "all there"
    exit
fi
say "making a clean Debian in $machine (some minutes)"
rm -rf $machine
mkdir -p $machine
ssh-keygen -q -t ed25519 -N '' -C package-test -f $machine/key
mmdebstrap --quiet --variant=minbase --include=$packages bookworm $root

install -D -m 0600 $machine/key.pub $root/root/.ssh/authorized_keys
printf '[Match]\nName=en*\n[Network]\nDHCP=yes\n' >$root/etc/systemd/network/wired.network
ln -s /lib/systemd/system/systemd-networkd.service $root/etc/systemd/system/multi-user.target.wants/
# The name server of qemu's own network.
echo 'nameserver 10.0.2.3' >$root/etc/resolv.conf
echo device >$root/etc/hostname
mv $root/boot/vmlinuz-* $machine/vmlinuz
mv $root/boot/initrd.img-* $machine/initrd.img
mke2fs -q -t ext4 -d $root $machine/disk.ext4 3G
rm -rf $root
say "$machine/disk.ext4: $(du -h $machine/disk.ext4 | cut -f1)"
