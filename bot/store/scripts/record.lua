-- record, finish: thread, token, part ('' for none), attempt and text of a broken stream ('' for none), ms that
-- such texts, and whose message it was, are kept, the part's id, alone and after its channel, then field, value ... of
-- the flight
-- returns 1, or 0 when the token is stale
local thread, flight = ARGV[3], key('flight', ARGV[3])
if not holds(thread, ARGV[4]) then return 0 end
-- An answer to a question that was edited since the claim is not for a successor to deliver: it asks the new one.
local late = redis.call('HEXISTS', flight, 'edited') == 1
for i = 11, #ARGV, 2 do
  if not (late and ARGV[i] == 'outcome') then redis.call('HSET', flight, ARGV[i], ARGV[i + 1]) end
end
if ARGV[5] ~= '' and redis.call('HEXISTS', flight, 'part:' .. ARGV[5]) == 0 then
  redis.call('HSET', flight, 'part:' .. ARGV[5], redis.call('HINCRBY', flight, 'parts', 1), 'newest', ARGV[9])
  redis.call('SET', key('ours', ARGV[9]), thread, 'PX', ARGV[8])
  redis.call('SET', key('ours', ARGV[10]), thread, 'PX', ARGV[8])
end
if ARGV[6] ~= '' then
  local partial = key('partial', redis.call('HGET', flight, 'turn'))
  redis.call('HSET', partial, ARGV[6], ARGV[7])
  redis.call('PEXPIRE', partial, ARGV[8])
end
return 1
