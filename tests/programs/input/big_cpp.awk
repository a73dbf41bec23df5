# Writes a big C++ source: many classes, templates, lambdas and tables, and enough of the standard library
# to fill the compiler's memory. The same on every run; `units` sets its length.
BEGIN {
    print "#include <algorithm>\n#include <functional>\n#include <map>\n#include <memory>\n#include <numeric>"
    print "#include <string>\n#include <tuple>\n#include <unordered_map>\n#include <variant>\n#include <vector>\n"
    print "template <int N, typename T> struct Chain : Chain<N - 1, T> { T value[N + 1]; T sum() const"
    print "{ T s = Chain<N - 1, T>::sum(); for (const T &v : value) s += v * N; return s; } };"
    print "template <typename T> struct Chain<0, T> { T sum() const { return T(); } };\n"
    for (i = 0; i < units; i++) {
        print "namespace unit" i " {"
        print "struct Shape { virtual ~Shape() = default; virtual double area(int) const = 0; std::string name; };"
        for (k = 0; k < 4; k++) {
            print "struct Shape" k " : Shape { double a[" k + 2 "] = {" i * 7 % 13 ".5}; double area(int n) const override {"
            print "  switch (n) {"
            for (c = 0; c < 12; c++)
                print "  case " c * (k + 3) ": return a[" c % (k + 2) "] * " (i * 31 + c * 17) % 101 " + n;"
            print "  default: return a[0] - n; } } };"
        }
        print "using Any = std::variant<int, double, std::string, std::tuple<int, Chain<" i % 40 + 5 ", long>>>;"
        print "static const int table[] = {"
        for (c = 0; c < 60; c++) printf "%d,%s", (c * 7919 + i * 104729) % 65521, c % 12 == 11 ? "\n" : " "
        print "};"
        print "int run(int n) {"
        print "  std::map<std::string, std::vector<Any>> all; std::unordered_map<int, std::unique_ptr<Shape>> shapes;"
        print "  shapes[n] = std::make_unique<Shape" i % 4 ">(); shapes[n]->name = \"unit " i "\";"
        print "  for (int t : table) all[std::to_string(t % n)].push_back(t % 3 ? Any(t) : Any(shapes[n]->name));"
        print "  std::function<int(int)> f = [&](int k) { return k < 2 ? " i " : f(k - 1) + table[k % 60]; };"
        print "  Chain<" i % 40 + 5 ", long> chain{}; int sum = f(n) + int(chain.sum());"
        print "  for (auto &[key, list] : all) { std::stable_sort(list.begin(), list.end(), [](const Any &a, const Any &b)"
        print "    { return a.index() < b.index(); }); sum += int(list.size() * key.size()); }"
        print "  return sum + int(shapes[n]->area(n)); }\n}"
    }
    print "int main(int argc, char **) { int sum = 0;"
    for (i = 0; i < units; i++) print "  sum += unit" i "::run(argc + " i ");"
    print "  return sum & 63; }"
}
