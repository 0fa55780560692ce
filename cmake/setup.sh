#!/bin/sh
# Installs the Debian packages that are missing, and says which.
#
#   sh cmake/setup.sh              what a build needs
#   sh cmake/setup.sh build test   what a build and the tests need
#   . cmake/setup.sh; relink_setup build test

relink_packages_build="
  binutils
  cmake
  g++
  liblld-22-dev
  liblzma-dev
  libssl-dev
  libzstd-dev
  lld-22
  llvm-22
  llvm-22-dev
  llvm-22-tools
  ninja-build
  zlib1g-dev
"

relink_packages_test="
  attr
  clang-22
  dpkg-dev
  dwz
  elfutils
  file
  g++-aarch64-linux-gnu
  gdb
  libcap2-bin
  libc6-dev-arm64-cross
  libclang-rt-22-dev
  libgtest-dev
  liblief-dev
  libncurses-dev
  linux-perf
  make
  meson
  mold
  musl-tools
  patch
  patchelf
  python3
  python3-psutil
  qemu-user
  strace
  tcl
  unzip
  valgrind
  xz-utils
  zip
"

relink_setup() {
  relink_wanted=
  for relink_set in "$@"; do
    case $relink_set in
    build) relink_wanted="$relink_wanted $relink_packages_build" ;;
    test) relink_wanted="$relink_wanted $relink_packages_test" ;;
    *)
      echo "setup: unknown set '$relink_set': expected build or test" >&2
      return 2
      ;;
    esac
  done

  # One query for all. Names that dpkg has never heard of go to stderr.
  # shellcheck disable=SC2086,SC2016
  relink_present=" $(dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' \
    $relink_wanted 2>/dev/null | sed -n 's/^.i *|//p' | tr '\n' ' ')"
  relink_missing=
  for relink_package in $relink_wanted; do
    case $relink_present in
    *" $relink_package "*) ;;
    *) relink_missing="$relink_missing $relink_package" ;;
    esac
  done
  [ -n "$relink_missing" ] || return 0

  relink_root=
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "setup: these packages are missing:$relink_missing" >&2
      echo "setup: install them as root, or install sudo" >&2
      return 1
    fi
    relink_root=sudo
  fi
  echo "setup: installing$relink_missing"
  $relink_root apt-get update -qq || return 1
  # shellcheck disable=SC2086
  $relink_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
    --no-install-recommends -o Dpkg::Use-Pty=0 $relink_missing >/dev/null || {
    echo "setup: apt-get could not install them; LLVM 22 is in Debian 12's" \
      "security archive (bookworm-security main)" >&2
    return 1
  }
}

case ${0##*/} in
setup.sh)
  [ $# -gt 0 ] || set -- build
  relink_setup "$@"
  ;;
esac
