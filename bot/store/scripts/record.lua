-- record, finish: thread, token, ms that texts of broken streams, and whose message it was, are kept, then a message
-- that was posted ('' for none): its record, its attempt and its id, alone and after its channel; then number and text
-- of a broken stream ('' for none), then field, value ... of the flight
-- returns 1, or 0 when the token is stale
local thread, flight, ttl = ARGV[3], key('flight', ARGV[3]), ARGV[5]
local part, attempt, id, full_id, number, text = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
if not holds(thread, ARGV[4]) then return 0 end
-- An answer to a question that was edited since the claim is not for a successor to deliver: it asks the new one.
local late = redis.call('HEXISTS', flight, 'edited') == 1
for i = 12, #ARGV, 2 do
  if not (late and ARGV[i] == 'outcome') then redis.call('HSET', flight, ARGV[i], ARGV[i + 1]) end
end
if part ~= '' and redis.call('HEXISTS', flight, 'part:' .. part) == 0 then
  redis.call('HSET', flight, 'part:' .. part, redis.call('HINCRBY', flight, 'parts', 1), 'newest', id,
    'posted:' .. attempt, 1)
  redis.call('SET', key('ours', id), thread, 'PX', ttl)
  redis.call('SET', key('ours', full_id), thread, 'PX', ttl)
end
if number ~= '' then
  local partial = key('partial', redis.call('HGET', flight, 'turn'))
  redis.call('HSET', partial, number, text)
  redis.call('PEXPIRE', partial, ttl)
end
return 1
