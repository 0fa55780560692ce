# Builds Debian's Lua, several times: lua.sh DIR OUT [KIND...]
# A KIND is NAME:COMPILER:FLAGS; its objects are in OUT/NAME. With `unfixed` for a
# KIND, the fix of CVE-2022-33099 is taken out of the source for those behind it.
OUT=$2
. "$1/common.sh"
apt_src lua5.4
cd "$W/src"
echo '#define DEB_HOST_MULTIARCH "x86_64-linux-gnu"' >src/lua5.4-deb-multiarch.h
shift 2
for kind in "$@"; do
  if [ "$kind" = unfixed ]; then unfix 0005-cve-2022-33099.patch; continue; fi
  IFS=: read -r name compiler flags <<<"$kind"
  mkdir -p "$OUT/$name"
  (cd src && ls *.c | grep -v '^luac.c$' | xargs -P2 -I{} \
    $compiler -g $flags -DLUA_USE_LINUX -DLUA_COMPAT_5_3 -c {} -o "$OUT/$name/{}.o")
done
rm -rf "$W"
