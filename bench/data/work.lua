-- Work for the lua benchmark: tables, strings and closures that come and go.  Prints a checksum.
local seed = 42
local function below(bound)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed // 65536 % bound
end

local function make_tree(depth)
  if depth == 0 then return {} end
  return { make_tree(depth - 1), make_tree(depth - 1) }
end

local function count(tree)
  return tree[1] and 1 + count(tree[1]) + count(tree[2]) or 1
end

local sum = 0
for _ = 1, 10 do sum = sum + count(make_tree(13)) end

local words = {}
for i = 1, 60000 do
  local word = string.rep("w", below(30)) .. below(20000)
  local entry = words[word] or { positions = {}, last = function() return i end }
  entry.positions[#entry.positions + 1] = i
  words[word] = entry
end
for _, entry in pairs(words) do sum = sum + #entry.positions * entry.last() % 1000 end

local parts = {}
for i = 1, 80000 do parts[#parts + 1] = ("%d:%s"):format(i, ("x"):rep(below(20))) end
local text = table.concat(parts, ",")
for piece in text:gmatch("[^,]+") do sum = sum + #piece end
print(sum)
