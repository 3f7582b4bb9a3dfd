-- peek: ms that no lease and no delay exceeds
-- returns 1 when the installation has a thread to claim now, or one whose time a claim must put right, else 0
if redis.call('ZCARD', P .. 'ready') > 0 then return 1 end
local later = redis.call('ZCARD', P .. 'later')
return later > redis.call('ZCOUNT', P .. 'later', '(' .. now, now + tonumber(ARGV[3])) and 1 or 0
