"""The benchmarks: our own small ones and real programs, each able to run once under a given allocator."""
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from allocators import c_library

LIMIT_SECONDS = 400


class Failure(Exception):
    """A run that did not do its work."""


@dataclass
class Result:
    seconds: float
    peak_kib: int
    extra: float = None  # resident over live, where a benchmark prints it
    digest: str = ""  # of the output, which no allocator may change


class Place:
    """Where things are: the built programs, the scripts, a temporary folder."""

    def __init__(self, built, source, temporary):
        self.built, self.data, self.temporary = built, os.path.join(source, "data"), temporary

    def program(self, name):
        return os.path.join(self.built, name)

    def script(self, name):
        return os.path.join(self.data, name)

    def new(self, name):
        return os.path.join(self.temporary, name)


def start_measured(place, allocator, command, **settings):
    environment = dict(allocator.environment(), **settings.pop("variables", {}))
    preload = settings.pop("preload", allocator.path)
    return subprocess.Popen([place.program("measure"), place.new("figures"), preload] + command, env=environment,
                            cwd=place.temporary, start_new_session=True, **settings)


def read_figures(place):
    """Wall seconds and peak resident KiB of the program that measure ran; it must have succeeded."""
    with open(place.new("figures"), encoding="ascii") as figures:
        wall, _user, _system, peak, status = figures.read().split()
    if int(status) != 0:
        raise Failure(f"exit status {status}")
    return float(wall), int(peak)


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_measured(place, allocator, command, stdin=None, variables=None):
    """Returns wall seconds, peak and output.  Errors go to a file and are shown only if the run fails."""
    with open(stdin or os.devnull, "rb") as given, open(place.new("errors"), "w+b") as errors:
        process = start_measured(place, allocator, command, stdin=given, stdout=subprocess.PIPE, stderr=errors,
                                 variables=variables or {})
        try:
            output, _ = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            end_group(process)
            raise Failure(f"not done after {LIMIT_SECONDS} s") from None
        try:
            wall, peak = read_figures(place)
        except (Failure, OSError) as problem:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            raise Failure(f"{problem}: {said[-1] if said else 'no message'}") from None
    return wall, peak, output


class Micro:
    """One of our own; it says itself how long its work took, without the start of the process."""

    group = "own"

    def __init__(self, name, command):
        self.name, self.command = name, command

    def prepare(self, _place):
        return None

    def run(self, place, allocator, scale):
        _wall, peak, output = run_measured(place, allocator, self.command + [str(scale)])
        text = output.decode()
        seconds = re.search(r"^seconds (\S+)$", text, re.M)
        if not seconds:
            raise Failure("it printed no time")
        ratio = re.search(r"^resident-over-live (\S+)$", text, re.M)
        checksum = re.search(r"^checksum (\S+)$", text, re.M)
        return Result(float(seconds[1]), peak, float(ratio[1]) if ratio else None, checksum[1] if checksum else "")


class Program:
    """A real program with input made on the spot.  `make_input` gets the place and may return the standard input."""

    group = "program"

    def __init__(self, name, command, make_input=None, variables=None):
        self.name, self.command, self.make_input, self.variables = name, command, make_input, variables
        self.stdin = None

    def prepare(self, place):
        """Returns why it cannot run here, or None."""
        if not find_program(self.command[0]):
            return f"{self.command[0]} is not installed"
        self.command = [find_program(self.command[0])] + [
            word.replace("@DATA@", place.data).replace("@TMP@", place.temporary) for word in self.command[1:]]
        if self.make_input:
            self.stdin = self.make_input(place)
        return None

    def run(self, place, allocator, _scale):
        wall, peak, output = run_measured(place, allocator, self.command, self.stdin, self.variables)
        return Result(wall, peak, None, hashlib.sha256(output).hexdigest())


def find_program(name):
    """Debian's own before any version manager's shim, which would be a shell script under the allocator too."""
    return shutil.which(name, path="/usr/bin:/bin:/usr/local/bin") or shutil.which(name)


def make_sql(place):
    return write_output([sys.executable, place.script("make_sql.py"), "30000"], place.new("work.sql"))


def make_cxx(place):
    write_output([sys.executable, place.script("make_cxx.py"), "3"], place.new("big.cc"))


def write_output(command, path):
    with open(path, "wb") as output:
        subprocess.run(command, stdout=output, check=True)
    return path


