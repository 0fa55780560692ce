# Builds xmlcatalog of Debian's libxml2 without the fix of CVE-2025-8732 (app), and
# catalog.c without it and with it: xmlcatalog.sh DIR OUT
OUT=$2
. "$1/common.sh"
apt_src libxml2
cd "$W/src"
# As quilt would: later fixes touch the same lines.
fix=CVE-2025-8732.patch
tac debian/patches/series | while read -r p; do
  patch -R -p1 -s -f --no-backup-if-mismatch <"debian/patches/$p" >/dev/null
  [ "$p" != $fix ] || break
done
find . -exec touch -h -d 2020-01-01 {} +
./configure -q --disable-shared --with-minimum --with-catalog --with-output \
  --with-tree --with-sax1 CFLAGS="-g -O2" >configure.log
make -s -j2 xmlcatalog >make.log 2>&1
cp xmlcatalog "$OUT/app"
cp catalog.o "$OUT/orig.o"
patch -p1 -s -f --no-backup-if-mismatch <debian/patches/$fix >/dev/null || true
grep -q 'const char \*filename, int depth' catalog.c
gcc $CPPFLAGS -DHAVE_CONFIG_H -D_REENTRANT -I. -Iinclude -g -O2 -c catalog.c -o "$OUT/fixed.o"
rm -rf "$W"
