"""How fast is DeLong's test? Two scores of one million patients, beside two plain sorts and MLstatkit where installed.

Run: ``python benchmarks/delong.py``. Everything in one process, one after the other, the best of several rounds each;
memory is the peak that Python's allocators report beyond the inputs.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from time import perf_counter

import numpy as np

from fibrolib.inference import delong_test

try:
    from MLstatkit import Delong_test as peer_test
except ImportError:
    peer_test = None

ROUNDS = 7


def best(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def sample(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = (rng.random(n) < 0.3).astype(int)
    a = y + rng.normal(size=n)
    return y, a, a + rng.normal(size=n)


def main() -> None:
    print("MLstatkit is " + ("here" if peer_test else "not installed: left out"))
    print("  patients  two sorts     delong  ratio  MLstatkit  ratio  bytes/patient")
    for n in (1_000, 10_000, 100_000, 1_000_000):
        y, a, b = sample(n)
        sorts = best(lambda a=a, b=b: (np.sort(a), np.sort(b)))
        ours = best(lambda y=y, a=a, b=b: delong_test(y, a, b))
        peer = best(lambda y=y, a=a, b=b: peer_test(y, a, b), 3) if peer_test else float("nan")
        memory = peak(lambda y=y, a=a, b=b: delong_test(y, a, b)) / n
        print(
            f"{n:>10,} {1e3 * sorts:>7.2f} ms {1e3 * ours:>7.2f} ms {ours / sorts:>6.1f} "
            f"{1e3 * peer:>7.1f} ms {peer / ours:>6.1f} {memory:>14.0f}"
        )
    y, a, b = sample(1_000_000)
    a, b = a.round(2), b.round(2)
    print(f"one million patients, scores rounded to two decimals: {1e3 * best(lambda: delong_test(y, a, b)):.0f} ms")


if __name__ == "__main__":
    main()
