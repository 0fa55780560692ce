/* Prints one entry of the menu: app INDEX */
#include <stdio.h>
#include <stdlib.h>

#include "menu.h"

int main(int argc, char **argv) {
  const char *text = entry(argc > 1 ? atoi(argv[1]) : 0);
  if (!text) {
    fprintf(stderr, "app: no such entry (question %d)\n", asked());
    return 1;
  }
  printf("%s (question %d)\n", text, asked());
  return 0;
}
