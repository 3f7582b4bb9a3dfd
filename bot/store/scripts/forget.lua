-- forget: thread. The mailbox stays, and so does a turn in flight.
redis.call('DEL', key('turns', ARGV[3]))
redis.call('HDEL', key('meta', ARGV[3]), 'last', 'bytes')
return 1
