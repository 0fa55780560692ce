/* What the app is patched with by fuzz-app: app.c, corrected. */
#include <stdio.h>
#include <stdlib.h>
extern volatile int zero;
static int count = 3;
extern __thread int mine;
extern const char *names[];
int fresh[40];
extern int __real_pick(int);
static int helper(int x) { return x + count++ + mine; }
int work(int x) {
  switch (x) {
  case 0: return helper(2);
  case 1: return helper(7) * 3;
  case 2: return strtol(names[1], 0, 10);
  case 3: return puts("new");
  case 4: return zero + fresh[x]++;
  default: return -1;
  }
}
int pick(int x) { return x < 0 ? 0 : __real_pick(x); }
