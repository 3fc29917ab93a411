-- A part of the projection in the order of application.
-- KEYS: orders, position   ARGV: log prefix, positions a bucket, after, limit
-- Reply: {last position, position looked at last, then per entry: position, order id, entry}
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local after, size = tonumber(ARGV[3]), tonumber(ARGV[2])
local stop = math.min(last, after + tonumber(ARGV[4]))
local reply = {last, math.max(stop, after)}
local positions, ids = {}, {}
local at = after + 1
while at <= stop do
  local bucket = math.floor((at - 1) / size)
  local fields = {}
  while at <= stop and math.floor((at - 1) / size) == bucket do
    fields[#fields + 1] = string.format('%.0f', at)
    at = at + 1
  end
  local found = redis.call('HMGET', ARGV[1] .. string.format('%.0f', bucket), unpack(fields))
  for i, id in ipairs(found) do
    if id then
      positions[#positions + 1] = fields[i]
      ids[#ids + 1] = id
    end
  end
end
if #ids > 0 then
  local entries = redis.call('HMGET', KEYS[1], unpack(ids))
  for i, entry in ipairs(entries) do
    if entry then
      reply[#reply + 1] = positions[i]
      reply[#reply + 1] = ids[i]
      reply[#reply + 1] = entry
    end
  end
end
return reply
