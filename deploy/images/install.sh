#!/bin/sh
# install.sh PACKAGE…: in a build container, installs Debian packages for the machine that builds, and those that are named
# PACKAGE:target for the one that the image is for.
set -eu
dpkg --add-architecture "$TARGETARCH"
apt-get update -qq
# shellcheck disable=SC2046 # each word is a package
DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $(echo "$@" | sed "s/:target/:$TARGETARCH/g")
rm -rf /var/lib/apt/lists/*
