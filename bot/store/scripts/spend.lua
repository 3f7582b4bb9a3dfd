-- spend: worker, act (ask, made, back, rest, look), id of the write, µs (since it was made; of rest), then of every bucket:
-- name, calls, µs of window, burst, room (for each live reply, at most, at least, µs within which what comes in again
-- counts as left), the worker's live replies and their roots there, the version it knows, µs that a grant may lie
-- ahead, µs that what it says of its replies lasts
--
--   spent:<bucket>   sorted set: writes of the last window by their time (µs)
--   life:<bucket>    when the other two were made: another one has forgotten what there was
--   budget:<bucket>  hash: version; by, who made it this, with all his changes since that version; at, when a burst
--                    would be whole again; rest, its end; w:<worker>, what it said
--
-- returns {granted, µs to wait, then of every bucket {life, µs since then, version, rest, µs it lasts, replies and
-- 1000 × roots of the other workers, µs since each write, or nothing where the worker knew all others}}
local worker, act, id, span = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local us = clock[1] * 1000000 + clock[2] + tonumber(ARGV[1]) * 1000
local FIELDS = 13

local function whole(number) return string.format('%.0f', number) end

local buckets = {}
for i = 7, #ARGV, FIELDS do
  local n = {}
  for j = 1, FIELDS - 1 do n[j] = tonumber(ARGV[i + j]) end
  local b = {
    spent = key('spent', ARGV[i]), state = key('budget', ARGV[i]), life_key = key('life', ARGV[i]),
    calls = n[1], window = n[2], burst = n[3], soon = n[7], replies = n[8], roots = n[9], known = n[10],
    ahead = n[11], lasts = n[12],
    version = 0, by = '', since = 0, at = 0, rest = 0, others = 0, others_roots = 0
  }
  b.life = tonumber(redis.call('GET', b.life_key) or us)
  local flat = redis.call('HGETALL', b.state)
  for f = 1, #flat, 2 do
    local name, value = flat[f], flat[f + 1]
    if name == 'version' or name == 'since' or name == 'at' or name == 'rest' then
      b[name] = tonumber(value)
    elseif name == 'by' then
      b.by = value
    elseif name ~= 'w:' .. worker then
      local replies, roots, till = string.match(value, '(%S+) (%S+) (%S+)')
      local left = tonumber(till) - us
      if left > 0 and left <= b.lasts then
        b.others, b.others_roots = b.others + tonumber(replies), b.others_roots + tonumber(roots)
      else
        redis.call('HDEL', b.state, name)
      end
    end
  end
  -- A write that lies far ahead was entered before the server's clock was set back: everything moves back with it.
  local newest = tonumber(redis.call('ZRANGE', b.spent, -1, -1, 'WITHSCORES')[2] or us)
  if newest > us + b.ahead then
    local times = redis.call('ZRANGE', b.spent, 0, -1, 'WITHSCORES')
    for t = 1, #times, 2 do redis.call('ZADD', b.spent, whole(times[t + 1] - newest + us), times[t]) end
    b.at, b.rest = b.at - newest + us, b.rest > newest and b.rest - newest + us or 0
    b.version, b.by, b.since = us, '', 0
  end
  b.stale = b.version ~= b.known and (b.by ~= worker or b.known < b.since)
  b.room = math.max(n[6], math.min(n[4] * (b.others + b.replies), n[5]), 0)
  redis.call('ZREMRANGEBYSCORE', b.spent, '-inf', whole(us - b.window))
  buckets[#buckets + 1] = b
end

-- When a bucket lets a write go that leaves `room`: no rest, spaced beyond the burst, and no window holds too many.
local function free(b, room)
  local at = math.max(us, b.rest, b.at - (b.burst - 1 - room) * b.window / b.calls)
  local count = redis.call('ZCARD', b.spent)
  local over = math.min(count, math.ceil(count + 1 + room - b.calls))
  if over > 0 then
    at = math.max(at, redis.call('ZRANGE', b.spent, over - 1, over - 1, 'WITHSCORES')[2] + b.window)
  end
  return at
end

local function due(b)
  local at = free(b, b.room)
  return (at <= us or b.soon == 0) and at or math.max(at - b.soon, free(b, 0))
end

local function change(b)
  if b.by ~= worker then b.by, b.since = worker, b.version end
  b.version = us
end

local function enter(at)
  for _, b in ipairs(buckets) do
    if redis.call('ZADD', b.spent, 'NX', whole(at), id) == 1 then
      local times = {id, at}
      if redis.call('ZRANGE', b.spent, -1, -1)[1] ~= id then
        -- One that is told late takes its place among the others.
        times, b.at = redis.call('ZRANGE', b.spent, 0, -1, 'WITHSCORES'), 0
      end
      for t = 2, #times, 2 do b.at = math.max(b.at, tonumber(times[t])) + b.window / b.calls end
      change(b)
    end
  end
end

local granted, wait = 1, 0
if act == 'ask' then
  local entered = redis.call('ZSCORE', buckets[1].spent, id)
  local at = us
  if entered then
    at = tonumber(entered)
  else
    for _, b in ipairs(buckets) do at = math.max(at, due(b)) end
  end
  wait = math.max(0, at - us)
  if not entered and wait <= buckets[1].ahead then
    enter(at)
  elseif not entered then
    granted = 0
  end
elseif act == 'made' then
  enter(us - span)
elseif act == 'back' then
  for _, b in ipairs(buckets) do
    -- What was spaced after it stays so: only the newest write gives its place back.
    local newest = redis.call('ZRANGE', b.spent, -1, -1)[1] == id
    if redis.call('ZREM', b.spent, id) == 1 then
      change(b)
      if newest then b.at = b.at - b.window / b.calls end
    end
  end
elseif act == 'rest' then
  for _, b in ipairs(buckets) do b.rest = math.max(b.rest, us + span) end
end

local answer = {granted, math.ceil(wait)}
for _, b in ipairs(buckets) do
  redis.call('HSET', b.state, 'version', whole(b.version), 'by', b.by, 'since', whole(b.since),
    'at', whole(b.at), 'rest', whole(b.rest), 'w:' .. worker, string.format('%d %.3f %.0f', b.replies, b.roots, us + b.lasts))
  -- A rest is remembered for a window after its end, so that who did not write meanwhile learns of it.
  local ms = whole((math.max(b.at - us, b.rest - us, 0) + b.window + b.lasts) / 1000)
  redis.call('SET', b.life_key, whole(b.life), 'PX', ms)
  redis.call('PEXPIRE', b.state, ms)
  redis.call('PEXPIRE', b.spent, ms)
  local news = {b.life, us - b.life, b.version, b.rest, math.max(b.rest - us, 0), b.others, math.floor(b.others_roots * 1000)}
  if b.stale then
    local times, spent = redis.call('ZRANGE', b.spent, 0, -1, 'WITHSCORES'), {}
    for t = 2, #times, 2 do spent[#spent + 1] = us - tonumber(times[t]) end
    news[8] = spent
  end
  answer[#answer + 1] = news
end
return answer
