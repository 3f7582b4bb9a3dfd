-- attend: worker, ms it counts as alive (0: it leaves); KEYS[1] is the installation's workers
-- returns how many are alive
local lasts = tonumber(ARGV[4])
if lasts > 0 then
  redis.call('ZADD', KEYS[1], now + lasts, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], lasts)
  -- Of before the clock was set back: who lives says so again.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now + lasts, '+inf')
else
  redis.call('ZREM', KEYS[1], ARGV[3])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZCARD', KEYS[1])
