"""Writes the PrometheusRule that holds the alarms of k8s/monitoring/alerts.yaml: rule.py ALERTS. Kustomize can put a
file into a ConfigMap, but not into a custom resource, so the result is committed; a test compares it.
"""

import pathlib
import sys

import yaml

HEAD = """# Made from alerts.yaml by `python3 tests/k8s/rule.py k8s/monitoring/alerts.yaml > k8s/monitoring/rule.yaml`
# (with PyYAML): change that one.
"""

groups = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))["groups"]
rule = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {"name": "emend", "labels": {"app.kubernetes.io/name": "emend"}},
    "spec": {"groups": groups},
}
sys.stdout.write(HEAD + yaml.safe_dump(rule, sort_keys=False, allow_unicode=True, width=1000))
