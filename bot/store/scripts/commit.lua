-- commit: thread, token, turn id and record ('' for none), id of the turn it replaces ('' for none), turns and bytes
-- of history at most, ms that history is kept, ms to remember the token
-- returns 1 when the thread has more mail, 0 when not, -1 when the token is stale, 2 when this was done before
local thread, token, id, record, replaces = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local most, most_bytes = tonumber(ARGV[8]), tonumber(ARGV[9])
local fence = key('fence', token)
if not holds(thread, token) then
  return redis.call('GET', fence) == '=done' and 2 or -1
end

if record ~= '' then append_turn(thread, id, record, replaces, most, most_bytes, ARGV[10]) end
drop_flight(thread)
redis.call('ZREM', P .. 'later', thread)
redis.call('SET', fence, '=done', 'PX', ARGV[11])
if redis.call('ZCARD', key('mail', thread)) == 0 then return 0 end
local lanes = redis.call('HGET', key('meta', thread), 'lanes')
make_ready(thread, fair_turn(cjson.decode(lanes or '[]')))
return 1
