"""The demo as a user starts it: it holds on what works, and fails on what does not."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from urllib.parse import urlencode

import pytest

_LAMELLA = Path(sysconfig.get_path("scripts")) / "lamella"
_SMALL = ("--document-bytes", "20000", "--stream-bytes", "3000000")

# Seals that do not: they set the facts of a seal and claim its strength.
_GLASS = """
from dataclasses import dataclass
from typing import ClassVar
from lamella.protocols.layer import BytesLayer, FactBlock

@dataclass(frozen=True, slots=True, kw_only=True)
class Glass(BytesLayer):
    name: ClassVar[str] = "glass"
    role: ClassVar[str] = "encrypt"
    strength: ClassVar[int] = 200

    def encode(self, source, context):
        for segment in source:
            if context.facts is None:
                made = context.keys.new_value_key(segment)
                context.facts = FactBlock(context.position, 9, 0, 0, made.key_id, made.wrapped_key, made.hedge, 0)
            yield segment

    def decode(self, source, context):
        return source
"""
_GLASS_ENTRY = "[lamella.layers]\nglass = glass:Glass\n"


@pytest.fixture
def demo(tmp_path):
    """Run the demo on small values; return the process, and whether each claim held."""

    def run(*arguments, environ=None):
        result = subprocess.run(
            [_LAMELLA, "demo", *_SMALL, "--json", *arguments],
            env={**os.environ, "TMPDIR": str(tmp_path), **(environ or {})},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        claims = json.loads(result.stdout)["claims"] if result.stdout else []
        return result, {claim["sentence"]: claim["held"] for claim in claims}

    return run


@pytest.fixture
def glass(tmp_path):
    """Give the environment of a process in which a distribution with a layer that seals nothing is installed."""
    folder = tmp_path / "installed"
    (folder / "glass-1.0.dist-info").mkdir(parents=True)
    (folder / "glass.py").write_text(_GLASS)
    (folder / "glass-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: glass\nVersion: 1.0\n")
    (folder / "glass-1.0.dist-info" / "entry_points.txt").write_text(_GLASS_ENTRY)
    return {"PYTHONPATH": str(folder)}


def test_demo_holds_on_the_default_store_and_leaves_nothing_behind(demo, tmp_path):
    result, held = demo()
    assert (result.returncode, result.stderr) == (0, "")
    assert len(held) > 20
    assert all(held.values())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("store", ["directory://{}/objects", "sqlite:///{}/state.db", "memory://"])
def test_demo_holds_on_other_stores(demo, tmp_path, store):
    result, held = demo("--store", store.format(tmp_path))
    assert result.returncode == 0, result
    assert all(held.values())


def test_demo_holds_on_s3(demo, s3_server):
    query = urlencode({"endpoint": s3_server["endpoint"], "region": s3_server["region"], "allow_http": "true"})
    credentials = {
        "AWS_ACCESS_KEY_ID": s3_server["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": s3_server["secret_access_key"],
    }
    place = f"s3://{s3_server['bucket']}/{os.urandom(8).hex()}"
    result, held = demo("--store", f"{place}?{query}", environ=credentials)
    assert result.returncode == 0, result
    assert all(held.values())


@pytest.mark.parametrize(
    "layers", ["cobblestone256", "cobblestone256 | zstd", "zstd | chunk(64KiB) | padme | cobblestone256"]
)
def test_demo_holds_with_other_layers(demo, layers):
    result, held = demo("--layers", layers)
    assert result.returncode == 0, result
    assert all(held.values())


@pytest.mark.parametrize("layers", ["zstd | padme | glass | chunk(64KiB)", "glass"])
def test_layer_that_seals_nothing_breaks_the_demo(demo, glass, layers):
    result, held = demo("--layers", layers, environ=glass)
    assert result.returncode == 1
    failed = [sentence for sentence, each in held.items() if not each]
    assert any("canaries" in each for each in failed)
    for alteration in ("moved to another key", "under a disabled key"):
        assert any(alteration in each for each in failed), alteration
    assert held["the scan finds each canary where it is in the clear"]


def test_store_that_holds_objects_is_left_alone(demo, tmp_path):
    objects = tmp_path / "objects"
    precious = objects / "o1" / "0" / "1" / "2"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"precious")
    result, _ = demo("--store", f"directory://{objects}")
    assert result.returncode == 2
    assert "must be empty" in result.stderr
    assert precious.read_bytes() == b"precious"


@pytest.mark.parametrize("store", ["inline://", "nonsense://x"])
def test_store_that_cannot_be_looked_at_is_refused(demo, store):
    result, _ = demo("--store", store, "--layers", "cobblestone256")
    assert result.returncode == 2
    assert json.loads(result.stderr)["transient"] is False


def test_demo_reads_neither_the_configuration_nor_the_environment(demo, tmp_path):
    (tmp_path / "lamella.toml").write_text("nonsense = 1\n")
    result, held = demo(environ={"LAMELLA__LIMITS__MAX_VALUE_BYTES": "1"})
    assert result.returncode == 0, result
    assert all(held.values())


def test_demo_prints_no_control_codes_into_a_pipe(tmp_path):
    command = [_LAMELLA, "demo", *_SMALL]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert "\x1b" not in result.stdout
    assert result.stderr == ""
    assert "FAILED" not in result.stdout
    assert "lamella:1:" in result.stdout
    for name in ("IntegrityError", "RefTagError", "ManifestRefusedError", "KeyVersionNotFoundError", "> padme"):
        assert name in result.stdout
