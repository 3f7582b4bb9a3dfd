-- peek: returns 1 when the installation has a thread to claim now, else 0
if redis.call('ZCARD', P .. 'ready') > 0 then return 1 end
return redis.call('ZCOUNT', P .. 'later', '-inf', now) > 0 and 1 or 0
