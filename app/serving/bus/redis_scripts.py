"""What Redis does at once: it takes, renews and gives up leases, and says who has which source.

A lease is a key that expires. The id of an event is TOKEN-NUMBER: who takes a lease takes a token above all before, and
writes TOKEN-0, so that Redis itself refuses what an owner of before still writes ("equal or smaller"). What is done
while Redis is full needs no memory: PEXPIRE, DEL, SREM. For one Redis, not a cluster: keys are made of names.
"""

from __future__ import annotations

_TOP = """
local function top(events)
  local last = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)
  return last[1] and tonumber(string.match(last[1][1], '^(%d+)')) or 0
end
"""

# keys: lease, about, events, sources; arguments: source, node, declaration, ms of the lease, ms that the rest is kept
CLAIM = (
    _TOP
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = redis.call('TIME')
local token = now[1] * 1000 + math.floor(now[2] / 1000)
local before = tonumber(redis.call('HGET', KEYS[2], 'token') or 0)
token = math.max(token, before + 1, top(KEYS[3]) + 1)
local said = string.format('%.0f', token)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 500, said .. '-0', 'v', 1)
redis.call('HSET', KEYS[2], 'node', ARGV[2], 'token', said, 'declaration', ARGV[3])
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. said, 'PX', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return token
"""
)

# keys: lease, about, events of each source; arguments: the two times, then NODE TOKEN of each.
# For each: 1 renewed, 0 not there, -1 another's
RENEW = """
local found = {}
for at = 1, #KEYS, 3 do
  local held, own = redis.call('GET', KEYS[at]), ARGV[2 + (at + 2) / 3]
  if held and held ~= own then
    table.insert(found, -1)
  elseif not held or redis.call('PEXPIRE', KEYS[at + 1], ARGV[2]) == 0 then
    table.insert(found, 0)
  else
    redis.call('PEXPIRE', KEYS[at], ARGV[1])
    redis.call('PEXPIRE', KEYS[at + 2], ARGV[2])
    table.insert(found, 1)
  end
end
return found
"""

# as CLAIM, with the token that it had: 1 it has it again, -1 another has had it since
RETAKE = (
    _TOP
    + """
local own = ARGV[2] .. ' ' .. ARGV[6]
local held = redis.call('GET', KEYS[1])
if held and held ~= own then return -1 end
if tonumber(redis.call('HGET', KEYS[2], 'token') or 0) > tonumber(ARGV[6]) then return -1 end
if top(KEYS[3]) > tonumber(ARGV[6]) then return -1 end
redis.call('HSET', KEYS[2], 'node', ARGV[2], 'token', ARGV[6], 'declaration', ARGV[3])
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('SET', KEYS[1], own, 'PX', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
"""
)

# keys as CLAIM; arguments: source, NODE TOKEN, whether it is over. What is not over is nobody's: no owner of before is
# waited for
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[3] == '1' then
  redis.call('DEL', KEYS[2])
  redis.call('SREM', KEYS[4], ARGV[1])
else
  redis.call('HSET', KEYS[2], 'node', '')
end
return 1
"""

# keys: lease, about; arguments: NODE TOKEN, declaration
DECLARE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'declaration', ARGV[2])
return 1
"""

# keys: sources; arguments: what the keys of a source's lease and of what is known about it begin with, then sources.
# Of each that is there: source, node, token, declaration, whether its lease holds
ROWS = """
local found = {}
for at = 3, #ARGV do
  local source = ARGV[at]
  local about = redis.call('HMGET', ARGV[2] .. source, 'node', 'token', 'declaration')
  if about[1] then
    table.insert(found, {source, about[1], about[2], about[3], redis.call('EXISTS', ARGV[1] .. source)})
  else
    redis.call('SREM', KEYS[1], source)
  end
end
return found
"""
