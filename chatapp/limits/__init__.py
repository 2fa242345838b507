"""Limits on what may be done how often, and how much of it at once. Money joins them here; routes do not count.

`attempts` counts sign-ins. `concurrency` is the door to answers in the making: `places` before which `fair_queue`
decides who is next, `shared_places` where there are several processes, `refusals` of what could not be done in time.
"""
