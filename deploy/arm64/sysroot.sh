#!/usr/bin/env bash
# Unpacks what the agent is built against and runs with on arm64 into target/arm64/sysroot: Debian's packages, chosen by apt,
# never installed. A second run only looks.
set -euo pipefail
cd "$(dirname "$0")/../.."
sysroot=target/arm64/sysroot
list=deploy/arm64/packages.txt
stamp=target/arm64/packages.txt
say() { printf 'arm64: %s\n' "$*"; }

if cmp --silent $list $stamp; then
    say "sysroot: all there"
    exit
fi
say "unpacking Debian's arm64 packages into $sysroot"
rm -rf $sysroot
mkdir -p target/arm64
# Beside the files, which package holds which library: for the dependencies of what is packaged.
shlibs='for deb in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb --ctrl-tarfile "$deb" | tar --extract --to-stdout ./shlibs 2>/dev/null || true; done >"$1/shlibs"'
mmdebstrap --quiet --architectures=arm64 --variant=extract --extract-hook="$shlibs" \
    --include="$(grep -v '^#' $list | paste -sd,)" bookworm $sysroot

lib=$sysroot/usr/lib/aarch64-linux-gnu
# What Debian's alternatives would link at installation.
ln -sf blas/libblas.so.3 lapack/liblapack.so.3 $lib/
# A linker with --sysroot takes an absolute link for one into this machine's own root.
find $lib -maxdepth 1 -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfr "$sysroot$(readlink "$link")" "$link"
done
cp $list $stamp
say "sysroot: $(du -sh $sysroot | cut -f1)"
