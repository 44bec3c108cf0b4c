#!/usr/bin/env bash
# Runs an arm64 program on this machine: qemu-user, which sees the sysroot's files before the machine's own.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
# qemu would hand the helper that looks at plugins to the machine's own kernel: the program looks for itself.
exec qemu-aarch64-static -L "$root/target/arm64/sysroot" \
    -E GST_REGISTRY_FORK=no -E GST_REGISTRY="$root/target/arm64/gstreamer.bin" "$@"
