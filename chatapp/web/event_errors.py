"""What a person sees when an event of a page fails: the same sentences as over HTTP, as a toast."""

# No postponed annotations here: Reflex reads those of the handler when the application is made.
import reflex as rx
import structlog

from chatapp.errors import AppError
from chatapp.web.errors import incident_id, unexpected_sentence

_log = structlog.get_logger(__name__)


_TELL_PAGE = "window.dispatchEvent(new Event('chatapp:event-failed'))"
"""What waits for the event in the page stops waiting, and gives back what was typed."""


def toast_of(exception: Exception) -> list[rx.event.EventSpec]:
    """The toast for an exception that left an event handler, and a word to the page.

    An error of ours says what to do; anything else gets an incident number, and the whole trace in the log.
    """
    if isinstance(exception, AppError):
        return [rx.toast.error(exception.message), rx.call_script(_TELL_PAGE)]
    incident = incident_id()
    _log.error("event.crashed", incident=incident, exc_info=exception)
    return [rx.toast.error(unexpected_sentence(incident)), rx.call_script(_TELL_PAGE)]
