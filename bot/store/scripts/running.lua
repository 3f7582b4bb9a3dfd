-- running: thread
-- returns {} when no turn is under way there, else {turn, record, new text or nil, ...} of what it asks
local thread = ARGV[3]
local flight, body = key('flight', thread), key('body', thread)
local turn = redis.call('HGET', flight, 'turn')
if not turn then return {} end
local found = {turn}
for _, id in ipairs(cjson.decode(redis.call('HGET', flight, 'ids'))) do
  found[#found + 1] = redis.call('HGET', body, 'm:' .. id)
  found[#found + 1] = redis.call('HGET', body, 't:' .. id)
end
return found
