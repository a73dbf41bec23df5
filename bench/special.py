"""Measurements that are not a benchmark's time: small processes, threads, instructions."""
import re
import shutil
import statistics
import subprocess

LIMIT_SECONDS = 400


def output_of(place, allocator, name, *arguments):
    environment = allocator.environment()
    if allocator.path:
        environment["LD_PRELOAD"] = allocator.path
    return subprocess.run([place.program(name), *arguments], env=environment, capture_output=True, text=True, check=True,
                          timeout=LIMIT_SECONDS).stdout


def hello_kib(place, allocator):
    return statistics.median(int(output_of(place, allocator, "hello", "peak")) for _ in range(5))


def start_microseconds(place, allocators, count):
    """Median and mean of each, of processes started in turn."""
    words = [word for allocator in allocators for word in (allocator.name, allocator.path, allocator.options)]
    run = subprocess.run([place.program("spawn"), str(count), place.program("hello"), *words], capture_output=True, text=True,
                         check=True, timeout=LIMIT_SECONDS, env=allocators[0].environment())
    return {line.split()[0]: float(line.split()[1]) for line in run.stdout.splitlines()}


def thread_kib(place, allocator, count):
    """What a live thread with one small block costs more than one without, KiB."""
    def resident(how):
        return statistics.median(int(output_of(place, allocator, "thread_memory", "alive", str(count), how)) for _ in range(3))

    return (resident("malloc") - resident("nothing")) / count


def ended_threads_kib(place, allocator, count):
    before, after = output_of(place, allocator, "thread_memory", "ended", str(count)).split()
    return int(before), int(after)


def pair_instructions(place, allocator, size):
    """Instructions of one malloc and its free together, by callgrind; None where there is no valgrind."""
    valgrind = shutil.which("valgrind")
    if not valgrind:
        return None
    environment = allocator.environment()
    if allocator.path:
        environment["LD_PRELOAD"] = allocator.path

    def collected(kind, count):
        run = subprocess.run([valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", place.program("pair_cost"), kind, str(size),
                              str(count)], env=environment, capture_output=True, text=True, check=True, timeout=LIMIT_SECONDS)
        found = re.search(r"Collected : (\d+)", run.stderr)
        if not found:
            raise ValueError("callgrind printed no count")
        return int(found[1])

    count = 20000
    real = collected("real", 2 * count) - collected("real", count)
    empty = collected("empty", 2 * count) - collected("empty", count)
    return (real - empty) / count + 2  # the empty pair is two instructions


def worst_call(place, allocator, calls):
    """The figures of wcet, or None where it is not written for the processor."""
    environment = allocator.environment()
    run = subprocess.run([place.program("wcet"), allocator.path or "-", str(calls)], env=environment, capture_output=True, text=True,
                         check=False, timeout=LIMIT_SECONDS)
    if run.returncode == 77:
        return None
    found = re.match(r"calls (\d+)  instructions: median (\d+)  p99 (\d+)  p99.9 (\d+)  max (\d+) ; "
                     r"with a system call (\d+) \(max (\d+)\)", run.stdout)
    if run.returncode != 0 or not found:
        raise ValueError(run.stderr.strip() or f"wcet ended with {run.returncode}")
    return [int(number) for number in found.groups()]


def measure_special(place, allocators, quick, progress):
    """Returns {measurement: {allocator's name: value}} and a list of failures."""
    figures, failures = {}, []

    def each(name, measure):
        progress(name)
        figures[name] = {}
        for allocator in allocators:
            try:
                figures[name][allocator.name] = measure(allocator)
            except (subprocess.SubprocessError, OSError, ValueError) as problem:
                failures.append(f"{name} under {allocator.name}: {problem}")

    each("hello", lambda allocator: hello_kib(place, allocator))
    progress("start")
    try:
        figures["start"] = start_microseconds(place, allocators, 50 if quick else 1500)
    except (subprocess.SubprocessError, OSError, ValueError) as problem:
        failures.append(f"process start: {problem}")
    each("threads", lambda allocator: thread_kib(place, allocator, 200 if quick else 1000))
    each("ended", lambda allocator: ended_threads_kib(place, allocator, 500 if quick else 10000))
    if not quick:
        each("pair", lambda allocator: [pair_instructions(place, allocator, size) for size in (16, 64, 1024)])
        each("worst", lambda allocator: worst_call(place, allocator, 6000))
    return figures, failures
