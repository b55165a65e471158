#!/usr/bin/env python3
"""Checks the vectors in this folder with Python's standard library alone: python3 contract/vectors/webhooks/check.py

`verify` is all that a receiver needs for HMAC signatures (v1 of Standard Webhooks, and X-Signature). Ed25519 is not in
the standard library, so those vectors are passed over.
"""

import base64
import gzip
import hashlib
import hmac
import json
import pathlib
import sys


def verify(body, headers, receiver, now, seen):
    """Whether a delivery is genuine and new. `seen` maps ids to the time until which they are remembered."""
    tolerance = receiver["tolerance_seconds"]
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    needs_time = receiver.get("require_timestamp", "secrets" in receiver)
    if "secrets" not in receiver or not (needs_time or "webhook-signature" in headers):
        expected = hmac.new(receiver["api_secret"].encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, headers["x-signature"])
    message, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
    given = headers["webhook-signature"].replace(", ", " ").split(" ")
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in receiver["secrets"]]
    signed = b"%s.%d.%s" % (message.encode(), timestamp, body)
    expected = ["v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    if abs(now - timestamp) > tolerance or not any(hmac.compare_digest(a, b) for a in expected for b in given):
        return False
    is_new = seen.get(message, now - 1) < now
    seen[message] = max(seen.get(message, 0), timestamp + tolerance)
    return is_new


def accepts(arrival, receiver, seen):
    """What cannot even be read (a header missing, broken gzip) is refused as well, and so is what is no JSON."""
    body = base64.b64decode(arrival["body_base64"]) if "body_base64" in arrival else arrival["body"].encode()
    try:
        genuine = verify(body, arrival["headers"], receiver, arrival["now"], seen)
        if genuine and body[:2] != b"\x1f\x8b":
            json.loads(body)
        return genuine
    except (KeyError, ValueError, OSError, EOFError):
        return False


def main():
    folder = pathlib.Path(__file__).parent
    load = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
    checks = []
    for vector in load("sign.json"):
        now, body, headers = vector["timestamp"], vector["body"].encode(), vector["headers"]
        for secret in vector["secrets"]:
            if secret.startswith("whsec_"):
                receiver = {"secrets": [secret], "tolerance_seconds": 300}
                checks.append((vector["name"], verify(body, headers, receiver, now, {}), True))
        if vector["api"] is not None:
            receiver = {"api_secret": vector["api"]["secret"], "tolerance_seconds": 300}
            checks.append((vector["name"] + ", X-Signature", verify(body, headers, receiver, now, {}), True))
    # Where Weir's receiver is stricter than the specification, this one need not be.
    for vector in load("verify.json"):
        if vector["scheme"] != "v1a" and not vector.get("stricter"):
            checks.append((vector["name"], accepts(vector, vector["receiver"], {}), vector["error"] is None))
    for vector in load("replay.json"):
        seen = {}
        for number, step in enumerate(vector["steps"], 1):
            name = f"{vector['name']}, step {number}"
            checks.append((name, accepts(step, vector["receiver"], seen), step["error"] is None))
    wrong = [f"{name}: {found}, and not {wanted}" for name, found, wanted in checks if found != wanted]
    for line in wrong:
        print(line)
    print(f"{len(checks) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
