#!/usr/bin/env bash
# Builds Airside's images with docker, podman or buildah, whichever is here: build.sh [TARGET…] (roles, agent, models; demo once
# `make demo` has made the films). In the environment: PLATFORM (linux/amd64, linux/arm64) is what they are for, and ends their tags;
# without it they are for this machine. BASE (of PLATFORM) and BUILD_BASE (of this machine) replace the images that they are built
# from, REGISTRY goes before their names.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(cargo pkgid -p airside | sed 's/.*[#@]//')
targets=("$@")
[ $# -gt 0 ] || targets=(roles agent models)
declare -A names=([roles]=airside [agent]=airside-agent [models]=airside-models [demo]=airside-demo)

for tool in ${IMAGE_TOOL:-docker podman buildah}; do
    command -v "$tool" >/dev/null && "$tool" info >/dev/null 2>&1 && break
    tool=
done
[ -n "${tool:-}" ] || { echo "images: neither docker nor podman nor buildah works here" >&2; exit 1; }
declare -A architectures=([x86_64]=amd64 [aarch64]=arm64)
here=linux/${architectures[$(uname -m)]}
# buildah 1.28 (Debian 12) knows no BUILDPLATFORM of its own in a FROM.
arguments=(--platform "${PLATFORM:-$here}" --build-arg "BUILDPLATFORM=$here")
for base in BASE BUILD_BASE; do
    [ -z "${!base:-}" ] || arguments+=(--build-arg "$base=${!base}")
done
for target in "${targets[@]}"; do
    image=${REGISTRY:+$REGISTRY/}${names[$target]:?there is no image of that name}:$version${PLATFORM:+-${PLATFORM##*/}}
    echo "images: $image, by $tool"
    case $tool in
    # Without a registry nothing can be pulled, and within a container only chroot works.
    buildah) buildah build --quiet --layers --isolation "${BUILDAH_ISOLATION:-chroot}" --pull-never "${arguments[@]}" \
        --target "$target" --tag "$image" --file deploy/images/Containerfile . ;;
    # Docker's old builder, the default before version 23, knows no cache mounts.
    *) DOCKER_BUILDKIT=1 "$tool" build --quiet "${arguments[@]}" --target "$target" --tag "$image" --file deploy/images/Containerfile . ;;
    esac
done
