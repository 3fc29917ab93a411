#!lua flags=allow-oom
-- Removes published rows that our tokens hold, and starts the time to live of their records.
-- KEYS: index   ARGV: row prefix, record prefix, time to live ms, then per row: message id, token, order id or ''
-- Reply: per row 1 removed, 0 missing, 2 fenced
local call = redis.call
local fates, rows, records, ids = {}, {}, {}, {}
for i = 4, #ARGV, 3 do
  local key = ARGV[1] .. ARGV[i]
  -- A key of another type answers with an error, which is no token: it counts as fenced.
  local token = redis.pcall('HGET', key, 'leaseToken')
  if token == ARGV[i + 1] then
    fates[#fates + 1] = 1
    rows[#rows + 1] = key
    if ARGV[i + 2] ~= '' then
      records[#records + 1] = ARGV[2] .. ARGV[i + 2]
    end
    ids[#ids + 1] = ARGV[i]
  elseif not token then
    fates[#fates + 1] = 0
    ids[#ids + 1] = ARGV[i]
  else
    fates[#fates + 1] = 2
  end
end
call('ZCARD', KEYS[1])
if #rows > 0 then
  local time = call('TIME')
  local expiry = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3]))
  call('DEL', unpack(rows))
  for i = 1, #records do
    call('PEXPIREAT', records[i], expiry)
  end
end
if #ids > 0 then
  call('ZREM', KEYS[1], unpack(ids))
end
return fates
