#!/usr/bin/env bash
# Tries the agent on two V4L2 devices: boots a kernel with the driver vivid (two cameras that draw their own pictures) in qemu, with
# nothing in it but busybox, the agent and what it is linked to. What is tried stands in init.sh. Wants root for nothing, KVM
# for nothing; takes a minute or two. The programs that it needs are told when they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
agent=${1:-target/debug/airside-agent}
work=target/v4l2
root=$work/root
limit=600
say() { printf 'v4l2: %s\n' "$*"; }

missing=()
for package in qemu-system-x86 busybox-static cpio kmod; do
    dpkg-query --show --showformat='${db:Status-Status}' $package 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] || { say "install these Debian packages first: ${missing[*]}" >&2; exit 1; }

# A kernel and v4l2-ctl, unpacked and not installed.
kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2 }')
mkdir -p $work
for package in "$kernel" v4l-utils; do
    if [ ! -d "$work/$package" ]; then
        say "fetching $package"
        (cd $work && apt-get download --quiet --quiet "$package" 2>/dev/null)
        dpkg-deb --extract $work/"${package}"_*.deb "$work/$package"
    fi
done
modules=$(echo $work/"$kernel"/lib/modules/*)
version=$(basename "$modules")
[ -e "$modules/modules.dep" ] || depmod --basedir $work/"$kernel" "$version"

say "building the machine"
rm -rf $root
mkdir -p $root/{bin,dev,proc,sys,tmp,lib64,modules,plugins}
cp /bin/busybox $root/bin/
cp tests/v4l2/init.sh $root/init
cp tests/v4l2/sink.sh $root/bin/sink
cp tests/v4l2/agent.toml $root/agent.toml
cp $work/v4l-utils/usr/bin/v4l2-ctl $root/bin/
strip -o $root/bin/airside-agent "$agent"
plugins=/usr/lib/$(gcc -print-multiarch)/gstreamer-1.0
for plugin in app coreelements jpeg video4linux2 videoconvertscale; do
    cp "$(find "$plugins" -name "libgst$plugin.so")" $root/plugins/
done
# Every library that one of these is linked to, where the loader looks for it.
ldd $root/bin/airside-agent $root/bin/v4l2-ctl $root/plugins/* | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' |
    sort -u | while read -r library; do install -D -m 0755 "$library" "$root$library"; done
modprobe --dirname $work/"$kernel" --set-version "$version" --show-depends vivid |
    awk '{ print $2 }' | while read -r module; do
    cp "$module" $root/modules/
    basename "$module" >>$root/modules/order
done
(cd $root && find . | cpio --create --quiet --format newc --owner 0:0) | gzip -1 >$work/initrd.gz

say "booting"
timeout $limit qemu-system-x86_64 -accel tcg -cpu max -m 1024 -smp 2 -nographic -no-reboot -nic none \
    -kernel $work/"$kernel"/boot/vmlinuz-* -initrd $work/initrd.gz \
    -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on" </dev/null 2>&1 | tee $work/console.log | grep --line-buffered '^v4l2: ' || true
grep -q '^v4l2: all passed' $work/console.log || { say "failed; the machine's console is $work/console.log" >&2; exit 1; }
