"""Write every vector below a folder, by default this one; imports nothing of lamella."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cobblestone_vectors
import generate_keyring
import layer_vectors
import object_accepts
import object_rejects
import record_vectors
import text_vectors

HERE = Path(__file__).parent

FAMILIES = {
    "ref": (text_vectors.accept_ref, text_vectors.reject_ref),
    "manifest": (text_vectors.accept_manifest, text_vectors.reject_manifest),
    "locator": (text_vectors.accept_locator, text_vectors.reject_locator),
    "envelope": (record_vectors.accept_envelope, record_vectors.reject_envelope),
    "head": (record_vectors.accept_head, record_vectors.reject_head),
    "lead": (record_vectors.accept_lead, record_vectors.reject_lead),
    "binding": (record_vectors.accept_binding, None),
    "zstd": (layer_vectors.accept_zstd, layer_vectors.reject_zstd),
    "padme": (layer_vectors.accept_padme, layer_vectors.reject_padme),
    "chunk": (layer_vectors.accept_chunk, layer_vectors.reject_chunk),
    "cobblestone256": (cobblestone_vectors.accept, cobblestone_vectors.reject),
    "object": (object_accepts.accept, object_rejects.reject),
}


def files():
    for path, text in generate_keyring.files():
        yield str(path.relative_to(HERE)), text
    for family, (accept, reject) in FAMILIES.items():
        for name, vector in accept():
            yield f"{family}/accept/{name}.json", spelled(vector)
        for reason, name, vector in reject() if reject else ():
            yield f"{family}/reject/{reason}_{name}.json".replace("-", "_"), spelled({"reason": reason, **vector})


def spelled(vector):
    return json.dumps(vector, indent=2) + "\n"


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    written = set()
    for name, text in files():
        if name in written:
            raise ValueError(name)
        written.add(name)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
