"""`python -m tests.identity_provider [PORT]`: the identity provider as a process of its own."""

from __future__ import annotations

import sys
import threading

from tests.identity_provider.server import IdentityProvider

provider = IdentityProvider(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
provider.open()
sys.stdout.write(provider.issuer + "\n")
sys.stdout.flush()
threading.Event().wait()
