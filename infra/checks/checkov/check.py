"""Runs checkov over templates and holds what it finds against waivers.json, where each waiver says for which resources it is and why.

    check.py CHECKOV TEMPLATE...

It fails for a finding without a waiver, and for a waiver without a finding."""

import fnmatch
import json
import os
import subprocess
import sys

with open(os.path.join(os.path.dirname(__file__), "waivers.json"), encoding="utf-8") as file:
    waivers = json.load(file)
wrong, waived = 0, 0
for template in sys.argv[2:]:
    name = os.path.basename(template)
    out = subprocess.run(
        [sys.argv[1], "--file", template, "--framework", "cloudformation", "--skip-download", "--quiet", "--output", "json"],
        stdout=subprocess.PIPE,
        check=False,
    ).stdout
    report = json.loads(out)
    if isinstance(report, list):
        report = report[0]
    if report["summary"]["parsing_errors"] or not report["summary"]["passed"]:
        sys.exit(f"checkov: {template} could not be read")
    used = set()
    for finding in report["results"]["failed_checks"]:
        check, resource = finding["check_id"], finding["resource"]
        waiver = waivers.get(name, {}).get(check)
        patterns = [] if waiver is None else [p for p in waiver["resources"] if fnmatch.fnmatchcase(resource, p)]
        if not patterns:
            wrong += 1
            print(f"checkov: {name}: {resource}: {check} {finding['check_name']}")
            continue
        waived += 1
        used.update((check, p) for p in patterns)
    for check, waiver in waivers.get(name, {}).items():
        for pattern in waiver["resources"]:
            if (check, pattern) not in used:
                wrong += 1
                print(f"checkov: {name}: the waiver of {check} for {pattern} is of no use any more")
if wrong:
    sys.exit(1)
print(f"checkov: {len(sys.argv) - 2} templates, {waived} findings with a waiver")
