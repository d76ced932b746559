#!lua flags=allow-oom
-- A step of the drop of one lane. It frees memory, so that it runs without any too.
--
-- KEYS  metadata, then what is to be removed
-- ARGV  1 the name of this drop; 2 'begin', 'go' or 'end'
--
-- A lane that is being dropped has the drop's name as "begun", which "done" never is:
-- it is LOST, and nobody can apply to it (apply.lua). A drop that goes on late, after
-- another one has begun, or has ended and the lane was made anew, does not find its
-- name there, and removes nothing. Gives 1, and 0 for such a one.
local call = redis.call
if ARGV[2] == 'begin' then
  call('HSET', KEYS[1], 'begun', ARGV[1])
elseif call('HGET', KEYS[1], 'begun') ~= ARGV[1] then
  return 0
end
for i = 2, #KEYS do call('UNLINK', KEYS[i]) end
if ARGV[2] == 'end' then call('UNLINK', KEYS[1]) end
return 1
