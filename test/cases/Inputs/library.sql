-- Exercises SQL as the shell runs it. What it prints is compared between two
-- builds, so nothing in it depends on time or chance.
.headers on
.mode list
pragma foreign_keys = on;
create table author(id integer primary key, name text not null unique collate nocase);
create table book(
  id integer primary key, author int not null references author on delete cascade,
  title text, year int check (year > 1400), price real default 9.99,
  tag text generated always as (upper(substr(title, 1, 3)) || year) virtual);
create index book_year on book(year desc, price) where year is not null;
create unique index book_title on book(title, author);
create table log(at integer primary key, what text);
create trigger book_insert after insert on book begin
  insert into log(what) values('+' || new.title);
end;
create trigger book_delete before delete on book when old.price > 1 begin
  insert into log(what) values('-' || old.title);
end;
create view shelf as select name, title, year, price from book join author on author.id = book.author;
insert into author(name) values('Ada'), ('Bert'), ('Cy');
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)
  insert into book(author, title, year, price)
  select 1 + i % 3, printf('Title %03d', i), 1500 + (i * 37) % 500, round(i * 1.25, 2) from n;
-- joins, grouping, ordering
select name, count(*), min(year), max(year), round(avg(price), 3), total(price) from shelf group by name having count(*) > 10 order by 2 desc, 1;
select a.title, b.title from book a join book b on a.year = b.year and a.id < b.id order by 1, 2 limit 5;
select author.name, x.title from author left join (select * from book where year < 1505) x on x.author = author.id order by 1, 2 limit 7;
select title, tag from book where year between 1600 and 1610 and title like '%1%' order by year, title limit 6;
explain query plan select * from book where year = 1600 order by price;
explain query plan select * from shelf where name = 'ada';
select distinct year / 100 as century from book union select 99 except select 15 order by 1 desc;
select * from (values(1, 'a'), (2, null), (null, 'c')) order by 1 nulls last;
-- window functions
select title, year, row_number() over w, rank() over (order by year / 50), sum(price) over (order by id rows between 2 preceding and current row), lag(title, 1, 'none') over w, ntile(4) over w
  from book where id <= 12 window w as (order by year) order by id;
select id, first_value(id) over (partition by id % 3 order by id desc), group_concat(id) over (order by id range between 1 preceding and 1 following exclude current row) from book where id < 8;
select id, avg(price) filter (where id % 2) over (order by id groups 3 preceding) from book where id < 6;
-- recursion
with recursive fib(a, b) as (select 0, 1 union all select b, a + b from fib limit 60) select group_concat(a) from fib;
with recursive x(i, path) as (select 1, '1' union all select i * 2, path || '>' || i * 2 from x where i < 100) select * from x;
with recursive xaxis(x) as (values(-2.0) union all select x + 0.1 from xaxis where x < 1.0),
  yaxis(y) as (values(-1.0) union all select y + 0.2 from yaxis where y < 1.0),
  m(iter, cx, cy, x, y) as (select 0, x, y, 0.0, 0.0 from xaxis, yaxis union all
    select iter + 1, cx, cy, x * x - y * y + cx, 2.0 * x * y + cy from m where (x * x + y * y) < 4.0 and iter < 28),
  m2(iter, cx, cy) as (select max(iter), cx, cy from m group by cx, cy),
  a(t) as (select group_concat(substr(' .+*#', 1 + min(iter / 7, 4), 1), '') from m2 group by cy)
  select group_concat(rtrim(t), x'0a') from a;
