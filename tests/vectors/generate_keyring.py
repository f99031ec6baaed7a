"""Write the keyring vectors: `generate_keyring.py`, or `generate_keyring.py --check` to compare only."""

from __future__ import annotations

import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from keyring_documents import BASE, I1, document, expand, key, secret_of
from keyring_rejects import reject

FOLDER = Path(__file__).parent / "keyring"


def accepted(deployment="vectors", epoch=1, keys=BASE, *, line_feed=True):
    by_role = {
        role: next(each for each in keys if each[0] == role and each[1] == "primary") for role in ("data", "ref")
    }
    message, plain = b"lamella", secret_of("value key")
    data, ref = by_role["data"], by_role["ref"]
    text = document(deployment, epoch, keys)
    return {
        "document": text if line_feed else text.rstrip("\n"),
        "deployment": deployment,
        "epoch": epoch,
        "keyring_id": I1[3].hex(),
        "keys": [
            {"role": role, "status": status, "created_at": created_at, "key_id": key_id.hex()}
            for role, status, created_at, key_id, _ in keys
        ],
        "message": message.hex(),
        "mac_id": hmac.digest(expand(I1[4], "id/mac", 32), message, "sha256").hex(),
        "ref_key_id": ref[3].hex(),
        "mac_ref": hmac.digest(expand(ref[4], "ref/mac", 32), message, "sha256").hex(),
        "data_key_id": data[3].hex(),
        "wrapped_key": aes_key_wrap(expand(data[4], "data/wrap", 32), plain).hex(),
        "value_key": plain.hex(),
    }


def accept():
    statuses = [key("data", f"D {status}", status) for status in ("staged", "active", "disabled", "destroyed")]
    refs = [key("ref", f"R {status}", status) for status in ("staged", "active", "disabled", "destroyed")]
    yield "minimal", accepted()
    yield "without_line_feed", accepted(line_feed=False)
    yield "every_status", accepted(epoch=9, keys=[*BASE, *statuses, *refs])
    yield "primary_is_not_first", accepted(epoch=3, keys=[key("data", "D0", "active"), *BASE])
    yield "largest_epoch", accepted(epoch=2**63 - 1)
    yield "longest_deployment", accepted(deployment="a.b_c-0" + "z" * 57)
    yield (
        "oldest_and_newest_key",
        accepted(keys=[key("data", "D1", created_at=0), key("ref", "R1", created_at=253402300799), I1]),
    )


def files():
    for folder, vectors in (("accept", accept()), ("reject", reject())):
        for name, vector in vectors:
            yield FOLDER / folder / f"{name}.json", json.dumps(vector, indent=2) + "\n"


def main():
    wanted = dict(files())
    if "--check" in sys.argv[1:]:
        found = {path: path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.json")}
        differing = sorted(str(path) for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
        sys.exit("\n".join(differing) or 0)
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
