#!lua flags=allow-oom
-- Leases due rows under one fresh token; index entries without a row are dropped.
-- KEYS: index   ARGV: row prefix, node, token, lease ms, limit
-- Reply: {entries looked at, entries dropped, ids whose key is no hash, then per row: message id, payload, subject, attempts, previous owner}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[5])
local rows = {}
for i, id in ipairs(due) do
  -- A key of another type must not keep the others from being claimed.
  rows[i] = redis.pcall('HMGET', ARGV[1] .. id, 'payload', 'subject', 'attempts', 'leaseOwner', 'createdAt')
end
local lease = string.format('%.0f', now + tonumber(ARGV[4]))
local reply, dropped, damaged = {#due, 0, 0}, 0, {}
for i, id in ipairs(due) do
  local row = rows[i]
  if row.err then
    redis.call('ZADD', KEYS[1], lease, id)
    damaged[#damaged + 1] = id
  elseif row[1] or row[5] then
    redis.call('HSET', ARGV[1] .. id, 'leaseOwner', ARGV[2], 'leaseToken', ARGV[3], 'leaseUntil', lease)
    redis.call('ZADD', KEYS[1], lease, id)
    reply[#reply + 1] = id
    reply[#reply + 1] = row[1] or ''
    reply[#reply + 1] = row[2] or ''
    reply[#reply + 1] = row[3] or '0'
    reply[#reply + 1] = row[4] or ''
  else
    redis.call('ZREM', KEYS[1], id)
    dropped = dropped + 1
  end
end
reply[2] = dropped
reply[3] = damaged
return reply
