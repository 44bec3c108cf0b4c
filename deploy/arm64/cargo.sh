#!/usr/bin/env bash
# Cargo for arm64: `deploy/arm64/cargo.sh build --release -p airside-agent` builds against the sysroot and with Debian's cross compiler.
# SYSROOT in the environment is another one than that of sysroot.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
sysroot=${SYSROOT:-$PWD/target/arm64/sysroot}
triple=aarch64-linux-gnu
usr=${sysroot%/}/usr
lib=$usr/lib/$triple

export CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$triple-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C link-arg=--sysroot=$sysroot -C link-arg=-Wl,-rpath-link,$lib"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/deploy/arm64/run.sh
# C and C++ within crates (cc, cmake).
export CC_aarch64_unknown_linux_gnu=$triple-gcc CXX_aarch64_unknown_linux_gnu=$triple-g++
export CFLAGS_aarch64_unknown_linux_gnu=--sysroot=$sysroot CXXFLAGS_aarch64_unknown_linux_gnu=--sysroot=$sysroot
# pkg-config of the sysroot alone.
export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$sysroot
export PKG_CONFIG_LIBDIR=$lib/pkgconfig:$usr/share/pkgconfig
# In place of the paths in .cargo/config.toml.
export OPENCV_INCLUDE_PATHS=$usr/include/opencv4,$usr/include/$triple/opencv4 OPENCV_LINK_PATHS=$lib

exec cargo "$@"
