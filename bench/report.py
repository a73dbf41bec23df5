"""From runs to figures: medians, ratios, geometric means, and which targets are reached."""
import math
import os
import platform
import statistics

NEAR = 1.10  # no benchmark may be slower than the best peer by more than this
HELLO_KIB, START_MICROSECONDS, THREAD_KIB, ENDED_KIB, PAIR_INSTRUCTIONS, WORST_INSTRUCTIONS = 2048, 80, 16, 256, 40, 1000


def machine():
    """One line: processor, cores, memory, kernel, system."""
    processor, system = platform.machine(), platform.system()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor)
        with open("/etc/os-release", encoding="utf-8") as lines:
            system = next((line.split("=", 1)[1].strip().strip('"') for line in lines if line.startswith("PRETTY_NAME")), system)
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, {system}"


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else float("nan")


class Report:
    """`runs` is {benchmark: {allocator: [Result of each round, None where it failed]}}."""

    def __init__(self, benchmarks, allocators, runs):
        self.allocators, self.runs = allocators, runs
        # Only what succeeded everywhere can be compared by means.
        self.complete = [b.name for b in benchmarks if all(r and None not in r for r in runs[b.name].values()) and runs[b.name]]
        self.failed = {a.name: [b.name for b in benchmarks if None in runs[b.name][a.name]] for a in allocators}
        self.peers = [a.name for a in allocators if a.kind in ("glibc", "peer")]

    def seconds(self, benchmark, allocator):
        return statistics.median(result.seconds for result in self.runs[benchmark][allocator])

    def peak_kib(self, benchmark, allocator):
        return statistics.median(result.peak_kib for result in self.runs[benchmark][allocator])

    def best_peer(self, benchmark):
        return min(self.peers, key=lambda peer: self.seconds(benchmark, peer))

    def ratio(self, benchmark, allocator, base):
        """Median over rounds of this round's ratio: a slow moment of the machine is in both."""
        pairs = zip(self.runs[benchmark][allocator], self.runs[benchmark][base])
        return statistics.median(ours.seconds / theirs.seconds for ours, theirs in pairs)

    def peak_ratio(self, benchmark, allocator, base):
        return self.peak_kib(benchmark, allocator) / self.peak_kib(benchmark, base)

    def time_mean(self, allocator, base):
        return geometric_mean([self.ratio(b, allocator, base) for b in self.complete])

    def peak_mean(self, allocator, base):
        return geometric_mean([self.peak_ratio(b, allocator, base) for b in self.complete])

    def print_benchmarks(self):
        base = self.allocators[0].name
        print(f"\n{'benchmark':13}{'allocator':14}{'seconds':>9}{'to best':>9}{'to ' + base:>10}{'peak MiB':>10}{'to ' + base:>10}")
        for benchmark in self.complete:
            best = self.best_peer(benchmark) if self.peers else None
            for allocator in (a.name for a in self.allocators):
                to_best = f"{self.ratio(benchmark, allocator, best):9.2f}" if best else f"{'-':>9}"
                extra = self.runs[benchmark][allocator][0].extra
                if extra is not None:
                    extra = statistics.median(result.extra for result in self.runs[benchmark][allocator])
                print(f"{benchmark:13}{allocator:14}{self.seconds(benchmark, allocator):9.3f}{to_best}"
                      f"{self.ratio(benchmark, allocator, base):10.2f}{self.peak_kib(benchmark, allocator) / 1024:10.1f}"
                      f"{self.peak_ratio(benchmark, allocator, base):10.2f}"
                      + (" *" if allocator == best else "") + (f"  resident over live {extra:.1f}" if extra is not None else ""))
        print("(* the best of glibc, jemalloc, mimalloc and tcmalloc)")

    def print_means(self):
        base = self.allocators[0].name
        print(f"\nGeometric means over {len(self.complete)} benchmarks, {base} = 1")
        print(f"{'allocator':14}{'time':>8}{'peak RSS':>10}")
        for allocator in (a.name for a in self.allocators):
            print(f"{allocator:14}{self.time_mean(allocator, base):8.3f}{self.peak_mean(allocator, base):10.3f}")
        if self.peers and self.complete:
            each = geometric_mean([self.ratio(b, self.best_peer(b), base) for b in self.complete])
            leanest = geometric_mean([min(self.peak_ratio(b, peer, base) for peer in self.peers) for b in self.complete])
            print(f"{'best of each':14}{each:8.3f}{leanest:10.3f}   (of the peers, chosen anew for each benchmark)")

    def write_table(self, path):
        base = self.allocators[0].name
        with open(path, "w", encoding="utf-8") as table:
            print("# " + machine(), file=table)
            print("benchmark", "allocator", "seconds", "time_ratio", "peak_kib", "peak_ratio", sep="\t", file=table)
            for benchmark in self.complete:
                for allocator in (a.name for a in self.allocators):
                    print(benchmark, allocator, f"{self.seconds(benchmark, allocator):.6f}", f"{self.ratio(benchmark, allocator, base):.4f}",
                          f"{self.peak_kib(benchmark, allocator):.0f}", f"{self.peak_ratio(benchmark, allocator, base):.4f}",
                          sep="\t", file=table)

    def targets(self, figures):
        """Yields for each target: sentence, reached or not (None: cannot be said), what was measured."""
        ours = [a.name for a in self.allocators if a.kind == "ours"]
        off, on = "ctxalloc-off", "ctxalloc-on"
        if self.complete and self.peers and ours:
            base = self.allocators[0].name
            best = min(self.peers, key=lambda peer: self.time_mean(peer, base))
            best_mean = self.time_mean(best, base)
            for name, what, reached in ((off, "below", lambda x: x < best_mean), (on, "not above", lambda x: x <= best_mean)):
                if name in ours:
                    mean = self.time_mean(name, base)
                    yield (f"time, geometric mean of {name} {what} the best peer's", reached(mean) and not self.failed[name],
                           f"{mean:.3f}, {best} {best_mean:.3f}")
            for name in ours:
                behind = [(b, self.ratio(b, name, self.best_peer(b))) for b in self.complete]
                behind = [f"{b} {ratio:.2f} ({self.best_peer(b)})" for b, ratio in behind if ratio > NEAR]
                behind += [f"{b} failed" for b in self.failed[name]]
                yield (f"time, no benchmark of {name} more than 10 % behind the best peer", not behind,
                       ", ".join(behind) or f"none of {len(self.complete)}")
            lean = [peer for peer in self.peers if peer != "glibc"]
            if lean:
                leanest = min(lean, key=lambda peer: self.peak_mean(peer, base))
                for name in ours:
                    mean, least = self.peak_mean(name, base), self.peak_mean(leanest, base)
                    yield (f"peak RSS, geometric mean of {name} not above the leanest of jemalloc, mimalloc, tcmalloc", mean <= least,
                           f"{mean:.3f}, {leanest} {least:.3f}")
        yield from special_targets(ours, figures)


