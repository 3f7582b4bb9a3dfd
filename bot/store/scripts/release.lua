-- release: thread, token, ms of delay, ms to remember the token
-- returns 1, 0 when the token is stale
local thread, token, delay = ARGV[3], ARGV[4], tonumber(ARGV[5])
local flight, fence = key('flight', thread), key('fence', token)
if not holds(thread, token) then
  return redis.call('GET', fence) == '=released' and 1 or 0
end
keep(flight, key('mail', thread), key('body', thread))  -- what a full server permits comes first, see renew
redis.call('HSET', flight, 'token', '')
redis.call('HINCRBY', flight, 'claims', -1)
redis.call('SET', fence, '=released', 'PX', ARGV[6])
if delay > 0 then put_off(thread, now + delay) else make_ready(thread, first_round() or 0) end
return 1
