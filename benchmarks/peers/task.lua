-- The job `task`, for wrk with one connection per thread: create a task, claim one, complete it.
-- FILE has the body of the new task.
--
--     wrk ... -s task.lua URL -- FILE PREFIX TOKEN_OF_THE_AGENT

local threads = {}
local stage, created, claim, key, lease = "create"

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  started, empty = 0, 0
  agent = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. arguments[3] }
  created = wrk.format("POST", "/v1/tasks", nil, io.open(arguments[1]):read("*a"))
  claim = wrk.format("POST", "/v1/tasks/claim", agent, '{"limit":1,"lease_seconds":60}')
end

function request()
  started = started + 1
  if stage == "create" then
    return created
  elseif stage == "claim" then
    return claim
  end
  local body = '{"lease_token":"' .. lease .. '","output":{"ok":true}}'
  return wrk.format("POST", "/v1/tasks/" .. key .. "/complete", agent, body)
end

function response(status, headers, body)
  if stage == "create" then
    stage = "claim"
  elseif stage == "complete" then
    stage = "create"
  else
    key = body:match('"id":%s*"([^"]+)"')
    lease = body:match('"lease_token":%s*"([^"]+)"')
    if lease then
      stage = "complete"
    else
      empty = empty + 1 -- others have locked all tasks just now: claim again
    end
  end
end

function done(summary, latency)
  local sent = -1 -- wrk asks the first thread once more, to look at a request
  for _, thread in ipairs(threads) do
    sent = sent + thread:get("started") - thread:get("empty")
  end
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format(
    'RESULT {"jobs": %f, "answered": %f, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}',
    sent / 3, summary.requests / 3, summary.duration / 1e6, failed,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
