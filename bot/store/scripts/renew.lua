-- renew: thread, token, ms of lease
-- returns {1, stopped, edited}, or {0} when the token is stale
local thread, flight = ARGV[3], key('flight', ARGV[3])
if not holds(thread, ARGV[4]) then return {0} end
-- First what a full server permits: it refuses a script that begins with what takes memory, and with it every renewal.
keep(flight, key('mail', thread), key('body', thread))
put_off(thread, now + tonumber(ARGV[5]))
return {1, redis.call('HEXISTS', flight, 'stop'), redis.call('HEXISTS', flight, 'edited')}
