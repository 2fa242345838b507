"""Fetching an address somebody wished for: the one way out of this product, and the wall around it.

`addresses` says which addresses may be asked, `client` asks them: a name is looked up once, each address it has is
checked, and the connection goes to exactly the address that was checked.

What does not live here: whose wish an address is and what it is for. The caller picks the policy that fits.
"""

from __future__ import annotations

from chatapp.outbound.addresses import AddressRefused, Policy, Reach, checked_url
from chatapp.outbound.client import (
    Answer,
    Resolver,
    ResponseTooLarge,
    async_client,
    check_reachable,
    fetch,
    system_resolver,
)

__all__ = [
    "AddressRefused",
    "Answer",
    "Policy",
    "Reach",
    "Resolver",
    "ResponseTooLarge",
    "async_client",
    "check_reachable",
    "checked_url",
    "fetch",
    "system_resolver",
]
