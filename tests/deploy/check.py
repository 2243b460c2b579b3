"""Checks what is in deploy/ with the tools of those who use it: `python check.py DEPLOY METRICS.md OUT`.

OUT gets what other tools check: the scaled objects as JSON, and the expressions of the dashboard as a rule file.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml
from helm_python import Chart

VERSIONS = ["1.29", "1.32", "1.34"]
OWN_KINDS = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}
VARIANTS = {
    "default": {},
    "keda": {"scaling": {"kind": "keda", "queues": ["orders", "mail"]}},
    "keda-all": {"scaling": {"kind": "keda"}},
    "hpa": {"scaling": {"kind": "hpa", "minReplicas": 0}},
    "direct": {"scaling": {"kind": "direct"}},
    "monitored": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True, "labels": {"team": "jobs"}}},
    "secret": {"redis": {"existingSecret": "redis", "existingSecretKey": "url"}, "shutdownTimeoutSeconds": 300},
    "bare": {"podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}},
}
REFUSED = [{"replicas": "two"}, {"scaling": {"kind": "magic"}}, {"imagee": {}}, {"shutdownTimeoutSeconds": 0}]


def objects(chart: Chart, values: dict) -> list[dict]:
    rendered = chart.render(values, name="jobs", namespace="work")
    found = []
    for name, text in rendered.items():
        if name.endswith(".yaml"):
            found += [one for one in yaml.safe_load_all(text) if one]
    return found


def check_chart(folder: Path, out: Path) -> None:
    chart = Chart.load(str(folder))
    for variant, values in VARIANTS.items():
        found = objects(chart, values)
        kinds = [one["kind"] for one in found]
        for one in found:
            if one["kind"] not in OWN_KINDS:
                for version in VERSIONS:
                    kubernetes_validate.validate(one, version, strict=True)
        pod = next(one for one in found if one["kind"] == "Deployment")["spec"]["template"]["spec"]
        drain = values.get("shutdownTimeoutSeconds", 30)
        assert pod["terminationGracePeriodSeconds"] > drain, "pods are killed before they have drained"
        container = pod["containers"][0]
        assert container["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"]
        assert {"livenessProbe", "readinessProbe", "startupProbe"} <= container.keys()
        expected = {"keda": "ScaledObject", "keda-all": "ScaledObject", "hpa": "HorizontalPodAutoscaler", "direct": "RoleBinding"}
        if variant in expected:
            assert expected[variant] in kinds, f"{variant}: {kinds}"
            deployment = next(one for one in found if one["kind"] == "Deployment")
            assert "replicas" not in deployment["spec"], "an upgrade would undo what was scaled"
        for one in found:
            if one["kind"] == "ScaledObject":
                (out / f"{variant}.scaledobject.json").write_text(json.dumps(one))
            if one["kind"] == "PrometheusRule":
                assert one["spec"]["groups"][1]["rules"], "no rules"
        print(f"chart, {variant}: {len(found)} objects fit Kubernetes {', '.join(VERSIONS)}")
    for values in REFUSED:
        try:
            chart.validate_schema(chart.merge_values(values))
        except Exception:
            continue
        raise AssertionError(f"the chart takes {values}")
    print(f"chart: {len(REFUSED)} kinds of wrong values are refused")
    broken = objects(chart, {})[0]
    broken["metadata"]["labels"] = 3
    try:
        kubernetes_validate.validate(broken, VERSIONS[0], strict=True)
    except kubernetes_validate.ValidationError:
        return
    raise AssertionError("an object that cannot be was taken: this check checks nothing")


def check_dashboard(file: Path, specification: str, out: Path) -> None:
    known = set(re.findall(r"^\| `([a-z_]+)` \| (\w+)", specification, re.M))
    names = {name for name, _ in known}
    names |= {name + end for name, kind in known if kind == "histogram" for end in ("_bucket", "_sum", "_count")}
    dashboard = json.loads(file.read_text())
    assert "uid" not in dashboard, "a fixed uid makes two installations fight for it"
    rules = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
            expr = target["expr"].replace("$__rate_interval", "5m")
            for used in re.findall(r"\b(?:gristmill|bullmq)_[a-z_]+", expr):
                assert used in names, f"{panel['title']}: there is no metric {used}"
            rules.append({"record": f"panel:{len(rules)}", "expr": expr})
    (out / "dashboard.rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    print(f"dashboard: {len(rules)} expressions over known metrics")


def check_rules(file: Path, specification: str) -> None:
    names = set(re.findall(r"^\| `([a-z_]+)`", specification, re.M))
    for used in re.findall(r"\b(?:gristmill|bullmq)_[a-z_]+", file.read_text()):
        base = re.sub(r"_bucket$", "", used)
        recorded = used in {"gristmill_attempts", "gristmill_failures", "gristmill_timeouts", "gristmill_backlog"}
        assert recorded or base in names, f"{file.name}: there is no metric {used}"
    print(f"{file.name}: known metrics only")


def main() -> None:
    deploy, metrics, out = (Path(path) for path in sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    specification = metrics.read_text()
    check_chart(deploy / "helm/gristmill", out)
    check_dashboard(deploy / "grafana/gristmill.json", specification, out)
    check_rules(deploy / "prometheus/rules.yml", specification)
    same = (deploy / "prometheus/rules.yml").read_text() == (deploy / "helm/gristmill/rules.yml").read_text()
    assert same, "deploy/helm/gristmill/rules.yml is not deploy/prometheus/rules.yml: copy it"
    tools = Path(sys.executable).parent
    subprocess.run([tools / "hadolint", deploy / "Dockerfile"], check=True)
    config = "{extends: default, rules: {line-length: disable, document-start: disable, braces: {max-spaces-inside: 1}}}"
    plain = ["compose.yaml", "compose", "prometheus", "helm/gristmill/values.yaml", "helm/gristmill/Chart.yaml"]
    subprocess.run([tools / "yamllint", "--strict", "-d", config, *(deploy / path for path in plain)], check=True)
    print("Dockerfile and YAML: no complaint")


main()
