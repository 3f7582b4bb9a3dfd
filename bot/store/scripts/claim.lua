-- claim: token, turn id, ms of lease, worker, messages a turn may ask, ms to remember the token, ms that no lease and
-- no delay exceeds
-- returns {more}, or {more, thread, flight (flat hash), {record, new text or nil, ...}, {turn, ...}};
-- `more` is 1 when the installation has other threads to claim.
local token, turn, lease, worker = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local most, remember, furthest = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
local fence = key('fence', token)

local function due()
  return redis.call('ZRANGEBYSCORE', P .. 'later', '-inf', now, 'LIMIT', 0, 1)[1]
end

local function answer(thread, ids)
  local flight, body, records = key('flight', thread), key('body', thread), {}
  for _, id in ipairs(ids) do
    records[#records + 1] = redis.call('HGET', body, 'm:' .. id)
    records[#records + 1] = redis.call('HGET', body, 't:' .. id)
  end
  local more = (redis.call('ZCARD', P .. 'ready') > 0 or due()) and 1 or 0
  return {more, thread, redis.call('HGETALL', flight), records, redis.call('LRANGE', key('turns', thread), 0, -1)}
end

-- Whether something of a turn may be on the screen that is not at its end: an answer stored, text shown, or a message
-- recorded of an attempt that was not settled.
local function unended(flight)
  if redis.call('HEXISTS', flight, 'outcome') == 1 or tonumber(redis.call('HGET', flight, 'shown') or 0) > 0 then
    return true
  end
  for _, name in ipairs(redis.call('HKEYS', flight)) do
    local attempt = string.match(name, '^posted:(%d+)$')
    if attempt and redis.call('HEXISTS', flight, 'settled:' .. attempt) == 0 then return true end
  end
  return false
end

-- What is still asked of a turn. When everything was taken back there is nothing to answer; but if readers may have
-- seen something of it, or a worker died, someone has to end it before them.
local function asked(thread)
  local flight, left = key('flight', thread), {}
  local ids = cjson.decode(redis.call('HGET', flight, 'ids'))
  for _, id in ipairs(ids) do
    if redis.call('HEXISTS', flight, 'gone:' .. id) == 0 then left[#left + 1] = id end
  end
  if #left > 0 then return left end
  if redis.call('HGET', flight, 'token') == '' and not unended(flight) then return left end
  redis.call('HSET', flight, 'stop', 1)
  return ids
end

-- The head of the mailbox: one `alone` message (its record begins with "!"), or the run up to the next one.
local function freeze(thread)
  local mail, body, run = key('mail', thread), key('body', thread), {}
  for _, id in ipairs(redis.call('ZRANGE', mail, 0, most - 1)) do
    local alone = string.sub(redis.call('HGET', body, 'm:' .. id) or '', 1, 1) == '!'
    if alone and #run > 0 then break end
    run[#run + 1] = id
    if alone then break end
  end
  if #run > 0 then
    local after = redis.call('HGET', key('meta', thread), 'newest') or ''
    redis.call('HSET', key('flight', thread), 'ids', cjson.encode(run), 'turn', turn, 'first', now, 'claims', 0,
      'after', after)
  end
  return run
end

local mine = redis.call('GET', fence)
if mine and holds(mine, token) then return answer(mine, asked(mine)) end

-- Since the clock was set back nobody would take these before it is where it was. Who lives renews its lease in time.
for _, thread in ipairs(redis.call('ZRANGEBYSCORE', P .. 'later', '(' .. now + furthest, '+inf')) do
  put_off(thread, now + lease)
end

for _ = 1, 100 do
  local queue, thread = P .. 'later', due()
  if not thread then queue, thread = P .. 'ready', redis.call('ZRANGE', P .. 'ready', 0, 0)[1] end
  if not thread then return {0} end
  -- First what takes memory: a full server refuses it whole, so that no turn begins there that could not be recorded.
  redis.call('SET', fence, thread, 'PX', remember)
  redis.call('ZREM', queue, thread)

  local flight, ids = key('flight', thread), {}
  if redis.call('EXISTS', flight) == 1 then
    ids = asked(thread)
    if #ids == 0 then drop_flight(thread) end
  end
  if #ids == 0 then ids = freeze(thread) end
  if #ids > 0 then
    redis.call('HSET', flight, 'token', token, 'worker', worker)
    redis.call('HINCRBY', flight, 'claims', 1)
    redis.call('HINCRBY', flight, 'takes', 1)
    redis.call('HDEL', flight, 'edited')
    put_off(thread, now + lease)
    -- A conversation of its own loses its status with the first message of the answer; a channel's may be of others.
    local spot = redis.call('HGET', key('meta', thread), 'spot')
    if spot and string.sub(spot, -1) ~= ':' then redis.call('ZREM', P .. 'shown', spot) end
    keep(flight, key('mail', thread), key('body', thread))
    return answer(thread, ids)
  end
end
return {1}
