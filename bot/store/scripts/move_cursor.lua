-- move_cursor: value, ms it is kept; KEYS[1] is the cursor itself
-- Decimal numbers compared as text: snowflakes are beyond what a Lua number holds exactly.
local function split(text)
  local whole, fraction = string.match(text, '^0*(%d*)%.?(%d*)$')
  return whole, fraction
end
local new, new_fraction = split(ARGV[3])
local stored = redis.call('GET', KEYS[1])
if stored then
  local old, old_fraction = split(stored)
  local ahead = #new > #old or (#new == #old and (new > old or (new == old and new_fraction > old_fraction)))
  if not ahead then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
