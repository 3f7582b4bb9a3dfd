-- reset: thread, token
-- returns 1, or 0 when the token is stale
if not holds(ARGV[3], ARGV[4]) then return 0 end
redis.call('DEL', key('turns', ARGV[3]))
return 1
