-- What is overdue, who gets whom, and the calls' way: the same as agents/floor_model.py, by the
-- same names. Times in records are strings that hold a double exactly (`stamp`).

-- Step an agent; nil, and nothing changed, when it is illegal.
local function step_agent(id, what, details)
  local after = step(find_agent(id), what, details or {})
  return after and put_agent(after)
end

local function free_agent(call, ending)
  local agent = call.agent_id and load('agent', call.agent_id)
  if agent and HELD[agent.state] and agent.call_id == call.call_id then
    step_agent(agent.agent_id, ending)
  end
end

-- End an offer; the call waits again in its old place.
local function give_back(call, ending)
  free_agent(call, ending)
  put_call(changed(call, { state = 'waiting', agent_id = false, expires_at = false }))
end

-- Forget a call, and let go of its agent.
local function drop(call)
  free_agent(call, call.state == 'talking' and 'hang_up' or 'cancelled')
  put_call(changed(call, { state = 'gone', agent_id = false, expires_at = false }))
end

-- Forget a node: its calls are gone, its calls' agents free.
local function bury(node)
  redis.call('ZREM', key('nodes'), node)
  local calls = redis.call('SMEMBERS', key('node', node))
  table.sort(calls)
  for _, id in ipairs(calls) do
    drop(load('call', id))
  end
end

local function overdue(index)
  return redis.call('ZRANGEBYSCORE', key(index), '-inf', stamp(NOW))
end

local function settle()
  for _, node in ipairs(overdue('nodes')) do
    bury(node)
  end
  for _, id in ipairs(overdue('offers')) do
    -- Nobody rang him in time. He goes to the end of the order: if the fault is his, the next
    -- agent gets the call, and the queue does not stand still.
    give_back(load('call', id), 'refused')
  end
  for _, id in ipairs(overdue('wrapups')) do
    step_agent(id, 'end_wrap_up')
  end
  for _, id in ipairs(overdue('resting')) do
    index_agent(load('agent', id))
  end
end

local function first(index)
  return redis.call('ZRANGE', key(index), 0, 0)[1]
end

-- "<20 characters of arrival time>|<call id>"
local function waiting_call(member)
  return load('call', string.sub(member, 22))
end

local function hold_out(call, agent_id)
  step_agent(agent_id, 'reserve', { call_id = call.call_id, call_node = call.node })
  put_call(changed(call, {
    state = 'offered',
    agent_id = agent_id,
    token = stamp(redis.call('INCR', key('token'))),
    expires_at = stamp(NOW + TIMES.offer),
  }))
end

-- Calls for one certain agent, then the oldest waiting call of the highest priority x longest-ready
-- agent, until one kind runs out.
local function match()
  for _, member in ipairs(redis.call('ZRANGE', key('directed'), 0, -1)) do
    local call = waiting_call(member)
    if redis.call('ZSCORE', key('ready'), call.wanted) then
      hold_out(call, call.wanted)
    end
  end
  while true do
    local member, agent_id = first('waiting'), first('ready')
    if not member or not agent_id then
      return
    end
    hold_out(waiting_call(member), agent_id)
  end
end

-- The call if this lease, or the conversation it became, is still the valid one.
local function fenced(asked)
  local call = load('call', asked.call_id)
  if call and call.agent_id == asked.agent_id and tonumber(call.token) == asked.token then
    return call
  end
  return nil
end

-- Believe in an absent node's conversation until that node speaks, or is dead. A node that is
-- present has told of its calls, and if this one is not among them, it is over.
local function vouch_for(told)
  if redis.call('ZADD', key('nodes'), 'NX', stamp(NOW + TIMES.node), told.call_node) == 0 then
    return
  end
  put_call({
    call_id = told.call_id,
    node = told.call_node,
    arrived_at = told.since,
    priority = '0',
    state = 'talking',
    agent_id = told.agent_id,
    token = '0',
  })
end

local function restore_agent(told)
  local known = load('agent', told.agent_id)
  local held_here = HELD[told.state] and told.call_node == NODE
  if not known then
    put_agent(told)
    if told.state == 'talking' and not held_here then
      vouch_for(told)
    end
    return
  end
  if HELD[known.state] and known.call_node ~= NODE then
    -- Two calls claim him. Only a conversation is a fact; an offer can be taken back.
    if known.state == 'talking' or not (held_here and told.state == 'talking') then
      return
    end
    give_back(load('call', known.call_id), 'cancelled')
  elseif not held_here and (HELD[told.state] or known.node ~= NODE) then
    return -- he has moved on, or another node's call had him: the floor knows better
  end
  put_agent(told)
end

local function restore_call(call)
  if call.state == 'offered' then
    local agent = load('agent', call.agent_id)
    if not agent or agent.call_id ~= call.call_id or agent.call_node ~= NODE then
      call = changed(call, { state = 'waiting', agent_id = false, expires_at = false })
    end
  end
  put_call(changed(call, { node = NODE }))
end

local function free_if_lost(id)
  local agent = load('agent', id)
  if not agent or not HELD[agent.state] then
    return
  end
  local call = load('call', agent.call_id)
  if not call or call.agent_id ~= id then
    step_agent(id, agent.state == 'talking' and 'hang_up' or 'cancelled')
  end
end

local function everyone()
  local ids = redis.call('SMEMBERS', key('agents'))
  table.sort(ids)
  local records = {}
  for i, id in ipairs(ids) do
    records[i] = load('agent', id)
  end
  return records
end

local function calls_of(node)
  local ids = redis.call('SMEMBERS', key('node', node))
  table.sort(ids)
  local records = {}
  for i, id in ipairs(ids) do
    records[i] = load('call', id)
  end
  return records
end

-- The agents who signed in at this node or are held by its calls, and its calls.
local function known_here()
  local known = { agents = {}, calls = calls_of(NODE) }
  for _, agent in ipairs(everyone()) do
    if agent.node == NODE or agent.call_node == NODE then
      known.agents[#known.agents + 1] = agent
    end
  end
  return known
end
