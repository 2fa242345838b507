from __future__ import annotations

from uuid import UUID

import pytest

from admin.components.mapping_text import mappings_text, read_mappings
from chatapp.errors import InvalidInput
from chatapp.services.identity_providers import GroupMapping

SALES, LAW = UUID(int=1), UUID(int=2)
NAMES = {SALES: "Sales", LAW: "Law, and order"}


def test_what_is_written_is_what_was_read() -> None:
    mappings = (
        GroupMapping("staff", ("member", "content_owner"), (SALES, LAW)),
        GroupMapping("CN=admins,OU=it", ("admin",), ()),
        GroupMapping("law", (), (LAW,)),
    )
    text = mappings_text(mappings, NAMES)

    assert text.splitlines()[0] == "staff = member, content_owner, @Sales, @Law, and order"
    assert read_mappings(text, NAMES) == [
        {"group": "staff", "roles": ["member", "content_owner"], "groups": [str(SALES), str(LAW)]},
        {"group": "CN=admins,OU=it", "roles": ["admin"], "groups": []},
        {"group": "law", "roles": [], "groups": [str(LAW)]},
    ]


def test_people_write_as_they_like() -> None:
    text = "\n  staff = Member,  Content owner , @sales \n\n a = b = auditor"
    assert [(each["group"], each["roles"], each["groups"]) for each in read_mappings(text, NAMES)] == [
        ("staff", ["member", "content_owner"], [str(SALES)]),
        ("a = b", ["auditor"], []),
    ]
    assert read_mappings("", NAMES) == []


def test_a_group_that_is_gone_is_left_out() -> None:
    assert mappings_text((GroupMapping("a", ("member",), (UUID(int=9),)),), NAMES) == "a = member"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("staff", "Line 1: write"),
        ("a = member\nstaff: member", "Line 2: write"),
        (" = member", "Line 1: write"),
        ("staff = king", "there is no role “king”"),
        ("staff = @Nobody", "there is no group “Nobody” here"),
        ("staff = @Law, member", "there is no group"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        read_mappings(text, NAMES)
    assert caught.value.param == "mappings"
