"""Adds up test results: lit's JSON (-o) and GoogleTest's (--gtest_output=json).

The last line printed is "N passed, M failed", with ", K skipped" if any were.
The exit status is 0 only if something passed and nothing failed.
"""

import json
import sys

PASSED = {"PASS", "XFAIL", "FLAKYPASS"}
SKIPPED = {"UNSUPPORTED", "SKIPPED"}
NOT_CHOSEN = {"EXCLUDED"}  # lit --filter and the like


def outcomes(report):
    if "testsuites" in report:
        for suite in report["testsuites"]:
            for test in suite["testsuite"]:
                if test.get("failures"):
                    yield "FAIL"
                elif test.get("result") == "COMPLETED":
                    yield "PASS"
                else:
                    yield "SKIPPED"
    else:
        for test in report["tests"]:
            yield test["code"]


passed = failed = skipped = 0
for path in sys.argv[1:]:
    try:
        with open(path) as file:
            codes = list(outcomes(json.load(file)))
    except (OSError, ValueError, KeyError) as error:
        # A suite without results counts as one failure.
        print(f"tally: {path}: {error}", file=sys.stderr)
        codes = ["UNRESOLVED"]
    for code in codes:
        if code in PASSED:
            passed += 1
        elif code in SKIPPED:
            skipped += 1
        elif code not in NOT_CHOSEN:
            failed += 1

print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(0 if passed and not failed else 1)
