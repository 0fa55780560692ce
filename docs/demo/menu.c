/* The menu, as it was shipped: the index is not checked. */
#include "menu.h"

static struct {
  char names[3][16];
  char password[16]; /* right behind the names */
} menu = {{"tea", "coffee", "water"}, "hunter2"};

static int count;

int asked(void) { return count; }

const char *entry(int index) {
  count++;
  return menu.names[index];
}
