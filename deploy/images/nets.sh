#!/bin/sh
# nets.sh: in a build container, obtains the nets into /models, and ONNX Runtime for $TARGETARCH with its licences into /pull.
set -eu
run=
packages=/pull/venv/lib/python$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')/site-packages
if [ "$TARGETARCH" != "$(dpkg --print-architecture)" ]; then
    /install.sh qemu-user-static
    run=qemu-aarch64-static
    # pip runs on the machine that builds, and is told the other one by the environment. The tag is that of ONNX Runtime's wheels.
    export PIP_PLATFORM=manylinux_2_28_aarch64 PIP_ONLY_BINARY=:all: PIP_TARGET="$packages"
fi
$run /usr/local/bin/airside models pull --models /models --packages /pull/npm --venv /pull/venv
cp "$packages"/onnxruntime/capi/libonnxruntime.so.* "$packages/onnxruntime/LICENSE" "$packages/onnxruntime/ThirdPartyNotices.txt" /pull/
# The library is in another place in the image that has it.
sed -i '/^onnxruntime = /d' /models/models.toml
rm -rf /models/samples
