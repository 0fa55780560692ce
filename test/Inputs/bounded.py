"""Runs a command within 2 GiB and a time: bounded.py STATUSES COMMAND...

STATUSES are the exit statuses it may have, such as 1 or 0,1. A signal, another
status, or more than 30 seconds is an error. The sanitisers need more memory.
"""
import os
import resource
import subprocess
import sys

LIMIT, SECONDS = 2 << 30, 30


def limit():
    if not os.environ.get("RELINK_SANITIZED"):
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


allowed = [int(s) for s in sys.argv[1].split(",")]
try:
    status = subprocess.run(sys.argv[2:], preexec_fn=limit, timeout=SECONDS).returncode
except subprocess.TimeoutExpired:
    sys.exit("bounded: more than %d seconds: %s" % (SECONDS, " ".join(sys.argv[2:])))
if status not in allowed:
    sys.exit("bounded: status %d: %s" % (status, " ".join(sys.argv[2:])))
