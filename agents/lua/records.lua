-- Records, their indexes, and the journal of what changed. Every key begins with KEYS[1], which
-- carries the hash tag {floor}, so that all of them live in one slot of a Redis Cluster.
--
--   <base>:agent:<id>      hash    a Presence (agents/presence.py); what is None is absent
--   <base>:agents          set     ids of all agents
--   <base>:states          hash    state -> number of agents
--   <base>:ready           zset    agents who may be offered a call, by ready_since
--   <base>:resting         zset    agents who are ready but refused just now, by not_before
--   <base>:wrapups         zset    agents in wrap-up, by its end
--   <base>:call:<id>       hash    a Call (agents/commands.py)
--   <base>:waiting         zset    score -priority, members "<arrived_at>|<id>": equal scores are
--                                  ordered by member, which is the order of arrival
--   <base>:directed        zset    the same, of calls that one certain agent is wanted for
--   <base>:offers          zset    offered calls, by the lease's expiry
--   <base>:conversations   set     calls in which somebody talks
--   <base>:node:<name>     set     calls of a node
--   <base>:nodes           zset    living nodes, by the time at which they will be taken for dead
--   <base>:token, <base>:sequence  counters
--   <base>:to:<name>       channel wake-ups for a node

local BASE = KEYS[1]
local journal = { presences = {}, calls = {}, nodes = {} }

local function key(name, id)
  return id and (BASE .. ':' .. name .. ':' .. id) or (BASE .. ':' .. name)
end

local function load(name, id)
  local flat = redis.call('HGETALL', key(name, id))
  if #flat == 0 then
    return nil
  end
  local record = {}
  for i = 1, #flat, 2 do
    record[flat[i]] = flat[i + 1]
  end
  return record
end

local function save(name, id, record)
  local flat = {}
  for field, value in pairs(record) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value
  end
  redis.call('DEL', key(name, id))
  redis.call('HSET', key(name, id), unpack(flat))
end

local function same(one, other)
  for field, value in pairs(one) do
    if other[field] ~= value then
      return false
    end
  end
  for field in pairs(other) do
    if one[field] == nil then
      return false
    end
  end
  return true
end

-- Write a change down for the asking node, and for every other node that it concerns.
local function note(kind, record, ...)
  local list = journal[kind]
  list[#list + 1] = record
  for i = 1, select('#', ...) do
    local node = select(i, ...)
    if node and node ~= NODE then
      local others = journal.nodes[node]
      if not others then
        others = { presences = {}, calls = {} }
        journal.nodes[node] = others
      end
      -- Twice the same record does no harm; the later one of two is always the newer.
      others[kind][#others[kind] + 1] = record
    end
  end
end

local function find_agent(id)
  return load('agent', id)
    or { agent_id = id, state = 'signed_out', since = stamp(NOW), phones = '0' }
end

local function index_agent(agent)
  local id = agent.agent_id
  local able = agent.state == 'ready' and tonumber(agent.phones) > 0
  local resting = able and agent.not_before and tonumber(agent.not_before) > NOW
  if resting then
    redis.call('ZADD', key('resting'), agent.not_before, id)
  else
    redis.call('ZREM', key('resting'), id)
  end
  if able and not resting then
    redis.call('ZADD', key('ready'), agent.ready_since, id)
  else
    redis.call('ZREM', key('ready'), id)
  end
  if agent.wrap_up_until then
    redis.call('ZADD', key('wrapups'), agent.wrap_up_until, id)
  else
    redis.call('ZREM', key('wrapups'), id)
  end
end

local function put_agent(agent)
  local old = load('agent', agent.agent_id)
  if old and same(old, agent) then
    return agent
  end
  save('agent', agent.agent_id, agent)
  if old then
    redis.call('HINCRBY', key('states'), old.state, -1)
  else
    redis.call('SADD', key('agents'), agent.agent_id)
    old = {}
  end
  redis.call('HINCRBY', key('states'), agent.state, 1)
  index_agent(agent)
  note('presences', agent, old.node, agent.node, old.call_node, agent.call_node)
  return agent
end

local function waiting_member(call)
  return string.format('%020.6f', tonumber(call.arrived_at)) .. '|' .. call.call_id
end

local function put_call(call)
  local id = call.call_id
  if call.state == 'gone' then
    redis.call('DEL', key('call', id))
    redis.call('SREM', key('node', call.node), id)
  else
    save('call', id, call)
    redis.call('SADD', key('node', call.node), id)
  end
  local queue = key(call.wanted and 'directed' or 'waiting')
  if call.state == 'waiting' then
    redis.call('ZADD', queue, -tonumber(call.priority), waiting_member(call))
  else
    redis.call('ZREM', queue, waiting_member(call))
  end
  if call.state == 'offered' then
    redis.call('ZADD', key('offers'), call.expires_at, id)
  else
    redis.call('ZREM', key('offers'), id)
  end
  if call.state == 'talking' then
    redis.call('SADD', key('conversations'), id)
  else
    redis.call('SREM', key('conversations'), id)
  end
  note('calls', call, call.node)
end

-- The call with some fields changed; `false` removes a field.
local function changed(call, changes)
  local after = copy(call)
  for field, value in pairs(changes) do
    after[field] = value or nil
  end
  return after
end
