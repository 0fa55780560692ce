const char *entry(int index);
int asked(void);
