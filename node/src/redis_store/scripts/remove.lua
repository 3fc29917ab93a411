#!lua flags=allow-oom
-- Removes published rows that our tokens hold, and starts the time to live of their records.
-- KEYS: index   ARGV: row prefix, record prefix, time to live ms, then per row: message id, token, order id or ''
-- Reply: per row 1 removed, 0 missing, 2 fenced
local fates = {}
for i = 4, #ARGV, 3 do
  -- A key of another type answers with an error, which is no token: it counts as fenced.
  local token = redis.pcall('HGET', ARGV[1] .. ARGV[i], 'leaseToken')
  fates[#fates + 1] = (not token and 0) or (token == ARGV[i + 1] and 1) or 2
end
redis.call('ZCARD', KEYS[1])
for row, fate in ipairs(fates) do
  local i = 1 + 3 * row
  if fate == 1 then
    redis.call('DEL', ARGV[1] .. ARGV[i])
    if ARGV[i + 2] ~= '' then
      redis.call('PEXPIRE', ARGV[2] .. ARGV[i + 2], ARGV[3])
    end
  end
  if fate ~= 2 then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return fates
