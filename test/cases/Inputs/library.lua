-- Exercises Lua's language and standard library; prints a line a part and ends
-- with "passed". Whatever is wrong is an error.
local checks = 0
local function eq(a, b, what)
  checks = checks + 1
  if a ~= b then
    error(("%s: %s, expected %s"):format(what or "check " .. checks, tostring(a),
                                         tostring(b)), 2)
  end
end
local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  eq(ok, false, "should fail: " .. pattern)
  if not tostring(message):find(pattern) then
    error("wrong message: " .. tostring(message), 2)
  end
end

-- integers and floats
eq(7 // 2, 3); eq(-7 // 2, -4); eq(7 % -3, -2); eq(-7 % 3, 2); eq(7.5 // 2, 3.0)
eq(1 / 0, math.huge); eq(3 | 5, 7); eq(3 ~ 5, 6); eq(~0, -1); eq(1 << 63, math.mininteger)
eq(1 << 64, 0); eq(-1 >> 63, 1); eq(2 ^ 10, 1024.0); eq(math.type(2 ^ 10), "float")
eq(math.maxinteger + 1, math.mininteger); eq("10" + 5, 15); eq("0x10" * 1, 16)
eq(10 == 10.0, true); eq(math.tointeger(3.0), 3); eq(math.tointeger("x"), nil)
eq(math.ult(1, -1), true); eq(tostring(1e15), "1e+15"); eq(tostring(-0.0), "-0.0")
eq(tostring(3.0), "3.0"); eq(1e308 * 10, math.huge); eq(tonumber("1e1"), 10.0)
eq(tonumber("7fffffffffffffff", 16), math.maxinteger); eq(tonumber("z", 36), 35)
eq(tonumber("  12  "), 12); eq(tonumber("12a"), nil); eq(tonumber("0x.8p1"), 1.0)
eq(math.floor(-3.5), -4); eq(math.ceil(3.2), 4); eq(math.fmod(-7, 3), -1)
eq(math.max(1, 5, 3), 5); eq(math.min(2.5, 1), 1); eq(math.abs(math.mininteger), math.mininteger)
eq(select(2, math.modf(3.25)), 0.25); eq(math.sqrt(144), 12.0)
eq(string.format("%.6f", math.sin(1) ^ 2 + math.cos(1) ^ 2), "1.000000")
eq(string.format("%.4f", math.log(8, 2) + math.exp(0)), "4.0000")
local zero = 0
fails("attempt to divide by zero", function() return 1 // zero end)
fails("attempt to compare", function() return {} < {} end)
fails("number has no integer representation", function() return 1.5 | 1 end)
math.randomseed(42); local r1 = math.random(1000); math.randomseed(42)
eq(math.random(1000), r1)
for i = 1, 100 do local r = math.random(5, 7); assert(r >= 5 and r <= 7) end
local n = 0
for i = 10, 1, -3 do n = n + i end; eq(n, 22)
for i = math.maxinteger - 1, math.maxinteger do n = n + 1 end; eq(n, 24)
for x = 1.0, 2.0, 0.25 do n = n + x end; eq(n, 31.5)
print("numbers")

-- strings
eq(("x"):rep(3, ","), "x,x,x"); eq(#("\u{48}\u{20AC}\z
   \x41\065"), 6); eq(("hello"):sub(-3, -2), "ll"); eq(("abc"):byte(-1), 99)
eq(("Hello"):upper() .. ("Hello"):lower(), "HELLOhello"); eq(("abc"):reverse(), "cba")
eq(string.char(72, 105), "Hi"); eq("a" < "b" and "a" < "aa", true)
eq(("%5d|%-5d|%05d|%+d"):format(42, 42, 42, 42), "   42|42   |00042|+42")
eq(("%x %X %#x %o"):format(255, 255, 255, 8), "ff FF 0xff 10")
eq(("%g %e %.3f %a"):format(0.1, 12345.678, 2 / 3, 1.0), "0.1 1.234568e+04 0.667 0x1p+0")
eq(("%q"):format('a\n"b"\0'), '"a\\\n\\"b\\"\\0"'); eq(("%q"):format(1 / 3), "0x1.5555555555555p-2")
eq(("%s %10.3s|%c%%"):format(nil, "abcdef", 65), "nil        abc|A%")
eq(("%i"):format(3.0), "3"); fails("number expected", string.format, "%d", "x")
fails("invalid conversion", string.format, "%y", 1)
eq(("key = value"):match("^(%w+)%s*=%s*(%w+)$"), "key")
eq(select(2, ("key = value"):match("^(%w+)%s*=%s*(%w+)$")), "value")
eq(("THE (quick) fox"):find("%((%a+)%)"), 5); eq(("f(a(b)c)d"):match("%b()"), "(a(b)c)")
eq(("THE (quick) fox"):gsub("%f[%a]%a+", string.lower), "the (quick) fox")
eq(("hello world"):gsub("o", {o = "0"}), "hell0 w0rld")
eq(("abc"):gsub("", "-"), "-a-b-c-"); eq(("abc"):gsub("%w", "%0%0", 2), "aabbc")
eq(("  trim  "):match("^%s*(.-)%s*$"), "trim"); eq(("x"):find("", 2), 2)
eq(("a.b"):find(".", 1, true), 2); eq(("key"):match("()"), 1)
local words = {}
for w in ("one two  three"):gmatch("%a+") do words[#words + 1] = w end
eq(table.concat(words, "|"), "one|two|three")
fails("malformed pattern", string.find, "a", "[a"); fails("missing '%[' after", string.find, "a", "%f")
local packed = string.pack("<i4 >I2 z s1 d", -2, 258, "zero", "len", 1.5)
local a, b, c, d, e = string.unpack("<i4 >I2 z s1 d", packed)
eq(a, -2); eq(b, 258); eq(c, "zero"); eq(d, "len"); eq(e, 1.5)
eq(string.packsize("<i4i8"), 12); fails("overflow", string.pack, "i1", 200)
eq(#string.rep("ab", 100000), 200000)
print("strings")

-- utf8
eq(utf8.char(72, 228, 8364, 128512), "Hä€😀"); eq(utf8.len("Hä€😀"), 4)
eq(select(2, utf8.len("\xff")), 1); eq(utf8.codepoint("€"), 8364); eq(utf8.offset("Hä€", 3), 4)
local codes = 0
for p, code in utf8.codes("ä€") do codes = codes + code + p end; eq(codes, 228 + 1 + 8364 + 3)
fails("invalid UTF%-8", function() for _ in utf8.codes("\xff") do end end)
print("utf8")

-- tables
local t = {5, 2, 8, 1, 9, 3}
table.sort(t); eq(table.concat(t, ","), "1,2,3,5,8,9")
table.sort(t, function(x, y) return x > y end); eq(t[1], 9)
fails("invalid order function", table.sort, {3, 1, 2, 5, 4, 7, 6, 9, 8, 10, 12, 11},
      function() return true end)
table.insert(t, 7); table.insert(t, 1, 0); eq(#t, 8); eq(table.remove(t), 7)
eq(table.remove(t, 1), 0); eq(select("#", table.unpack({1, nil, 3}, 1, 3)), 3)
eq(table.pack(1, nil, 3).n, 3); eq(table.concat(table.move({1, 2, 3}, 1, 3, 2), ""), "1123")
local big, sum = {}, 0
for i = 1, 50000 do big[i] = i; big["k" .. i] = i end
for i = 1, 50000, 2 do big[i] = nil; big["k" .. i] = nil end
for _, v in pairs(big) do sum = sum + v end; eq(sum, 2 * 625025000)
eq(next({}), nil); eq(rawlen({1, 2}), 2); eq(#"abc", 3)
local key = {}; local keyed = {[key] = 1, [1.5] = 2, [true] = 3}
eq(keyed[key] + keyed[1.5] + keyed[true], 6)
fails("index is NaN", function() t[0 / 0] = 1 end); fails("index is nil", rawset, t, nil, 1)
print("tables")

-- closures, varargs, goto, attributes
local function counter() local c = 0; return function() c = c + 1; return c end end
local c1, c2 = counter(), counter(); c1(); c1(); eq(c1() + c2(), 4)
local fs = {}
for i = 1, 3 do fs[i] = function() i = i + 1; return i end end
eq(fs[1]() + fs[1]() + fs[2](), 2 + 3 + 3)
local function va(...) return select("#", ...), (select(-1, ...)) end
eq(va(1, nil, 7), 3); eq(select(2, va(1, nil, 7)), 7)
do
  local i = 1
  ::top::
  if i < 10 then i = i + 1; goto top end
  eq(i, 10)
  for j = 1, 3 do for k = 1, 3 do if k == 2 then goto continue end end ::continue:: end
end
local closed = {}
do
  local x <close> = setmetatable({}, {__close = function() closed[#closed + 1] = "x" end})
  local y <close> = setmetatable({}, {__close = function(_, e) closed[#closed + 1] = "y" end})
  local z <const> = 3
  eq(z, 3)
end
eq(table.concat(closed), "yx")
local function tail(n) if n == 0 then return "done" end; return tail(n - 1) end
eq(tail(100000), "done")
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
eq(deep(10000), 10000); fails("stack overflow", function() local function f() return 1 + f() end; f() end)
local env = {}
eq(load("x = 1; return x", "chunk", "t", env)(), 1); eq(env.x, 1); eq(x, nil)
print("functions")

-- metatables
local V = {}
V.__index = V
local function vec(x, y) return setmetatable({x = x, y = y}, V) end
V.__add = function(p, q) return vec(p.x + q.x, p.y + q.y) end
V.__mul = function(p, s) return type(s) == "number" and vec(p.x * s, p.y * s) or p.x * s.x + p.y * s.y end
V.__unm = function(p) return vec(-p.x, -p.y) end
V.__eq = function(p, q) return p.x == q.x and p.y == q.y end
V.__lt = function(p, q) return p.x < q.x end
V.__le = function(p, q) return p.x <= q.x end
V.__len = function() return 2 end
V.__call = function(p, n) return p.x + n end
V.__concat = function(p, q) return tostring(p) .. "~" .. tostring(q) end
V.__tostring = function(p) return "(" .. p.x .. "," .. p.y .. ")" end
V.__idiv = function() return "idiv" end; V.__band = function() return "band" end
V.__shl = function() return "shl" end; V.__bnot = function() return "bnot" end
local p, q = vec(1, 2), vec(3, 4)
eq(tostring(p + q), "(4,6)"); eq(p * q, 11); eq((p * 2).y, 4); eq(p == vec(1, 2), true)
eq(p < q, true); eq(p >= q, false); eq(#p, 2); eq(p(10), 11); eq(p .. q, "(1,2)~(3,4)")
eq((-p).x, -1); eq(p // 1, "idiv"); eq(p & 1, "band"); eq(1 << p, "shl"); eq(~p, "bnot")
local log = {}
local proxy = setmetatable({}, {
  __index = function(_, k) log[#log + 1] = k; return k .. "!" end,
  __newindex = function(t, k, v) rawset(t, k, v * 2) end,
  __pairs = function(t) return function(_, k) if not k then return 1, 2 end end, t, nil end})
eq(proxy.foo, "foo!"); proxy.bar = 4; eq(proxy.bar, 8); eq(log[1], "foo")
for k, v in pairs(proxy) do eq(k + v, 3) end
eq(getmetatable(setmetatable({}, {__metatable = "locked"})), "locked")
fails("protected", setmetatable, setmetatable({}, {__metatable = 1}), {})
fails("attempt to index a nil value %(field 'nope'%)", function() return t.nope.x end)
fails("attempt to call a nil value %(global 'undefinedfunction'%)", function() undefinedfunction() end)
fails("attempt to concatenate a table value %(local 'u'%)", function() local u = {}; return "a" .. u end)
fails("bad argument #1 to 'ipairs'", ipairs)
print("metatables")

-- errors
eq(select(2, pcall(error, {code = 7})).code, 7); eq(select(2, pcall(error)), nil)
eq(select(2, xpcall(function() error("deep", 0) end, function(m) return m .. "!" end)), "deep!")
fails("error in error handling", function()
  local ok, m = xpcall(error, function(e) error(e) end, "x"); error(m, 0) end)
eq(select("#", assert(1, 2, 3)), 3); fails("assertion failed!", assert, false)
local trace = select(2, xpcall(function() local x = nil; x() end, debug.traceback))
assert(trace:find("stack traceback:") and trace:find("library.lua"))
eq(select(2, load("return +")):match("unexpected symbol"), "unexpected symbol")
eq(select(2, load("goto nowhere")):match("no visible label"), "no visible label")
eq(select(2, load("local x <const> = 1; x = 2")):match("attempt to assign to const"), "attempt to assign to const")
eq(select(2, load("x = 'abc")):match("unfinished string"), "unfinished string")
eq(select(2, load("break")):match("break outside"), "break outside")
print("errors")

-- coroutines
local gen = coroutine.wrap(function(n) for i = 1, n do coroutine.yield(i * i) end return "end" end)
eq(gen(3), 1); eq(gen(), 4); eq(gen(), 9); eq(gen(), "end"); fails("dead coroutine", gen)
local co = coroutine.create(function(a, b)
  local c = coroutine.yield(a + b)
  local ok, e = pcall(function() coroutine.yield(c * 2); error("inside") end)
  return ok, e
end)
eq(select(2, coroutine.resume(co, 1, 2)), 3); eq(select(2, coroutine.resume(co, 10)), 20)
local _, ok, message = coroutine.resume(co); eq(ok, false); assert(message:find("inside"))
eq(coroutine.status(co), "dead"); eq(coroutine.isyieldable(), false)
local closing = coroutine.create(function()
  local x <close> = setmetatable({}, {__close = function() closed[#closed + 1] = "co" end})
  coroutine.yield()
end)
coroutine.resume(closing); eq(coroutine.close(closing), true); eq(closed[#closed], "co")
local sorted = {}
local sorter = coroutine.wrap(function() -- yields across a metamethod and an iterator
  local m = setmetatable({}, {__add = function(_, n) return coroutine.yield(n) end})
  for k in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do
    sorted[#sorted + 1] = m + k
  end
end)
sorter(); sorter("a"); sorter("b"); sorter("c"); eq(table.concat(sorted), "abc")
local many = {}
for i = 1, 1000 do many[i] = coroutine.wrap(function() coroutine.yield(i) return -i end) end
local total = 0
for i = 1, 1000 do total = total + many[i]() end
for i = 1, 1000 do total = total + many[i]() end; eq(total, 0)
print("coroutines")

-- garbage
local weak = setmetatable({}, {__mode = "k"})
local finalized = 0
for i = 1, 1000 do
  weak[{}] = i
  setmetatable({}, {__gc = function() finalized = finalized + 1 end})
end
collectgarbage(); collectgarbage()
eq(next(weak), nil); eq(finalized, 1000)
collectgarbage("generational")
for i = 1, 20000 do local x = {i, tostring(i), function() return i end} end
collectgarbage("incremental"); collectgarbage("step", 100)
assert(collectgarbage("count") > 10); eq(collectgarbage("isrunning"), true)
local ephemeron = setmetatable({}, {__mode = "k"})
do local k = {}; ephemeron[k] = {k} end
collectgarbage(); eq(next(ephemeron), nil)
print("garbage")

-- load, dump, require, debug
local parts = {"return ", "1 ", "+ 41"}
local at = 0
eq(load(function() at = at + 1; return parts[at] end)(), 42)
local upvalue = 5
local dumped = load(string.dump(function(x) return x * 2, "const", 1.25, nil end), "d", "b")
eq(dumped(21), 42); eq(select(3, dumped(1)), 1.25); fails("truncated", function() assert(load(string.dump(dumped):sub(1, 40))) end)
package.preload.made = function(name) return {name = name} end
eq(require("made").name, "made"); eq(require("made"), package.loaded.made)
fails("module 'absent' not found", require, "absent")
local info = debug.getinfo(eq, "Snlu"); eq(info.what, "Lua"); eq(info.nparams, 3)
eq(debug.getupvalue(function() return upvalue end, 1), "upvalue")
eq(debug.getlocal(1, 1), "checks")
local lines = 0
debug.sethook(function() lines = lines + 1 end, "l"); local _ = 1
_ = 2; debug.sethook(); assert(lines >= 1)
print("chunks")

-- files and the system
local name = os.tmpname()
local f <close> = assert(io.open(name, "w+"))
eq(f:write("first\n", 2, " ", 3.5, "\nthird line\n0x1F -7 1e2"), f); f:flush()
eq(f:seek("set"), 0); eq(f:read("l"), "first"); eq(f:read("n"), 2); eq(f:read("n"), 3.5)
eq(f:read("L"), "\n"); eq(f:read("l"), "third line"); eq(f:read("n"), 31); eq(f:read("n", "n"), -7)
eq(f:seek("end"), 34); eq(f:read(1), nil); eq(f:setvbuf("full", 64), true)
local count = 0
for line in io.lines(name) do count = count + #line end; eq(count, 5 + 5 + 10 + 11)
eq(io.type(f), "file"); f:close(); eq(io.type(f), "closed file"); fails("closed file", f.read, f)
eq(select(2, io.open("/nonexistent/x")), "/nonexistent/x: No such file or directory")
local pipe = io.popen("echo piped", "r"); eq(pipe:read("a"), "piped\n"); eq(pipe:close(), true)
eq(os.rename(name, name .. ".x"), true); eq(os.remove(name .. ".x"), true)
eq(select(3, os.remove(name)), 2)
eq(os.date("!%Y-%m-%d %H:%M:%S", 86400 * 365), "1971-01-01 00:00:00")
eq(os.time({year = 2000, month = 1, day = 1, hour = 12}) - os.time({year = 1999, month = 12, day = 31, hour = 12}), 86400)
eq(os.date("!*t", 0).year, 1970); eq(os.getenv("RELINK_UNSET"), nil); eq(select(3, os.execute("exit 3")), 3)
assert(os.clock() >= 0); eq(os.setlocale("C"), "C"); fails("invalid conversion specifier", os.date, "%Ez")
print("system")
print(checks > 200 and "passed")
