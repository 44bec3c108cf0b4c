#!/usr/bin/env bash
# Makes the two images that the others are built from, where no registry of images is reached: localhost/airside-base from Debian's
# packages, and localhost/airside-build-base with this machine's Rust toolchain beside. With buildah.
#
#     make image-bases
#     make images BASE=localhost/airside-base BUILD_BASE=localhost/airside-build-base
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in buildah mmdebstrap; do
    command -v $tool >/dev/null || { echo "images: $tool is missing: apt install buildah mmdebstrap" >&2; exit 1; }
done
work=target/images
mkdir -p $work
# As small as Debian's own `slim` images: no manuals, no translations, of the documentation the licences alone, and
# no perl, which `usrmerge` would bring to do what is done here at the start.
[ -f $work/base.tar ] || mmdebstrap --quiet --variant=minbase \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include=usr-is-merged \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*' bookworm $work/base.tar

container=$(buildah from scratch)
buildah add --quiet "$container" $work/base.tar / >/dev/null
buildah commit --quiet "$container" localhost/airside-base >/dev/null
toolchain=$(rustc --print sysroot)
buildah add --quiet "$container" "$toolchain/bin" /usr/local/bin
buildah add --quiet "$container" "$toolchain/lib" /usr/local/lib
# Authorities that this machine trusts beside Debian's: what it downloads with, the build downloads with.
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
    buildah add --quiet "$container" /usr/local/share/ca-certificates /usr/local/share/ca-certificates
    # Known to update-ca-certificates as soon as the build installs it.
fi
buildah config --env CARGO_HOME=/usr/local/cargo --env PATH=/usr/local/sbin:/usr/local/bin:/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit --quiet --rm "$container" localhost/airside-build-base >/dev/null
echo "images: localhost/airside-base, localhost/airside-build-base"
