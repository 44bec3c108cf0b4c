#!/usr/bin/env bash
# Makes the two images that the others are built from, where no registry of images is reached: localhost/airside-base from Debian's
# packages, and localhost/airside-build-base with this machine's Rust toolchain beside. With buildah.
#
#     deploy/images/bases.sh
#     make images BASE=localhost/airside-base BUILD_BASE=localhost/airside-build-base
set -euo pipefail
cd "$(dirname "$0")/../.."
work=target/images
mkdir -p $work
[ -f $work/base.tar ] || mmdebstrap --quiet --variant=minbase bookworm $work/base.tar

container=$(buildah from scratch)
buildah add --quiet "$container" $work/base.tar /
# Authorities that this machine trusts beside Debian's: what it downloads with, the build downloads with.
buildah run --isolation chroot "$container" -- sh -ec 'apt-get update -qq && apt-get install -qq --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*' >/dev/null
buildah commit --quiet "$container" localhost/airside-base >/dev/null
toolchain=$(rustc --print sysroot)
buildah add --quiet "$container" "$toolchain/bin" /usr/local/bin
buildah add --quiet "$container" "$toolchain/lib" /usr/local/lib
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
    buildah add --quiet "$container" /usr/local/share/ca-certificates /usr/local/share/ca-certificates
    buildah run --isolation chroot "$container" -- update-ca-certificates >/dev/null
fi
buildah config --env CARGO_HOME=/usr/local/cargo --env PATH=/usr/local/sbin:/usr/local/bin:/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit --quiet --rm "$container" localhost/airside-build-base >/dev/null
echo "images: localhost/airside-base, localhost/airside-build-base"
