"""The HTTP edge: one module of routes per noun, sign-in, the socket gate, the event guard, headers, error mapping."""
