"""Which allocators are compared, and where they are."""
import os
import re
import subprocess
from dataclasses import dataclass

# Debian's packages of the peers: name here, the names under which the loader may know it, package.
PEERS = [
    ("jemalloc", ["libjemalloc.so.2"], "libjemalloc2"),
    ("mimalloc", ["libmimalloc.so.2.0", "libmimalloc.so.2"], "libmimalloc2.0"),
    ("tcmalloc", ["libtcmalloc_minimal.so.4"], "libtcmalloc-minimal4"),
]


@dataclass
class Allocator:
    name: str
    path: str  # empty: the C library's own
    kind: str  # "glibc", "peer" (one of the four that targets compare with), "ours" or "other"
    options: str = ""  # CTXALLOC_OPTIONS

    def environment(self):
        """This process's environment with nothing of another allocator's in it."""
        environment = {key: value for key, value in os.environ.items()
                       if key not in ("LD_PRELOAD", "CTXALLOC_OPTIONS", "GLIBC_TUNABLES", "MALLOC_CONF")
                       and not key.startswith(("MALLOC_", "MIMALLOC_", "TCMALLOC_"))}
        if self.options:
            environment["CTXALLOC_OPTIONS"] = self.options
        return environment


def known_libraries():
    """The loader's cache: library name to path."""
    environment = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")
    listing = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, env=environment, check=False).stdout
    return {name: path for name, path in re.findall(r"^\s+(\S+) \(.*\) => (\S+)$", listing, re.M)}


def c_library():
    return known_libraries().get("libc.so.6", "libc.so.6")


def is_loaded(allocator, hello):
    """A preload that fails is only a warning of the loader's, so the mappings are looked at."""
    if not allocator.path:
        return True
    run = subprocess.run([hello, "maps"], capture_output=True, text=True, check=False,
                         env=dict(allocator.environment(), LD_PRELOAD=allocator.path))
    return run.returncode == 0 and os.path.basename(os.path.realpath(allocator.path)) in run.stdout


def find_allocators(hello, pattern):
    """Returns the allocators to compare and, for each that is missing, a sentence."""
    libraries = known_libraries()
    found, missing = [Allocator("glibc", "", "glibc")], []
    for name, sonames, package in PEERS:
        path = next((libraries[soname] for soname in sonames if soname in libraries), None)
        if path:
            found.append(Allocator(name, path, "peer"))
        else:
            missing.append(f"{name}: {sonames[0]} is not installed (package {package})")
    ours = os.environ.get("CTXALLOC_LIB", "")
    if ours and os.path.exists(ours):
        found.append(Allocator("ctxalloc-off", os.path.abspath(ours), "ours", "check=off"))
        found.append(Allocator("ctxalloc-on", os.path.abspath(ours), "ours", "check=on"))
    else:
        missing.append(f"ctxalloc: CTXALLOC_LIB names no library ({ours or 'it is not set'})")
    for word in os.environ.get("BENCH_ALLOCATORS", "").split():
        name, _, path = word.partition("=")
        if path and os.path.exists(path):
            found.append(Allocator(name, os.path.abspath(path), "other"))
        else:
            missing.append(f"{name}: {path or 'no path given'} does not exist (from BENCH_ALLOCATORS)")
    for allocator in list(found):
        if not re.search(pattern, allocator.name):
            found.remove(allocator)
        elif not is_loaded(allocator, hello):
            found.remove(allocator)
            missing.append(f"{allocator.name}: {allocator.path} cannot be preloaded")
    return found, missing
