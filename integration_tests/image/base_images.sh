#!/usr/bin/env bash
# Makes the Dockerfile's two base images on a machine that has a Docker engine and Debian's packages but
# no container registry. Prints the images' names as BUILD_IMAGE=… and RUNTIME_IMAGE=…, does nothing for
# an image that exists, and must run as root.
#
# With a container registry nobody needs this: `docker build .` takes the official bases.
set -euo pipefail
cd "$(dirname "$0")/../.."

SUITE=bookworm
# Raised when the recipe below changes, so that images made by an older one are not taken.
RECIPE=1

rust_version=$(rustc --version | cut -d' ' -f2)
build_image="source-notion-build-base:rust-$rust_version-$SUITE-$RECIPE"
runtime_image="source-notion-runtime-base:busybox-$SUITE-$RECIPE"

say() { echo "base images: $*" >&2; }

exists() { docker image inspect "$1" >/dev/null 2>&1; }

bootstrap() { # VARIANT PACKAGES FOLDER
    if ! command -v mmdebstrap >/dev/null; then
        command -v apt-get >/dev/null || { say "this needs a Debian machine (apt-get is missing)"; exit 1; }
        say "installing mmdebstrap"
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            debian-archive-keyring mmdebstrap >&2
    fi
    mmdebstrap --quiet --variant="$1" --include="$2" --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        "$SUITE" "$3" >&2
}

# Like the official Rust image: Debian with a C linker, CA certificates and this machine's own toolchain.
make_build_image() {
    local root=$1 sysroot target
    sysroot=$(rustc --print sysroot)
    target=$(rustc -vV | sed -n 's/^host: //p')
    say "making $build_image from Debian $SUITE and the toolchain of this machine (about a minute)"
    bootstrap minbase ca-certificates,gcc,libc6-dev "$root"
    mkdir -p "$root/usr/local/lib/rustlib" "$root/usr/local/cargo"
    cp -a "$sysroot/bin/cargo" "$sysroot/bin/rustc" "$root/usr/local/bin/"
    cp -a "$sysroot"/lib/*.so* "$root/usr/local/lib/"
    cp -a "$sysroot/lib/rustlib/$target" "$root/usr/local/lib/rustlib/"
    # Cargo must reach crates.io as it does outside: through the same certificates and configuration.
    cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/usr/local/cargo/ca.crt"
    local config="${CARGO_HOME:-$HOME/.cargo}/config.toml"
    if [ -f "$config" ]; then cp -L "$config" "$root/usr/local/cargo/config.toml"; fi
    tar -C "$root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -c . | docker import \
        --change 'ENV CARGO_HOME=/usr/local/cargo' \
        --change 'ENV CARGO_HTTP_CAINFO=/usr/local/cargo/ca.crt' \
        --change 'ENV CARGO_NET_RETRY=10' \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        - "$build_image" >/dev/null
}

# Like the official busybox image with glibc: one static busybox, the C library, a few files.
make_runtime_image() {
    local packages=$1/packages root=$1/root applet
    say "making $runtime_image from Debian $SUITE"
    mkdir -p "$packages"
    bootstrap extract busybox-static,libc6 "$packages"
    mkdir -p "$root"/{bin,dev,etc,home,lib,proc,root,sys,tmp,usr/bin,usr/sbin,var}
    chmod 1777 "$root/tmp"
    ln -s lib "$root/lib64"
    install -m 755 "$packages/bin/busybox" "$root/bin/busybox"
    for applet in $("$packages/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    ln -s ../../bin/env "$root/usr/bin/env"
    cp -L "$packages"/lib/*-linux-gnu*/{ld-linux-*.so.*,libc.so.6,libdl.so.2,libm.so.6,libpthread.so.0,libresolv.so.2,librt.so.1} \
        "$root/lib/"
    cp -L "$packages"/lib/*-linux-gnu*/libnss_{dns,files}.so.2 "$root/lib/"
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    tar -C "$root" -c . | docker import --change 'CMD ["sh"]' - "$runtime_image" >/dev/null
}

scratch=$(mktemp -d)
chmod 755 "$scratch"
trap 'rm -rf "$scratch"' EXIT
exists "$build_image" || make_build_image "$scratch/build"
exists "$runtime_image" || make_runtime_image "$scratch/runtime"
echo "BUILD_IMAGE=$build_image"
echo "RUNTIME_IMAGE=$runtime_image"
