#!lua flags=allow-oom
-- Counts failed attempts and makes the rows due again later. The token stays until somebody claims the row.
-- KEYS: index   ARGV: row prefix, then per row: message id, token, delay ms, error
-- Reply: per row 1 changed, 0 missing, 2 fenced
local fates = {}
for i = 2, #ARGV, 4 do
  -- A key of another type answers with an error, which is no token: it counts as fenced.
  local token = redis.pcall('HGET', ARGV[1] .. ARGV[i], 'leaseToken')
  fates[#fates + 1] = (not token and 0) or (token == ARGV[i + 1] and 1) or 2
end
redis.call('ZCARD', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for row, fate in ipairs(fates) do
  local i = 4 * row - 2
  if fate == 1 then
    local key = ARGV[1] .. ARGV[i]
    local due = string.format('%.0f', now + tonumber(ARGV[i + 2]))
    redis.call('HINCRBY', key, 'attempts', 1)
    redis.call('HSET', key, 'lastError', ARGV[i + 3], 'leaseUntil', due)
    redis.call('ZADD', KEYS[1], due, ARGV[i])
  elseif fate == 0 then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return fates
