// A small work-stealing scheduler: each thread has a queue, takes from its back, and from the front of others' when it has nothing, and at every other turn even if it has.
// It knows nothing of contexts: coroutine::resume() does what is needed.
#ifndef EXAMPLES_SCHEDULER_HPP
#define EXAMPLES_SCHEDULER_HPP

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

// Job: bool resume(), false when it has ended; int last, the thread that ran it last (-1: none); unsigned resumed, how often it was (both the scheduler's).
//
// A scheduler that `moves` resumes no job twice by one thread and then a third time: every other time another thread has to do it, however late that one gets a processor. For tests.
template <class Job> class scheduler {
public:
    explicit scheduler(int count, bool moves = false) : queues(static_cast<std::size_t>(count)), moving(moves && count > 1) {}

    void add(Job *job) {
        queues[left % queues.size()].jobs.push_back(job);
        left++;
    }

    // Until every job has ended; `ended` is called for each, by the thread that saw it end.
    template <class Ended> void run(Ended ended) {
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < queues.size(); i++)
            threads.emplace_back([this, i, &ended] { work(i, ended); });
        for (auto &t : threads)
            t.join();
    }

    unsigned long long migrations() const { return moved; }

private:
    struct queue {
        std::mutex mutex;
        std::deque<Job *> jobs;
    };

    // From queue i, for this thread.
    Job *take(std::size_t i, int thread, bool back) {
        std::lock_guard<std::mutex> hold(queues[i].mutex);
        auto &jobs = queues[i].jobs;
        for (std::size_t k = 0; k < jobs.size(); k++) {
            auto at = jobs.begin() + static_cast<std::ptrdiff_t>(back ? jobs.size() - 1 - k : k);
            Job *job = *at;
            if (moving && job->last == thread && job->resumed % 2)
                continue;
            jobs.erase(at);
            return job;
        }
        return nullptr;
    }

    Job *steal(std::size_t i, std::size_t turn) {
        for (std::size_t k = 0; k + 1 < queues.size(); k++)
            if (Job *job = take((i + 1 + (turn + k) % (queues.size() - 1)) % queues.size(), static_cast<int>(i), false))
                return job;
        return nullptr;
    }

    template <class Ended> void work(std::size_t i, Ended &ended) {
        unsigned long long seen = 0;
        for (std::size_t turn = 0; left.load() > 0; turn++) {
            if (turn % 2)
                std::this_thread::yield(); // on few processors, threads take turns: coroutines move there, too
            Job *job = turn % 2 ? steal(i, turn / 2) : nullptr;
            if (!job && !(job = take(i, static_cast<int>(i), true)) && !(job = steal(i, turn))) {
                std::this_thread::yield();
                continue;
            }
            seen += job->last >= 0 && job->last != static_cast<int>(i);
            job->last = static_cast<int>(i);
            job->resumed++;
            if (job->resume()) {
                std::lock_guard<std::mutex> hold(queues[i].mutex);
                queues[i].jobs.push_back(job);
            } else {
                ended(job);
                left--;
            }
        }
        moved += seen;
    }

    std::vector<queue> queues;
    bool moving;
    std::atomic<std::size_t> left{0};
    std::atomic<unsigned long long> moved{0};
};

#endif
