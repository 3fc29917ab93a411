#!lua flags=allow-oom
-- Takes or renews a node's identity.
-- KEYS: owner   ARGV: instance, token, lease ms
-- Reply: '' when it is ours, else the instance that holds it
local owner = redis.call('HMGET', KEYS[1], 'instance', 'token')
if owner[2] and owner[2] ~= ARGV[2] and owner[1] ~= ARGV[1] then
  return owner[1] or 'unknown'
end
-- The same instance under another token is the process before us: a container has one process 1 at a time.
redis.call('HSET', KEYS[1], 'instance', ARGV[1], 'token', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return ''
