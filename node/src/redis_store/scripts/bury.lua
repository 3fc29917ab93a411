#!lua flags=allow-oom
-- Moves rows that can never be published aside.
-- KEYS: index   ARGV: row prefix, dead prefix, then per row: message id, token, reason
-- Reply: per row 1 moved, 0 missing, 2 fenced
local fates = {}
for i = 3, #ARGV, 3 do
  -- A key of another type answers with an error, which is no token: it counts as fenced.
  local token = redis.pcall('HGET', ARGV[1] .. ARGV[i], 'leaseToken')
  fates[#fates + 1] = (not token and 0) or (token == ARGV[i + 1] and 1) or 2
end
redis.call('ZCARD', KEYS[1])
for row, fate in ipairs(fates) do
  local i = 3 * row
  if fate == 1 then
    redis.call('HSET', ARGV[1] .. ARGV[i], 'lastError', ARGV[i + 2])
    redis.call('RENAME', ARGV[1] .. ARGV[i], ARGV[2] .. ARGV[i])
  end
  if fate ~= 2 then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return fates
