#!lua
-- One batch of one lane: every check stands before the first write, because
-- Redis does not roll back. With the first line Redis looks at its memory before
-- it starts the script, and refuses it whole.
--
-- KEYS  watermarks, metadata, then an entity for each write
-- ARGV  1 definition, 2 the partition's field, 3 head that its watermark must
--       have, 4 head that stands for none, 5 new watermark, 6 time to live in ms
--       or 0, then for each write: the applied list that was read ('' for an
--       absent entity), and the new blob ('' where it was only consulted)
--
-- Strings are compared for equality only: Redis orders them by the locale.
-- Answers are those of online.Outcome.
local call, OK, WM, VER, DEF = redis.call, 1, 2, 3, 4
local writes = #KEYS - 2
if call('HGET', KEYS[2], 'definition') ~= ARGV[1] then return DEF end
local mark = call('HGET', KEYS[1], ARGV[2])
local head = mark and string.sub(mark, 1, #ARGV[3]) or ARGV[4]
if head ~= ARGV[3] then return WM end
for i = 1, writes do
  local expect = ARGV[5 + 2 * i]
  if expect == '' then
    if call('EXISTS', KEYS[2 + i]) ~= 0 then return VER end
  elseif call('GETRANGE', KEYS[2 + i], 0, #expect - 1) ~= expect then
    return VER
  end
end
for i = 1, writes do
  local blob = ARGV[6 + 2 * i]
  if blob ~= '' then
    if ARGV[6] == '0' then
      call('SET', KEYS[2 + i], blob)
    else
      call('SET', KEYS[2 + i], blob, 'PX', ARGV[6])
    end
  end
end
call('HSET', KEYS[1], ARGV[2], ARGV[5])
return OK
