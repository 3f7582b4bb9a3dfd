-- amend: thread, 'text' | 'delete' | 'stop', message id, new text, ms that what comes before its message is kept,
-- ('stop': the turn to be stopped, or '' for any), when the platform says it was edited (s; '' where that is not known), nonce of the call, ms to remember the nonce
-- returns 1 when there was something to change, else 0. The nonce makes a repeated call do no more and answer as the
-- first did: a stop would else end the next turn.
local thread, change, id, text, at = ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[8])
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

local function stop()
  if not token or (text ~= '' and redis.call('HGET', flight, 'turn') ~= text) then return 0 end
  redis.call('HSET', flight, 'stop', 1)
  tell(true)
  return 1
end

-- What comes before its message waits for it.
local function come_early()
  local early = key('early', id)
  local till, gone, before = unpack(redis.call('HMGET', early, 'until', 'delete', 'at'))
  if change == 'text' and till and tonumber(till) > now and (gone or older(before)) then return 0 end
  redis.call('DEL', early)
  redis.call('HSET', early, 'until', now + tonumber(ARGV[7]), change, text, 'at', ARGV[8])
  redis.call('PEXPIRE', early, ARGV[7])
  -- It may also be a message of the answer: only the worker that writes it knows which of them it removes itself.
  if change == 'delete' and token and token ~= '' then signal('deleted ' .. id .. ' ' .. thread) end
  return 0
end

-- Whether the turn asks the message, and how many others it asks.
local function asked_along()
  local frozen, left = false, 0
  for _, other in ipairs(token and cjson.decode(redis.call('HGET', flight, 'ids')) or {}) do
    if other == id then
      frozen = true
    elseif redis.call('HEXISTS', flight, 'gone:' .. other) == 0 then
      left = left + 1
    end
  end
  return frozen, left
end

local function edit(frozen)
  if frozen and redis.call('HEXISTS', flight, 'outcome') == 1 then return 0 end
  if older(redis.call('HGET', body, 'e:' .. id)) then return 0 end
  if at then redis.call('HSET', body, 'e:' .. id, ARGV[8]) end
  if redis.call('HGET', body, 't:' .. id) == text then return 0 end -- told before
  redis.call('HSET', body, 't:' .. id, text)
  if frozen then
    redis.call('HSET', flight, 'edited', 1)
    tell(false)
  end
  return 1
end

local function take_back(frozen, left)
  if frozen then
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
end

local function amend()
  if change == 'stop' then return stop() end
  if redis.call('EXISTS', key('seen', id)) == 0 then return come_early() end
  if redis.call('HEXISTS', body, 'm:' .. id) == 0 or redis.call('HEXISTS', flight, 'gone:' .. id) == 1 then return 0 end
  if change == 'text' then return edit((asked_along())) end
  return take_back(asked_along())
end

local told = key('told', ARGV[9])
local before = redis.call('GET', told)
if before then return tonumber(before) end
local changed = amend()
redis.call('SET', told, changed, 'PX', ARGV[10])
return changed
