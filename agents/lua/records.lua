-- Records, their indexes, and the journal of what changed. Every key begins with KEYS[1], which
-- carries the hash tag {floor}, so that all of them live in one slot of a Redis Cluster.
--
--   <base>:agent:<id>      hash    a Presence (agents/presence.py); what is None is absent
--   <base>:agents          set     ids of all agents
--   <base>:states          hash    state -> number of agents
--   <base>:ready:<pool>    zset    agents who may be offered a call, by rank (agents/demand.py)
--   <base>:resting         zset    agents who are ready but refused just now, by not_before
--   <base>:wrapups         zset    agents in wrap-up, by its end
--   <base>:call:<id>       hash    a Call (agents/commands.py)
--   <base>:waiting        zset    all waiting calls, by arrival
--   <base>:queue:<want>    zset    waiting calls for which a want is open, by their place
--   <base>:wants:<pool>    set     the wants with a queue that want this pool
--   <base>:widening        zset    waiting calls, by when their next want opens
--   <base>:alone           zset    ready agents without any device, by when they will not be ready
--   <base>:desk:<name>     set     agents whose desktop is connected to a node
--   <base>:offers          zset    offered calls, by the lease's expiry
--   <base>:conversations   set     calls in which somebody talks
--   <base>:claims          hash    agent -> the call in which he talks as well, says another node
--   <base>:node:<name>     set     calls of a node
--   <base>:nodes           zset    living nodes, by the time at which they will be taken for dead
--   <base>:asked          set     nodes that have to tell again what they know (ask_again)
--   <base>:doubts         hash    agent held by a call that there is not -> since when (audit.lua)
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

-- Redis has lost a part of what it was told: a key was evicted, or deleted by hand. The living nodes
-- know what was in it: each is told at its next command that it is unknown, and restores.
local function ask_again()
  for _, node in ipairs(redis.call('ZRANGE', key('nodes'), 0, -1)) do
    redis.call('SADD', key('asked'), node)
  end
end

-- Take an id out of an index, whatever that is.
local function strike(index, id)
  redis.call(redis.call('TYPE', index).ok == 'set' and 'SREM' or 'ZREM', index, id)
end

-- The record that an index names. Where there is none, the index does not name it any longer.
local function load_named(name, id, index)
  local record = load(name, id)
  if not record then
    strike(index, id)
    ask_again()
  end
  return record
end

