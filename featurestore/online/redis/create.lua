#!lua
-- Metadata of one lane, where it has none. A lane that is being dropped stays as it is.
--
-- KEYS  metadata
-- ARGV  1 definition, 2 state version, 3 lanes, 4 state
-- Gives 1 where this metadata stands now (the state aside), 0 where other does.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'definition', ARGV[1], 'state_version', ARGV[2], 'lanes', ARGV[3], 'state', ARGV[4])
  return 1
end
local have = redis.call('HMGET', KEYS[1], 'definition', 'state_version', 'lanes', 'begun', 'done')
if have[4] ~= have[5] then return 1 end -- it is LOST, whatever it was, and reads so
for i = 1, 3 do
  if have[i] ~= ARGV[i] then return 0 end
end
return 1
