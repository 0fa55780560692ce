#!/bin/sh
# Builds relink and runs all tests. Arguments go to lit:
#
#   sh cmake/check.sh
#   sh cmake/check.sh --filter=tls -j1
#   RELINK_CHECK="release debug" sh cmake/check.sh   with the sanitisers as well, as CI does
#   RELINK_MATRIX=whole ...                          every kind of program with every feature
#
# The sanitised programs are built by clang, with the fuzz targets, which run for
# seconds each (test/fuzz/short.test). How much of the matrix is run, and what
# "whole" adds, test/matrix/matrix.py says.
set -u
cd "$(dirname "$0")/.." || exit 1
. cmake/setup.sh

say() { echo "check: $*"; }
nothing_ran() {
  say "$1"
  echo "0 passed, 0 failed"
  exit 1
}

reports=
status=0

build() { # PRESET DIRECTORY [OPTION]...
  preset=$1
  directory=$2
  shift 2
  say "building $preset"
  mkdir -p "$directory"
  cmake --preset "$preset" "$@" >"$directory/configure.log" 2>&1 || {
    cat "$directory/configure.log"
    nothing_ran "configuring failed"
  }
  cmake --build --preset "$preset" || nothing_ran "the build failed"
}

run_suite() { # DIRECTORY [LIT OPTION]...
  directory=$1
  results=$directory/test-results
  shift
  rm -rf "$results"
  mkdir -p "$results"
  if ls test/unit/*.cpp >/dev/null 2>&1; then
    say "running the unit tests in $directory"
    "$directory/bin/relink-unit" --gtest_brief=1 \
      --gtest_output="json:$results/unit.json" || status=1
    reports="$reports $results/unit.json"
  fi
  say "running lit over test/ in $directory"
  /usr/lib/llvm-22/bin/lit -sv --no-progress-bar --allow-empty-runs \
    -o "$results/lit.json" -Dbuild="$PWD/$directory" "$@" test ||
    status=1
  # lit writes no results if it chose no test.
  if [ -e "$results/lit.json" ] || [ $status != 0 ]; then
    reports="$reports $results/lit.json"
  fi
}

relink_setup build test || nothing_ran "set-up failed"
for relink_part in ${RELINK_CHECK:-release}; do
  case $relink_part in
  release)
    build release build -DRELINK_WERROR=ON
    run_suite build "$@"
    ;;
  debug)
    build debug build-debug
    run_suite build-debug "$@"
    ;;
  *) nothing_ran "RELINK_CHECK: unknown part $relink_part" ;;
  esac
done

# shellcheck disable=SC2086
python3 cmake/tally.py $reports || status=1
exit $status