-- All records that an index names, in the order of their ids.
local function load_all(name, index)
  local ids, records = redis.call('SMEMBERS', index), {}
  table.sort(ids)
  for _, id in ipairs(ids) do
    records[#records + 1] = load_named(name, id, index)
  end
  return records
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
    or {
      agent_id = id,
      state = 'signed_out',
      since = stamp(NOW),
      phones = '0',
      pools = '',
      extended = '0',
    }
end

-- The wants that may have new matches: a call begins to wait, or an agent is listed. Everything
-- else is as the last command left it, where nobody who fits waited.
local touched = {}

local LEVEL_WEIGHT = 1e10

-- Calls `each` with every pool that he is in, and his level there.
local function for_pools(agent, each)
  each('any', 0)
  each('agent:' .. agent.agent_id, 0)
  for pool, level in string.gmatch(agent.pools, '([^=;]+)=(%d+)') do
    each(pool, tonumber(level))
  end
end

local function unlist(agent)
  for_pools(agent, function(pool)
    redis.call('ZREM', key('ready', pool), agent.agent_id)
  end)
end

local function list(agent)
  for_pools(agent, function(pool, level)
    local rank = tonumber(agent.ready_since or agent.since) - level * LEVEL_WEIGHT
    redis.call('ZADD', key('ready', pool), stamp(rank), agent.agent_id)
    for _, want in ipairs(redis.call('SMEMBERS', key('wants', pool))) do
      touched[want] = true
    end
  end)
end

-- An index that holds `id` by this time, or, without a time, does not hold it.
local function index_time(index, id, time)
  if time then
    redis.call('ZADD', key(index), time, id)
  else
    redis.call('ZREM', key(index), id)
  end
end

local function index_agent(agent, old)
  local id = agent.agent_id
  local able = agent.state == 'ready' and tonumber(agent.phones) > 0
  local resting = able and agent.not_before and tonumber(agent.not_before) > NOW
  index_time('resting', id, resting and agent.not_before)
  index_time('wrapups', id, agent.wrap_up_until)
  index_time('alone', id, agent.alone_until)
  if redis.call('ZSCORE', key('ready', 'any'), id) then
    unlist(old)
  end
  if able and not resting then
    list(agent)
  end
  if old.desktop ~= agent.desktop then
    if old.desktop then
      redis.call('SREM', key('desk', old.desktop), id)
    end
    if agent.desktop then
      redis.call('SADD', key('desk', agent.desktop), id)
    end
  end
end

-- The record with the clock running, or not, that ends being ready without any device.
local function watched(agent)
  local alone = agent.state == 'ready' and tonumber(agent.phones) == 0 and not agent.desktop
  if alone == (agent.alone_until ~= nil) then
    return agent
  end
  local after = copy(agent)
  after.alone_until = alone and stamp(NOW + TIMES.alone) or nil
  return after
end

local function put_agent(agent)
  agent = watched(agent)
  local old = load('agent', agent.agent_id)
  if old and same(old, agent) then
    return agent
  end
  save('agent', agent.agent_id, agent)
  if old then
    redis.call('HINCRBY', key('states'), old.state, -1)
  else
    redis.call('SADD', key('agents'), agent.agent_id)
    old = { agent_id = agent.agent_id, pools = agent.pools }
  end
  redis.call('HINCRBY', key('states'), agent.state, 1)
  index_agent(agent, old)
  note(
    'presences',
    agent,
    old.node,
    agent.node,
    old.call_node,
    agent.call_node,
    old.desktop,
    agent.desktop
  )
  return agent
end

-- A want without its time is the name of its queue: "pool|level|keep".
local function read_wants(call)
  local wants = {}
  for after, queue, pool, level, keep in
    string.gmatch(call.wants, '([^|;]+)|(([^|;]+)|(%d+)|(%d+))')
  do
    wants[#wants + 1] = {
      after = tonumber(after),
      queue = queue,
      pool = pool,
      level = tonumber(level),
      keep = tonumber(keep),
    }
  end
  return wants
end

-- The call's place, the lowest first: a point of priority is worth some seconds of waiting.
local function place(call)
  local directed = call.wanted and 1e10 or 0
  return tonumber(call.arrived_at) - tonumber(call.priority) * TIMES.ageing - directed
end

-- Count the wants that are open; only while the call waits.
local function widened(call, wants)
  local after = copy(call)
  after.widen_at = nil
  if call.state ~= 'waiting' then
    return after
  end
  local opened = 0
  for _, want in ipairs(wants) do
    local time = tonumber(call.arrived_at) + want.after
    -- (the first ones at once, also where the node's clock is ahead of Redis's)
    if want.after > 0 and time > NOW then
      after.widen_at = stamp(time)
      break
    end
    opened = opened + 1
  end
  after.opened = stamp(opened)
  return after
end

local function leave_queues(call, wants)
  for i = 1, tonumber(call.opened) do
    local queue = key('queue', wants[i].queue)
    redis.call('ZREM', queue, call.call_id)
    if redis.call('EXISTS', queue) == 0 then
      redis.call('SREM', key('wants', wants[i].pool), wants[i].queue)
    end
  end
end

local function join_queues(call, wants)
  local score = stamp(place(call))
  for i = 1, tonumber(call.opened) do
    redis.call('ZADD', key('queue', wants[i].queue), score, call.call_id)
    redis.call('SADD', key('wants', wants[i].pool), wants[i].queue)
    touched[wants[i].queue] = true
  end
end

local function put_call(call)
  local id, wants = call.call_id, read_wants(call)
  call = widened(call, wants)
  local old = load('call', id)
  if old and old.state == 'waiting' then
    leave_queues(old, read_wants(old))
  end
  if old and old.node ~= call.node then
    redis.call('SREM', key('node', old.node), id)
  end
  if call.state == 'gone' then
    redis.call('DEL', key('call', id))
    redis.call('SREM', key('node', call.node), id)
  else
    save('call', id, call)
    redis.call('SADD', key('node', call.node), id)
  end
  if call.state == 'waiting' then
    join_queues(call, wants)
  end
  index_time('waiting', id, call.state == 'waiting' and call.arrived_at)
  index_time('widening', id, call.widen_at)
  index_time('offers', id, call.state == 'offered' and call.expires_at)
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
