-- Busy follows from live calls, and an index from the records: each beat of a node looks at some of the
-- records and puts right what does not agree. Scripts keep them in agreement; what the audit is for is
-- a Redis that has lost a key.

local AUDITED_AT_ONCE = 20

-- Some of what an index names, others each time.
local function some_of(index)
  local is_set = redis.call('TYPE', key(index)).ok == 'set'
  return redis.call(is_set and 'SRANDMEMBER' or 'ZRANDMEMBER', key(index), AUDITED_AT_ONCE)
end

local function is_indexed(index, id, time)
  return not time or redis.call('ZSCORE', key(index), id)
end

-- Let go of an agent whose call there is not, or is held out to another or talking with him, unless
-- its node tells of it when it is asked.
local function audit_hold(agent)
  local id = agent.agent_id
  local call = HELD[agent.state] and load('call', agent.call_id)
  if not HELD[agent.state] or (call and call.agent_id == id) then
    redis.call('HDEL', key('doubts'), id)
    return call
  end
  local since = redis.call('HGET', key('doubts'), id)
  if not since then
    redis.call('HSET', key('doubts'), id, stamp(NOW))
    ask_again()
  elseif tonumber(since) > NOW then -- the clock has been put back
    redis.call('HSET', key('doubts'), id, stamp(NOW))
  elseif tonumber(since) + TIMES.grace <= NOW then
    redis.call('HDEL', key('doubts'), id)
    free_if_lost(id)
  end
  return call
end

local function audit_agent(agent)
  local id = agent.agent_id
  local able = agent.state == 'ready' and tonumber(agent.phones) > 0
  local resting = able and agent.not_before and tonumber(agent.not_before) > NOW
  local listed = is_indexed('resting', id, resting)
    and is_indexed('wrapups', id, agent.wrap_up_until)
    and is_indexed('alone', id, agent.alone_until)
  for_pools(agent, function(pool)
    listed = listed and is_indexed('ready:' .. pool, id, able and not resting)
  end)
  if not listed then
    index_agent(agent, agent)
  end
  if agent.desktop then
    redis.call('SADD', key('desk', agent.desktop), id)
  end
end

local function audit_call(call)
  local id = call.call_id
  local listed = redis.call('SISMEMBER', key('node', call.node), id) == 1
    and is_indexed('offers', id, call.state == 'offered')
    and is_indexed('waiting', id, call.state == 'waiting')
    and is_indexed('widening', id, call.widen_at)
  if call.state == 'talking' then
    redis.call('SADD', key('conversations'), id)
  end
  local wants = read_wants(call)
  for i = 1, call.state == 'waiting' and tonumber(call.opened) or 0 do
    listed = listed
      and is_indexed('queue:' .. wants[i].queue, id, true)
      and redis.call('SISMEMBER', key('wants', wants[i].pool), wants[i].queue) == 1
  end
  if not listed then
    put_call(call)
  end
end

-- Count the agents by state again where the numbers are not those of the agents.
local function audit_states()
  local counted = 0
  for _, number in ipairs(redis.call('HVALS', key('states'))) do
    counted = counted + tonumber(number)
  end
  if counted == redis.call('SCARD', key('agents')) then
    return
  end
  redis.call('DEL', key('states'))
  for _, agent in ipairs(everyone()) do
    redis.call('HINCRBY', key('states'), agent.state, 1)
  end
  ask_again() -- it may be the agents who are lost
end

-- Bring times near that lie further ahead than they can: Redis's clock has been put back, and the
-- agents would wrap up, or the dead live, for as long.
local function audit_times()
  local function ahead(index, most, each)
    local latest = NOW + most
    local ids = redis.call(
      'ZRANGEBYSCORE', key(index), '(' .. stamp(latest), '+inf', 'LIMIT', 0, AUDITED_AT_ONCE
    )
    for _, id in ipairs(ids) do
      each(id, stamp(latest))
    end
  end
  local function agents(field)
    return function(id, time)
      local agent = load('agent', id)
      if agent and agent[field] then
        put_agent(changed(agent, { [field] = time }))
      end
    end
  end
  ahead('nodes', TIMES.node, function(id, time)
    redis.call('ZADD', key('nodes'), time, id)
  end)
  ahead('wrapups', TIMES.wrap_up + TIMES.extension, agents('wrap_up_until'))
  ahead('resting', TIMES.reoffer, agents('not_before'))
  ahead('alone', TIMES.alone, agents('alone_until'))
  ahead('offers', TIMES.offer, function(id, time)
    local call = load('call', id)
    if call and call.state == 'offered' then
      put_call(changed(call, { expires_at = time }))
    end
  end)
end

local function audit()
  audit_times()
  audit_states()
  for _, id in ipairs(some_of('agents')) do
    local agent = load_named('agent', id, key('agents'))
    local call = agent and audit_hold(agent)
    if call then
      audit_call(call)
    end
    agent = agent and load('agent', id)
    if agent then
      audit_agent(agent)
    end
  end
  for _, index in ipairs({ 'waiting', 'node:' .. NODE }) do
    for _, id in ipairs(some_of(index)) do
      local call = load_named('call', id, key(index))
      if call then
        audit_call(call)
      end
    end
  end
end
