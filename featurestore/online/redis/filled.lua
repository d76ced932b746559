#!lua
-- One lane that is BUILDING is CATCHING_UP where its watermarks are those given.
--
-- KEYS  watermarks, metadata
-- ARGV  for each partition: its field, and the head that its watermark must have
-- Gives 1 where that is said now, or the lane has another state, 2 where a watermark
-- is another, and 0 where the lane has no metadata, or is being dropped.
local call = redis.call
local meta = call('HMGET', KEYS[2], 'state', 'begun', 'done')
if not meta[1] or meta[2] ~= meta[3] then return 0 end
if meta[1] ~= 'BUILDING' then return 1 end
for i = 1, #ARGV, 2 do
  local mark = call('HGET', KEYS[1], ARGV[i])
  if not mark or string.sub(mark, 1, #ARGV[i + 1]) ~= ARGV[i + 1] then return 2 end
end
call('HSET', KEYS[2], 'state', 'CATCHING_UP')
return 1
