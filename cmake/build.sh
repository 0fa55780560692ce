# Builds the release preset: `. cmake/build.sh [cmake options]`.
echo "== building (release, in build/)"
[ -f build/build.ninja ] && [ $# = 0 ] || cmake --preset release "$@" || {
  exit 1; }
cmake --build --preset release
