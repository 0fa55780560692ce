#include <stdio.h>
#include <string.h>
typedef struct lua_State lua_State;
lua_State *luaL_newstate(void); void luaL_openlibs(lua_State *), lua_close(lua_State *), lua_settop(lua_State *, int), lua_pushcclosure(lua_State *, int (*)(lua_State *), int), lua_setglobal(lua_State *, const char *), lua_pushnumber(lua_State *, double);
int luaL_loadstring(lua_State *, const char *), lua_pcallk(lua_State *, int, int, int, long, void *); const char *lua_tolstring(lua_State *, int, size_t *); double lua_tonumberx(lua_State *, int, int *);
static int square(lua_State *L) { double x = lua_tonumberx(L, 1, 0); lua_pushnumber(L, x * x); return 1; }
static void run(lua_State *L, const char *s) {
  int r = luaL_loadstring(L, s) || lua_pcallk(L, 0, 1, 0, 0, 0);
  printf("%d %s\n", r, lua_tolstring(L, -1, 0)); lua_settop(L, 0);
}
int main(void) {
  lua_State *L = luaL_newstate(); luaL_openlibs(L);
  lua_pushcclosure(L, square, 0); lua_setglobal(L, "square");
  run(L, "return ('host'):rep(2) .. math.floor(square(1.5) * 100) .. _VERSION");
  run(L, "error('thrown')");
  run(L, "local t = {} for i = 1, 1000 do t[i] = (i * 7919) % 1000 end table.sort(t, function(a, b) return a > b end) return t[1] .. ' ' .. t[1000] .. ' ' .. #table.concat(t)");
  run(L, "return (string.format('%5.2f', 3.14159)):gsub(' ', '_') .. (os.getenv('HOME') and ' home' or '')");
  run(L, "io.stdout:write('written\\n') io.stdout:flush() return select('#', string.byte('abc', 1, -1))");
  run(L, "local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) return co() + co() + co()");
  run(L, "return pcall(string.rep) and 'no' or select(2, pcall(string.rep))");
  run(L, "syntax error here");
  lua_close(L); return 0;
}
