# SPDX-License-Identifier: EUPL-1.2
"""Makes other releases of a bundle: one that is as good, and one that installs well and doesn't serve."""

import io
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

_PAGES = ("captive_portal/wsgi.py", "kiosk/wsgi.py")


def twin(bundle: Path, folder: Path) -> Path:
    """Return a copy of a bundle under another release's name."""
    return Path(shutil.copy(bundle, folder / re.sub(r"-[0-9a-f]{8}-", "-600d600d-", bundle.name)))


def release(bundle: Path, folder: Path) -> Path:
    """Return a copy of a bundle whose portal and kiosk can't start; its name is another release's."""
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
            bad.writestr(name, b"raise SystemExit('broken on purpose')\n" if name in _PAGES else good.read(name))
    return out.getvalue()
