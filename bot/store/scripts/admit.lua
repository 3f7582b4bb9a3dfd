-- admit: who, message, how many in the window, ms of the window, ms of silence
-- returns 0 when the message is admitted, 1 when it is the first one too many, 2 in the silence after that
local asked, silence = key('asked', ARGV[3]), key('silence', ARGV[3])
local message, within, lasts = ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7])
local told, till = unpack(redis.call('HMGET', silence, 'told', 'until'))
if told and now < tonumber(till) then
  return told == message and 1 or 2
end
redis.call('ZREMRANGEBYSCORE', asked, '-inf', now - within)
if redis.call('ZSCORE', asked, message) then return 0 end
if redis.call('ZCARD', asked) < tonumber(ARGV[5]) then
  redis.call('ZADD', asked, now, message)
  redis.call('PEXPIRE', asked, within)
  return 0
end
redis.call('DEL', asked)
redis.call('HSET', silence, 'told', message, 'until', now + lasts)
redis.call('PEXPIRE', silence, lasts)
return 1
