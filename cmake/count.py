"""Prints lit's counts as the last line: N passed, M failed[, K skipped]."""
import collections
import json
import sys

try:
    tests = json.load(open(sys.argv[1]))["tests"]
except OSError:
    tests = []
codes = collections.Counter(t["code"] for t in tests)
passed = codes["PASS"] + codes["XFAIL"]
skipped = codes["UNSUPPORTED"] + codes["SKIPPED"] + codes["EXCLUDED"]
failed = sum(codes.values()) - passed - skipped
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(failed > 0 or passed == 0)
