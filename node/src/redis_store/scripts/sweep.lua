#!lua flags=allow-oom
-- Indexes rows again that have no index entry; they are due at once.
-- KEYS: index   ARGV: row prefix, then message ids
-- Reply: how many were indexed again
local lost = {}
for i = 2, #ARGV do
  if not redis.call('ZSCORE', KEYS[1], ARGV[i]) and redis.call('EXISTS', ARGV[1] .. ARGV[i]) == 1 then
    lost[#lost + 1] = ARGV[i]
  end
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
for _, id in ipairs(lost) do
  redis.call('ZADD', KEYS[1], now, id)
end
return #lost
