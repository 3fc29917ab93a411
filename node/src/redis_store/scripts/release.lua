-- Gives a node's identity up, if our token holds it.
-- KEYS: owner   ARGV: token
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
