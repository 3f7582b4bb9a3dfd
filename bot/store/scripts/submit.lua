-- submit: thread, message id, platform time, record, nonce of the call, ms to remember the id, lanes (JSON),
-- where a status for it shows, place
-- returns 1 when the message is new, else 0. The nonce makes a repeated call answer as the first did.
local thread, id, nonce = ARGV[3], ARGV[4], ARGV[7]
local seen = key('seen', id)
local before = redis.call('GET', seen)
if before then return before == nonce and 1 or 0 end

local mail, body, meta = key('mail', thread), key('body', thread), key('meta', thread)
redis.call('SET', seen, nonce, 'PX', ARGV[8])
local early = redis.call('HMGET', key('early', id), 'until', 'delete', 'text', 'at')
redis.call('DEL', key('early', id))
if early[1] and tonumber(early[1]) <= now then early = {} end
if early[2] then return 1 end
redis.call('ZADD', mail, ARGV[5], id)
redis.call('HSET', body, 'm:' .. id, ARGV[6])
if early[3] then redis.call('HSET', body, 't:' .. id, early[3], 'e:' .. id, early[4]) end
redis.call('HSET', meta, 'lanes', ARGV[9], 'since', now, 'spot', ARGV[10], 'place', ARGV[11])
keep(mail, body)
if redis.call('PTTL', meta) < tonumber(KEEP) then keep(meta) end

-- With a turn in flight the commit makes the thread ready again: both are atomic, so that nothing is stranded.
if redis.call('EXISTS', key('flight', thread)) == 0 and not redis.call('ZSCORE', P .. 'ready', thread) then
  make_ready(thread, fair_turn(cjson.decode(ARGV[9])))
end
return 1
