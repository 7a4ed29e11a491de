# SPDX-License-Identifier: EUPL-1.2
"""Makes a release that installs well and doesn't serve, to see a device go back from it."""

import io
import re
import tarfile
import zipfile
from pathlib import Path


def release(bundle: Path, folder: Path) -> Path:
    """Return a copy of a bundle whose portal can't start; its name is another release's."""
    target = folder / re.sub(r"-[0-9a-f]{8}-", "-0badc0de-", bundle.name)
    with tarfile.open(bundle) as good, tarfile.open(target, "w") as bad:
        for member in good.getmembers():
            content = good.extractfile(member)
            data = content.read() if content else b""
            if member.name.startswith("parvis-"):
                data = _broken(data)
            member.size = len(data)
            bad.addfile(member, io.BytesIO(data))
    return target


def _broken(wheel: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as good, zipfile.ZipFile(out, "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, b"raise SystemExit('broken on purpose')\n" if name == "captive_portal/wsgi.py" else data)
    return out.getvalue()
