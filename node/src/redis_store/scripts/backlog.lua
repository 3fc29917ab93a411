#!lua flags=no-writes
-- The size of the outbox, and how old the oldest of the rows is that are due first.
-- KEYS: index   ARGV: row prefix
-- Reply: {rows, age ms}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = now
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, 31)) do
  -- A key of another type has no age.
  local created = redis.pcall('HGET', ARGV[1] .. id, 'createdAt')
  oldest = math.min(oldest, type(created) == 'string' and tonumber(created) or now)
end
return {redis.call('ZCARD', KEYS[1]), now - oldest}
