#!lua
-- Batch rows of one lane, each written where the order that stands is still the
-- one that was read and found not to be greater. Rows are independent.
--
-- KEYS  an entity for each row
-- ARGV  1 time to live in ms or 0, then for each row: the leading bytes of the
--       stored blob up to the end of its order ('' for absent), and the new blob
-- Gives the numbers (from 1) of the rows that were not written.
local call, conflicts = redis.call, {}
for i = 1, #KEYS do
  local expect, same = ARGV[2 * i], nil
  if expect == '' then
    same = call('EXISTS', KEYS[i]) == 0
  else
    same = call('GETRANGE', KEYS[i], 0, #expect - 1) == expect
  end
  if not same then
    conflicts[#conflicts + 1] = i
  elseif ARGV[1] == '0' then
    call('SET', KEYS[i], ARGV[2 * i + 1])
  else
    call('SET', KEYS[i], ARGV[2 * i + 1], 'PX', ARGV[1])
  end
end
return conflicts