def make_repository(place):
    """A git repository of eighty commits to some of 150 files, with texts that resemble each other."""
    repository = place.new("repository")
    subprocess.run(["git", "init", "-q", "-b", "main", repository], check=True)
    stream, seed = [], 42
    for commit in range(80):
        stream.append(f"commit refs/heads/main\ncommitter A <a@example.org> {1700000000 + commit} +0000\ndata 1\nx\n")
        for _ in range(5):
            seed = (seed * 1103515245 + 12345) % 2147483648
            number = seed // 65536 % 150
            lines = [f"line {i} of file {number}, commit {commit * (i % 17 == commit % 17)}\n" for i in range(300 + number)]
            text = "".join(lines)
            stream.append(f"M 100644 inline folder{number % 7}/file{number}\ndata {len(text)}\n{text}\n")
    subprocess.run(["git", "-C", repository, "fast-import", "--quiet"], input="".join(stream).encode(), check=True)


class Redis:
    """redis-server is measured; redis-benchmark, which is not, gives it pipelined work through a socket."""

    group = "program"
    name = "redis"

    def prepare(self, _place):
        for program in ("redis-server", "redis-benchmark"):
            if not find_program(program):
                return f"{program} is not installed"
        return None

    def run(self, place, allocator, _scale):
        path = place.new("redis.sock")
        # Debian's server is linked with another allocator, so glibc's must be put before it like any other.
        server = start_measured(place, allocator, [find_program("redis-server"), "--port", "0", "--unixsocket", path, "--save", "",
                                "--appendonly", "no", "--dir", place.temporary], preload=allocator.path or c_library(),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.wait_until_ready(server, path)
            start = time.monotonic()
            for test, count in (("set,get", 200000), ("lpush,lpop", 100000)):
                subprocess.run([find_program("redis-benchmark"), "-s", path, "-q", "-P", "32", "-c", "20", "-n", str(count), "-r", "100000",
                                "-d", "100", "-t", test], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
                               timeout=LIMIT_SECONDS)
            seconds = time.monotonic() - start
            self.say(path, b"SHUTDOWN NOSAVE\r\n")
            server.wait(timeout=LIMIT_SECONDS)
            _wall, peak = read_figures(place)
        except (subprocess.SubprocessError, OSError) as problem:
            raise Failure(str(problem)) from None
        finally:
            end_group(server)
            if os.path.exists(path):
                os.unlink(path)
        return Result(seconds, peak)

    @staticmethod
    def say(path, request):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(path)
            connection.sendall(request)
            return connection.recv(100)

    def wait_until_ready(self, server, path):
        for _ in range(3000):
            if server.poll() is not None:
                break
            try:
                if self.say(path, b"PING\r\n").startswith(b"+PONG"):
                    return
            except OSError:
                pass
            time.sleep(0.03)
        raise Failure("the server does not answer")


def all_benchmarks(place):
    micro = place.program("micro")
    names = subprocess.run([micro], capture_output=True, text=True, check=True).stdout.split()
    compile_cxx = ["-std=gnu++17", "-O2", "-c", "@TMP@/big.cc", "-o", "/dev/null"]
    clang = next((name for name in ("clang++", "clang++-16") if find_program(name)), "clang++")
    return [Micro(name, [micro, name]) for name in names] + [
        Micro("containers", [place.program("containers")]),
        Redis(),
        Program("sqlite3", ["sqlite3", ":memory:"], make_sql),
        Program("python3", ["python3", "@DATA@/work.py"], variables={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}),
        Program("lua", ["lua5.4", "@DATA@/work.lua"]),
        Program("perl", ["perl", "@DATA@/work.pl"], variables={"PERL_HASH_SEED": "0"}),
        Program("g++", ["g++"] + compile_cxx, make_cxx),
        Program("clang++", [clang] + compile_cxx, make_cxx),
        Program("git-gc", ["git", "-C", "@TMP@/repository", "-c", "pack.threads=2", "-c", "gc.auto=0", "gc", "--quiet", "--aggressive"],
                make_repository),
        Program("node", ["node", "@DATA@/work.js"]),
        Program("ghostscript", ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=ppmraw", "-r72", "-sOutputFile=-",
                                "@DATA@/work.ps"]),
        Program("bash", ["bash", "@DATA@/work.sh"]),
    ]
