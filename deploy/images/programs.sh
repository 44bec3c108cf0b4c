#!/bin/sh
# programs.sh OUT: in a build container, compiles the programs for $TARGETARCH and lays them into OUT: roles/ and agent/, beside them
# roles-doc/ and agent-doc/ with what is inside of each program, and under which licences.
set -eu
out=$1
case $TARGETARCH in
"$(dpkg --print-architecture)")
    cargo=cargo from=target/release
    target=$(rustc -vV | sed -n 's/^host: //p')
    ;;
arm64)
    target=aarch64-unknown-linux-gnu
    cargo=deploy/arm64/cargo.sh from=target/$target/release
    # Where this container has the libraries for both machines.
    export SYSROOT=/
    [ -d "$(rustc --print target-libdir --target $target)" ] || rustup target add $target
    ;;
*)
    echo "images: no cross build for $TARGETARCH" >&2
    exit 1
    ;;
esac
$cargo build --release --locked -p airside -p airsidectl -p airside-agent

part() {
    part=$1
    shift
    mkdir -p "$out/$part" "$out/$part-doc"
    for program; do
        cp "$from/$program" "$out/$part/"
        cargo sbom --cargo-package "$program" --output-format spdx_json_2_3 >"$out/$part-doc/$program.spdx.json"
    done
    deploy/debian/licences.py "$target" "$@" >"$out/$part-doc/copyright"
    cp LICENSE-* "$out/$part-doc/"
}
part roles airside airsidectl
part agent airside-agent
