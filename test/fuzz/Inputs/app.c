/* The program that fuzz-patch patches: something for each kind of reference. */
#include <stdio.h>
#include <stdlib.h>
volatile int zero;
static int count = 3;
__thread int mine = 4;
const char *names[] = {"one", "two", "three"};
static int helper(int x) { return x + count++ + mine; }
int work(int x) {
  switch (x) {
  case 0: return helper(1);
  case 1: return helper(7) * 3;
  case 2: return atoi(names[1]);
  case 3: return puts(names[zero]);
  case 4: return zero;
  default: return -1;
  }
}
int pick(int x) { return work(x) + helper(x); }
int main(int argc, char **argv) { printf("%d\n", pick(argc)); return 0; }
