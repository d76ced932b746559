#!lua flags=no-writes
-- ARGV[1] is a key as ours are. The commands that this user may not run.
local k, missing = ARGV[1], {}
for _, c in ipairs({
  {'EVALSHA', '0', '1', k}, {'HSET', k, 'f', 'v'}, {'HINCRBY', k, 'f', '1'}, {'HGET', k, 'f'}, {'HMGET', k, 'f'}, {'EXISTS', k}, {'STRLEN', k},
  {'GETRANGE', k, '0', '1'}, {'SET', k, 'v'}, {'UNLINK', k}, {'PEXPIREAT', k, '1'}, {'PERSIST', k}, {'TIME'},
  {'MGET', k}, {'HGETALL', k}, {'SCAN', '0'},
}) do
  if not redis.acl_check_cmd(unpack(c)) then missing[#missing + 1] = string.lower(c[1]) end
end
return missing
