#!/bin/sh
# Builds relink and runs all tests. Arguments go to lit:
#
#   sh cmake/check.sh
#   sh cmake/check.sh --filter=tls -j1
set -u
cd "$(dirname "$0")/.." || exit 1
. cmake/setup.sh

say() { echo "check: $*"; }
nothing_ran() {
  say "$1"
  echo "0 passed, 0 failed"
  exit 1
}

relink_setup build test || nothing_ran "set-up failed"

say "building"
mkdir -p build
cmake --preset release -DRELINK_WERROR=ON >build/configure.log 2>&1 || {
  cat build/configure.log
  nothing_ran "configuring failed"
}
cmake --build --preset release || nothing_ran "the build failed"

results=build/test-results
rm -rf $results
mkdir -p $results
reports=
status=0

if ls test/unit/*.cpp >/dev/null 2>&1; then
  say "running the unit tests"
  build/bin/relink-unit --gtest_brief=1 --gtest_output=json:$results/unit.json ||
    status=1
  reports="$reports $results/unit.json"
fi

say "running lit over test/"
/usr/lib/llvm-22/bin/lit -sv --no-progress-bar --allow-empty-runs \
  -o $results/lit.json -Dbuild="$PWD/build" "$@" test ||
  status=1
# lit writes no results if it chose no test.
if [ -e $results/lit.json ] || [ $status != 0 ]; then
  reports="$reports $results/lit.json"
fi

# shellcheck disable=SC2086
python3 cmake/tally.py $reports || status=1
exit $status
