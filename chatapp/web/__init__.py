"""The HTTP edge: one module of routes per noun, sign-in, the socket's gate, the events' guard, headers, error mapping.

A route validates, calls one service and shapes the answer. What a request means is decided in `chatapp.services`;
what a page shows is decided in `chatapp.pages` and `admin.pages`.
"""
