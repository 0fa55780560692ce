# Builds Debian's zlib (OUT/*.o) and its own test program (OUT/test/example.o), and
# its shell's gzip (OUT/test/minigzip.o): zlib.sh DIR OUT
OUT=$2
. "$1/common.sh"
apt_src zlib
cd "$W/src"
./configure >configure.log 2>&1
mkdir -p "$OUT/test"
ls *.c | xargs -P2 -I{} gcc -O2 -fPIC -DHAVE_HIDDEN -D_LARGEFILE64_SOURCE=1 -c {} -o "$OUT/{}.o"
for t in example minigzip; do gcc -O2 -I. -fPIE -c test/$t.c -o "$OUT/test/$t.o"; done
rm -rf "$W"
