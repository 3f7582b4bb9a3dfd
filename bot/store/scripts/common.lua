-- Put before every script. A script is one step of the mailbox, and harmless when repeated: a client whose answer was
-- lost sends it again. An installation's keys share the hash tag in KEYS[1], `firsttoken:{slack:T1}:`; the thread
-- that a step is about may be known only inside it, so that names are built here rather than passed.
--
--   ready  sorted set: threads that wait for a worker, by fair turn       later  sorted set: lease expiry or retry time
--   mail:<thread>    sorted set: message ids by platform time             body:<thread>   hash: m:<id> record, t:<id> new text,
--   e:<id> when it was edited
--   flight:<thread>  hash: the turn that was claimed and not yet committed
--   turns:<thread>   list: the history                                    meta:<thread>   hash: last, bytes, and of the
--   last message: lanes, since (when it came), place, and spot (where a status for it shows); newest: the id of the
--   newest message of ours
--   seen:<message>   who handed it in first                               fence:<token>   what became of a claim
--   early:<message>  hash: an edit or a deletion that came before the message itself: until, text or delete, and at
--   told:<nonce>     what a change answered
--   pace  sorted set: person, channel or workspace, by its next turn      shown  sorted set: spots, by their status's end
--   partial:<turn>   hash: texts of broken streams                         ours:<message>  the thread it was posted in
--   asked:<who>      sorted set: messages by when they came, silence:<who>  hash: told, until; of who asks too often
--
-- Times are milliseconds of the server's clock. ARGV[1] is added to it (0, except where a test moves time);
-- ARGV[2] is how long what belongs to a mailbox is kept.
local P = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000) + tonumber(ARGV[1])
local KEEP = ARGV[2]

local function key(kind, name) return P .. kind .. ':' .. name end

local function keep(...)
  for _, name in ipairs({...}) do redis.call('PEXPIRE', name, KEEP) end
end

local function signal(text) redis.call('PUBLISH', P .. 'signal', text) end

-- A thread stands in `ready` or in `later`, never in both: a claim takes it out of either before it is put off.
local function make_ready(thread, score)
  redis.call('ZREM', P .. 'later', thread)
  redis.call('ZADD', P .. 'ready', score, thread)
  keep(P .. 'ready')
  signal('ready')
end

local function put_off(thread, at)
  redis.call('ZADD', P .. 'later', at, thread)
  keep(P .. 'later')
end

-- The round of the head of the line, in front of which nobody is.
local function first_round()
  local head = redis.call('ZRANGE', P .. 'ready', 0, 0, 'WITHSCORES')[2]
  return head and math.floor(tonumber(head))
end

-- When a thread's turn comes among those that wait: a round, and within it by time; see `lanes` in rules.py.
local function fair_turn(lanes)
  local pace, first = P .. 'pace', first_round()
  if first then
    redis.call('ZREMRANGEBYSCORE', pace, '-inf', first)
  else
    redis.call('DEL', pace)
  end
  local round = first or 0
  local turn = round
  for _, lane in ipairs(lanes) do
    local name, step = lane[1], tonumber(lane[2])
    local slot = tonumber(redis.call('ZSCORE', pace, name) or round)
    if turn == round then redis.call('ZADD', pace, slot + step, name) end
    turn = math.max(turn, slot)
  end
  keep(pace)
  return turn + (now % 4294967296) / 4294967296
end

local function holds(thread, token)
  return redis.call('HGET', key('flight', thread), 'token') == token
end

-- Take a turn's messages out of the mailbox, and the turn with them; what it posted last is known to the next turn.
local function drop_flight(thread)
  local flight, meta = key('flight', thread), key('meta', thread)
  local newest = redis.call('HGET', flight, 'newest')
  if newest then
    redis.call('HSET', meta, 'newest', newest)
    if redis.call('PTTL', meta) < tonumber(KEEP) then keep(meta) end
  end
  for _, id in ipairs(cjson.decode(redis.call('HGET', flight, 'ids'))) do
    redis.call('ZREM', key('mail', thread), id)
    redis.call('HDEL', key('body', thread), 'm:' .. id, 't:' .. id, 'e:' .. id)
  end
  redis.call('DEL', flight)
end

-- Append a turn to the history, in place of the last one when that is `replaces`; a repeated call changes nothing.
local function append_turn(thread, id, record, replaces, most, most_bytes, ttl)
  local turns, meta = key('turns', thread), key('meta', thread)
  local length = redis.call('LLEN', turns)
  local last = length > 0 and redis.call('HGET', meta, 'last')
  local bytes = length > 0 and tonumber(redis.call('HGET', meta, 'bytes') or 0) or 0
  if last == id then return end
  if replaces ~= '' and last == replaces then bytes = bytes - #redis.call('RPOP', turns) end
  length = redis.call('RPUSH', turns, record)
  bytes = bytes + #record
  if length > most or bytes > most_bytes then
    -- In one large step: what a request begins with, and Claude's cache knows, then stays the same for long.
    while length > 1 and (length > most * 0.75 or bytes > most_bytes * 0.75) do
      bytes = bytes - #redis.call('LPOP', turns)
      length = length - 1
    end
  end
  redis.call('HSET', meta, 'last', id, 'bytes', bytes)
  redis.call('PEXPIRE', turns, ttl)
  if redis.call('PTTL', meta) < tonumber(ttl) then redis.call('PEXPIRE', meta, ttl) end
end
