-- Script for wrk: builds requests from its arguments (method, path with {id}, number of ids, body), and prints the
-- figures as one line of JSON at the end.

local requests, turn = {}, 0

function init(args)
  local method, path, ids, body = args[1], args[2], tonumber(args[3]), args[4]
  local headers = {}
  if body ~= "" then headers["Content-Type"] = "application/json" else body = nil end
  math.randomseed(1)
  for i = 1, math.min(ids, 2048) do
    local filled = path:gsub("{id}", tostring(math.random(ids)))
    requests[i] = wrk.format(method, filled, headers, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, _)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%f,"broken":%d,"failed":%d,"p50":%f,"p99":%f,"p999":%f}',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
