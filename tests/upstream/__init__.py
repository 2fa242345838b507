"""A scripted provider: OpenAI's chat completions over real sockets, with every way of failing on request.

`script` reads what to do from the model's name, `server` speaks the wire, `faults` are the ways of failing.
`python -m tests.upstream PORT` runs it as a process of its own.
"""