def special_targets(ours, figures):
    for name in ours:
        def value(measurement, of=name):
            return figures.get(measurement, {}).get(of)

        for measurement, limit, what, unit in (("hello", HELLO_KIB, "hello-world: at most 2 MiB above glibc", "KiB"),
                                               ("start", START_MICROSECONDS, "process start: at most 80 us above glibc", "us")):
            if value(measurement) is not None and value(measurement, "glibc") is not None:
                above = value(measurement) - value(measurement, "glibc")
                yield f"{what}, {name}", above <= limit, f"{above:.0f} {unit} above"
        if value("threads") is not None:
            yield f"a thread with one block: at most 16 KiB, {name}", value("threads") <= THREAD_KIB, f"{value('threads'):.1f} KiB"
        if value("ended") is not None:
            before, after = value("ended")
            yield f"threads started and ended leave RSS where it was (within {ENDED_KIB} KiB), {name}", after - before <= ENDED_KIB, \
                f"{before} KiB before, {after} KiB after"
        if name.endswith("-off") and value("pair") is not None and None not in value("pair"):
            most = max(value("pair"))
            yield f"malloc+free: at most {PAIR_INSTRUCTIONS} instructions, {name}", most <= PAIR_INSTRUCTIONS, f"{most:.1f}"
        if value("worst") is not None:
            yield f"worst call: at most {WORST_INSTRUCTIONS} instructions, {name}", value("worst")[4] <= WORST_INSTRUCTIONS, str(value("worst")[4])


def print_special(allocators, figures):
    names = [a.name for a in allocators]

    def line(name, measurement, shape):
        value = figures.get(measurement, {}).get(name)
        return shape(value) if value is not None else "-"

    def start(value):
        base = figures["start"].get("glibc")
        return f"{value:.0f}" + (f" ({value - base:+.0f})" if base is not None else "")

    print(f"\n{'':14}{'hello RSS':>10}{'start us':>16}{'a thread':>10}{'RSS around ended threads':>26}{'malloc+free, 16 64 1024 B':>28}")
    print(f"{'allocator':14}{'KiB':>10}{'(above glibc)':>16}{'KiB':>10}{'KiB':>26}{'instructions':>28}")
    for name in names:
        pair = line(name, "pair", lambda v: " ".join("-" if x is None else f"{x:.1f}" for x in v))
        print(f"{name:14}{line(name, 'hello', '{:.0f}'.format):>10}{line(name, 'start', start):>16}"
              f"{line(name, 'threads', '{:.1f}'.format):>10}{line(name, 'ended', lambda v: f'{v[0]} -> {v[1]}'):>26}{pair:>28}")
    if figures.get("worst"):
        print(f"\nInstructions of a call\n{'allocator':14}{'median':>8}{'p99':>8}{'p99.9':>8}{'max':>8}{'calls with a system call':>26}{'max':>9}")
        for name in names:
            worst = figures["worst"].get(name)
            if worst:
                print(f"{name:14}{worst[1]:8}{worst[2]:8}{worst[3]:8}{worst[4]:8}{worst[5]:26}{worst[6]:9}")
