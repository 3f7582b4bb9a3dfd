-- waiting: ms a status lasts, ms a message must have waited, statuses a second at most, threads looked at
-- returns {place, ...}: where the caller is to show a status now, nearest turn first
local lasts, wait, most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local shown, found = P .. 'shown', {}
redis.call('ZREMRANGEBYSCORE', shown, '-inf', now)
redis.call('ZREMRANGEBYSCORE', shown, '(' .. now + lasts, '+inf')  -- of before the clock was set back
local room = most - redis.call('ZCOUNT', shown, now + lasts - 1000, '+inf')
for _, thread in ipairs(redis.call('ZRANGE', P .. 'ready', 0, ARGV[6] - 1)) do
  if #found >= room then break end
  local since, spot, place = unpack(redis.call('HMGET', key('meta', thread), 'since', 'spot', 'place'))
  if since and (since + wait <= now or tonumber(since) > now) and not redis.call('ZSCORE', shown, spot) then
    redis.call('ZADD', shown, now + lasts, spot)
    found[#found + 1] = place
  end
end
if #found > 0 then redis.call('PEXPIRE', shown, lasts) end
return found
