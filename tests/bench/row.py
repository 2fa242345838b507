"""One line of a benchmark's table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Our figure beside a reference measured in the same run."""

    subject: str
    figure: float
    unit: str
    reference: str
    """Who or what the reference is."""
    reference_figure: float
    ratio: float
    """Ours to the reference's."""
    target: str
    """What the ratio is to be, `<= 6`; empty where it is only reported."""
    spread: str = ""
    """Quartiles of our figure over the rounds."""
