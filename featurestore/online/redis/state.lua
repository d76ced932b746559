#!lua
-- State of one lane. KEYS: metadata; ARGV: state, and those that it may have; none
-- is any. Gives 1 where it has the state now, 2 where it has another that stays, and
-- 0 where the lane has no metadata, or is being dropped: a state alone would look like some.
local meta = redis.call('HMGET', KEYS[1], 'definition', 'begun', 'done')
if not meta[1] or meta[2] ~= meta[3] then return 0 end
if #ARGV > 1 then
  local have, found = redis.call('HGET', KEYS[1], 'state'), false
  for i = 1, #ARGV do found = found or have == ARGV[i] end
  if not found then return 2 end
end
redis.call('HSET', KEYS[1], 'state', ARGV[1])
return 1
