#!lua flags=allow-oom
-- Takes or renews a node's identity.
-- KEYS: owner   ARGV: instance, token, lease ms
-- Reply: {0} ours; {1, instance} held by it; {2, token} ours again, after a process of the same instance had it under that token
local owner = redis.call('HMGET', KEYS[1], 'instance', 'token')
local foreign = owner[2] and owner[2] ~= ARGV[2]
if foreign and owner[1] ~= ARGV[1] then
  return {1, owner[1] or 'unknown'}
end
-- The same instance under another token is the process before us: a container has one process 1 at a time.
redis.call('HSET', KEYS[1], 'instance', ARGV[1], 'token', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if foreign then
  return {2, owner[2]}
end
return {0}
