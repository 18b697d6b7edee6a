-- Who asks, and what time it is. ARGV[1] is empty in service: Redis's own clock is then used, so
-- that leases do not depend on the nodes' clocks agreeing. Tests pass a time.

-- A number as a string that holds a double exactly; Lua's own conversion keeps 14 digits, which is
-- a tenth of a millisecond of Unix time.
local function stamp(number)
  return string.format('%.17g', number)
end

local function redis_clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6
end

local NOW = tonumber(ARGV[1]) or redis_clock()
local NODE = ARGV[2]
local TIMES = {
  offer = tonumber(ARGV[5]),
  reoffer = tonumber(ARGV[6]),
  wrap_up = tonumber(ARGV[7]),
  node = tonumber(ARGV[8]),
  alone = tonumber(ARGV[9]),
  extension = tonumber(ARGV[10]),
  ageing = tonumber(ARGV[11]),
  grace = tonumber(ARGV[12]),
}
