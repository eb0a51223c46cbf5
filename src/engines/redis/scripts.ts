import { createHash } from 'node:crypto';

/** A script that the server runs as one step: nothing else happens on it meanwhile. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

/*
 * A room's log is a stream (KEYS[1]) and a line that says where it stands (KEYS[2]: `epoch offset born`). An offset is the microseconds
 * since the log was born, by the server's clock, or one more than the last where that would not grow: a server that lost its latest
 * writes, or a replica that had not got them, never gives one of their offsets to another message. So who saw a lost message finds no
 * entry that follows it, and hears of a gap.
 */
const OPEN = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function begin()
  redis.call('DEL', KEYS[1])
  return ARGV[1], 0, now
end
local function open()
  local text = redis.call('GET', KEYS[2])
  if text then
    local epoch, offset, born = string.match(text, '^(%x+) (%d+) (%d+)$')
    if epoch then return epoch, tonumber(offset), tonumber(born) end
  end
  redis.call('XLEN', KEYS[1])
  return begin()
end
local function number(value) return string.format('%.0f', value) end
local function keep(epoch, offset, born, ttl)
  redis.call('SET', KEYS[2], epoch .. ' ' .. number(offset) .. ' ' .. number(born), 'PX', ttl)
end
local epoch, last, born = open()
`;

/**
 * KEYS: log, meta, and where there is an id, its key. ARGV: an epoch for a log that begins, size, age (µs), time to live of the log and of
 * meta (ms), of ids (ms), bytes. Says `epoch offset isDuplicate`.
 */
export const APPEND: Script = script(`${OPEN}
if KEYS[3] then
  local known = redis.call('GET', KEYS[3])
  if known and string.sub(known, 1, #epoch + 1) == epoch .. ' ' then return known .. ' 1' end
end
local function add()
  local offset = math.max(last + 1, now - born)
  local said = redis.pcall('XADD', KEYS[1], 'MAXLEN', '=', ARGV[2], number(offset) .. '-0', 'p', number(last), 'b', ARGV[7])
  if type(said) == 'table' and said.err then return nil, said end
  return offset
end
local offset, failure = add()
if failure and string.find(failure.err, 'equal or smaller', 1, true) then
  epoch, last, born = begin()
  offset, failure = add()
end
if failure then return failure end
local floor = now - born - ARGV[3]
if floor > 0 then redis.call('XTRIM', KEYS[1], 'MINID', '=', number(floor)) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
keep(epoch, offset, born, ARGV[5])
local place = epoch .. ' ' .. number(offset)
if KEYS[3] then redis.call('SET', KEYS[3], place, 'PX', ARGV[6]) end
redis.call('SPUBLISH', KEYS[1], place .. ' ' .. number(last) .. '\\n' .. ARGV[7])
return place .. ' 0'
`);

/**
 * KEYS: log, meta. ARGV: an epoch for a log that begins, age (µs), time to live of meta (ms), most entries, most bytes, offset ('' asks only
 * where the log stands), epoch. Says epoch, offset, a reason or '', and then of each entry its offset, the one before it, and its bytes.
 */
export const READ: Script = script(`${OPEN}
if last == 0 then keep(epoch, last, born, ARGV[3]) end
local function refuse(reason) return {epoch, number(last), reason} end
local answer = refuse('')
if ARGV[6] == '' then return answer end
if ARGV[7] ~= epoch then return refuse('epoch') end
local since = tonumber(ARGV[6])
if since > last then return refuse('unknown') end
if since == last then return answer end
local most, bytes, at, count = tonumber(ARGV[4]), tonumber(ARGV[5]), since, 0
local from = '(' .. number(since)  .. '-18446744073709551615'
while true do
  local page = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 32)
  for _, entry in ipairs(page) do
    local fields = entry[2]
    if fields[1] == 'p' and fields[3] == 'b' then
      local offset, previous = tonumber(string.match(entry[1], '^%d+')), tonumber(fields[2])
      if previous ~= at then
        if at == since and previous and previous < since then return refuse('unknown') end
        return refuse('expired')
      end
      if at == since and offset < now - born - ARGV[2] then return refuse('expired') end
      count = count + 1
      bytes = bytes - #fields[4]
      if count > most or bytes < 0 then return refuse('too-many') end
      at = offset
      answer[#answer + 1] = number(offset)
      answer[#answer + 1] = number(previous)
      answer[#answer + 1] = fields[4]
    end
  end
  if #page < 32 then break end
  from = '(' .. page[#page][1]
end
if at ~= last then return refuse('expired') end
return answer
`);

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}
