-- The load of one job, for wrk: FILE has a request a line, its method, path and body with tabs in
-- between. A `~` in a body becomes a text that no other request has.
--
--     wrk ... -s load.lua URL -- FILE PREFIX

local threads = {}
local requests, bodies = {}, {}
local next_thread = 0

function setup(thread)
  next_thread = next_thread + 1
  thread:set("number", next_thread)
  table.insert(threads, thread)
end

function init(arguments)
  prefix = arguments[2]
  started = 0
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+)\t(%S+)\t(.*)$")
    if body == "" then
      table.insert(requests, wrk.format(method, path))
    else
      table.insert(bodies, { method, path, body })
    end
  end
end

function request()
  started = started + 1
  local place = started * 8 + number -- each thread begins elsewhere
  if #requests > 0 then
    return requests[place % #requests + 1]
  end
  local method, path, body = unpack(bodies[place % #bodies + 1])
  local name = prefix .. "-" .. number .. "-" .. started
  return wrk.format(method, path, nil, (body:gsub("~", name)))
end

-- `jobs` counts requests as they are sent: the program works on all of them, also on those that
-- wrk does not wait for at its end.
function done(summary, latency)
  local jobs = -1 -- wrk asks the first thread once more, to look at a request
  for _, thread in ipairs(threads) do
    jobs = jobs + thread:get("started")
  end
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format(
    'RESULT {"jobs": %d, "answered": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}',
    jobs, summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
