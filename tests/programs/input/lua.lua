-- Work for lua.sh. Prints sums of what it made, and exits with 4.
local function numbers(seed)
    return function()
        seed = (seed * 1103515245 + 12345) % 2147483648
        return seed
    end
end

local function checksum(text)
    local a, b = 1, 0
    for i = 1, #text, 7 do
        a = (a + text:byte(i)) % 65521
        b = (b + a) % 65521
    end
    return b << 16 | a
end

local function tree(depth)
    if depth == 0 then return { leaf = depth } end
    return { left = tree(depth - 1), right = tree(depth - 1), name = "node" .. depth }
end

local function count(node)
    return node.leaf and 1 or 1 + count(node.left) + count(node.right)
end

local function work(mode)
    collectgarbage(mode)
    local nodes = 0
    for _ = 1, 6 do nodes = nodes + count(tree(14)) end

    local random, kept = numbers(42), {}
    for i = 1, 300000 do
        local slot = random() % 5000
        kept[slot] = ("%d:%s"):format(i, ("x"):rep(random() % 200))
        if i % 3 == 0 then kept[random() % 5000] = nil end
    end
    local keys = {}
    for key in pairs(kept) do keys[#keys + 1] = key end
    table.sort(keys)
    local parts = {}
    for i, key in ipairs(keys) do parts[i] = kept[key] end
    local text = table.concat(parts, "\n")

    local sum = 0
    for i = 1, 3000 do
        local co = coroutine.wrap(function(a) for j = 1, 10 do a = a + coroutine.yield(a * j) end return a end)
        sum = sum + co(i)
        for j = 1, 5 do sum = sum + co(j) end -- left unfinished: the collector takes it
    end

    local words = 0
    for word in text:gmatch("%d+:x+") do words = words + #word end
    local swapped = text:gsub("x(x+)(%s)", "%2%1")
    local grown = ""
    for i = 1, 2000 do grown = grown .. i .. "," end
    collectgarbage()
    print(mode, nodes, #keys, #text, checksum(text), sum, words, checksum(swapped), checksum(grown))
end

work("incremental")
work("generational")
print(pcall(string.rep, "x", 1 << 50))
os.exit(4, true)
