"""Writes the key pair that signs exported versions; never touches a private key that is there.

What it writes is what `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write.
"""

import os
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PROJECT = Path(__file__).resolve().parents[1]
PRIVATE, PUBLIC = "signing.pem", "signing.pub"


def main(project: Path = PROJECT) -> int:
    """Write the private key for its owner alone, and the public one beside it; return 0 where they are there."""
    key = Ed25519PrivateKey.generate()
    try:
        descriptor = os.open(project / PRIVATE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stdout.write(f"{PRIVATE} is there already and stays as it is. To have a new pair, move both files away.\n")
        return 0
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (project / PUBLIC).write_bytes(public)
    sys.stdout.write(
        f"Wrote {PRIVATE}, for SLIPSTREAM_SIGNING_KEY on the side that exports, and {PUBLIC}, for "
        f"SLIPSTREAM_TRUSTED_KEYS on the side that imports.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
