// C++ containers as programs use them, so operators new and (sized) delete: containers [SCALE].
// Prints a checksum, which must not depend on the allocator, and the seconds it took.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

class Random {
public:
	uint32_t below(uint32_t bound)
	{
		state = state * 6364136223846793005u + 1442695040888963407u;
		return static_cast<uint32_t>(((state >> 32) * bound) >> 32);
	}

private:
	uint64_t state = 42;
};

std::string random_word(Random &random)
{
	return std::string(1 + random.below(40), 'a') + std::to_string(random.below(30000));
}

// An index of words to positions: nodes, strings short and long, vectors that grow.
uint64_t build_index(Random &random, int words)
{
	std::map<std::string, std::vector<int>> sorted;
	std::unordered_map<std::string, int> counts;
	uint64_t sum = 0;

	for (int i = 0; i < words; i++) {
		std::string word = random_word(random);
		counts[word]++;
		sorted[word].push_back(i);
		if (i % 3 == 0)
			sorted.erase(random_word(random));
	}
	for (const auto &entry : sorted)
		sum = sum * 31 + entry.second.size() + static_cast<uint64_t>(counts[entry.first]);
	return sum;
}

struct Node {
	std::unique_ptr<Node> left, right;
	int depth = 0;
};

std::unique_ptr<Node> make_tree(Random &random, int depth)
{
	auto node = std::make_unique<Node>();
	node->depth = depth;
	if (depth > 0 && random.below(16) != 0)
		node->left = make_tree(random, depth - 1);
	if (depth > 0 && random.below(16) != 0)
		node->right = make_tree(random, depth - 1);
	return node;
}

uint64_t count_nodes(const Node *node)
{
	return node ? 1 + count_nodes(node->left.get()) + count_nodes(node->right.get()) : 0;
}

// A queue of shared messages, as event loops have.
uint64_t run_queue(Random &random, int steps)
{
	std::list<std::shared_ptr<std::string>> queue;
	uint64_t sum = 0;

	for (int i = 0; i < steps; i++) {
		queue.push_back(std::make_shared<std::string>(random_word(random)));
		if (queue.size() > 1000) {
			sum += queue.front()->size();
			queue.pop_front();
		}
	}
	return sum + queue.size();
}

} // namespace

int main(int argc, char **argv)
{
	double scale = argc > 1 ? std::strtod(argv[1], nullptr) : 1;
	auto start = std::chrono::steady_clock::now();
	Random random;
	uint64_t sum = 0;

	for (int round = 0; round < 4; round++) {
		sum = sum * 31 + build_index(random, static_cast<int>(40000 * scale));
		sum = sum * 31 + run_queue(random, static_cast<int>(400000 * scale));
		for (int tree = 0; tree < static_cast<int>(10 * scale) + 1; tree++)
			sum = sum * 31 + count_nodes(make_tree(random, 16).get());
	}
	std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
	std::printf("checksum %llx\nseconds %.6f\n", static_cast<unsigned long long>(sum), seconds.count());
}
