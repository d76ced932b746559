#!lua
-- One batch of one lane: every check stands before the first write, because
-- Redis does not roll back. With the first line Redis looks at its memory before
-- it starts the script, and refuses it whole.
--
-- KEYS  watermarks, metadata, an entity for each write, then the closed parts
--       that are set, removed or renewed
-- ARGV  1 definition, 2 the partition's field, 3 head that its watermark must
--       have, 4 head that stands for none, 5 new watermark, 6 time to live in ms
--       or 0, 7 number of writes, 8 how many of them, the first, begin their time
--       to live anew, 9 and 10 the first and last of them that are compared in any
--       case, 11 this batch, 12 the one that it follows ('' for none), 13
--       whether whole blobs are compared ('1'); then for each write: the applied
--       list that was read ('' for an absent entity, one byte for an empty blob),
--       or a byte and the whole blob, and the new blob ('' where it was only
--       consulted); then for each closed part: 's'
--       and its bytes, 'k' and its bytes where it keeps its time to live, 'd' to
--       remove it, 'r' to renew it
--
-- "last" is the batch that wrote entities last, behind what it counted "begun" up
-- to: a program that does not know the field counts too. Where that is the batch
-- which this one follows, nobody else has written, and what its writer knows to
-- stand here is not compared: that would take longer than the rest.
--
-- A batch is several commands in the append-only file. Where that was cut off in
-- the middle of one, Redis starts without it, but leaves its part in the file, and
-- executes it with the batch that comes behind when it starts the next time: writes
-- appear that nobody saw. So each batch counts "begun" up and says "done" what it
-- has come to: where these differ, the lane holds such a part and is LOST.
--
-- Strings are compared for equality only: Redis orders them by the locale.
-- Both parts expire at one millisecond, so that no read finds one without the
-- other. Answers are those of online.Outcome.
local call, OK, WM, VER, DEF, FOLLOWED = redis.call, 1, 2, 3, 4, 5
local FIRST = 14 -- of the writes' arguments
local whole = ARGV[13] == '1'
local writes = tonumber(ARGV[7])
local meta = call('HMGET', KEYS[2], 'definition', 'begun', 'done', 'last')
if meta[1] ~= ARGV[1] or meta[2] ~= meta[3] then return DEF end
local mark = call('HGET', KEYS[1], ARGV[2])
local head = mark and string.sub(mark, 1, #ARGV[3]) or ARGV[4]
if head ~= ARGV[3] then return WM end
local followed = ARGV[12] ~= '' and meta[4] and meta[4] == (meta[2] or '') .. ':' .. ARGV[12]
local from, to = 1, writes
if followed then from, to = tonumber(ARGV[9]), tonumber(ARGV[10]) end
for i = from, to do
  local expect = ARGV[FIRST - 2 + 2 * i]
  if expect == '' then
    if call('EXISTS', KEYS[2 + i]) ~= 0 then return VER end
  elseif whole then
    if call('EXISTS', KEYS[2 + i]) == 0 or call('GETRANGE', KEYS[2 + i], '0', '-1') ~= string.sub(expect, 2) then return VER end
  elseif #expect == 1 then
    if call('EXISTS', KEYS[2 + i]) == 0 or call('STRLEN', KEYS[2 + i]) ~= 0 then return VER end
  elseif call('GETRANGE', KEYS[2 + i], '0', string.format('%d', #expect - 1)) ~= expect then
    return VER
  end
end
-- When an entity goes that begins its time to live anew: said once, where there is one.
local expiry = nil
local function expires()
  if not expiry then
    local now = call('TIME')
    expiry = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[6])
  end
  return expiry
end
local mortal = ARGV[6] ~= '0'
local function set(key, blob)
  if mortal then
    call('SET', key, blob, 'PXAT', expires())
  else
    call('SET', key, blob)
  end
end
local begun = nil -- a watermark alone is one command, and is cut as a whole
for i = 1, writes do
  if ARGV[FIRST - 1 + 2 * i] ~= '' then
    begun = string.format('%d', call('HINCRBY', KEYS[2], 'begun', '1'))
    break
  end
end
local renewing = tonumber(ARGV[8])
for i = 1, writes do
  local blob = ARGV[FIRST - 1 + 2 * i]
  if blob == '' then -- it was only consulted
  elseif i <= renewing then
    set(KEYS[2 + i], blob)
  else
    call('SET', KEYS[2 + i], blob, 'KEEPTTL')
  end
end
local at = FIRST + 2 * writes
for i = 3 + writes, #KEYS do
  local what = ARGV[at]
  at = at + 1
  if what == 's' then
    set(KEYS[i], ARGV[at])
    at = at + 1
  elseif what == 'k' then
    call('SET', KEYS[i], ARGV[at], 'KEEPTTL')
    at = at + 1
  elseif what == 'd' then
    call('UNLINK', KEYS[i])
  elseif mortal then
    call('PEXPIREAT', KEYS[i], expires())
  else
    call('PERSIST', KEYS[i])
  end
end
call('HSET', KEYS[1], ARGV[2], ARGV[5])
if begun then call('HSET', KEYS[2], 'done', begun, 'last', begun .. ':' .. ARGV[11]) end
return followed and FOLLOWED or OK
