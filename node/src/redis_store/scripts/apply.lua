-- Applies a batch of deliveries: guard, projection, ledger, position, inbox, parked messages and floor in one step.
-- KEYS: progress, ahead, orders, position, totals, counts, parked
-- ARGV: stream identity, log prefix, inbox prefix, inbox time to live ms, positions a bucket, number of ranges, then per
--   range of sequences that the batch settles: first, last; then per delivery:
--   kind (order, again, parked), sequence, and for an order: order id, message id, customer id, minor units,
--   compact order; for a parked message: '', '', '', '', note
-- Reply: {-1} another stream; else {0, position, now µs, newly parked, then per delivery: position when applied,
--   0 when it was applied before, -1 parked as it came, -2 order id with other content, -3 ledger at its limit}
local call, format = redis.call, string.format
local RANGE, RANGES = 7, tonumber(ARGV[6])
local FIRST, WIDTH = RANGE + 2 * RANGES, 7
-- Beyond 2^53 a Lua number is no longer exact.
local LIMIT = 9007199254740991
local progress = call('HMGET', KEYS[1], 'stream', 'floor')
if progress[1] ~= ARGV[1] then
  return {-1}
end
local floor = tonumber(progress[2] or '0')
local position = tonumber(call('GET', KEYS[4]) or '0')
local ahead = call('ZCARD', KEYS[2])
call('HLEN', KEYS[7])

local ids, customers, seen = {}, {}, {}
for i = FIRST, #ARGV, WIDTH do
  if ARGV[i] ~= 'parked' then
    ids[#ids + 1] = ARGV[i + 2]
    local customer = ARGV[i + 4]
    if not seen[customer] then
      seen[customer] = true
      customers[#customers + 1] = customer
    end
  end
end
local known, totals, counts = {}, {}, {}
if #ids > 0 then
  local entries = call('HMGET', KEYS[3], unpack(ids))
  for i = 1, #ids do
    known[ids[i]] = entries[i]
  end
  local sums, numbers = call('HMGET', KEYS[5], unpack(customers)), call('HMGET', KEYS[6], unpack(customers))
  for i = 1, #customers do
    -- A ledger that holds no number takes no order.
    totals[customers[i]] = tonumber(sums[i] or '0') or LIMIT
    counts[customers[i]] = tonumber(numbers[i] or '0')
    if not counts[customers[i]] then
      totals[customers[i]] = LIMIT
    end
  end
end

local time = call('TIME')
local now = format('%d%06d', time[1], time[2])
local expiry = format('%d', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4]))
local reply, parked = {0, 0, tonumber(now), 0}, {}
local entries, inbox, changed = {}, {}, {}
local buckets, log, bucket, fields = {}, {}, nil, nil
for i = FIRST, #ARGV, WIDTH do
  local kind, sequence, id, customer, minor = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4], tonumber(ARGV[i + 5])
  local outcome
  local entry = kind ~= 'parked' and known[id]
  if kind == 'parked' then
    outcome = -1
    parked[#parked + 1] = ARGV[1] .. '/' .. sequence
    parked[#parked + 1] = ARGV[i + 6]
  elseif entry and kind == 'order' then
    local kept = string.match(entry, '^%d+ [+-]?%d+ %d+ %d+ (.*)$')
    -- An entry of another form is damaged: nothing is known of what was applied.
    if kept and (kept == ARGV[i + 6] or string.match(kept, '^%S+ %S+ %S+ (.*)$') == customer .. ' ' .. ARGV[i + 5]) then
      outcome = 0
    else
      outcome = -2
    end
  elseif totals[customer] + minor > LIMIT then
    outcome = -3
  else
    position = position + 1
    outcome = position
    local applied = '1'
    if entry then
      applied = format('%d', 1 + tonumber(string.match(entry, '^%d+ [+-]?%d+ (%d+)') or '1'))
    end
    local at = format('%d', position)
    -- The difference of sequence and position is short, mostly 0, and takes an entry to a smaller size class of Redis'.
    local text = at .. format(' %+d ', sequence - position) .. applied .. ' ' .. now .. ' ' .. ARGV[i + 6]
    known[id] = text
    entries[#entries + 1] = id
    entries[#entries + 1] = text
    local number = math.floor((position - 1) / ARGV[5])
    if number ~= bucket then
      bucket, fields = number, {}
      buckets[#buckets + 1] = ARGV[2] .. format('%d', number)
      log[#buckets] = fields
      call('HLEN', buckets[#buckets])
    end
    fields[#fields + 1] = at
    fields[#fields + 1] = id
    inbox[#inbox + 1] = ARGV[3] .. ARGV[i + 3]
    totals[customer] = totals[customer] + minor
    counts[customer] = counts[customer] + 1
    changed[customer] = true
  end
  if outcome < -1 then
    parked[#parked + 1] = ARGV[1] .. '/' .. sequence
    parked[#parked + 1] = (outcome == -2 and 'order id was applied with other content: ' or 'ledger is at its limit: ')
      .. id .. ' ' .. ARGV[i + 6]
  end
  reply[#reply + 1] = outcome
end

-- Nothing was written above this line.
if #entries > 0 then
  call('HSET', KEYS[3], unpack(entries))
  for i = 1, #buckets do
    call('HSET', buckets[i], unpack(log[i]))
  end
  local sums, numbers = {}, {}
  for customer in pairs(changed) do
    sums[#sums + 1], numbers[#numbers + 1] = customer, customer
    sums[#sums + 1] = format('%d', totals[customer])
    numbers[#numbers + 1] = format('%d', counts[customer])
  end
  call('HSET', KEYS[5], unpack(sums))
  call('HSET', KEYS[6], unpack(numbers))
  for i = 1, #inbox do
    call('SET', inbox[i], '1', 'PXAT', expiry)
  end
  call('SET', KEYS[4], format('%d', position))
end
for i = 1, #parked, 2 do
  reply[4] = reply[4] + call('HSETNX', KEYS[7], parked[i], parked[i + 1])
end

-- The contiguous floor; what is settled above a gap waits as [first, last] in `ahead`, scored by its first. Ranges may
-- overlap, because a redelivery settles itself alone.
local before = floor
for i = RANGE, FIRST - 1, 2 do
  local first, last = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if last > floor then
    if first <= floor + 1 then
      floor = last
    else
      local below = ahead > 0 and call('ZREVRANGEBYSCORE', KEYS[2], ARGV[i], '-inf', 'LIMIT', 0, 1)[1]
      local low, high = nil, nil
      if below then
        low, high = string.match(below, '^(%d+)-(%d+)$')
      end
      if not high or first > tonumber(high) + 1 then
        call('ZADD', KEYS[2], ARGV[i], ARGV[i] .. '-' .. ARGV[i + 1])
        ahead = ahead + 1
      elseif last > tonumber(high) then
        call('ZREM', KEYS[2], below)
        call('ZADD', KEYS[2], low, low .. '-' .. ARGV[i + 1])
      end
    end
  end
end
while ahead > 0 do
  local lowest = call('ZRANGE', KEYS[2], 0, 0)[1]
  if not lowest then
    break
  end
  local first, last = string.match(lowest, '^(%d+)-(%d+)$')
  if tonumber(first) > floor + 1 then
    break
  end
  floor = math.max(floor, tonumber(last))
  call('ZREM', KEYS[2], lowest)
end
if floor ~= before then
  call('HSET', KEYS[1], 'floor', format('%d', floor))
end
reply[2] = position
return reply
