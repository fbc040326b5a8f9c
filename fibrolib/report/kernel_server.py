"""The process that kernels are forked from: it imports what notebooks import, once, and then answers requests.

`fibrolib.report.kernels` starts this file as a script and writes one JSON object per line to its standard input:

- ``{"arguments": [...], "cwd": "...", "env": {...}}`` forks a kernel; the answer is ``{"pid": ...}``;
- ``{"ended": pid}`` asks after one; the answer is ``{"status": ...}``, null while it runs.

It ends when its standard input does, that is with the run, however that ended; its kernels notice, and end as well.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys


def main() -> None:
    """Import, then fork until there is nobody to ask for it."""
    _preload()
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        if "ended" in request:
            answer = {"status": _status(request["ended"])}
        else:
            answer = {"pid": os.fork()}
            if not answer["pid"]:
                _become_kernel(**request)
                return
        print(json.dumps(answer), flush=True)


def _preload() -> None:
    # As every kernel says to its matplotlib, which reads it on import.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for module in ("fibrolib.study.preloading", "ipykernel.kernelapp"):
        importlib.import_module(module)
    gc.freeze()  # objects that the collector leaves alone stay shared with the kernels


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _become_kernel(arguments: list[str], cwd: str, env: dict[str, str]) -> None:
    """Run a kernel in this process, as ``python -m ipykernel_launcher`` with these arguments would."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()  # a signal to the kernel reaches its workers, and none for the run reaches it
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # standard output carries the answers
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["ipykernel_launcher", *arguments]
    IPKernelApp.launch_instance([*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])


if __name__ == "__main__":
    main()
