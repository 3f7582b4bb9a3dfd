-- restore: thread, token, ms of lease, ms to remember the token, ms to remember ids, number of fields, field and value
-- of the flight ..., then id, platform time and record of each message ...
-- Puts back a claim that the server knows nothing of any more: it came back empty, or as it was before the claim.
-- returns 1, also where another step of the claim has put it back, or 0 when somebody else has the turn or had it
local thread, token, lease = ARGV[3], ARGV[4], tonumber(ARGV[5])
local flight, mail, body, fence = key('flight', thread), key('mail', thread), key('body', thread), key('fence', token)
local first = 9 + 2 * tonumber(ARGV[8])
if holds(thread, token) then return 1 end
if redis.call('EXISTS', flight, fence) > 0 then return 0 end
for i = first, #ARGV, 3 do
  -- An id that is remembered without its message was answered since.
  if redis.call('EXISTS', key('seen', ARGV[i])) > redis.call('HEXISTS', body, 'm:' .. ARGV[i]) then return 0 end
end

for i = first, #ARGV, 3 do
  redis.call('SET', key('seen', ARGV[i]), token, 'PX', ARGV[7], 'NX')
  redis.call('ZADD', mail, ARGV[i + 1], ARGV[i])
  redis.call('HSETNX', body, 'm:' .. ARGV[i], ARGV[i + 2])
end
for i = 9, first - 1, 2 do redis.call('HSET', flight, ARGV[i], ARGV[i + 1]) end
redis.call('SET', fence, thread, 'PX', ARGV[6])
redis.call('ZREM', P .. 'ready', thread)
put_off(thread, now + lease)
keep(flight, mail, body)
return 1