-- changes
begin;
delete from author where name = 'BERT';
select count(*), (select count(*) from log) from book;
savepoint one; update book set price = price * 2 where id % 2 and id < 6 returning id, price;
rollback to one; release one;
rollback;
select count(*), sum(price) from book;
insert into book(author, title, year) values(1, 'Title 001', 1700) on conflict do nothing;
insert into author(id, name) values(1, 'Ada') on conflict(id) do update set name = excluded.name || '!' returning *;
insert or replace into log values(1, 'replaced');
update book set title = title || '?' from author where author.id = book.author and author.name = 'Cy' and book.id < 10;
delete from book where id in (select id from book order by price desc limit 20);
select count(*), (select group_concat(what, ';') from (select * from log order by at desc limit 3)) from book;
insert into book(author, title, year) values(9, 'orphan', 1999);
insert into book(author, title, year) values(1, 'old', 1000);
-- functions
select abs(-5), coalesce(null, 3), hex('abc'), instr('hello', 'l'), length('häß'), lower('ABC'), ltrim('xxa', 'x'), nullif(1, 1), quote('it''s'), replace('aXa', 'X', '-'), round(2.567, 1), trim('  t '), typeof(1.0), unicode('€'), char(72, 105), zeroblob(2) = x'0000', iif(1, 'y', 'n'), likelihood(1, 0.5), soundex('Robert');
select cast('12abc' as int), cast(3.99 as int), 7 / 2, 7 % 3, 7.0 / 2, 1 << 4, ~5, 5 & 3, '3' + 4, 'a' || 1, 9223372036854775807 + 1, -9223372036854775808, 1e400, 0x1F;
select date('2024-02-29', '+1 year'), strftime('%j %W %H:%M', '2024-12-31 23:59'), julianday('2000-01-01'), datetime(0, 'unixepoch'), date('2024-01-31', 'start of month', '-1 day', 'weekday 1');
select printf('%5.2f|%-6s|%06d|%x|%e|%,d|%q|%Q', 3.14159, 'ab', 42, 255, 12345.678, 1234567, 'it''s', null);
select 'abc' glob 'a*', 'abc' like 'A_C', 'a%c' like 'a\%c' escape '\', 1 in (1, 2), null is null, 2 between 1 and 3, case 3 when 1 then 'a' else 'b' end;
select json('{"a":[1,2,{"b":null}]}'), json_extract('{"a":[1,2,3]}', '$.a[1]'), '{"x":{"y":"z"}}' ->> '$.x.y', json_set('{"a":1}', '$.b', json('[true]')), json_group_array(year) from book where id < 4;
select key, value, type, path from json_tree('{"a":[1,"two",{"b":2.5}]}') where atom is not null;
-- full text and R-trees
create virtual table mail using fts5(subject, body, tokenize = 'porter');
insert into mail values('Greetings', 'the quick brown foxes are jumping'), ('Re: lunch', 'a fox jumps over lunch'), ('none', 'nothing to see');
select subject, highlight(mail, 1, '[', ']'), round(bm25(mail), 4) from mail where mail match 'fox AND jump*' order by rank;
create virtual table old using fts3(t); insert into old values('alpha beta'), ('beta gamma'), ('Ärger');
select snippet(old), t from old where t match 'beta -gamma'; select t from old where old match 'arger OR ärger';
create virtual table tree using rtree(id, x0, x1, y0, y1);
insert into tree select id, id, id + 2, year % 100, year % 100 + 3 from book;
select count(*), min(id), max(id) from tree where x1 > 10 and x0 < 50 and y0 > 20 and y1 < 60;
-- without rowid, strict, blobs, many rows
create table kv(k text primary key, v blob) without rowid;
insert into kv select hex(i), zeroblob(i % 300) from (with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) select i from n);
select count(*), sum(length(v)), max(k) from kv where k > '3';
create table s(a int, b text, c any) strict; insert into s values(1, 'x', x'00'); insert into s values('no', 1, 2);
alter table s rename column a to aa; alter table s add column d real default 1.5; alter table s drop column b; select * from s;
vacuum; analyze; reindex;
pragma integrity_check; pragma foreign_key_check; pragma page_count; pragma table_info(book);
attach ':memory:' as other; create table other.copy as select * from book; select count(*), max(tag) from other.copy; detach other;
select nonsense from book; select 1 +; select abs(-9223372036854775808);
.mode box
select id, title, price from book order by id limit 3;
.mode csv
select id, title, price from book order by id desc limit 3;
.mode insert copied
select * from log order by at limit 3;
.mode list
.schema book
.dump author log kv_none mail
.indexes
