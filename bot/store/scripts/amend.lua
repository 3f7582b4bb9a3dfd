-- amend: thread, 'text' | 'delete' | 'stop', message id, new text, ms that what comes before its message is kept,
-- when the platform says it was edited (s; '' where that is not known)
-- returns 1 when there was something to change, else 0
local thread, change, id, at = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[8])
local flight, mail, body = key('flight', thread), key('mail', thread), key('body', thread)
local token = redis.call('HGET', flight, 'token')  -- false: no turn; '': it waits for its next attempt

-- Tell the worker that runs the turn; or, if the turn waits, let one take it at once.
local function tell(hurry)
  signal('amended ' .. thread)
  if hurry and token == '' and redis.call('ZSCORE', P .. 'later', thread) then make_ready(thread, first_round() or 0) end
end

-- Events overtake one another: one that was not acknowledged is delivered again, behind what came after it.
local function older(other)
  other = tonumber(other or '')
  return at and other and at < other
end

if change == 'stop' then
  if not token then return 0 end
  redis.call('HSET', flight, 'stop', 1)
  tell(true)
  return 1
end

if redis.call('EXISTS', key('seen', id)) == 0 then
  local early = key('early', id)
  local till, gone, before = unpack(redis.call('HMGET', early, 'until', 'delete', 'at'))
  if change == 'text' and till and tonumber(till) > now and (gone or older(before)) then return 0 end
  redis.call('DEL', early)
  redis.call('HSET', early, 'until', now + tonumber(ARGV[7]), change, ARGV[6], 'at', ARGV[8])
  redis.call('PEXPIRE', early, ARGV[7])
  -- It may also be a message of the answer: only the worker that writes it knows which of them it removes itself.
  if change == 'delete' and token and token ~= '' then signal('deleted ' .. id .. ' ' .. thread) end
  return 0
end
if redis.call('HEXISTS', body, 'm:' .. id) == 0 or redis.call('HEXISTS', flight, 'gone:' .. id) == 1 then return 0 end

local frozen, left = false, 0
if token then
  for _, other in ipairs(cjson.decode(redis.call('HGET', flight, 'ids'))) do
    if other == id then
      frozen = true
    elseif redis.call('HEXISTS', flight, 'gone:' .. other) == 0 then
      left = left + 1
    end
  end
end

if change == 'text' then
  if frozen and redis.call('HEXISTS', flight, 'outcome') == 1 then return 0 end
  if older(redis.call('HGET', body, 'e:' .. id)) then return 0 end
  if at then redis.call('HSET', body, 'e:' .. id, ARGV[8]) end
  if redis.call('HGET', body, 't:' .. id) == ARGV[6] then return 0 end -- told before
  redis.call('HSET', body, 't:' .. id, ARGV[6])
  if frozen then
    redis.call('HSET', flight, 'edited', 1)
    tell(false)
  end
elseif frozen then
  redis.call('HSET', flight, 'gone:' .. id, 1)
  if left == 0 then
    if token ~= '' then redis.call('HSET', flight, 'stop', 1) end
  elseif redis.call('HEXISTS', flight, 'outcome') == 0 then
    redis.call('HSET', flight, 'edited', 1)  -- others asked along: they are asked without it
  end
  tell(left == 0)
else
  redis.call('ZREM', mail, id)
  redis.call('HDEL', body, 'm:' .. id, 't:' .. id, 'e:' .. id)
end
return 1
