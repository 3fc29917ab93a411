-- Accepts orders: record, row and index of each in one step, or what is there already. No two have the same order id.
-- KEYS: index, projected orders, then all records, then all rows
-- ARGV: subject, node, lease ms, backlog limit, then in columns: order ids, canonical contents, payloads, message ids, tokens
-- Reply per order: 0 new; {1, record}; {2, projection entry}; {3, depth} backlog full; {4} a key is in the way
-- What is asked and written for all orders at once costs a fraction of asking and writing for each.
local call = redis.call
local COUNT = (#KEYS - 2) / 2
local RECORD, ROW = 2, 2 + COUNT
local ID, CONTENT, PAYLOAD, MESSAGE, TOKEN = 4, 4 + COUNT, 4 + 2 * COUNT, 4 + 3 * COUNT, 4 + 4 * COUNT
local LIMIT = tonumber(ARGV[4])
local entries = call('HMGET', KEYS[2], unpack(ARGV, ID + 1, ID + COUNT))
local records = call('MGET', unpack(KEYS, RECORD + 1, RECORD + COUNT))
local depth = call('ZCARD', KEYS[1])
local strange = call('EXISTS', unpack(KEYS, RECORD + 1))
for order = 1, COUNT do
  if records[order] then
    strange = strange - 1
  end
end

local reply, new, sets, index = {}, {}, {}, {}
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = string.format('%d', now + tonumber(ARGV[3]))
for order = 1, COUNT do
  if entries[order] then
    reply[order] = {2, entries[order]}
  elseif records[order] then
    reply[order] = {1, records[order]}
  elseif strange > 0 and call('EXISTS', KEYS[RECORD + order], KEYS[ROW + order]) > 0 then
    -- A record of another type reads as nothing, and writing would replace it.
    reply[order] = {4}
  elseif depth >= LIMIT then
    reply[order] = {3, depth}
  else
    reply[order] = 0
    depth = depth + 1
    new[#new + 1] = order
    sets[#sets + 1] = KEYS[RECORD + order]
    sets[#sets + 1] = ARGV[CONTENT + order] .. '\n' .. ARGV[PAYLOAD + order]
    index[#index + 1] = due
    index[#index + 1] = ARGV[MESSAGE + order]
  end
end

-- Nothing was written above this line, and nothing can fail below it.
if #new > 0 then
  now = string.format('%d', now)
  call('MSET', unpack(sets))
  for i = 1, #new do
    local order = new[i]
    call('HSET', KEYS[ROW + order], 'payload', ARGV[PAYLOAD + order], 'subject', ARGV[1], 'createdAt', now,
      'attempts', '0', 'leaseOwner', ARGV[2], 'leaseToken', ARGV[TOKEN + order], 'leaseUntil', due, 'lastError', '')
  end
  call('ZADD', KEYS[1], unpack(index))
end
return reply
