from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path

from slipstream.settings import Settings
from slipstream.transfer import signing_key, trusted_keys
from slipstream.transfer.keys import fingerprint

WRITE = runpy.run_path(str(Path(__file__).resolve().parents[3] / "deploy" / "write_keys.py"))["main"]


def test_a_pair_is_written_once_for_its_owner_alone_and_fits_the_settings(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert WRITE(tmp_path) == 0
    finally:
        os.umask(before)
    private, public = tmp_path / "signing.pem", tmp_path / "signing.pub"
    kept = private.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o600
    assert WRITE(tmp_path) == 0
    assert private.read_bytes() == kept

    settings = Settings(signing_key=private, trusted_keys=public)
    assert list(trusted_keys(settings)) == [fingerprint(signing_key(settings).public_key())]
    told = subprocess.run(
        ["openssl", "pkey", "-in", str(private), "-pubout"], capture_output=True, text=True, check=True
    )
    assert told.stdout == public.read_text(encoding="utf-8")
