"""kill.py RELINK APP PATCH ROUNDS: kills relink at random moments.

However it ends, the input is as it was, and the output is absent, the old one,
or whole. Nothing else is left in the directory.
"""
import hashlib, os, random, signal, subprocess, sys, time

relink, app, patch, rounds = sys.argv[1:4] + [int(sys.argv[4])]
digest = lambda path: hashlib.sha256(open(path, "rb").read()).hexdigest()
command = [relink, app, patch, "-o", "out/fixed", "--no-in-place", "-q"]
os.makedirs("out", exist_ok=True)
start = time.perf_counter()
subprocess.run(command, check=True)
took = time.perf_counter() - start
whole, original = digest("out/fixed"), digest(app)
random.seed(int(os.environ.get("SEED", "1")))
ended = {"absent": 0, "old": 0, "whole": 0}
for i in range(rounds):
    old = i % 2 == 1
    if os.path.exists("out/fixed"):
        os.unlink("out/fixed")
    if old:
        open("out/fixed", "w").write("old")
    p = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(random.uniform(0, took * 1.2))
    p.send_signal(signal.SIGKILL if i % 3 else signal.SIGTERM)
    p.wait()
    state = "absent"
    if os.path.exists("out/fixed"):
        found = digest("out/fixed")
        state = "old" if found == hashlib.sha256(b"old").hexdigest() else "whole"
        assert state == "old" or found == whole, f"round {i}: neither old nor whole"
    assert state != "absent" or not old, f"round {i}: the old output is gone"
    ended[state] += 1
    assert digest(app) == original, f"round {i}: the input has changed"
    # Between the name's making and the rename a kill may leave one.
    rest = [n for n in os.listdir("out") if n != "fixed"]
    assert len(rest) <= 1, f"round {i}: left over: {rest}"
    for n in rest:
        assert digest("out/" + n) == whole, f"round {i}: {n} is not whole"
        os.unlink("out/" + n)
print(ended)
if not ended["whole"] or not (ended["absent"] + ended["old"]):
    sys.exit("the moments were not spread over the run")
