-- One agent's state: the same machine as agents/presence.py, over the same table.
-- TRANSITIONS (state -> input -> next state) is put in front of this file by agents/scripts.py.

local HELD = { reserved = true, ringing = true, talking = true }
local REASONS = { sign_in = 'signed_in', lost = 'disconnected' }
local WISH = { sign_in = true, sign_out = true, set_ready = true, set_not_ready = true }

local function copy(record)
  local twin = {}
  for name, value in pairs(record) do
    twin[name] = value
  end
  return twin
end

-- Begin `state` afresh: of the old record only who and where he is remain.
local function enter(before, state, reason)
  local after = {
    agent_id = before.agent_id,
    state = state,
    since = stamp(NOW),
    node = before.node,
    phones = before.phones,
    pools = before.pools,
    group = before.group,
    desktop = before.desktop,
    extended = '0',
  }
  if state == 'not_ready' then
    after.reason = reason
  elseif state == 'ready' then
    after.ready_since = stamp(NOW)
  end
  return after
end

-- Note what a held agent asks for; the last wish wins.
local function remember(before, what, reason)
  local after = copy(before)
  if what == 'sign_in' and before.pending ~= 'signed_out' then
    return after
  end
  after.pending, after.pending_reason = nil, nil
  if what == 'sign_out' then
    after.pending = 'signed_out'
  elseif what == 'set_not_ready' then
    after.pending, after.pending_reason = 'not_ready', reason
  end
  return after
end

-- Stay with a call, or begin to.
local function hold(before, what, target, details)
  if WISH[what] then
    return remember(before, what, details.reason)
  end
  if what == 'talk' then
    local after = copy(before)
    after.talk = details.talk
    return after
  end
  if target == before.state then
    return before
  end
  local after = copy(before)
  after.state = target
  after.since = stamp(NOW)
  after.not_before = nil
  if target == 'talking' then
    after.ready_since = nil
  end
  if what == 'reserve' then
    after.call_id, after.call_node = details.call_id, details.call_node
  end
  return after
end

-- Leave the held states: into wrap-up after a conversation, else where the outcome says.
local function let_go(before, what, target)
  if before.pending == 'signed_out' then
    return enter(before, 'signed_out')
  end
  if target == 'wrap_up' then
    -- A pending break comes after the wrap-up: the ticket is written first.
    local after = enter(before, 'wrap_up')
    after.call_id = before.call_id
    after.wrap_up_until = stamp(NOW + TIMES.wrap_up)
    after.pending, after.pending_reason = before.pending, before.pending_reason
    return after
  end
  if before.pending == 'not_ready' then
    return enter(before, 'not_ready', before.pending_reason)
  end
  local after = enter(before, target, what)
  if what == 'cancelled' then
    after.ready_since = before.ready_since
  elseif what == 'refused' then
    after.not_before = stamp(NOW + TIMES.reoffer)
  end
  return after
end

-- Go from one state without a call to another.
local function free_step(before, what, target, details)
  if what == 'extend_wrap_up' then
    if before.extended ~= '0' or not before.wrap_up_until then
      return nil
    end
    local after = copy(before)
    after.wrap_up_until = stamp(tonumber(before.wrap_up_until) + TIMES.extension)
    after.extended = '1'
    return after
  end
  if what == 'end_wrap_up' and before.pending == 'not_ready' then
    return enter(before, 'not_ready', before.pending_reason)
  end
  local new_reason = what == 'set_not_ready' and details.reason ~= before.reason
  if target == before.state and not new_reason then
    return before
  end
  return enter(before, target, REASONS[what] or details.reason)
end

-- The record after `what` happened, or nil when that is illegal in this state (or a second extension).
local function step(before, what, details)
  local target = TRANSITIONS[before.state][what]
  if not target then
    return nil
  end
  if what == 'sign_in' then
    before = copy(before)
    before.node = details.node
  end
  if HELD[target] then
    return hold(before, what, target, details)
  end
  if HELD[before.state] then
    return let_go(before, what, target)
  end
  return free_step(before, what, target, details)
end
