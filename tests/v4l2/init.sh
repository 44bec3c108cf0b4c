#!/bin/busybox sh
# The first and only program of the emulated machine: loads vivid, starts the agent, tries it, turns the machine off.
/bin/busybox --install -s /bin
export PATH=/bin GST_PLUGIN_SYSTEM_PATH_1_0=/plugins GST_REGISTRY=/tmp/registry GST_REGISTRY_FORK=no
say() { echo "v4l2: $*"; }
finish() {
    [ "$1" = passed ] && say "all passed" || tail -n 40 /tmp/agent.log
    sync
    poweroff -f
}
fail() {
    say "FAILED: $*"
    finish failed
}
# Waits until a command succeeds; fails with what was waited for after three minutes, which is long under emulation too.
await() {
    what=$1
    shift
    tries=360
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "in vain: $what"
        sleep 0.5
    done
    say "$what"
}
# The work of udev, which is not here: names that stay the same whatever number a device gets.
name_devices() {
    mkdir -p /dev/v4l/by-id
    rm -f /dev/v4l/by-id/*
    for device in /sys/class/video4linux/video*; do
        [ -e "$device" ] || continue
        name=$(tr ' ' '_' <"$device/name")
        ln -sf "../../${device##*/}" "/dev/v4l/by-id/$name"
    done
}
frames() { grep -c "$1" /tmp/frames 2>/dev/null || true; }
has_frames() { [ "$(frames "$1")" -ge "$2" ]; }
state() { wget -q -O - "http://127.0.0.1:8080/cameras/$1/state" 2>/dev/null; }
is() { state "$1" | grep -q "$2"; }

# The firmware has left the cursor within a line.
echo
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ip link set lo up
while read -r module; do
    # Each is a webcam, and nothing but a camera.
    arguments=
    [ "$module" = vivid.ko ] && arguments="n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0x0,0x0"
    insmod "/modules/$module" $arguments || fail "$module does not load"
done </modules/order
name_devices
ls /dev/v4l/by-id | while read -r name; do say "device $name"; done

: >/tmp/frames
nc -ll -p 9000 -e /bin/sink &
airside-agent --config /agent.toml >/tmp/agent.log 2>&1 &
await "the agent listens" state 1
await "frames of the first camera arrive" has_frames section-1 10
await "frames of the second camera arrive" has_frames section-2 10

brightness=$(v4l2-ctl -d "/dev/v4l/by-id/$(ls /dev/v4l/by-id | head -n 1)" -C brightness)
[ "$brightness" = "brightness: 200" ] || fail "the control is not set: $brightness"
say "the control is set by its name"
await "a control that does not exist is told with those that do" is 3 "control 'sharpnes': there is none; it has brightness"

# While both are in use.
airside-agent discover --timeout 1s >/tmp/discovered || fail "discover fails"
for name in $(ls /dev/v4l/by-id); do
    grep -q "^source = \"/dev/v4l/by-id/$name\"" /tmp/discovered || fail "not discovered: $name: $(cat /tmp/discovered)"
done
grep -q "^#   [A-Z0-9]* [0-9]*x[0-9]*, .* a second" /tmp/discovered || fail "no modes: $(cat /tmp/discovered)"
say "discover lists both devices with what they offer"

twice=$(sort /tmp/frames | uniq -d | wc -l)
[ "$twice" = 0 ] || fail "$twice frames came twice"

echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind
name_devices
await "the first camera is seen to be gone" is 1 '"camera":"failed"'
await "the second camera is seen to be gone" is 2 '"camera":"failed"'
before_1=$(frames section-1)
before_2=$(frames section-2)
echo vivid.0 >/sys/bus/platform/drivers/vivid/bind
name_devices
await "the first camera is back under its name" has_frames section-1 $((before_1 + 10))
await "the second camera is back under its name" has_frames section-2 $((before_2 + 10))
is 1 'does not exist' || fail "the state does not tell why the camera was away"
say "the state tells why it was away"
finish passed
