# Builds Debian's sqlite3 shell from the one file that it is made into, at -O2
# (app, of o2.o and shell.o), and that file at -O1 (o1.o):
#   [DEBUG=-g] [LINK=FLAGS] sqlite.sh DIR OUT
OUT=$2
. "$1/common.sh"
apt_src sqlite3
cd "$W/src"
./configure -q --disable-tcl >configure.log 2>&1
make -s sqlite3.c shell.c >make.log 2>&1
flags="${DEBUG:-} -fno-strict-aliasing -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_FTS3
  -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE=1 -DSQLITE_SOUNDEX=1
  -DSQLITE_ENABLE_UPDATE_DELETE_LIMIT=1 -DSQLITE_ENABLE_SESSION
  -DSQLITE_ENABLE_PREUPDATE_HOOK"
for n in 1 2; do gcc -O$n $flags -c sqlite3.c -o "$OUT/o$n.o" & done
wait
gcc -O0 $flags -c shell.c -o "$OUT/shell.o"
gcc "$OUT/shell.o" "$OUT/o2.o" -lm -ldl -lpthread ${LINK:-} -o "$OUT/app"
rm -rf "$W"
