-- What is overdue, who gets whom, and the calls' way: the same as agents/floor_model.py, by the
-- same names. Times in records are strings that hold a double exactly (`stamp`).

-- Step an agent; nil, and nothing changed, when it is illegal.
local function step_agent(id, what, details)
  local after = step(find_agent(id), what, details or {})
  return after and put_agent(after)
end

-- Make an agent the one who talks in this call.
local function join(agent, call)
  local after = copy(agent)
  after.state, after.since = 'talking', stamp(NOW)
  after.call_id, after.call_node = call.call_id, call.node
  after.ready_since, after.not_before = nil, nil
  after.wrap_up_until, after.reason, after.talk = nil, nil, nil
  put_agent(after)
end

-- Let go of a held agent: into the other conversation that a node says he is in, if there is one.
local function let_agent_go(agent, ending)
  local id = redis.call('HGET', key('claims'), agent.agent_id)
  local call = id and load('call', id)
  redis.call('HDEL', key('claims'), agent.agent_id)
  if call and call.state == 'talking' and call.agent_id == agent.agent_id then
    join(agent, call)
  elseif not step_agent(agent.agent_id, ending) then
    -- (the call's record says something else than his)
    step_agent(agent.agent_id, agent.state == 'talking' and 'hang_up' or 'cancelled')
  end
end

local function free_agent(call, ending)
  local agent = call.agent_id and load('agent', call.agent_id)
  if agent and HELD[agent.state] and agent.call_id == call.call_id then
    let_agent_go(agent, ending)
  end
end

-- End an offer; the call waits again in its old place.
local function give_back(call, ending)
  free_agent(call, ending)
  put_call(changed(call, { state = 'waiting', agent_id = false, expires_at = false }))
end

-- Take back what is offered to an agent; his call may be one of which nobody has told yet.
local function take_back(agent)
  local call = load('call', agent.call_id)
  if call and call.agent_id == agent.agent_id then
    give_back(call, 'cancelled')
  else
    let_agent_go(agent, 'cancelled')
  end
end

-- Forget a call, and let go of its agent.
local function drop(call)
  free_agent(call, call.state == 'talking' and 'hang_up' or 'cancelled')
  put_call(changed(call, { state = 'gone', agent_id = false, expires_at = false }))
end

local function forget_desktops(node)
  for _, agent in ipairs(load_all('agent', key('desk', node))) do
    put_agent(changed(agent, { desktop = false }))
  end
end

-- Forget a node: its calls are gone, its calls' agents free, its desktops away.
local function bury(node)
  redis.call('ZREM', key('nodes'), node)
  redis.call('SREM', key('asked'), node)
  forget_desktops(node)
  for _, call in ipairs(load_all('call', key('node', node))) do
    drop(call)
  end
end

local function overdue(index)
  return redis.call('ZRANGEBYSCORE', key(index), '-inf', stamp(NOW))
end

-- Deal with each record that is overdue: its `field` holds the time. Whom an index names wrongly, it
-- names no longer: he would be overdue for ever.
local function settle_overdue(index, name, field, deal)
  for _, id in ipairs(overdue(index)) do
    local record = load_named(name, id, key(index))
    if record and record[field] then
      deal(record)
    elseif record then
      strike(key(index), id)
    end
  end
end

-- Notice that Redis has started anew, with its data or without; and the end of the grace that
-- follows: until then nodes tell what they know, and nothing follows from it. Whoever tells first
-- may know an agent as ready whom another node has in a conversation, and leases ran out and nodes
-- fell silent only because nobody could say otherwise.
local held_until = tonumber(redis.call('GET', key('held')) or '')

local function hold()
  held_until = NOW + TIMES.grace
  redis.call('SET', key('held'), stamp(held_until))
end

-- Redis's clock has been put back during the grace: it shall not last as much longer.
if held_until and held_until > NOW + TIMES.grace then
  hold()
end

-- Hold, too, where all nodes are overdue: they did not fall silent together, nobody reached Redis. Which
-- was frozen, or cut off from them; of those who come back the first must not bury the others.
local function notice_silence()
  local newest = redis.call('ZRANGE', key('nodes'), -1, -1, 'WITHSCORES')[2]
  local silent = newest and tonumber(newest) <= NOW
  local held = held_until and held_until > NOW -- a hold that has passed counts for nothing
  if silent and not held and redis.call('ZCARD', key('nodes')) > 1 then
    hold()
  end
end

local function begin_life(asked)
  local run = asked.run
  local known = redis.call('GET', key('run'))
  if not run or run == known then
    return
  end
  if known or #asked.agents > 0 or #asked.calls > 0 or asked.token > 0 then -- not the very first life
    hold()
  end
  redis.call('SET', key('run'), run)
end

local function end_grace()
  if not held_until or held_until > NOW then
    return
  end
  held_until = nil
  redis.call('DEL', key('held'))
  for _, id in ipairs(redis.call('ZRANGE', key('waiting'), 0, -1)) do
    local call = load_named('call', id, key('waiting'))
    local wants = call and read_wants(call)
    for i = 1, call and tonumber(call.opened) or 0 do
      touched[wants[i].queue] = true
    end
  end
end

local function settle()
  if held_until then
    return
  end
  for _, node in ipairs(overdue('nodes')) do
    bury(node)
  end
  settle_overdue('offers', 'call', 'expires_at', function(call)
    -- Nobody rang him in time. He goes to the end of the order: if the fault is his, the next
    -- agent gets the call, and the queue does not stand still.
    give_back(call, 'refused')
  end)
  settle_overdue('wrapups', 'agent', 'wrap_up_until', function(agent)
    step_agent(agent.agent_id, 'end_wrap_up')
  end)
  settle_overdue('resting', 'agent', 'not_before', function(agent)
    index_agent(agent, agent)
  end)
  settle_overdue('alone', 'agent', 'alone_until', function(agent)
    step_agent(agent.agent_id, 'lost')
  end)
  settle_overdue('widening', 'call', 'widen_at', put_call)
end

-- The best agent for a call: the want that opened first, then the highest level, then the longest
-- ready. A pool's first agent has its highest level.
local function best_agent(call)
  local wants, best = read_wants(call), nil
  for i = 1, tonumber(call.opened) do
    local want = wants[i]
    if best and want.after > best.after then
      break
    end
    local pool = key('ready', want.pool)
    local head = redis.call('ZRANGE', pool, 0, 0, 'WITHSCORES')
    local rank = tonumber(head[2])
    if
      rank
      and rank <= LEVEL_WEIGHT - 1 - want.level * LEVEL_WEIGHT
      and (want.keep == 0 or redis.call('ZCARD', pool) > want.keep)
      and (not best or rank < best.rank or (rank == best.rank and head[1] < best.agent_id))
    then
      best = { after = want.after, rank = rank, agent_id = head[1] }
    end
  end
  return best and best.agent_id
end

-- The first call of a want's queue.
local function head_of(want)
  local head = redis.call('ZRANGE', key('queue', want), 0, 0, 'WITHSCORES')
  return head[1] and { call_id = head[1], place = tonumber(head[2]) }
end

local function before(one, other)
  if one.place ~= other.place then
    return one.place < other.place
  end
  return one.call_id < other.call_id
end

-- Offer him the call; false where he is listed and yet cannot be offered one: he is listed no longer.
local function hold_out(call, agent_id)
  if not step_agent(agent_id, 'reserve', { call_id = call.call_id, call_node = call.node }) then
    unlist(find_agent(agent_id))
    for _, want in ipairs(read_wants(call)) do
      strike(key('ready', want.pool), agent_id)
    end
    ask_again()
    return false
  end
  put_call(changed(call, {
    state = 'offered',
    agent_id = agent_id,
    token = stamp(redis.call('INCR', key('token'))),
    expires_at = stamp(NOW + TIMES.offer),
  }))
  return true
end

-- Hold out each waiting call, in their order, to the best agent for it. Only the queues of the
-- touched wants can have something to give; what all calls of a queue want is the same, so a queue
-- whose first call finds nobody has nothing to give either.
local function match()
  if held_until then
    return
  end
  local heads = {}
  for want in pairs(touched) do
    heads[want] = head_of(want)
  end
  touched = {}
  while true do
    local next_want, next_head = nil, nil
    for want, head in pairs(heads) do
      if not next_head or before(head, next_head) then
        next_want, next_head = want, head
      end
    end
    if not next_head then
      return
    end
    local call = load_named('call', next_head.call_id, key('queue', next_want))
    local agent_id = call and best_agent(call)
    if not call then
      heads[next_want] = head_of(next_want) or nil
    elseif agent_id and hold_out(call, agent_id) then
      for want, head in pairs(heads) do
        if head.call_id == call.call_id then
          heads[want] = head_of(want) or nil
        end
      end
    elseif not agent_id then
      heads[next_want] = nil
    end
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
    wants = '0|any|0|0',
    opened = '0',
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
    take_back(known)
  elseif not held_here and (HELD[told.state] or known.node ~= NODE) then
    return -- he has moved on, or another node's call had him: the floor knows better
  end
  put_agent(changed(told, { desktop = known.desktop or false }))
end

-- A node says that this agent talks in its call. He does, unless a node that has not told yet had him
-- in a conversation: then he does when that is known to be over.
local function claim(call)
  local agent = find_agent(call.agent_id)
  if not HELD[agent.state] then
    join(agent, call)
  elseif agent.call_id ~= call.call_id then
    redis.call('HSET', key('claims'), agent.agent_id, call.call_id)
    if agent.state ~= 'talking' then
      take_back(agent)
    end
  end
end

local function restore_call(call)
  if call.state == 'offered' then
    local agent = load('agent', call.agent_id)
    if not agent or agent.call_id ~= call.call_id or agent.call_node ~= NODE then
      call = changed(call, { state = 'waiting', agent_id = false, expires_at = false })
    end
  end
  call = changed(call, { node = NODE })
  put_call(call)
  if call.state == 'talking' then
    claim(call)
  end
end

local function free_if_lost(id)
  local agent = load('agent', id)
  if not agent or not HELD[agent.state] then
    return
  end
  local call = load('call', agent.call_id)
  if not call or call.agent_id ~= id then
    let_agent_go(agent, agent.state == 'talking' and 'hang_up' or 'cancelled')
  end
end

-- What the nodes ask for

local function everyone()
  return load_all('agent', key('agents'))
end

local function calls_of(node)
  return load_all('call', key('node', node))
end

-- The agents who signed in at this node, are held by its calls or have their desktop here, and its
-- calls.
local function known_here()
  local known = { agents = {}, calls = calls_of(NODE) }
  for _, agent in ipairs(everyone()) do
    if agent.node == NODE or agent.call_node == NODE or agent.desktop == NODE then
      known.agents[#known.agents + 1] = agent
    end
  end
  return known
end
