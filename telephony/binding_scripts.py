"""What Redis does with the bindings of phones, each in one step.

KEYS: bindings of the AOR (contact → JSON), index (JSON [aor, contact] → expiry), epoch, stream of
the bindings that were withdrawn: removed, or replaced over another connection. The epoch is a name
that whoever saves first invents: another one, or none, tells that Redis has lost its data since.
"""

from typing import Final

KEPT_SECONDS: Final = 300.0
"""For so long the index keeps who has lapsed, and the stream who was withdrawn last."""
_WITHDRAWN: Final = 10_000
"""So many at least the stream holds."""

_WITHDRAW: Final = f"""
local function withdraw(binding)
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', {_WITHDRAWN}, '*', 'binding', binding)
  redis.call('EXPIRE', KEYS[4], {KEPT_SECONDS:.0f})
end
"""
# A write that was repeated, or overtaken by a later REGISTER of the same phone, changes nothing.
# Returns: the epoch.
SAVE: Final = f"""{_WITHDRAW}
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local known = cjson.decode(old)
  if known.call_id == ARGV[3] and known.cseq > tonumber(ARGV[4]) then
    return redis.call('GET', KEYS[3])
  end
  if known.flow ~= cjson.decode(ARGV[2]).flow then withdraw(old) end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', tonumber(ARGV[7]) - tonumber(ARGV[8]))
redis.call('SET', KEYS[3], ARGV[9], 'NX')
local wanted = math.ceil((tonumber(ARGV[5]) - tonumber(ARGV[7])) * 1000)
if redis.call('PTTL', KEYS[1]) < wanted then redis.call('PEXPIRE', KEYS[1], wanted) end
return redis.call('GET', KEYS[3])
"""
# Not what a later REGISTER has renewed meanwhile.
END: Final = """
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if not kept then return 0 end
local known = cjson.decode(kept)
if known.call_id ~= ARGV[3] or known.cseq ~= tonumber(ARGV[4]) then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
"""
REMOVE: Final = f"""{_WITHDRAW}
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then withdraw(old) end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
"""
# Returns: the epoch, and the AOR's bindings.
LOOKUP: Final = "return {redis.call('GET', KEYS[3]), redis.call('HVALS', KEYS[1])}"
