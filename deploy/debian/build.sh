#!/usr/bin/env bash
# Builds target/debian/airside-agent_VERSION_ARCH.deb for this machine, or for the architecture in $1 (amd64, arm64).
# VERSION in the environment replaces the version of the workspace.
set -euo pipefail
cd "$(dirname "$0")/../.."
host=$(dpkg --print-architecture)
arch=${1:-$host}
say() { printf 'deb: %s\n' "$*"; }

cargo=cargo run=
declare -A targets=([amd64]=x86_64-unknown-linux-gnu [arm64]=aarch64-unknown-linux-gnu)
out=target/release
shlibdeps=
if [ "$arch" != "$host" ]; then
    [ "$arch" = arm64 ] || { say "no cross build for $arch; expected $host or arm64" >&2; exit 1; }
    deploy/arm64/sysroot.sh
    cargo=deploy/arm64/cargo.sh run=deploy/arm64/run.sh
    out=target/${targets[$arch]}/release
    sysroot=$PWD/target/arm64/sysroot
    shlibdeps="-l$sysroot/usr/lib/aarch64-linux-gnu:$sysroot/lib/aarch64-linux-gnu -- -L$sysroot/shlibs"
fi
version=${VERSION:-$(cargo pkgid -p airside-agent | sed 's/.*[#@]//')}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

say "building the agent for $arch"
$cargo build --release --locked --quiet -p airside-agent

say "packaging version $version"
tree=target/debian/$arch
rm -rf "$tree"
mkdir -p "$tree/sysusers.d"
cp -r deploy/debian "$tree/debian"
deploy/debian/licences.py "${targets[$arch]}" airside-agent >>"$tree/debian/copyright"
cp deploy/systemd/airside-agent.service "$tree/debian/airside-agent.service"
cp deploy/debian/sysusers.conf "$tree/sysusers.d/airside-agent.conf"
cp $out/airside-agent docs/agent.md docs/agent-install.md "$tree/"
$run $out/airside-agent config example >"$tree/agent.toml"
cp CHANGELOG.md "$tree/NEWS.md"
$run $out/airside-agent man >"$tree/airside-agent.1"
cat >"$tree/debian/changelog" <<EOF
airside-agent ($version) bookworm; urgency=medium

  * What changed is told in /usr/share/doc/airside-agent/NEWS.md.gz.

 -- $(sed -n 's/^Maintainer: //p' deploy/debian/control)  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
EOF
mkdir -p "$tree/debian/source"
echo '3.0 (native)' >"$tree/debian/source/format"
(cd "$tree" && SHLIBDEPS_FLAGS=$shlibdeps dpkg-buildpackage --build=binary --no-sign --no-check-builddeps --host-arch="$arch" >build.log 2>&1) ||
    { tail -n 30 "$tree/build.log" >&2; exit 1; }
package=target/debian/airside-agent_${version}_$arch.deb
lintian --fail-on error --allow-root "$package"
say "$package: $(du -h "$package" | cut -f1)"
