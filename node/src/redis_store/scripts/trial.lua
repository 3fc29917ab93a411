-- Runs every command by which an order is accepted, so that one that is not permitted is known before an order needs it.
-- KEYS: a string, a hash and an index of this node's own; ARGV: their ttl ms
local call = redis.call
local STRING, ROW, INDEX = unpack(KEYS)
call('TIME')
call('MGET', STRING)
call('EXISTS', STRING, ROW)
call('HMGET', ROW, 'payload')
call('ZCARD', INDEX)
call('MSET', STRING, '1')
call('PEXPIRE', STRING, ARGV[1])
call('HSET', ROW, 'payload', '')
call('PEXPIRE', ROW, ARGV[1])
call('ZADD', INDEX, '0', 'trial')
call('PEXPIRE', INDEX, ARGV[1])
return redis.status_reply('OK')
