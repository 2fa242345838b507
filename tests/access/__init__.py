"""The access matrix: every route, event and stream of the product against everybody who may not use it.

`routes`, `events` and `streams` find what there is in the application itself; `rows` declares what is expected of
each. What is found and not declared fails, and so does what is declared and not found.
"""
