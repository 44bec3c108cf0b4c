#!/usr/bin/env bash
# Makes the two images that the others are built from, where no registry of images is reached: localhost/airside-base from Debian's
# packages, and localhost/airside-build-base with this machine's Rust toolchain beside. With buildah.
#
#     make image-bases
#     make images BASE=localhost/airside-base BUILD_BASE=localhost/airside-build-base
#
# PLATFORM in the environment is another than this machine's: localhost/airside-base:arm64 is made in localhost/airside-build-base.
#
#     make image-bases PLATFORM=linux/arm64
#     make images PLATFORM=linux/arm64 BASE=localhost/airside-base:arm64 BUILD_BASE=localhost/airside-build-base
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in buildah mmdebstrap; do
    command -v $tool >/dev/null || { echo "images: $tool is missing: apt install buildah mmdebstrap" >&2; exit 1; }
done
work=target/images
mkdir -p $work
# As small as Debian's own `slim` images: no manuals, no translations, of the documentation the licences alone, and
# no perl, which `usrmerge` would bring to do what is done here at the start.
debian=(mmdebstrap --quiet --variant=minbase --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include=usr-is-merged
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright'
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*')
architecture=${PLATFORM:+${PLATFORM##*/}}
base=$work/base${architecture:+-$architecture}.tar

if [ -n "$architecture" ]; then
    # Nothing of the other architecture is run: packages' scripts run here, on files there; in a container, should one mistake the two.
    if [ ! -f "$base" ]; then
        container=$(buildah from --pull-never localhost/airside-build-base)
        within=(buildah run --isolation "${BUILDAH_ISOLATION:-chroot}" "$container")
        "${within[@]}" apt-get update --quiet --quiet
        "${within[@]}" apt-get install --quiet --quiet --yes --no-install-recommends mmdebstrap >/dev/null
        # In this mode dpkg leaves nothing out.
        "${within[@]}" "${debian[@]}" --mode=chrootless --architectures="$architecture" \
            --customize-hook='cd "$1"/usr/share && rm -rf man/* info/* locale/* && find doc -type f ! -name copyright -delete' \
            bookworm - >"$base.part"
        mv "$base.part" "$base"
        buildah rm "$container" >/dev/null
    fi
    container=$(buildah from --platform "$PLATFORM" scratch)
    buildah add --quiet "$container" "$base" / >/dev/null
    buildah commit --quiet --rm "$container" "localhost/airside-base:$architecture" >/dev/null
    echo "images: localhost/airside-base:$architecture"
    exit
fi

[ -f "$base" ] || "${debian[@]}" bookworm "$base"
container=$(buildah from scratch)
buildah add --quiet "$container" "$base" / >/dev/null
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
