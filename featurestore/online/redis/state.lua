#!lua
-- State of one lane. KEYS: metadata; ARGV: state, and those that it may have; none
-- is any. Gives 1 where it has the state now, 2 where it has another that stays, and
-- 0 where the lane has no metadata: a state alone would look like some.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if #ARGV > 1 then
  local have, found = redis.call('HGET', KEYS[1], 'state'), false
  for i = 1, #ARGV do found = found or have == ARGV[i] end
  if not found then return 2 end
end
redis.call('HSET', KEYS[1], 'state', ARGV[1])
return 1
