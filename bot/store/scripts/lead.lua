-- lead: candidate, ms it leads from now on (0: it leads no more), ms that nobody leads longer; KEYS[1] is the
-- installation's lead
-- returns 1 when the candidate leads, else 0
local candidate, lasts = ARGV[3], tonumber(ARGV[4])
local leader, till = unpack(redis.call('HMGET', KEYS[1], 'leader', 'until'))
if leader and leader ~= candidate and now < tonumber(till) then
  -- The clock was set back: who lives asks again in time.
  if tonumber(till) > now + tonumber(ARGV[5]) then redis.call('HSET', KEYS[1], 'until', now + lasts) end
  return 0
end
if lasts == 0 then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HSET', KEYS[1], 'leader', candidate, 'until', now + lasts)
redis.call('PEXPIRE', KEYS[1], lasts)
return 1
