"""Renders kustomizations to JSON: render.py KUBECTL K8S_FOLDER SCRATCH.

Each overlay, the base alone, and the base with each component and what that one builds on. SCRATCH gets a copy of the
manifests, since a kustomization that puts base and component together has to stand beside them.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import yaml

# What a component needs below it.
BELOW = {"ingress-mtls": ["mtls", "ingress"], "keda-mtls": ["mtls", "keda"], "pod-deletion-cost-mtls": ["mtls", "pod-deletion-cost"]}


def kustomize(kubectl: str, folder: pathlib.Path) -> list:
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"kubectl kustomize {folder}: {done.stderr}")
    if done.stderr.strip():
        sys.exit(f"kubectl kustomize {folder} warns: {done.stderr}")
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def main() -> None:
    kubectl, source, scratch = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    copy = scratch / "k8s"
    shutil.copytree(source, copy)
    rendered = {"base": kustomize(kubectl, copy / "base")}
    for overlay in sorted((copy / "overlays").iterdir()):
        rendered[overlay.name] = kustomize(kubectl, overlay)
    for component in sorted((copy / "components").iterdir()):
        name = component.name
        folder = copy / f"with-{name}"
        folder.mkdir()
        components = [f"../components/{part}" for part in [*BELOW.get(name, []), name]]
        (folder / "kustomization.yaml").write_text(
            yaml.safe_dump({"resources": ["../base"], "components": components, "namespace": "emend"})
        )
        rendered[f"base with {name}"] = kustomize(kubectl, folder)
    json.dump(rendered, sys.stdout)


main()
