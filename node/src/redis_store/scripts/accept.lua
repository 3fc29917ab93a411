-- Accepts an order: record, row and index in one step, or what is there already.
-- KEYS: record, row, index, projected orders
-- ARGV: order id, record, payload, subject, node, token, lease ms, backlog limit, message id
-- Reply: {0} new; {1, record}; {2, projection entry}; {3, depth} backlog full
local entry = redis.call('HGET', KEYS[4], ARGV[1])
if entry then
  return {2, entry}
end
local record = redis.call('GET', KEYS[1])
if record then
  return {1, record}
end
local depth = redis.call('ZCARD', KEYS[3])
if depth >= tonumber(ARGV[8]) then
  return {3, depth}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return redis.error_reply('CATGAROW a row has this message id already')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = string.format('%.0f', now + tonumber(ARGV[7]))
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], 'payload', ARGV[3], 'subject', ARGV[4], 'createdAt', string.format('%.0f', now),
  'attempts', '0', 'leaseOwner', ARGV[5], 'leaseToken', ARGV[6], 'leaseUntil', due, 'lastError', '')
redis.call('ZADD', KEYS[3], due, ARGV[9])
return {0}
