#!/bin/sh
# Builds relink and repairs a program with it: docs/demo. Shows each command,
# and fails if one does not do what is said here.
set -u
cd "$(dirname "$0")/.." || exit 1
. cmake/setup.sh

die() {
  echo "demo: $*" >&2
  exit 1
}

# run COMMAND: shows and runs it; it must succeed
run() {
  echo "\$ $*"
  "$@" || die "'$*' failed"
}

# shows STATUS TEXT COMMAND: shows and runs it; its status and its output, with
# messages, must be these
shows() {
  status=$1 text=$2
  shift 2
  echo "\$ $*"
  output=$("$@" 2>&1)
  got=$?
  echo "$output"
  [ "$got" = "$status" ] || die "expected exit status $status, not $got"
  [ "$output" = "$text" ] || die "expected '$text'"
}

relink_setup build || die "set-up failed"
echo "# Build relink."
mkdir -p build/demo
cmake --preset release >build/configure.log 2>&1 || {
  cat build/configure.log
  die "configuring failed"
}
cmake --build --preset release >build/build.log 2>&1 || {
  cat build/build.log
  die "the build failed"
}

cd build/demo || exit 1
rm -f app app.fixed fixed.o
src=../../docs/demo

echo
echo "# A program with a menu of three entries. The index is not checked, and"
echo "# behind the entries lies a password."
run gcc -O2 $src/main.c $src/menu.c -o app
shows 0 "coffee (question 1)" ./app 1
shows 0 "hunter2 (question 1)" ./app 3
before=$(sha256sum <app)

echo
echo "# The repaired source file, compiled: entry() now checks the index."
run gcc -O2 -c $src/fixed/menu.c -o fixed.o

echo
echo "# Link it into the finished program."
run ../bin/relink app fixed.o -o app.fixed

echo
echo "# The new program refuses the index, and does the rest as before."
shows 1 "app: no such entry (question 1)" ./app.fixed 3
shows 0 "coffee (question 1)" ./app.fixed 1

echo
echo "# The old one is as it was."
shows 0 "hunter2 (question 1)" ./app 3
[ "$(sha256sum <app)" = "$before" ] || die "app has changed"
cmp -s app app.fixed && die "app.fixed is a copy of app"
echo "app: unchanged, SHA-256 ${before%% *}"
