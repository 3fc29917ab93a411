-- The projection follows a stream from a floor on.
-- KEYS: progress, ahead   ARGV: stream identity, floor
redis.call('ZCARD', KEYS[2])
redis.call('HSET', KEYS[1], 'stream', ARGV[1], 'floor', ARGV[2])
redis.call('DEL', KEYS[2])
return 1
