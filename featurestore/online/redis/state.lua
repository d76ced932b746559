#!lua
-- State of one lane. KEYS: metadata; ARGV: state. Gives 0 where the lane has no
-- metadata: a state alone would look like some.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[1])
return 1
