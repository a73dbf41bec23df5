"""Prints a big C++ file for the compiler benchmarks: make_cxx.py CLASSES."""
import sys

print("#include <algorithm>\n#include <map>\n#include <memory>\n#include <string>\n#include <unordered_map>\n#include <vector>\n")
for i in range(int(sys.argv[1])):
    print(f"""
struct Item{i} {{ int key; std::string name; double values[{i % 7 + 1}]; }};
class Store{i} {{
public:
    void add(const Item{i} &item) {{ items.push_back(std::make_shared<Item{i}>(item)); byName[item.name] = items.back(); }}
    int best(int limit) const {{
        int found = {i};
        for (const auto &item : items) {{
            if (item->key > limit + {i * 7 % 13}) found += item->key * {i + 3};
            else switch (item->key % 5) {{ case 0: found ^= {i}; break; case 1: found += 3; break; default: found--; }}
        }}
        return found;
    }}
    void sort() {{ std::sort(items.begin(), items.end(), [](const auto &a, const auto &b) {{ return a->key * {i % 5 + 1} < b->key; }}); }}
private:
    std::vector<std::shared_ptr<Item{i}>> items;
    std::map<std::string, std::shared_ptr<Item{i}>> byName;
}};
int use{i}(int n) {{
    Store{i} store;
    for (int k = 0; k < n; k++) store.add({{ k * {i + 1}, std::to_string(k), {{}} }});
    store.sort();
    return store.best(n);
}}""")
