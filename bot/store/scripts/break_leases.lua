-- break_leases: make every lease due now; turns that wait for their next attempt go on waiting
-- returns how many leases there were
local broken = 0
for _, thread in ipairs(redis.call('ZRANGE', P .. 'later', 0, -1)) do
  local token = redis.call('HGET', key('flight', thread), 'token')
  if token and token ~= '' then
    redis.call('ZADD', P .. 'later', 0, thread)
    broken = broken + 1
  end
end
return broken
