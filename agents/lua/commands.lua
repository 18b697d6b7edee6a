-- The commands by name, then the one being executed. ARGV: time (or "" for Redis's own clock),
-- node, command, its arguments as JSON. A command returns its result; an illegal step of an agent
-- is returned as `refused`.

local refused = nil

-- What the agent himself asks for: the only steps that can be illegal.
local function wish(what)
  return function(asked)
    local after = step_agent(asked.agent_id, what, { reason = asked.reason, node = NODE })
    if not after then
      refused = { agent_id = asked.agent_id, state = find_agent(asked.agent_id).state, input = what }
    end
    return after
  end
end

local COMMANDS = {
  sign_out = wish('sign_out'),
  set_ready = wish('set_ready'),
  set_not_ready = wish('set_not_ready'),
  extend_wrap_up = wish('extend_wrap_up'),
}

function COMMANDS.sign_in(asked)
  local agent = find_agent(asked.agent_id)
  if asked.pools then
    agent = changed(agent, { pools = asked.pools, group = asked.group or false })
  end
  return put_agent(step(agent, 'sign_in', { node = NODE }))
end

function COMMANDS.set_desktop(asked)
  local agent = load('agent', asked.agent_id)
  if not agent then
    return nil
  elseif asked.connected then
    return put_agent(changed(agent, { desktop = NODE }))
  elseif agent.desktop == NODE then
    return put_agent(changed(agent, { desktop = false }))
  end
  return agent -- another desktop has taken over
end

function COMMANDS.set_pools(asked)
  local agent = find_agent(asked.agent_id)
  return put_agent(changed(agent, { pools = asked.pools, group = asked.group or false }))
end

-- Returns the offers of this node's calls that nobody has rung: a wake-up may have been missed. With
-- `audit` false, where merely something is due: a hundred reads, and the others wait meanwhile.
function COMMANDS.beat(asked)
  if asked.audit ~= false then
    audit()
  end
  local unrung = {}
  for _, id in ipairs(redis.call('ZINTER', 2, key('offers'), key('node', NODE))) do
    local call = load_named('call', id, key('offers'))
    local agent = call and call.agent_id and load_named('agent', call.agent_id, key('agents'))
    if agent and agent.state == 'reserved' then
      unrung[#unrung + 1] = call
    end
  end
  return unrung
end

function COMMANDS.end_wrap_up(asked)
  local agent = find_agent(asked.agent_id)
  return agent.state == 'wrap_up' and step_agent(asked.agent_id, 'end_wrap_up') or agent
end

function COMMANDS.set_phones(asked)
  return put_agent(changed(find_agent(asked.agent_id), { phones = stamp(asked.count) }))
end

function COMMANDS.enqueue(asked)
  if not load('call', asked.call_id) then
    put_call({
      call_id = asked.call_id,
      node = NODE,
      arrived_at = stamp(asked.arrived_at),
      priority = stamp(asked.priority),
      state = 'waiting',
      token = '0',
      wanted = asked.wanted,
      wants = asked.wants or ('0|' .. (asked.wanted and 'agent:' .. asked.wanted or 'any') .. '|0|0'),
      opened = '0',
    })
  end
end

function COMMANDS.dequeue(asked)
  local call = load('call', asked.call_id)
  if call then
    drop(call)
  end
end

function COMMANDS.ringing(asked)
  local call = fenced(asked)
  if call and call.state == 'offered' then
    step_agent(call.agent_id, 'ring')
    put_call(changed(call, { expires_at = stamp(NOW + TIMES.offer) }))
  end
  return call ~= nil
end

function COMMANDS.talking(asked)
  local call = fenced(asked)
  if call and call.state == 'offered' then
    step_agent(call.agent_id, 'answer')
    put_call(changed(call, { state = 'talking', expires_at = false }))
  end
  return call ~= nil
end

function COMMANDS.set_talk(asked)
  local agent = find_agent(asked.agent_id)
  if agent.state == 'talking' and agent.call_id == asked.call_id then
    step_agent(asked.agent_id, 'talk', { talk = asked.talk })
  end
end

-- The rules have changed while the call waits, or is held out: it may wait again.
function COMMANDS.set_wants(asked)
  local call = load('call', asked.call_id)
  if call and call.state ~= 'talking' and not call.wanted then
    put_call(changed(call, { wants = asked.wants, priority = stamp(asked.priority) }))
  end
end

function COMMANDS.release(asked)
  local call = fenced(asked)
  if not call or call.state ~= 'offered' then
    free_if_lost(asked.agent_id)
    return
  end
  if asked.outcome == 'cancelled' then
    drop(call)
  else
    give_back(call, asked.outcome == 'busy' and 'refused' or asked.outcome)
  end
end

function COMMANDS.finish(asked)
  local call = load('call', asked.call_id)
  if call and call.state == 'talking' and call.agent_id == asked.agent_id then
    drop(call)
  else
    free_if_lost(asked.agent_id)
  end
end

function COMMANDS.leave()
  bury(NODE)
end

function COMMANDS.restore(asked)
  if asked.token > tonumber(redis.call('GET', key('token')) or '0') then
    redis.call('SET', key('token'), stamp(asked.token))
  end
  local freed = {}
  for _, call in ipairs(calls_of(NODE)) do
    freed[#freed + 1] = call.agent_id
    put_call(changed(call, { state = 'gone' }))
  end
  forget_desktops(NODE)
  for _, agent in ipairs(asked.agents) do
    freed[#freed + 1] = agent.agent_id
    redis.call('SADD', key('agents'), agent.agent_id)
    restore_agent(changed(agent, { desktop = false }))
    local known = load('agent', agent.agent_id)
    if agent.desktop == NODE and not known.desktop then
      put_agent(changed(known, { desktop = NODE }))
    end
  end
  for _, call in ipairs(asked.calls) do
    restore_call(call)
  end
  table.sort(freed)
  for _, id in ipairs(freed) do
    free_if_lost(id)
  end
  settle() -- what was told may be overdue by now
  local known = known_here()
  redis.call('SREM', key('asked'), NODE) -- also if something was missed only now
  return known
end

COMMANDS.known = known_here
COMMANDS.everyone = everyone

function COMMANDS.presence(asked)
  return load('agent', asked.agent_id)
end

function COMMANDS.counts()
  local counts = {
    waiting = redis.call('ZCARD', key('waiting')),
    offers = redis.call('ZCARD', key('offers')),
    conversations = redis.call('SCARD', key('conversations')),
  }
  for state in pairs(TRANSITIONS) do
    counts[state] = tonumber(redis.call('HGET', key('states'), state) or '0')
  end
  return counts
end

function COMMANDS.position(asked)
  local call = load('call', asked.call_id)
  if not call or call.state ~= 'waiting' or call.opened == '0' then
    return 0
  end
  local rank = redis.call('ZRANK', key('queue', read_wants(call)[1].queue), call.call_id)
  return rank and rank + 1 or 0
end

-- Calls that have waited for so long though somebody fits; what comes after this matches them.
function COMMANDS.stalled(asked)
  local stalled = {}
  if held_until then
    return stalled
  end
  local ids = redis.call(
    'ZRANGEBYSCORE', key('waiting'), '-inf', stamp(NOW - asked.seconds), 'LIMIT', 0, 100
  )
  for _, id in ipairs(ids) do
    local call = load_named('call', id, key('waiting'))
    local agent_id = call and best_agent(call)
    if agent_id then
      stalled[#stalled + 1] = { call_id = id, agent_id = agent_id }
      join_queues(call, read_wants(call))
    end
  end
  return stalled
end

-- When the next lease, wrap-up or pause ends.
local function due()
  if held_until then
    return stamp(held_until)
  end
  local soonest = nil
  for _, index in ipairs({ 'offers', 'wrapups', 'resting', 'alone', 'widening' }) do
    local head = redis.call('ZRANGE', key(index), 0, 0, 'WITHSCORES')
    if head[2] and (not soonest or tonumber(head[2]) < tonumber(soonest)) then
      soonest = head[2]
    end
  end
  return soonest
end

local name, asked = ARGV[3], cjson.decode(ARGV[4])
local sequence = tonumber(redis.call('GET', key('sequence')) or '0')
if sequence == 0 then
  ask_again() -- they believe nothing that has a smaller number than what they have heard
end
local function is_known(node)
  return redis.call('ZSCORE', key('nodes'), node)
    and redis.call('SISMEMBER', key('asked'), node) == 0
end
if name ~= 'restore' and not is_known(NODE) then
  return cjson.encode({ unknown = true, now = stamp(NOW), sequence = sequence })
end
sequence = redis.call('INCR', key('sequence'))
notice_silence()
redis.call('ZADD', key('nodes'), stamp(NOW + TIMES.node), NODE)
if name == 'restore' then
  begin_life(asked)
end
end_grace()
settle()
match()
local result = COMMANDS[name](asked)
match()
if result and type(result) == 'table' and result.agent_id then
  result = load('agent', result.agent_id) or result -- it may have been matched meanwhile
end
for node, news in pairs(journal.nodes) do
  -- A buried node is told nothing: should it live after all, it must put back what it knows, and
  -- not unlearn it.
  if redis.call('ZSCORE', key('nodes'), node) then
    news.sequence = sequence
    redis.call('PUBLISH', key('to', node), cjson.encode(news))
  end
end
return cjson.encode({
  result = result,
  refused = refused,
  presences = journal.presences,
  calls = journal.calls,
  due = due(),
  now = stamp(NOW),
  sequence = sequence,
})
