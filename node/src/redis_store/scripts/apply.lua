-- Applies a batch of deliveries: guard, projection, ledger, position, inbox, parked messages and floor in one step.
-- KEYS: progress, ahead, orders, position, totals, counts, parked
-- ARGV: stream identity, log prefix, inbox prefix, inbox time to live ms, positions a log bucket, then per delivery:
--   kind (order, again, parked), sequence, first sequence that it settles, and for an order: order id, message id,
--   customer id, minor units, compact order; for a parked message: '', '', '', '', note
-- Reply: {-1} another stream; else {0, position, now µs, newly parked, then per delivery: position when applied,
--   0 when it was applied before, -1 parked as it came, -2 order id with other content, -3 ledger at its limit}
local FIRST, WIDTH = 6, 8
-- Beyond 2^53 a Lua number is no longer exact.
local LIMIT = 9007199254740991
if redis.call('HGET', KEYS[1], 'stream') ~= ARGV[1] then
  return {-1}
end
local floor = tonumber(redis.call('HGET', KEYS[1], 'floor') or '0')
local position = tonumber(redis.call('GET', KEYS[4]) or '0')
local ahead = redis.call('ZCARD', KEYS[2])
redis.call('HLEN', KEYS[7])
redis.call('HLEN', KEYS[6])

local ids, customers, seen = {}, {}, {}
for i = FIRST, #ARGV, WIDTH do
  if ARGV[i] ~= 'parked' then
    ids[#ids + 1] = ARGV[i + 3]
    local customer = ARGV[i + 5]
    if not seen[customer] then
      seen[customer] = true
      customers[#customers + 1] = customer
    end
  end
end
local known, totals = {}, {}
if #ids > 0 then
  for i, entry in ipairs(redis.call('HMGET', KEYS[3], unpack(ids))) do
    known[ids[i]] = entry
  end
  for i, total in ipairs(redis.call('HMGET', KEYS[5], unpack(customers))) do
    totals[customers[i]] = tonumber(total or '0')
  end
end

local time = redis.call('TIME')
local now = string.format('%d%06d', time[1], time[2])
local reply, parked = {0, 0, tonumber(now), 0}, {}
local entries, log, inbox, sums, counts = {}, {}, {}, {}, {}
for i = FIRST, #ARGV, WIDTH do
  local kind, sequence, id, customer = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 5]
  local outcome
  local entry = kind ~= 'parked' and known[id]
  if kind == 'parked' then
    outcome = -1
    parked[#parked + 1] = ARGV[1] .. '/' .. sequence
    parked[#parked + 1] = ARGV[i + 7]
  elseif entry and kind == 'order' then
    local kept = string.match(entry, '^%d+ %d+ %d+ %d+ (.*)$')
    if kept == ARGV[i + 7] or string.match(kept, '^%S+ %S+ %S+ (.*)$') == customer .. ' ' .. ARGV[i + 6] then
      outcome = 0
    else
      outcome = -2
    end
  elseif totals[customer] + tonumber(ARGV[i + 6]) > LIMIT then
    outcome = -3
  else
    position = position + 1
    outcome = position
    local applied = 1
    if entry then
      applied = 1 + tonumber(string.match(entry, '^%d+ %d+ (%d+)'))
    end
    local text = string.format('%.0f %s %d %s ', position, sequence, applied, now) .. ARGV[i + 7]
    known[id] = text
    entries[#entries + 1] = id
    entries[#entries + 1] = text
    local bucket = ARGV[2] .. string.format('%.0f', math.floor((position - 1) / ARGV[5]))
    if not log[bucket] then
      redis.call('HLEN', bucket)
      log[bucket] = {}
    end
    table.insert(log[bucket], string.format('%.0f', position))
    table.insert(log[bucket], id)
    inbox[#inbox + 1] = ARGV[i + 4]
    totals[customer] = totals[customer] + tonumber(ARGV[i + 6])
    sums[customer] = (sums[customer] or 0) + tonumber(ARGV[i + 6])
    counts[customer] = (counts[customer] or 0) + 1
  end
  if outcome < -1 then
    parked[#parked + 1] = ARGV[1] .. '/' .. sequence
    parked[#parked + 1] = (outcome == -2 and 'order id was applied with other content: ' or 'ledger is at its limit: ')
      .. id .. ' ' .. ARGV[i + 7]
  end
  reply[#reply + 1] = outcome
end

-- Nothing was written above this line.
if #entries > 0 then
  redis.call('HSET', KEYS[3], unpack(entries))
  for bucket, fields in pairs(log) do
    redis.call('HSET', bucket, unpack(fields))
  end
  for customer, sum in pairs(sums) do
    redis.call('HINCRBY', KEYS[5], customer, string.format('%.0f', sum))
    redis.call('HINCRBY', KEYS[6], customer, counts[customer])
  end
  for _, id in ipairs(inbox) do
    redis.call('SET', ARGV[3] .. id, '1', 'PX', ARGV[4])
  end
  redis.call('SET', KEYS[4], string.format('%.0f', position))
end
for i = 1, #parked, 2 do
  reply[4] = reply[4] + redis.call('HSETNX', KEYS[7], parked[i], parked[i + 1])
end

-- The contiguous floor; what is settled above a gap waits as [first, last] in `ahead`, scored by its first. Ranges may
-- overlap, because a redelivery settles itself alone.
local before = floor
for i = FIRST, #ARGV, WIDTH do
  local last, first = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if last > floor then
    if first <= floor + 1 then
      floor = last
    else
      local below = ahead > 0 and redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[i + 2], '-inf', 'LIMIT', 0, 1)[1]
      local low, high = nil, nil
      if below then
        low, high = string.match(below, '^(%d+)-(%d+)$')
      end
      if not high or first > tonumber(high) + 1 then
        redis.call('ZADD', KEYS[2], ARGV[i + 2], ARGV[i + 2] .. '-' .. ARGV[i + 1])
        ahead = ahead + 1
      elseif last > tonumber(high) then
        redis.call('ZREM', KEYS[2], below)
        redis.call('ZADD', KEYS[2], low, low .. '-' .. ARGV[i + 1])
      end
    end
  end
end
while ahead > 0 do
  local lowest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not lowest then
    break
  end
  local first, last = string.match(lowest, '^(%d+)-(%d+)$')
  if tonumber(first) > floor + 1 then
    break
  end
  floor = math.max(floor, tonumber(last))
  redis.call('ZREM', KEYS[2], lowest)
end
if floor ~= before then
  redis.call('HSET', KEYS[1], 'floor', string.format('%.0f', floor))
end
reply[2] = position
return reply
